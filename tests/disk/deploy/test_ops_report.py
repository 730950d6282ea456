"""The report of `make test-ops`: of one run, and open about what that did not measure."""

import json
from pathlib import Path

import pytest

from tests.rigs.ops_report import complete, lacking, record


def test_a_report_names_what_it_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each subject's figures join those of the others; nothing is written where nobody asks."""
    file = tmp_path / "report.json"
    record("ansible", first_run_s=1)
    assert not file.exists()
    monkeypatch.setenv("WATTLINE_OPS_REPORT", str(file))
    record("update", bytes=1, seconds=2.5, lost=0)
    record("ansible", first_run_s=1)
    assert lacking(json.loads(file.read_text())) == ["rollback.lost", "rollback.seconds", "ansible.second_run_changed"]
    record("rollback", seconds=1, lost=0)
    record("ansible", first_run_s=1, second_run_changed=0)
    assert lacking(json.loads(file.read_text())) == []


def test_what_processes_measured_stands_in_where_no_machine_did(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Named as that; what machines measured stays as it is."""
    file = tmp_path / "report.json"
    complete(file)
    assert not file.exists()
    monkeypatch.setenv("WATTLINE_OPS_REPORT", str(file))
    record("update_beside", bytes=1, seconds=2.5, lost=0)
    record("rollback_beside", seconds=3, lost=0)
    record("rollback", seconds=1, lost=0, machines="namespaces")
    complete(file)
    document = json.loads(file.read_text())
    assert document["update"] == {"bytes": 1, "seconds": 2.5, "lost": 0, "machines": "processes"}
    assert document["rollback"] == {"seconds": 1, "lost": 0, "machines": "namespaces"}
