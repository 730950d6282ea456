"""`deploy/compose/bridge.yaml`: what it lays over `deploy/compose.yaml` gives the bridge a way out."""

import json
import re

import pytest
import yaml
from jsonschema import Draft202012Validator

from broker.runtime.service import load
from intake.bridge.settings import BridgeSettings
from tests.rigs.compose_file import DEPLOY, raw

OVERLAY = yaml.safe_load((DEPLOY / "compose" / "bridge.yaml").read_text("utf-8"))
TOP = DEPLOY.parent


def test_it_lies_over_the_bridge_alone() -> None:
    """By the Compose Specification; the one network that it adds leads out, and nobody else is on it."""
    schema = json.loads((TOP / "tests" / "data" / "compose-spec.json").read_text("utf-8"))
    assert [error.message for error in Draft202012Validator(schema).iter_errors(OVERLAY)] == []
    below = raw()
    assert set(OVERLAY["services"]) == {"bridge"}
    bridge = OVERLAY["services"]["bridge"]
    assert set(bridge["networks"]) - set(below["services"]["bridge"]["networks"]) == set(OVERLAY["networks"])
    assert all(below["networks"][name]["internal"] for name in below["services"]["bridge"]["networks"])
    assert not any((network or {}).get("internal") for network in OVERLAY["networks"].values())
    assert not {"ports", "cap_add", "privileged", "read_only", "security_opt"} & set(bridge)


def test_its_folder_is_in_no_image_and_in_no_repository() -> None:
    """Passwords of others' brokers stand there."""
    (file,), (mount,) = OVERLAY["services"]["bridge"]["env_file"], OVERLAY["services"]["bridge"]["volumes"]
    folder = mount.split(":")[0].removeprefix("./")
    assert file.startswith(f"{folder}/")
    assert f"deploy/{folder}" in (DEPLOY / "Dockerfile.dockerignore").read_text("utf-8").splitlines()
    assert f"/deploy/{folder}/" in (TOP / ".gitignore").read_text("utf-8").splitlines()


def test_what_the_paper_shows_are_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the file has them: a broker elsewhere by TLS, and one on the same machine."""
    text = (TOP / "docs" / "BRIDGE.md").read_text("utf-8")
    _, _, compose = text.partition("**In compose**")
    shown = re.findall(r"^    (WATTLINE_BRIDGE_\w+)=(\S+)$", compose.partition("\n## ")[0], re.MULTILINE)
    assert shown
    for name, value in (*raw()["services"]["bridge"]["environment"].items(), *shown):
        monkeypatch.setenv(name, value)
    settings = load(BridgeSettings)
    assert {name: one.host for name, one in settings.brokers.items()} == {
        "attic": "192.168.1.10", "home": "host.docker.internal",
    }  # fmt: skip
    given = OVERLAY["services"]["bridge"]
    assert f"{settings.brokers['home'].host}:host-gateway" in given["extra_hosts"]
    authority = settings.brokers["attic"].tls_ca
    assert authority is not None
    assert str(authority).startswith(f"{given['volumes'][0].split(':')[1]}/")
