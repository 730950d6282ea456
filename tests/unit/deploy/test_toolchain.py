"""Telling programs that do from those that do not, with stand-ins on disk."""

import os
from pathlib import Path

import pytest

from deploy.local import debian, toolchain
from deploy.local.settings import LocalSettings, open_to_all


def _program(path: Path, says: str, code: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{says}'\nexit {code}\n")
    path.chmod(0o755)
    return path


def _postgres(top: Path, version: str, *, timescaledb: bool) -> Path:
    folder = top / "bin"
    _program(folder / "postgres", f"postgres (PostgreSQL) {version}")
    _program(folder / "initdb", "initdb")
    if timescaledb:
        control = top / "share" / "extension" / "timescaledb.control"
        control.parent.mkdir(parents=True)
        control.touch()
    return folder


@pytest.mark.parametrize(
    ("version", "timescaledb", "reason"),
    [
        ("17.4", True, None),
        ("17.4", False, "has no TimescaleDB"),
        ("15.9 (Debian 15.9-0+deb12u1)", True, "is PostgreSQL 15, 17 is wanted"),
        ("18beta1", True, "is PostgreSQL 18, 17 is wanted"),
    ],
)
def test_postgres_counts_only_as_17_with_timescaledb(
    tmp_path: Path, version: str, timescaledb: bool, reason: str | None
) -> None:
    """Debian 12's PostgreSQL 15, and a 17 without the extension, are refused with a reason."""
    fault = toolchain.postgres_fault(_postgres(tmp_path, version, timescaledb=timescaledb))
    assert fault is None if reason is None else (fault is not None and reason in fault)


def test_mosquitto_must_speak_mqtt_5(tmp_path: Path) -> None:
    """Mosquitto answers -h with exit code 3; 1.6 is refused, 2.0 is not."""
    new = _program(tmp_path / "new", "mosquitto version 2.0.11", 3)
    old = _program(tmp_path / "old", "mosquitto version 1.6.12", 3)
    assert toolchain.mosquitto_fault(new) is None
    assert "2.0 or later is wanted" in (toolchain.mosquitto_fault(old) or "")
    assert "is no Mosquitto" in (toolchain.mosquitto_fault(tmp_path / "none") or "")


def test_environment_comes_first(tmp_path: Path) -> None:
    """Programs named in the environment are taken, and nothing is provided."""
    mosquitto = _program(tmp_path / "mosquitto", "mosquitto version 2.0.21", 3)
    folder = _postgres(tmp_path, "17.4", timescaledb=True)
    settings = LocalSettings(mosquitto=mosquitto, postgres_bin=folder, cache=tmp_path / "cache")
    found = toolchain.provide(settings, pytest.fail)
    assert (found.mosquitto, found.postgres_bin) == (mosquitto, folder)
    assert not settings.cache.exists()


def test_wrong_program_in_the_environment_is_named(tmp_path: Path) -> None:
    """What a person names and does not do is an error with the variable's name, never passed over."""
    settings = LocalSettings(mosquitto=tmp_path / "none", system=False)
    with pytest.raises(toolchain.ToolchainError, match=r"WATTLINE_LOCAL_MOSQUITTO: .* is no Mosquitto"):
        toolchain.look(settings)


def test_machine_without_apt_is_told_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Elsewhere than on the Debian family one sentence says what is needed."""
    monkeypatch.setenv("PATH", str(tmp_path))
    settings = LocalSettings(system=False, cache=tmp_path / "cache")
    with pytest.raises(toolchain.ToolchainError) as missing:
        toolchain.provide(settings, pytest.fail)
    message = str(missing.value)
    assert "PostgreSQL 17 with TimescaleDB" in message
    assert "Mosquitto 2.0" in message
    assert "\n" not in message


def test_provided_root_is_taken_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A root that is there is used as it is, without apt and without a network."""
    monkeypatch.setenv("PATH", str(tmp_path))
    settings = LocalSettings(system=False, cache=tmp_path / "cache")
    with pytest.raises(debian.ProvisionError):
        debian.provide(settings, pytest.fail)
    root = settings.cache / next(iter(settings.cache.glob("*.lock"))).stem
    root.mkdir()
    assert toolchain.provide(settings, pytest.fail).mosquitto == root / "usr/sbin/mosquitto"


def test_closed_folder_is_known(tmp_path: Path) -> None:
    """A folder below one of mode 0700 is out of reach for the servers' account."""
    closed = tmp_path / "closed"
    (closed / "inner").mkdir(parents=True)
    os.chmod(closed, 0o700)  # noqa: PTH101  (the test is about modes)
    assert not open_to_all(closed / "inner" / "not-there-yet")
