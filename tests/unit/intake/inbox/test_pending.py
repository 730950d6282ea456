"""Payloads that wait: bounds in number and bytes, and turns between sources."""

import asyncio
from collections.abc import Iterator

import pytest

from intake.inbox.payload import OVERHEAD_BYTES, InboxFullError, Payload
from intake.inbox.pending import TURN_ROWS, Pending, Waiting


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    made = asyncio.new_event_loop()
    yield made
    made.close()


def waiting(loop: asyncio.AbstractEventLoop, source: str, key: str = "k", body: bytes = b"") -> Waiting:
    payload = Payload(source, key, body)
    return Waiting(payload, loop.create_future(), payload.size)


def test_a_flood_of_one_source_delays_no_other(loop: asyncio.AbstractEventLoop) -> None:
    """Behind hundreds of one source the first of another is in the next batch."""
    pending = Pending(1000, 2**30)
    for number in range(400):
        pending.add(waiting(loop, "flood", str(number)))
    pending.add(waiting(loop, "quiet"))
    batch = pending.take(100, 2**30)
    assert len(batch) == 100
    assert [one.payload.source for one in batch].index("quiet") == TURN_ROWS
    flood = [int(one.payload.key) for one in batch if one.payload.source == "flood"]
    assert flood == sorted(flood), "within a source the first comes first"


def test_a_source_may_fill_half_and_all_of_them_the_whole(loop: asyncio.AbstractEventLoop) -> None:
    """The refusal says whose payloads wait, and what is taken and done makes room again."""
    pending = Pending(10, 2**30)
    for number in range(5):
        pending.add(waiting(loop, "flood", str(number)))
    with pytest.raises(InboxFullError, match="5 payloads of flood"):
        pending.add(waiting(loop, "flood"))
    for number in range(5):
        pending.add(waiting(loop, f"s{number}"))
    with pytest.raises(InboxFullError, match="10 payloads"):
        pending.check("new", 1)
    assert pending.load == 1
    batch = pending.take(4, 2**30)
    with pytest.raises(InboxFullError, match="10 payloads"):
        pending.check("new", 1)
    pending.done(batch)
    pending.check("new", 1)
    pending.done(pending.take(100, 2**30))
    assert (pending.rows, pending.bytes, pending.ready) == (0, 0, 0)


def test_bytes_are_bounded_and_empty_bodies_count(loop: asyncio.AbstractEventLoop) -> None:
    """Bounds hold for bodies as for many that have none; one that alone is over its half passes when all is empty."""
    room = 100 * OVERHEAD_BYTES
    pending = Pending(10_000, room)
    pending.add(waiting(loop, "large", body=bytes(room)))
    with pytest.raises(InboxFullError):
        pending.add(waiting(loop, "other"))
    pending.done(pending.take(10, 1))
    for number in range(50):
        pending.add(waiting(loop, "empty", str(number)))
    with pytest.raises(InboxFullError):
        pending.add(waiting(loop, "empty"))


def test_a_batch_is_bounded_in_bytes_but_never_empty(loop: asyncio.AbstractEventLoop) -> None:
    """One that alone is larger than a batch is a batch."""
    pending = Pending(100, 2**30)
    for number in range(3):
        pending.add(waiting(loop, "a", str(number), bytes(100_000)))
    assert len(pending.take(10, 10)) == 1
    assert len(pending.take(10, 250_000)) == 2
    assert pending.take(10, 10) == []


def test_who_waits_no_more_is_passed_over(loop: asyncio.AbstractEventLoop) -> None:
    """A deadline that passed, or a client that left, makes room as soon as its turn comes."""
    pending = Pending(100, 2**30)
    gone, there = waiting(loop, "a", "1"), waiting(loop, "a", "2")
    pending.add(gone)
    pending.add(there)
    gone.answer.cancel()
    assert pending.take(10, 2**30) == [there]
    assert pending.rows == 1
