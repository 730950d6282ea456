"""What `deploy/compose.yaml` and `deploy/Dockerfile` promise, as far as that can be said without Docker."""

import json
import re
import subprocess
import tomllib
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from broker.settings_help import variables
from deploy.cli import main
from gateway.settings import GatewaySettings
from grafana.build import HOME
from ingestor.settings import IngestorSettings
from ingestor.worker_settings import WorkerSettings
from store.settings import StoreSettings
from tests.compose_file import COMPOSE, DEPLOY, environment, filled, raw

TOP = DEPLOY.parent
EXAMPLE = environment(DEPLOY / ".env.example")
GIVEN = {name: value or f"secret{number}" for number, (name, value) in enumerate(EXAMPLE.items())}
SERVICES: dict[str, dict[str, Any]] = filled(GIVEN)["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith("wattline:")}
SETTINGS = {"ingestor": IngestorSettings, "worker": WorkerSettings, "gateway": GatewaySettings}
BY_SETTINGS = pytest.mark.parametrize("name", SETTINGS)


def test_it_is_a_compose_file() -> None:
    """It holds by the Compose Specification's own schema, before and after its variables are filled in."""
    # of check-jsonschema 0.39.0; the specification's licence is Apache-2.0
    schema = json.loads((TOP / "tests" / "data" / "compose-spec.json").read_text("utf-8"))
    validator = Draft202012Validator(schema)
    for document in (raw(), filled(GIVEN)):
        assert [error.message for error in validator.iter_errors(document)] == []
    wrong = filled(GIVEN)
    wrong["services"]["broker"]["restarts"] = "always"
    assert not validator.is_valid(wrong)


def test_images_are_pinned_and_name_no_registry() -> None:
    """Each has a whole version, and is found wherever the machine's Docker looks."""
    images = {service["image"] for service in SERVICES.values()}
    images |= set(re.findall(r"^FROM (\S+)", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE))
    for image in images:
        name, _, tag = image.partition(":")
        assert re.match(r"\d+\.\d+\.\d+(-[a-z0-9-]+)?$", tag), image
        assert "." not in name, image
    version = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]["version"]
    assert {service["image"] for service in OURS.values()} == {f"wattline:{version}"}


def test_secrets_have_no_default_and_each_variable_is_explained() -> None:
    """A missing variable stops Docker; every one is in .env.example, and nothing else is there; secrets are empty."""
    used = set(re.findall(r"(?<!\$)\$\{(\w+)", COMPOSE.read_text()))
    assert used == set(EXAMPLE)
    assert "${" not in re.sub(r"\$\{\w+:\?[^}]*\}", "", COMPOSE.read_text()), "a variable that may be missing"
    for name, value in EXAMPLE.items():
        assert bool(value) != name.endswith(("_PASSWORD", "_TOKEN")), name
        with pytest.raises(KeyError, match=name):
            filled({**GIVEN, name: ""})


def test_what_is_mounted_exists() -> None:
    """Every folder and file of the repository, and every volume."""
    seen = set()
    for service in SERVICES.values():
        for mount in service.get("volumes", []):
            source, _, rest = mount.partition(":")
            if source.startswith("."):
                path = (DEPLOY / source).resolve()
                assert path.exists(), mount
                assert path.is_relative_to(TOP)
                assert rest.endswith(":ro"), f"{mount}: what is in git is not written to"
                seen.add(path)
            else:
                assert source in raw()["volumes"], mount
    assert {HOME / "provisioning", HOME / "dashboards"} <= seen
    (build,) = [service["build"] for service in OURS.values() if "build" in service]
    assert (DEPLOY / build["context"]).resolve() == TOP
    assert (TOP / build["dockerfile"]).is_file()
    assert all("build" in service or service["pull_policy"] == "never" for service in OURS.values())


