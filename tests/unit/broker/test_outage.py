"""How an outage is logged: its beginning, rare reminders, its end."""

from itertools import pairwise
from typing import Any

import pytest
from structlog.testing import capture_logs

from broker.outage import LONGEST_REMINDER_S, REASONS_MAX, SETTLING_S, Outage


class Clock:
    """A clock to turn by hand."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        """Its time."""
        return self.now_s


def outage_of(clock: Clock, lasts_s: int, step_s: int, reason: str = "refused") -> list[dict[str, Any]]:
    """The lines of an outage in which an attempt fails each `step_s`."""
    outage = Outage(clock)
    with capture_logs() as lines:
        for _ in range(lasts_s // step_s):
            outage.failed("database_unavailable", reason=reason, task="x")
            clock.now_s += step_s
        outage.back("database_back")
        outage.back("database_back")
    return [dict(line) for line in lines]


def test_an_outage_of_ten_minutes_is_six_lines() -> None:
    """Begun, reminded after 1, 3 and 7 minutes, and over, with how long and how many; 600 attempts failed."""
    lines = outage_of(Clock(), 600, 1)
    assert [line["event"] for line in lines] == ["database_unavailable"] * 4 + ["database_back"]
    assert [line.get("away_s") for line in lines] == [None, 60.0, 180.0, 420.0, 600.0]
    assert lines[-1]["failures"] == 600
    assert lines[0]["task"] == "x"


def test_reminders_come_once_an_hour_at_last() -> None:
    """A weekend without a database is no more than some sixty lines."""
    lines = outage_of(Clock(), 2 * 86400, 30)
    assert len(lines) < 60
    steps = [after["away_s"] - before["away_s"] for before, after in pairwise(lines[6:-1])]
    assert set(steps) == {LONGEST_REMINDER_S}


def test_a_new_reason_is_told_at_once_a_few_times() -> None:
    """From refused to wrong password matters; reasons that differ each time do not flood the log."""
    clock, outage = Clock(), None
    outage = Outage(clock)
    with capture_logs() as lines:
        for reason in ("refused", "refused", "starting up", "starting up", *(f"port {n}" for n in range(50))):
            outage.failed("database_unavailable", reason=reason)
            clock.now_s += 0.1
    assert [line["reason"] for line in lines[:2]] == ["refused", "starting up"]
    assert len(lines) == REASONS_MAX


@pytest.mark.parametrize("settles", [True, False])
def test_failures_right_behind_an_outage_are_its_end(settles: bool) -> None:
    """A connection that was stale is no new outage; one that lasts is."""
    clock = Clock()
    outage = Outage(clock)
    with capture_logs() as lines:
        outage.failed("database_unavailable", reason="refused")
        outage.back("database_back")
        clock.now_s += 1
        outage.failed("database_unavailable", reason="closed")
        if not settles:
            clock.now_s += SETTLING_S
            outage.failed("database_unavailable", reason="closed")
        outage.back("database_back")
    events = [line["event"] for line in lines]
    assert events == ["database_unavailable", "database_back"] * (1 if settles else 2)
    assert not outage.lasts


def test_what_fails_again_and_again_while_another_use_succeeds_is_not_hidden() -> None:
    """A disk that is full for a day: reads succeed every 5 s, writes fail every 4 s. It is told, ever rarer."""
    clock = Clock()
    outage = Outage(clock)
    told = []
    with capture_logs() as lines:
        for second in range(86400):
            clock.now_s += 1
            if second % 4 == 0:
                outage.failed("batch_not_written", reason="disk full")
            if second % 5 == 0:
                outage.back("database_back")
            told += [second] * sum(line["event"] == "batch_not_written" for line in lines)
            lines.clear()
    assert 20 < len(told) < 60
    assert max(after - before for before, after in pairwise(told)) <= LONGEST_REMINDER_S + 20
