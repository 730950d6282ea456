"""A job's page: what came of it, figure by figure, and whether it is the whole."""

from datetime import UTC, datetime
from typing import Any

from gateway.api.jobs.models import JobView
from gateway.console.browser import templates

AT = datetime(2026, 11, 30, tzinfo=UTC)


def page(result: Any, state: str = "done") -> str:
    """Of an import."""
    job = JobView.model_validate(
        {
            "job": 7, "kind": "import", "state": state, "spec": "", "since": None, "automatic": False, "author": "anna",
            "reason": None, "meters": 0, "total_frames": None, "frames": 0, "undecodable": 0, "readings": 0,
            "repeated": 0, "refused": 0, "progress": 1.0, "frames_s": None, "created_at": AT, "started_at": AT,
            "changed_at": AT, "finished_at": AT, "attempts": 1, "note": None, "error": None, "arguments": {},
            "priority": 0, "schedule": None, "not_before": None, "failures": 0, "done": 9, "total": 9, "unit": "bytes",
            "result": result,
        }
    )  # fmt: skip
    return templates().get_template("job_part.html").render(job=job, may=lambda _: False)


def test_an_import_that_left_something_out_says_so_and_why() -> None:
    """Reasons and faults are lines, and no dump of a dictionary."""
    part = page({"new": 2, "quarantined": 3, "reasons": {"meter_limit": 3}, "faulty": 1, "faults": ["line 7: <b>"]})
    assert "in part</span>" in part
    assert "<dd>meter_limit: 3</dd>" in part
    assert "<dd>line 7: &lt;b&gt;</dd>" in part
    for whole in ({"new": 2, "quarantined": 0, "faulty": 0, "faults": []}, {"file": "a.csv"}, None):
        assert "in part" not in page(whole)
    assert "in part" not in page(None, "failed")
