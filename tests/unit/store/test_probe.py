"""What /healthz says of the database."""

import pytest

from store.probe import SILENT_S, DatabaseProbe


class Clock:
    """A clock that stands still."""

    now_s = 1000.0

    def __call__(self) -> float:
        """The present."""
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    """A clock of this test alone."""
    return Clock()


@pytest.fixture
def probe(clock: Clock) -> DatabaseProbe:
    """A probe that has never been answered."""
    return DatabaseProbe(clock)


def test_what_never_answered_is_not_well(probe: DatabaseProbe) -> None:
    """Before the first answer, and after a failure instead of it."""
    assert probe.check() == (False, "not connected yet")
    assert probe.failed(ConnectionResetError("gone")) == "gone"
    assert probe.check() == (False, "gone")


def test_an_answer_heals_and_grows_old(probe: DatabaseProbe, clock: Clock) -> None:
    """A failure is over with the next answer; an answer proves nothing after SILENT_S."""
    probe.failed(TimeoutError())
    assert probe.check() == (False, "no answer in time")
    clock.now_s += 1
    probe.answered()
    clock.now_s += 7
    assert probe.check() == (True, "answered 7 s ago")
    clock.now_s += SILENT_S
    assert probe.check() == (False, f"answered {SILENT_S + 7:.0f} s ago")


def test_an_answer_of_before_heals_nothing(probe: DatabaseProbe, clock: Clock) -> None:
    """What was answered before a failure says nothing of after it."""
    probe.failed(OSError("no route"))
    probe.answered(clock.now_s - 3)
    assert probe.check() == (False, "no route")
    assert probe.silent_s == 3
