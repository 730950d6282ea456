"""When the agent asks for its next certificate."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from device.enrolment.certificate_file import StoredCertificate
from device.enrolment.schedule import (
    ALONE_S,
    EARLIEST,
    LATEST,
    REFUSED_CAP_S,
    REFUSED_S,
    due_in_s,
    patience_s,
    share,
    wants_renewal,
)

BEGIN = datetime(2027, 1, 1, tzinfo=UTC)
HELD = StoredCertificate("pi-1", "hw-1", BEGIN, BEGIN + timedelta(days=30))


@given(st.integers(1, 10_000))
def test_each_has_a_time_of_its_own_around_two_thirds(number: int) -> None:
    """So that a fleet that was plugged in on one day does not come on one day."""
    assert EARLIEST <= share(StoredCertificate(f"pi-{number}", "hw", BEGIN, HELD.not_after)) < LATEST


def test_the_times_are_spread() -> None:
    """Over the whole of that range."""
    shares = sorted(share(StoredCertificate(f"pi-{number}", "hw", BEGIN, HELD.not_after)) for number in range(200))
    assert shares[0] < EARLIEST + 0.01
    assert shares[-1] > LATEST - 0.01


def test_it_is_due_by_the_clock() -> None:
    """Before, at, and long after its time."""
    due_at = BEGIN + timedelta(days=30 * share(HELD))
    assert round(due_in_s(HELD, BEGIN)) == round((due_at - BEGIN).total_seconds())
    assert not wants_renewal(HELD, due_at - timedelta(hours=1), clock_kept=True, alone_s=0)
    assert wants_renewal(HELD, due_at + timedelta(seconds=1), clock_kept=True, alone_s=0)
    assert wants_renewal(HELD, BEGIN + timedelta(days=500), clock_kept=True, alone_s=0)


def test_a_clock_that_nobody_keeps_is_not_asked_alone() -> None:
    """Years behind, the certificate looks fresh for ever: who is kept out for long asks all the same."""
    years_ago = BEGIN - timedelta(days=1000)
    assert not wants_renewal(HELD, years_ago, clock_kept=False, alone_s=ALONE_S - 1)
    assert wants_renewal(HELD, years_ago, clock_kept=False, alone_s=ALONE_S)
    assert not wants_renewal(HELD, BEGIN, clock_kept=True, alone_s=ALONE_S)


@given(st.integers(1, 10_000), st.integers(0, 1000))
def test_what_the_broker_refuses_is_asked_about_soon_and_then_more_rarely(number: int, in_vain: int) -> None:
    """After minutes, each at a time of its own; where no certificate helps, twice as late each time, within bounds."""
    held = StoredCertificate(f"pi-{number}", "hw", BEGIN, HELD.not_after)
    assert REFUSED_S <= patience_s(held, 0) < 2 * REFUSED_S
    assert patience_s(held, in_vain) <= patience_s(held, in_vain + 1) <= REFUSED_CAP_S
    assert patience_s(held, 1) == 2 * patience_s(held, 0)
