"""What `make` and `.ci/run` pass on, without running what they start."""

import os
import subprocess
from pathlib import Path

import pytest

_TOP = Path(__file__).resolve().parents[2]


def _make(*words: str, **environment: str) -> str:
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "WATTLINE"))
    }
    done = subprocess.run(
        ["make", "-o", ".venv/.ready", "MAKE=true", "PYTHON=echo", *words],
        cwd=_TOP, env={**inherited, **environment}, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    return done.stdout


def test_demo_gets_only_the_options_that_are_set() -> None:
    """FOR and REPORT become options; what is not set is not passed."""
    assert _make("demo").split() == ["-m", "deploy.demo"]
    assert _make("demo", "FOR=60", "REPORT=r.json").split() == [
        "-m",
        "deploy.demo",
        "--for",
        "60",
        "--report",
        "r.json",
    ]


def test_clone_without_captures_leaves_them_out_and_says_so(tmp_path: Path) -> None:
    """One line says it, and pytest is told to deselect them."""
    said = _make("test", WATTLINE_CAPTURES=str(tmp_path / "none"), WATTLINE_FIELD=str(tmp_path))
    assert sum("are left out" in line for line in said.splitlines()) == 1
    assert "-m not editions and not captures tests" in said


def test_clone_without_bug_reports_leaves_them_out_and_says_so(tmp_path: Path) -> None:
    """One line for each folder that is missing, and both are deselected."""
    said = _make("test", WATTLINE_CAPTURES=str(tmp_path / "none"), WATTLINE_FIELD=str(tmp_path / "none"))
    assert sum("are left out" in line for line in said.splitlines()) == 2
    assert "-m not editions and not captures and not field tests" in said
    assert "-m not editions and not field tests" in _make(
        "test", WATTLINE_CAPTURES=str(tmp_path), WATTLINE_FIELD=str(tmp_path / "none")
    )


def test_captures_and_bug_reports_are_run_where_they_are(tmp_path: Path) -> None:
    """With the folders there, nothing is deselected but what `make test-editions` does."""
    said = _make("test", WATTLINE_CAPTURES=str(tmp_path), WATTLINE_FIELD=str(tmp_path))
    assert "left out" not in said
    assert "-m not editions tests" in said


@pytest.mark.parametrize(("missing", "says"), [("WATTLINE_CAPTURES", "real meters"), ("WATTLINE_FIELD", "bug reports")])
def test_ci_demands_the_captures_and_bug_reports(missing: str, says: str, tmp_path: Path) -> None:
    """CI fails without either folder, with a sentence on what to do, before anything is run."""
    here = {"WATTLINE_CAPTURES": str(tmp_path), "WATTLINE_FIELD": str(tmp_path)}
    environment = {**os.environ, **here, missing: str(tmp_path / "none")}
    done = subprocess.run(
        [_TOP / ".ci" / "run"], env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode != 0
    assert f"CI demands the telegrams of {says}" in done.stderr
    assert missing in done.stderr


def test_ci_leaves_no_test_out(tmp_path: Path) -> None:
    """It does what `make test` leaves to `make test-editions` and `make test-ansible` as well."""
    here = {"WATTLINE_CAPTURES": str(tmp_path), "WATTLINE_FIELD": str(tmp_path), "MAKEFLAGS": "n"}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(
        [_TOP / ".ci" / "run"], env={**inherited, **here}, capture_output=True, text=True, check=True, timeout=60
    )
    runs = [line for line in done.stdout.splitlines() if "-m pytest -n" in line]
    left, folders = zip(*(run.partition(" tests/")[::2] for run in runs), strict=True)
    assert left[1].endswith("-m editions")
    assert folders[0] == folders[1]
    assert folders[2] == "ansible"
    assert len(runs) == 3
