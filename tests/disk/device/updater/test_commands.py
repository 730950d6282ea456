"""`wattline updater` for people: what is wrong is one line that says what to do, and a check changes nothing."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from device.sealed_file import write_twice
from device.updater.__main__ import main
from device.updater.fallback import FALLS
from device.updater.journal import FILE
from tests.rigs.release_server import Publisher


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """The settings of a machine where nothing is installed."""
    publisher = Publisher.begun(tmp_path / "publisher")
    (tmp_path / "root.json").write_bytes(publisher.first)
    return {
        "WATTLINE_UPDATER_ROOT": str(tmp_path / "opt"),
        "WATTLINE_UPDATER_STATE_FOLDER": str(tmp_path / "state"),
        "WATTLINE_UPDATER_INBOX": str(tmp_path / "inbox"),
        "WATTLINE_UPDATER_TRUST": str(tmp_path / "root.json"),
        "WATTLINE_UPDATER_HTTP_PORT": "0",
    }


def said(environment: dict[str, str], *words: str, status: int = 1) -> str:
    """What a command says at its end."""
    result: Result = CliRunner().invoke(main, words, env=environment)
    assert result.exit_code == status, result.output
    assert "Traceback" not in result.output
    return result.output


def test_a_check_says_whether_this_updater_could_go_on(environment: dict[str, str], tmp_path: Path) -> None:
    """With nothing there yet, yes; with a memory of another format, or nobody to believe, no; all stays as it is."""
    assert said(environment, "check", status=0) == ""
    assert not (tmp_path / "opt").exists()
    write_twice(tmp_path / "state" / FILE, b'{"format":2}')
    before = {path.name: path.read_bytes() for path in (tmp_path / "state").iterdir()}
    assert "format" in said(environment, "check")
    assert {path.name: path.read_bytes() for path in (tmp_path / "state").iterdir()} == before
    nobody = environment | {"WATTLINE_UPDATER_TRUST": str(tmp_path / "none.json")}
    assert "put the publishers' 1.root.json there" in said(nobody, "check")


def test_an_installation_that_can_t_be_says_why(environment: dict[str, str]) -> None:
    """A release that is no version, an address that is none, nobody there; without one the updater does not start."""
    at = ("--source", "http://127.0.0.1:9")
    assert "release" in said(environment, "install", "latest", *at, status=2)
    assert "source" in said(environment, "install", "0.3.0", "--source", "/srv/releases", status=2)
    assert "http://127.0.0.1:9" in said(environment, "install", "0.3.0", *at)
    assert "make the first by `wattline updater install`" in said(environment)


def test_what_the_one_before_could_not_start_by_either_is_nobodys_fault(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """Each end is counted by the unit, but for those that the machine's own settings are the cause of."""
    (tmp_path / "state").mkdir()
    assert said(environment | {"SERVICE_RESULT": "exit-code"}, "ended", status=0) == ""
    assert (tmp_path / "state" / FALLS).exists()
    nobody = environment | {"WATTLINE_UPDATER_TRUST": str(tmp_path / "none.json"), "SERVICE_RESULT": "exit-code"}
    before = (tmp_path / "state" / FALLS).read_bytes()
    assert "1.root.json" in said(nobody, "ended")
    assert (tmp_path / "state" / FALLS).read_bytes() == before
    assert said(environment | {"SERVICE_RESULT": "success"}, "ended", status=0) == ""
    assert not (tmp_path / "state" / FALLS).exists()
