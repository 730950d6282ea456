"""`deploy/compose/outlet.yaml`: what it lays over `deploy/compose.yaml` is known there, and confined as all else is."""

import re
import tomllib

import pytest
import yaml

from broker.runtime.service import load
from broker.runtime.settings_help import variables
from outlet.settings import OutletSettings
from tests.rigs.compose_file import DEPLOY, raw

OVERLAY = yaml.safe_load((DEPLOY / "compose" / "outlet.yaml").read_text("utf-8"))


def test_the_outlet_is_given_settings_that_it_knows() -> None:
    """Its password for the broker is the one that broker-files lets in, that for the database the role's."""
    outlet = OVERLAY["services"]["outlet"]
    assert set(outlet["environment"]) <= {variable.name for variable in variables(OutletSettings)}
    assert outlet["command"] == ["outlet"]
    version = tomllib.loads((DEPLOY.parent / "pyproject.toml").read_text())["project"]["version"]
    assert outlet["image"] == f"wattline/server:{version}"
    for service, script in (("database-roles", "roles.sql"), ("broker-files", "broker.sh")):
        (name,) = OVERLAY["services"][service]["environment"]
        assert name in (DEPLOY / "compose" / script).read_text("utf-8")


def test_it_is_confined_and_meets_those_whom_it_needs() -> None:
    """As the services of the file below it; it alone reaches others than ours."""
    outlet, below = OVERLAY["services"]["outlet"], raw()
    for key in ("read_only", "tmpfs", "cap_drop", "security_opt", "logging", "pids_limit"):
        assert outlet[key] == below["services"]["ingestor"][key]
    assert set(outlet["networks"]) - set(below["networks"]) == set(OVERLAY["networks"])
    assert re.fullmatch("[1-9][0-9]*g", outlet["mem_limit"])
    assert set(OVERLAY["services"]) - {"outlet"} <= set(below["services"])
    assert set(outlet["depends_on"]) <= set(below["services"])


@pytest.mark.parametrize(
    ("of_env", "outputs", "header"),
    [
        ({}, ["home_assistant"], None),
        (
            {
                "WATTLINE_OUTLET_HOME_ASSISTANT": "false", "WATTLINE_OUTLET_LINES_URL": "http://influx:8086/write?db=m",
                "WATTLINE_OUTLET_LINES_AUTHORIZATION": "Token a b",
            },
            ["lines"],
            "Token a b",
        ),
    ],
)  # fmt: skip
def test_what_is_given_is_chosen_in_env(
    of_env: dict[str, str], outputs: list[str], header: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is left out of .env is as not set."""
    for name, value in OVERLAY["services"]["outlet"]["environment"].items():
        filled = re.sub(r"\$\{(\w+):\?\}", "x", value)
        monkeypatch.setenv(name, re.sub(r"\$\{(\w+):-(\w*)\}", lambda at: of_env.get(at[1], at[2]), filled))
    settings = load(OutletSettings)
    assert settings.outputs() == outputs
    assert settings.lines.secret() == header
