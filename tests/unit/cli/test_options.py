"""`wattline config`: which addresses and words it takes; nothing is asked of a gateway here."""

import pytest
from click.testing import CliRunner

from cli.config.command import config


def _refused(*words: str) -> str:
    ended = CliRunner().invoke(config, list(words))
    assert isinstance(ended.exception, SystemExit)
    assert ended.exit_code in (1, 2)
    return ended.output


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:99999", "http://127.0.0.1:0", "http://127.0.0.1:abc", ":abc", "http://[::1", "h:80", "ftp://h"],
)
def test_an_address_that_cannot_be_names_its_option(url: str) -> None:
    """The message says --url and what an address looks like."""
    shown = _refused("--url", url, "get", "pi-1")
    assert "--url" in shown
    assert "http://host:port" in shown


def test_a_host_name_that_is_too_long_names_the_option() -> None:
    """What only the resolver refuses is a sentence as well."""
    assert "--url" in _refused("--url", f"http://{'a' * 80}", "get", "pi-1")


@pytest.mark.parametrize(
    "words", [("set", "pi-1", "--fleet", "reading_interval_s=1"), ("get", "pi-1", "reading_interval_s", "--fleet")]
)
def test_a_device_and_the_fleet_exclude_one_another(words: tuple[str, ...]) -> None:
    """Both at once is refused before anything is sent."""
    assert "give DEVICE or --fleet, not both" in _refused(*words)


def test_a_parameter_without_a_value_is_no_device() -> None:
    """--fleet with a parameter's bare name says what is missing."""
    assert "no PARAMETER=VALUE" in _refused("set", "--fleet", "reading_interval_s")


@pytest.mark.parametrize("words", [("pi-1",), ("--fleet",), ("--group", "warsaw", "--stage", "10%,100%")])
def test_a_parameter_that_is_given_twice_is_refused_by_name(words: tuple[str, ...]) -> None:
    """Which of the two values is meant nobody knows: nothing is sent."""
    twice = ("reading_interval_s=1", "log_level=debug", "reading_interval_s=2")
    assert "parameter reading_interval_s is given 2 times: give it once" in _refused("set", *words, *twice)


def test_waiting_takes_no_nan() -> None:
    """A time of nan is in no range."""
    assert "--wait" in _refused("set", "pi-1", "reading_interval_s=1", "--wait", "nan")
