"""A backlog keeps the way to the store short, and fills it."""

import heapq

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.outbox.pace import LEAST, MOST, Pace

RECEIPTS_S = 2.0


def drained(devices: int, messages: int, store_s: float) -> tuple[float, float]:
    """Let devices send their backlogs through one queue; the time it took, and the longest wait for the store.

    The store takes a message in `store_s`, and tells each device every RECEIPTS_S what it has.
    """
    paces, left = [Pace(0.0) for _ in range(devices)], [messages] * devices
    newest = [-1.0] * devices
    events = [(0.001 * number, "send", number, 0.0) for number in range(devices)]
    events += [(RECEIPTS_S * (number + 1) / devices, "receipt", number, 0.0) for number in range(devices)]
    heapq.heapify(events)
    free_s = longest_s = 0.0
    stored = 0
    while stored < devices * messages:
        now_s, kind, number, sent_s = heapq.heappop(events)
        if kind == "stored":
            newest[number], stored = sent_s, stored + 1
        elif kind == "receipt":
            if newest[number] >= 0:
                paces[number].confirmed(newest[number], now_s)
                newest[number] = -1.0
            heapq.heappush(events, (now_s + RECEIPTS_S, "receipt", number, 0.0))
        elif left[number]:
            if paces[number].wait_s(now_s) == 0:
                paces[number].sent(now_s)
                left[number] -= 1
                free_s = max(free_s, now_s) + store_s
                longest_s = max(longest_s, free_s - now_s)
                heapq.heappush(events, (free_s, "stored", number, now_s))
            heapq.heappush(events, (now_s + max(0.001, paces[number].wait_s(now_s)), "send", number, 0.0))
    return free_s, longest_s


@pytest.mark.parametrize(("devices", "messages", "store_s"), [(50, 200, 0.002), (50, 1000, 0.0005), (300, 50, 0.0005)])
def test_a_fleet_that_comes_back_leaves_the_way_short(devices: int, messages: int, store_s: float) -> None:
    """Most of the store's speed, and a queue of a second or two at its longest, whatever the store can do."""
    took_s, waited_s = drained(devices, messages, store_s)
    assert took_s < 2 * devices * messages * store_s + 10
    assert waited_s < 2.5


def test_a_single_device_is_soon_fast() -> None:
    """Nothing else is under way: it goes as fast as it may."""
    took_s, waited_s = drained(1, 3000, 0.0005)
    assert took_s < 60
    assert waited_s < 0.5


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 30), st.floats(0, 30)), max_size=100))
def test_the_rate_keeps_its_bounds(steps: list[tuple[bool, float, float]]) -> None:
    """Whatever receipts say, and whenever, something goes out again soon, and never too much."""
    now_s = 0.0
    pace = Pace(now_s)
    for goes, passes_s, ago_s in steps:
        now_s += passes_s
        if goes and pace.wait_s(now_s) == 0:
            pace.sent(now_s)
        else:
            pace.confirmed(now_s - ago_s, now_s)
        assert LEAST <= pace.rate <= MOST
        assert pace.wait_s(now_s) <= 1 / LEAST
