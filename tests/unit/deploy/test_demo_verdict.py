"""What the demo counts as failed."""

import pytest

from deploy.demo.history import History
from deploy.demo.report import Report

HEALED = History(device="pi-west", meter="EMH:1", gap_s=10800, intervals=12, missing=0, healed_s=14.0)
OPEN = HEALED.model_copy(update={"intervals": 10, "missing": 2, "healed_s": None})


def report(*, lost: int = 0, history: History | None = HEALED) -> Report:
    """A report of ten readings."""
    return Report(
        devices_registered=3, meters_identified=[], enrolled_s=1, tls=True, first_reading_s=2, readings_published=10,
        readings_stored=10 - lost, readings_lost=lost, readings_repeated=0, messages_repeated=0, ledger_lost=0,
        frames_quarantined=0, quarantine_reasons={}, latency_p50_s=None, latency_p99_s=None, parameter_change=None,
        history=history, versions={},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (report(), ""),
        (report(history=None), ""),
        (report(lost=1), "not every published reading"),
        (report(history=OPEN), "away for 3 h: 2 intervals are not in the store, 10 are"),
    ],
)
def test_a_gap_that_is_not_healed_is_a_failure(made: Report, says: str) -> None:
    """As a lost reading is; a demo that was ended early is none."""
    assert (says in made.failure) if says else not made.failure
