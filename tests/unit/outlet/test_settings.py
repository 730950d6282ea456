"""What the outlet is told, and what it says to wrong settings."""

import asyncio

import pytest

from broker.errors import PermanentError
from broker.runtime.service import load
from outlet.service import run
from outlet.settings import OutletSettings

DSN = "postgresql://wattline_outlet@127.0.0.1/wattline"


def test_without_an_output_it_says_what_to_switch_on() -> None:
    """Rather than run and give nothing."""
    settings = OutletSettings(database_dsn=DSN)  # type: ignore[arg-type]
    with pytest.raises(PermanentError, match="WATTLINE_OUTLET_HOME_ASSISTANT__ENABLED=true"):
        asyncio.run(run(settings, asyncio.Event()))


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("HOME_ASSISTANT__TOPIC", "wattline/#", "HOME_ASSISTANT__TOPIC"),
        ("HOME_ASSISTANT__ENABLE", "true", "HOME_ASSISTANT__ENABLE"),
        ("SPARKPLUG__GROUP", "a/b", "SPARKPLUG__GROUP"),
        ("LINES__URL", "influx:8086", "LINES__URL"),
        ("LINES__SINCE", "yesterday", "LINES__SINCE"),
        ("MOST_METERS", "0", "MOST_METERS"),
    ],
)
def test_a_wrong_setting_is_named(name: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its variable, before anything is opened."""
    monkeypatch.setenv("WATTLINE_OUTLET_DATABASE_DSN", DSN)
    monkeypatch.setenv(f"WATTLINE_OUTLET_{name}", value)
    with pytest.raises(SystemExit) as refused:
        load(OutletSettings)
    assert f"WATTLINE_OUTLET_{said}" in str(refused.value)


def test_a_file_that_is_not_there_is_named() -> None:
    """Before anything is opened, too."""
    lines = {"url": "https://influx/write", "authorization_file": "/nowhere/at/all"}
    with pytest.raises(PermanentError, match="WATTLINE_OUTLET_LINES__AUTHORIZATION_FILE: /nowhere/at/all"):
        OutletSettings(database_dsn=DSN, lines=lines).check_files()  # type: ignore[arg-type]


def test_a_password_that_no_broker_is_shown_needs_no_tls() -> None:
    """Where readings go to lines alone; Home Assistant's broker is shown it."""
    broker = {"host": "broker.example", "password": "secret"}
    lines = {"url": "https://influx/write"}
    OutletSettings(database_dsn=DSN, broker=broker, lines=lines).check_files()
    shown = OutletSettings(database_dsn=DSN, broker=broker, home_assistant={"enabled": True})
    with pytest.raises(PermanentError, match="WATTLINE_OUTLET_BROKER__"):
        shown.check_files()
