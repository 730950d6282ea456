"""What `--help` of the three services says of their settings."""

import re

import click
import pytest
from click.testing import CliRunner

from broker.runtime.settings_help import variables
from device.__main__ import main as device
from device.settings import DeviceSettings
from gateway.__main__ import main as gateway
from gateway.settings import GatewaySettings
from ingestor.__main__ import main as ingestor
from ingestor.settings import IngestorSettings


@pytest.mark.parametrize(
    ("command", "prefix", "expected"),
    [
        (gateway, "WATTLINE_GATEWAY_", {"DATABASE_DSN (required)", "HTTP_PORT (default 8080)", "API_TOKEN (optional)"}),
        (ingestor, "WATTLINE_INGESTOR_", {"DATABASE_DSN (required)", "BATCH_ROWS (default 40000)"}),
        (
            device,
            "WATTLINE_DEVICE_",
            {"DETECTION__QUICK_S (default 2.5)", "PORTS (optional)", "IN_FLIGHT (default 50)"},
        ),
    ],
)
def test_help_lists_every_variable(command: click.Command, prefix: str, expected: set[str]) -> None:
    """Each has a line of its own with its default, those of nested settings too; what is required is marked so."""
    shown = CliRunner().invoke(command, ["--help"]).output
    lines = set(re.findall(rf"^ +{prefix}(.+\))$", shown, re.MULTILINE))
    assert expected | {"BROKER__HOST (default 127.0.0.1)", "BROKER__TLS_CA (optional)"} <= lines
    assert "DETECTION (" not in shown


@pytest.mark.parametrize("settings", [DeviceSettings, GatewaySettings, IngestorSettings])
def test_variables_are_complete_and_mean_something(settings: type[DeviceSettings]) -> None:
    """Meanings come from descriptions, from the strings below the fields, and from the choices there are."""
    listed = {variable.name: variable for variable in variables(settings)}
    prefix = settings.model_config["env_prefix"]
    assert {name.removeprefix(prefix).partition("__")[0].lower() for name in listed} == set(settings.model_fields)
    assert "certificate" in listed[f"{prefix}BROKER__TLS_CA"].meaning
    assert "debug, info" in listed[f"{prefix}LOG_LEVEL"].meaning
    assert "/healthz" in listed[f"{prefix}HTTP_PORT"].meaning


def test_what_is_required_stands_first() -> None:
    """A person who starts a service sees first what must be set."""
    states = [variable.default is None for variable in variables(GatewaySettings)]
    assert states == sorted(states, reverse=True)
    assert any(states)
