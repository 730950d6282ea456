"""`deploy.local` and `deploy.demo`: what they refuse before they start anything."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from deploy.demo.__main__ import main as demo
from deploy.local.__main__ import main as local


def _ended(result: Result) -> str:
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code in (1, 2)
    return result.output


def test_help_keeps_the_variables_apart() -> None:
    """Each variable of the local stack has a line of its own."""
    shown = CliRunner().invoke(local, ["--help"]).output
    assert "\\b" not in shown
    assert "\n    WATTLINE_LOCAL_CACHE " in shown


def test_a_folder_that_cannot_be_written_is_named() -> None:
    """For the data as for the runs' folder, with the name of what to change."""
    shown = _ended(CliRunner().invoke(local, ["run", "--folder", "/proc/x"]))
    assert "--folder" in shown
    assert "/proc/x" in shown
    assert "WATTLINE_LOCAL_RUNS" in _ended(CliRunner().invoke(local, ["run"], env={"WATTLINE_LOCAL_RUNS": "/proc/x"}))


def test_wrong_settings_of_the_local_stack_are_named() -> None:
    """A variable's name and what it may be, no traceback."""
    assert "WATTLINE_LOCAL_SYSTEM" in _ended(CliRunner().invoke(local, ["check"], env={"WATTLINE_LOCAL_SYSTEM": "x"}))


@pytest.mark.parametrize("option", ["--report", "--picture"])
def test_the_demo_checks_its_files_first(option: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that can't be written ends the demo before a server is started."""

    def never(*_: object) -> None:
        pytest.fail("the demo was started")

    monkeypatch.setattr("deploy.demo.__main__.run_demo", never)
    shown = _ended(CliRunner().invoke(demo, ["--for", "5", option, "/nope/r.json"]))
    assert option in shown
    assert "/nope/r.json" in shown


def test_the_check_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A report of an earlier run is kept until there is a new one; a new file does not appear before its time."""
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    old.write_text("{}")
    seen: list[tuple[str, bool]] = []

    async def run(*_: object, **_options: object) -> None:
        seen.append((old.read_text(), new.exists()))
        raise SystemExit(1)

    monkeypatch.setattr("deploy.demo.__main__.run_demo", run)
    for path in (old, new):
        CliRunner().invoke(demo, ["--for", "5", "--report", str(path)])
    assert seen == [("{}", False), ("{}", False)]


def test_the_demo_takes_no_nan() -> None:
    """A run of nan seconds would never end."""
    assert "--for" in _ended(CliRunner().invoke(demo, ["--for", "nan"]))
