"""What `wattline job show` says of what came of a job."""

from typing import Any

import pytest

from cli.job_tables import print_job, print_jobs

AT = "2026-11-30T00:00:00Z"


def a_job(result: Any) -> dict[str, Any]:
    """An import that has ended."""
    return {
        "job": 7, "kind": "import", "state": "done", "spec": "", "meters": 0, "since": None, "author": "anna",
        "reason": None, "schedule": None, "created_at": AT, "started_at": AT, "not_before": None, "finished_at": AT,
        "arguments": {}, "progress": 1.0, "done": 9, "total": 9, "unit": "bytes", "attempts": 1, "failures": 0,
        "readings": 0, "note": None, "error": None, "result": result,
    }  # fmt: skip


def test_an_import_that_left_something_out_says_so_and_why(capsys: pytest.CaptureFixture[str]) -> None:
    """Reasons and faults are a line each."""
    part = a_job({"quarantined": 3, "reasons": {"meter_limit": 3}, "faulty": 2, "faults": ["line 7: x", "line 9: y"]})
    print_job(part)
    told = [line.strip().split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    assert ["state", "done, in part"] in told
    assert ["reasons", "meter_limit: 3"] in told
    assert told[-2:] == [["faults", "line 7: x"], ["line", "9: y"]]
    print_jobs([part, a_job({"quarantined": 0, "faulty": 0}), a_job(None)])
    assert capsys.readouterr().out.count("in part") == 1
