"""`wattline config parameters`: what each parameter does, without a gateway."""

import json

from click.testing import CliRunner

from broker.contract.messages import Parameters
from cli.config.command import config


def test_every_parameter_is_listed_with_its_help() -> None:
    """All of them, each with its bounds and default; JSON has the same; one alone by its name."""
    told = CliRunner().invoke(config, ["parameters"])
    assert told.exit_code == 0
    for name in Parameters.model_fields:
        assert f"\n{name}  (" in f"\n{told.output}"
    assert "reading_interval_s  (0.2 to 86400 s; default 10 s)\n    Time between two samples" in told.output
    one = CliRunner().invoke(config, ["parameters", "log_level", "--json"])
    assert [(each["name"], each["default"], each["choices"]) for each in json.loads(one.output)] == [
        ("log_level", "info", ["debug", "info", "warning", "error"])
    ]


def test_an_unknown_one_is_told() -> None:
    """By name, with those that there are."""
    told = CliRunner().invoke(config, ["parameters", "colour"])
    assert told.exit_code == 1
    assert "unknown parameter 'colour'; known are: reading_interval_s" in told.output
