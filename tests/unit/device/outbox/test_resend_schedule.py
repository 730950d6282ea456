"""When a message that the broker has is taken for lost: by evidence, or now and then as a probe."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from device.outbox import resend_schedule as module
from device.outbox.resend_schedule import (
    AGAIN_MOST,
    ANSWERED_S,
    JITTER,
    PROBE_CAP_S,
    PROBE_S,
    RIPE_S,
    RUNS_MAX,
    SLACK_CAP_S,
    SLACK_S,
    ResendSchedule,
)


@pytest.fixture(autouse=True)
def _ripe_at_once(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not about the time that evidence is held back."""
    if "ripe" not in request.node.name:
        monkeypatch.setattr(module, "RIPE_S", 0.0)


def least(low: float, _high: float) -> float:
    """No jitter."""
    return low


def lost(unconfirmed: ResendSchedule, now_s: float) -> list[int]:
    return [index for first, end in unconfirmed.lost(now_s) for index in range(first, end)][: unconfirmed.room(now_s)]


def test_a_message_is_lost_when_one_sent_well_after_it_is_confirmed() -> None:
    """Not when one sent at the same time is, nor by time alone."""
    unconfirmed = ResendSchedule(0.0, least)
    for index, at_s in ((1, 0.0), (2, 6.0), (3, 8.0), (4, 9.9), (5, 20.0)):
        unconfirmed.sent(index, at_s)
    assert lost(unconfirmed, 10_000.0) == []
    unconfirmed.confirmed(4, 5, 21.0)
    assert lost(unconfirmed, 22.0) == []
    unconfirmed.confirmed(5, 6, 23.0)
    assert lost(unconfirmed, 24.0) == [1, 2, 3]


def test_evidence_that_is_not_ripe_yet_leaves_time_for_the_receipt_of_an_older_batch() -> None:
    """A newer batch may be committed before an older one: what is confirmed in between is not sent again."""
    unconfirmed = ResendSchedule(0.0, least)
    for index in range(1, 101):
        unconfirmed.sent(index, float(index))
    unconfirmed.confirmed(81, 101, 200.0)
    assert lost(unconfirmed, 199.0 + RIPE_S) == []
    unconfirmed.confirmed(1, 51, 202.0)
    assert lost(unconfirmed, 200.0 + RIPE_S) == list(range(51, 81))


def test_a_message_sent_again_has_twice_the_time_each_time_up_to_a_cap() -> None:
    """And what is evidence for it must have been sent that much later."""
    unconfirmed, now_s, waits = ResendSchedule(0.0, least), 0.0, []
    unconfirmed.sent(1, now_s)
    other = 100
    for _ in range(9):
        sent_s = now_s
        while not lost(unconfirmed, now_s):
            now_s += 1.0
            unconfirmed.sent(other, now_s)
            unconfirmed.confirmed(other, other + 1, now_s)
            other += 1
        waits.append(now_s - sent_s)
        unconfirmed.sent(1, now_s, again=True)
    assert waits == [min(SLACK_CAP_S, SLACK_S * 2**n) for n in range(9)]
    assert unconfirmed.tries(1) == 9


def test_what_was_sent_again_is_evidence_by_its_first_time_only() -> None:
    """Its receipt may tell of the first sending, which the broker delivered before what lies in its queue."""
    unconfirmed = ResendSchedule(0.0, least)
    unconfirmed.sent(1, 0.0)
    unconfirmed.sent(2, 1.0)
    unconfirmed.sent(1, 100.0, again=True)
    unconfirmed.confirmed(1, 2, 101.0)
    assert lost(unconfirmed, 102.0) == []


def test_an_earlier_runs_messages_are_lost_by_evidence_of_this_one() -> None:
    """They count as sent at the start."""
    unconfirmed = ResendSchedule(50.0, least)
    unconfirmed.found(1, 1001, 50.0)
    unconfirmed.sent(1001, 56.0)
    unconfirmed.sent(1002, 52.0 + SLACK_S)
    unconfirmed.confirmed(1001, 1002, 57.0)
    assert lost(unconfirmed, 60.0) == []
    unconfirmed.confirmed(1002, 1003, 63.0)
    assert lost(unconfirmed, 64.0) == list(range(1, AGAIN_MOST + 1))


