"""What the outlet is told, and what it says to wrong settings."""

import asyncio
from pathlib import Path

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
        ("LINES__AUTHORIZATION_FILE", "/nowhere/at/all", "LINES__AUTHORIZATION_FILE"),
        ("MOST_METERS", "0", "MOST_METERS"),
    ],
)
def test_a_wrong_setting_is_named(name: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its variable, before anything is opened."""
    monkeypatch.setenv("WATTLINE_OUTLET_DATABASE_DSN", DSN)
    monkeypatch.setenv(f"WATTLINE_OUTLET_{name}", value)
    with pytest.raises(PermanentError) as refused:
        load(OutletSettings)
    assert f"WATTLINE_OUTLET_{said}" in str(refused.value)


def test_a_secret_comes_from_a_file(tmp_path: Path) -> None:
    """Without the end of its line."""
    (tmp_path / "header").write_text("Bearer abc\n")
    lines = {"url": "https://influx/api/v3/write_lp?db=m", "authorization_file": tmp_path / "header"}
    settings = OutletSettings(database_dsn=DSN, lines=lines)  # type: ignore[arg-type]
    assert settings.lines.secret() == "Bearer abc"
    assert settings.outputs() == ["lines"]
