"""What may be asked of jobs."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.faults import Kind, Refusal
from gateway.jobs.queueing import MAX_UNFINISHED
from gateway.specs.job_requests import Selection, check_cancelled, check_read_by, full
from meters.specs.catalogue import catalogue

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
SPEC = next(spec for spec in catalogue() if not spec.generic)
KEY = "LGZ:12345678"


def test_a_selection_keeps_what_was_chosen_only() -> None:
    """Its beginning stands in a column of its own."""
    chosen = Selection(cause="implausible_time", since=NOW, until=NOW + timedelta(hours=1))
    chosen.check()
    assert chosen.document() == {"cause": "implausible_time", "until": "2026-11-29T13:00:00+00:00"}
    assert Selection().document() == {}


@pytest.mark.parametrize("hours", [0, -1])
def test_a_selection_that_holds_no_time_is_refused(hours: int) -> None:
    """The end must come after the beginning."""
    with pytest.raises(Refusal) as refused:
        Selection(since=NOW, until=NOW + timedelta(hours=hours)).check()
    assert (refused.value.kind, refused.value.field) == (Kind.INVALID, "until")


def test_a_meter_is_read_by_a_spec_of_its_protocol() -> None:
    """Also one whose protocol nobody knows yet; another's frames would all be undecodable."""
    check_read_by(SPEC, KEY, None, SPEC.match.protocol)
    check_read_by(SPEC, KEY, None, None)
    with pytest.raises(Refusal, match=f"meter: {KEY} speaks telepathy, {SPEC.ref} is for {SPEC.match.protocol}"):
        check_read_by(SPEC, KEY, None, "telepathy")


def test_frames_of_a_meter_behind_another_are_the_others() -> None:
    """Who asks is told which one to name."""
    with pytest.raises(Refusal) as refused:
        check_read_by(SPEC, KEY, "ESY:1", SPEC.match.protocol)
    assert (refused.value.field, refused.value.fix) == ("meter", "name ESY:1")


@pytest.mark.parametrize("state", ["done", "failed", "running"])
def test_a_job_that_ended_by_itself_is_not_cancelled(state: str) -> None:
    """The refusal says what became of it."""
    check_cancelled(7, "cancelled")
    with pytest.raises(Refusal, match=f"job 7 is {state}: there is nothing to cancel") as refused:
        check_cancelled(7, state)
    assert refused.value.kind is Kind.CONFLICT


def test_too_many_jobs_are_refused_for_now() -> None:
    """With what to do about it."""
    assert full().kind is Kind.TOO_MANY
    assert str(full()).startswith(f"{MAX_UNFINISHED} jobs wait or run already")