def test_receipts_set_the_pace_of_what_is_sent_again() -> None:
    """No more than AGAIN_MOST travel unconfirmed."""
    unconfirmed = ResendSchedule(0.0, least)
    unconfirmed.found(1, 1001, 0.0)
    unconfirmed.sent(1001, SLACK_S)
    unconfirmed.confirmed(1001, 1002, SLACK_S)
    for index in lost(unconfirmed, 20.0):
        unconfirmed.sent(index, 20.0, again=True)
    assert lost(unconfirmed, 21.0) == []
    unconfirmed.confirmed(1, 101, 22.0)
    assert len(lost(unconfirmed, 23.0)) == 100


def test_without_receipts_only_the_oldest_is_probed_ever_more_seldom() -> None:
    """A minute, two, four, ... ten: the ingestor is away, and the broker most likely has it all."""
    unconfirmed, gaps, last_s = ResendSchedule(0.0, least), [], 0.0
    unconfirmed.found(1, 10_001, 0.0)
    for second in range(4000):
        now_s = float(second)
        assert lost(unconfirmed, now_s) == []
        if unconfirmed.probe(now_s):
            assert unconfirmed.probe(now_s) == 1
            unconfirmed.sent(1, now_s, again=True)
            unconfirmed.probed(1, 2, now_s)
            gaps.append(now_s - last_s)
            last_s = now_s
    assert gaps[:6] == [PROBE_S, 2 * PROBE_S, 4 * PROBE_S, 8 * PROBE_S, PROBE_CAP_S, PROBE_CAP_S]


def test_answered_probes_grow_so_that_a_quiet_device_heals_too() -> None:
    """Nothing new is sent, all 1000 messages were lost: found again within minutes, never in one burst."""
    unconfirmed, left, now_s, largest = ResendSchedule(0.0, least), 1000, 0.0, 0
    unconfirmed.found(1, 1001, 0.0)
    first = 1
    while left:
        now_s += 1.0
        assert lost(unconfirmed, now_s) == []
        size = min(unconfirmed.probe(now_s), left)
        if size:
            largest = max(largest, size)
            for index in range(first, first + size):
                unconfirmed.sent(index, now_s, again=True)
            unconfirmed.probed(first, first + size, now_s)
            unconfirmed.confirmed(first, first + size, now_s + 1.0)
            first, left = first + size, left - size
    assert largest <= AGAIN_MOST
    assert now_s <= PROBE_S + 10 * (ANSWERED_S + 2)


EVENTS = st.lists(
    st.tuples(st.sampled_from(["sent", "again", "confirmed"]), st.integers(1, 40), st.floats(0, 30)), max_size=120
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(EVENTS, st.floats(1.0, JITTER))
def test_nothing_is_sent_again_without_evidence_and_all_is_with_it(
    events: list[tuple[str, int, float]], jitter: float
) -> None:
    """Against a plain model by message: none is lost too early, and each in the end."""
    unconfirmed = ResendSchedule(0.0, lambda _low, _high: jitter)
    began: dict[int, float] = {}
    sent: dict[int, tuple[float, int]] = {}
    evidence_s, now_s = float("-inf"), 0.0
    for what, index, step_s in events:
        now_s += step_s
        if what == "confirmed":
            evidence_s = max(evidence_s, began.get(index, float("-inf")))
            unconfirmed.confirmed(index, index + 1, now_s)
            began.pop(index, None)
            sent.pop(index, None)
        else:
            again = what == "again" and index in sent
            unconfirmed.sent(index, now_s, again=again)
            began.setdefault(index, now_s)
            sent[index] = (now_s, sent.get(index, (0.0, 0))[1] + again)
        for one in lost(unconfirmed, now_s):
            at_s, tries = sent[one]
            assert evidence_s >= at_s + min(SLACK_CAP_S, SLACK_S * 2**tries)
    end_s = now_s + 10 * SLACK_CAP_S
    unconfirmed.sent(1000, end_s)
    unconfirmed.confirmed(1000, 1001, end_s)
    assert lost(unconfirmed, end_s + 1) == sorted(sent)
    assert {index: unconfirmed.tries(index) for index in sent} == {index: tries for index, (_, tries) in sent.items()}


def test_a_day_of_unconfirmed_messages_is_a_few_hundred_runs() -> None:
    """However long nothing is confirmed; what is joined is never judged sooner than it was sent."""
    unconfirmed = ResendSchedule(0.0, least)
    for index in range(1, 86_401):
        unconfirmed.sent(index, float(index))
        assert len(unconfirmed.runs) <= RUNS_MAX
    assert all(run.sent_s >= run.end - 1 and run.began_s <= run.first for run in unconfirmed.runs)
    assert sum(run.end - run.first for run in unconfirmed.runs) == 86_400
