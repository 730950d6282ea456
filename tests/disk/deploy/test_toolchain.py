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


def _postgres(top: Path, version: str, *, timescaledb: str | None) -> Path:
    folder = top / "bin"
    _program(folder / "postgres", f"postgres (PostgreSQL) {version}")
    _program(folder / "initdb", "initdb")
    if timescaledb is not None:
        control = top / "share" / "extension" / "timescaledb.control"
        control.parent.mkdir(parents=True)
        control.write_text(f"comment = 'time series'\ndefault_version = '{timescaledb}'\nmodule_pathname = 'x'\n")
    return folder


@pytest.mark.parametrize(
    ("version", "timescaledb", "reason"),
    [
        ("17.4", "2.19.3", None),
        ("17.4", "2.23.1", None),
        ("17.4", "3.0.0-dev", None),
        ("17.4", "2.18.2", "has TimescaleDB 2.18, 2.19 or later is wanted"),
        ("17.4", "", "2.19 or later is wanted"),
        ("17.4", None, "has no TimescaleDB"),
        ("15.9 (Debian 15.9-0+deb12u1)", "2.19.3", "is PostgreSQL 15, 17 is wanted"),
        ("18beta1", "2.19.3", "is PostgreSQL 18, 17 is wanted"),
    ],
)
def test_postgres_counts_only_as_17_with_timescaledb(
    tmp_path: Path, version: str, timescaledb: str | None, reason: str | None
) -> None:
    """Debian 12's PostgreSQL 15, a 17 without the extension, and one with an older extension are refused by reason."""
    fault = toolchain.postgres_fault(_postgres(tmp_path, version, timescaledb=timescaledb))
    assert fault is None if reason is None else (fault is not None and reason in fault)


@pytest.mark.parametrize(
    ("version", "does"),
    [("2.0.16", True), ("2.0.21", True), ("2.1.0", True), ("3.0", True), ("2.0.15", False), ("2.0.11", False)],
)
def test_mosquitto_counts_from_the_version_that_tells_of_a_twin(tmp_path: Path, version: str, does: bool) -> None:
    """Mosquitto answers -h with exit code 3; Debian 12's 2.0.11 is refused with its version and the least."""
    program = _program(tmp_path / "mosquitto", f"mosquitto version {version}", 3)
    fault = toolchain.mosquitto_fault(program)
    if does:
        assert fault is None
    else:
        assert f"is Mosquitto {version}, 2.0.16 or later is wanted" in (fault or "")
    assert "is no Mosquitto" in (toolchain.mosquitto_fault(tmp_path / "none") or "")


def test_what_is_passed_over_is_said_and_the_provided_one_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine with Debian 12's servers on its PATH gets a line on each, and runs the provided ones."""
    _program(tmp_path / "mosquitto", "mosquitto version 2.0.11", 3)
    _program(tmp_path / "mosquitto_sub", "an old client")
    _postgres(tmp_path, "15.9 (Debian 15.9-0+deb12u1)", timescaledb=None)
    monkeypatch.setenv("PATH", f"{tmp_path}:{tmp_path / 'bin'}")
    settings = LocalSettings(cache=tmp_path / "cache")
    root = settings.cache / debian.SERVERS.folder
    root.mkdir(parents=True)
    said: list[str] = []
    found = toolchain.provide(settings, said.append)
    assert found.mosquitto == root / "usr/sbin/mosquitto"
    assert (found.mosquitto_pub, found.mosquitto_sub) == (
        root / "usr/bin/mosquitto_pub",
        root / "usr/bin/mosquitto_sub",
    )
    assert found.postgres_bin == root / "usr/lib/postgresql/17/bin"
    told = [line for line in said if str(tmp_path) in line]
    assert [line.partition(":")[0] for line in told] == ["passed over"] * 2
    assert "Mosquitto 2.0.11, 2.0.16 or later is wanted" in told[0]
    assert "PostgreSQL 15, 17 is wanted" in told[1]


def test_a_newer_program_behind_an_older_one_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first on the PATH need not be the one that does."""
    places = [
        _program(tmp_path / version / "mosquitto", f"mosquitto version {version}", 3)
        for version in ("2.0.11", "2.0.22")
    ]
    monkeypatch.setattr(toolchain, "_system_mosquitto", lambda: iter(places))
    assert toolchain.look(LocalSettings()).mosquitto == places[1]


def test_environment_comes_first(tmp_path: Path) -> None:
    """Programs named in the environment are taken, and nothing is provided."""
    mosquitto = _program(tmp_path / "mosquitto", "mosquitto version 2.0.21", 3)
    folder = _postgres(tmp_path, "17.4", timescaledb="2.19.3")
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
    assert "Mosquitto 2.0.16 or later" in message
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
