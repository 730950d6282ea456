"""The report of `make test-ops`: of one run, and open about what that did not measure."""

import json
from pathlib import Path

import pytest

from tests.rigs.ops_report import lacking, record


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
