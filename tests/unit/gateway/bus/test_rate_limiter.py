"""Registrations, reports and replies of a device that sends too many: the newest waits its turn, the others' do not."""

import asyncio
from datetime import date
from typing import Any

import pytest

from broker.contract.topics import Kind, Topics
from broker.mqtt.publication import Inbound
from gateway.bus import rate_limiter as module
from gateway.bus.rate_limiter import RateLimiter
from store.quota_tally import Tally
from store.quotas import Quota, QuotaLimits

TOPICS = Topics("test/v1")


class Wire:
    """The connection as far as it is used: what was acknowledged."""

    def __init__(self) -> None:
        self.lost: asyncio.Future[str] | None = None
        self.acked: list[int] = []

    def ack(self, mid: int, qos: int) -> None:
        """Remember it, as the connection does for QoS 1."""
        if qos:
            self.acked.append(mid)


@pytest.fixture
def wire() -> Wire:
    """Nothing acknowledged yet."""
    return Wire()


@pytest.fixture
def turns() -> RateLimiter:
    """With a message a second, and a minute's worth at once."""
    tally = Tally()
    tally.turn(date(2026, 11, 29))
    return RateLimiter(QuotaLimits(control_per_min=60), TOPICS, tally)


def message(wire: Any, mid: int, device: str = "pi-1", kind: Kind = Kind.REGISTRATION, size: int = 10) -> Inbound:
    return Inbound(TOPICS.of(kind, device), b"x" * size, False, 1, mid, None, None, wire)


def test_a_flood_leaves_its_newest_and_nobody_else_waits(turns: RateLimiter, wire: Wire) -> None:
    """What is superseded is counted; the newest is dealt with as soon as the share allows. Nothing is acknowledged."""
    taken = [mid for mid in range(1, 101) if turns.admits(message(wire, mid), 0.0, last_counts=True)]
    assert taken == list(range(1, 61))
    assert turns.waits(TOPICS.of(Kind.REGISTRATION, "pi-1"))
    assert turns.admits(message(wire, 1, "pi-2"), 0.0, last_counts=True)
    assert turns.admits(message(wire, 1, kind=Kind.REPLIES), 0.0, last_counts=False)
    assert not list(turns.due(0.5))
    assert turns.due_in_s(0.5) == pytest.approx(0.5)
    (newest,) = turns.due(1.0)
    assert (newest.mid, newest.payload) == (100, b"x" * 10)
    newest.ack()
    assert wire.acked == []
    assert (turns.due_in_s(1.0), len(turns)) == (None, 0)


def test_what_comes_in_its_turn_takes_the_place_of_what_waited(turns: RateLimiter, wire: Wire) -> None:
    """The older of two registrations must not come after the newer."""
    for mid in range(1, 63):
        turns.admits(message(wire, mid), 0.0, last_counts=True)
    assert turns.admits(message(wire, 63), 5.0, last_counts=True)
    assert (list(turns.due(60.0)), len(turns)) == ([], 0)


def test_replies_that_are_too_many_go(turns: RateLimiter, wire: Wire) -> None:
    """Each is another's answer: none can stand for the rest, and who asked has timed out by then."""
    replies = [message(wire, mid, kind=Kind.REPLIES) for mid in range(1, 701)]
    assert sum(turns.admits(one, 0.0, last_counts=False) for one in replies) == 600
    assert (wire.acked, len(turns)) == ([], 0)


def test_what_waits_is_bounded(turns: RateLimiter, wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """In number and bytes; what has no room is counted and does not wait."""
    monkeypatch.setattr(module, "MOST_WAITING", 5)
    tally: Tally = turns._tally
    for device in range(10):
        for mid in range(1, 63):
            turns.admits(message(wire, mid, f"pi-{device}"), 0.0, last_counts=True)
    assert len(turns) == 5
    assert not turns.waits(TOPICS.of(Kind.REGISTRATION, "pi-9"))
    assert sum(row.cut for row in tally.rows() if row.quota == Quota.CONTROL) == 20 - 5


def test_what_waited_before_a_restart_is_dealt_with_unless_a_newer_one_comes(turns: RateLimiter, wire: Wire) -> None:
    """It has been acknowledged, so nobody else has it."""
    for mid, device in ((1, "pi-1"), (2, "pi-2")):
        turns.restore(message(wire, mid, device))
    assert turns.admits(message(wire, 3, "pi-2"), 0.0, last_counts=True)
    assert not turns.waits(TOPICS.of(Kind.REGISTRATION, "pi-2"))
    (left,) = turns.due(0.0)
    assert (left.mid, len(turns)) == (1, 0)