@BY_SETTINGS
def test_every_variable_is_a_setting(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service knows every variable that it is given, and its settings take them."""
    given = SERVICES[name]["environment"]
    assert set(given) <= {variable.name for variable in variables(SETTINGS[name])}
    for variable, value in given.items():
        monkeypatch.setenv(variable, value)
    settings = SETTINGS[name]()  # type: ignore[call-arg]
    assert settings.http_port == 8080
    assert (SERVICES[name]["depends_on"]["broker"], SERVICES[name]["restart"]) == (
        {"condition": "service_healthy"},
        "unless-stopped",
    )


def test_migrate_and_grafana_know_theirs_too() -> None:
    """`migrate` has an option for each; Grafana's files ask for each, and for no other."""
    given = set(SERVICES["migrate"]["environment"])
    assert given <= {f"WATTLINE_STORE_{name.upper()}" for name in ("dsn", *StoreSettings.model_fields)}
    files = [file.read_text("utf-8") for file in (HOME / "provisioning").rglob("*.yaml") if "alerting" not in str(file)]
    asked = {name for text in files for name in re.findall(r"^[^#]*?\$\{?(WATTLINE_\w+)", text, re.MULTILINE)}
    asked |= {name for text in files for name in re.findall(r":\$\{?(WATTLINE_\w+)", text)}
    assert {name for name in SERVICES["grafana"]["environment"] if name.startswith("WATTLINE_")} == asked


def test_commands_are_wattline_s() -> None:
    """Whatever the image is started with is a command of `wattline`."""
    commands = [service["command"] for service in OURS.values() if "entrypoint" not in service]
    assert sorted(commands) == [["gateway"], ["ingestor"], ["migrate"], ["worker"]]
    for command in commands:
        assert CliRunner().invoke(main, [*command, "--help"]).exit_code == 0
    assert 'ENTRYPOINT ["wattline"]' in (DEPLOY / "Dockerfile").read_text()


def test_whoever_runs_on_is_watched_and_waits_for_what_it_needs() -> None:
    """What is to stay up has a health check and limits its log; what runs once is waited for by others."""
    waited_for = {
        (name, how["condition"]) for service in SERVICES.values() for name, how in service.get("depends_on", {}).items()
    }
    for name, service in SERVICES.items():
        assert service["logging"]["options"]["max-size"]
        if "restart" in service:
            assert service["healthcheck"]["test"]
        else:
            assert (name, "service_completed_successfully") in waited_for, "up --wait would take its end for a failure"
    for name, condition in waited_for:
        if condition == "service_healthy":
            assert "healthcheck" in SERVICES[name], f"nobody would ever find {name} healthy"
        else:
            assert condition == "service_completed_successfully"
            assert "restart" not in SERVICES[name], f"{name} would never be over"


def test_everything_can_start_in_some_order() -> None:
    """Nothing waits for itself, by however many others, and all that is waited for is there."""
    waits = {name: set(service.get("depends_on", {})) for name, service in SERVICES.items()}
    order = list(TopologicalSorter(waits).static_order())
    assert set(order) == set(SERVICES)
    assert order.index("database") < order.index("migrate") < order.index("database-roles") < order.index("grafana")
    assert order.index("broker-files") < order.index("broker") < order.index("ingestor")


def test_secrets_are_made_once(tmp_path: Path) -> None:
    """Each empty place gets a secret of its own that can stand in an address; a second run changes nothing."""
    (tmp_path / ".env.example").write_text((DEPLOY / ".env.example").read_text())
    command = ["sh", str(DEPLOY / "compose" / "secrets.sh"), str(tmp_path)]
    assert "wrote" in subprocess.run(command, check=True, capture_output=True, text=True).stdout
    made = environment(tmp_path / ".env")
    secret = {name: value for name, value in made.items() if not EXAMPLE[name]}
    assert list(made) == list(EXAMPLE)
    assert all(re.fullmatch(r"[0-9a-f]{48}", value) for value in secret.values())
    assert len(set(secret.values())) == len(secret) == 9
    assert (tmp_path / ".env").stat().st_mode & 0o077 == 0
    assert "stays" in subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert environment(tmp_path / ".env") == made
    ignored = subprocess.run(["git", "check-ignore", "-q", "deploy/.env"], cwd=TOP, check=False)
    assert ignored.returncode == 0, "the secrets could be committed"
