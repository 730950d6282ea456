"""`wattline grafana write`: whole files or none, and a line where a folder can't be written."""

import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner, Result

from grafana.cli import write

ROOT = Path(__file__).parents[3]
LIMITED = """
import resource, signal
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from grafana.cli import grafana
grafana()
"""
"""With no room for a file of more than 4 KiB, as on a full disk."""


def written(folder: Path) -> Result:
    return CliRunner().invoke(write, [str(folder)])


def refused(result: Result, *told: str) -> None:
    assert (result.exit_code, type(result.exception)) == (1, SystemExit)
    assert all(each in result.output for each in told), result.output


def test_no_folder_can_be_made_there() -> None:
    """A place where nobody can make a folder, not even root."""
    refused(written(Path("/proc/nope")), "can't write /proc/nope", "name a folder that you may write")


def test_a_file_stands_where_a_folder_should(tmp_path: Path) -> None:
    """The message names it."""
    (tmp_path / "dashboards").write_text("mine")
    refused(written(tmp_path), f"can't write {tmp_path / 'dashboards'}")
    assert (tmp_path / "dashboards").read_text() == "mine"


def test_a_full_disk_leaves_what_was_there(tmp_path: Path) -> None:
    """The file that finds no room keeps its old text, and nothing half-written stays."""
    file = tmp_path / "dashboards" / "wattline-fleet.json"
    file.parent.mkdir()
    file.write_text("old")
    command = [sys.executable, "-c", LIMITED, "write", str(tmp_path)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 1
    assert f"can't write {file}: File too large; make room" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    assert file.read_text() == "old"
    assert written(tmp_path).exit_code == 0
    assert file.read_text().startswith("{")
