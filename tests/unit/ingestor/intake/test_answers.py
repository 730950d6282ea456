"""Acks and receipts in the order in which batches were taken, whenever they are stored."""

import asyncio
from collections.abc import Iterable

from broker.mqtt.publication import Inbound
from ingestor.batches.batch import Batch, Confirmed, Received
from ingestor.intake.answers import Answers


class Wire:
    """The connection and the receipts, as far as they are used: what was acknowledged and what was confirmed."""

    def __init__(self) -> None:
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.acked: list[int] = []
        self.told: list[Confirmed] = []

    def ack(self, mid: int, qos: int) -> None:
        """Nothing here is acknowledged alone."""
        raise AssertionError(f"{mid} of QoS {qos} one by one")

    def ack_all(self, mids: list[int]) -> None:
        """Remember them in their order."""
        self.acked += mids

    def committed(self, stored: Iterable[Confirmed]) -> None:
        """Remember them in their order."""
        self.told += stored


def batch(wire: Wire, *mids: int) -> Batch:
    deliveries = [Inbound("t", b"0123456789", False, 1, mid, None, None, wire) for mid in mids]
    received = [Received(one, 0, False) for one in deliveries]
    return Batch(received=received, deliveries=deliveries, payload_bytes=10 * len(mids))


async def test_a_batch_is_answered_after_all_its_parts_and_all_before_it() -> None:
    """What is stored first and was taken later waits, whole or not, in acks and in receipts alike."""
    wire = Wire()
    answers = Answers(wire, 1000)
    first, second, third = (answers.take(batch(wire, *mids)) for mids in ((1, 2), (3,), (4,)))
    first.parts += 1
    answers.stored(second, [("pi", "b3f1", 3)])
    answers.stored(first, [("pi", "b3f1", 1)])
    assert (wire.acked, wire.told, answers.empty) == ([], [], False)
    answers.stored(first, [("pi", "b3f1", 2)])
    assert wire.acked == [1, 2, 3]
    assert [seq for _, _, seq in wire.told] == [1, 2, 3]
    answers.stored(third, [])
    assert (wire.acked, answers.empty) == ([1, 2, 3, 4], True)


async def test_what_waits_for_its_answer_is_bounded() -> None:
    """When it holds as many octets as it may, no batch is taken until one is answered."""
    wire = Wire()
    answers = Answers(wire, 20)
    await asyncio.wait_for(answers.room(), 1)
    first = answers.take(batch(wire, 1, 2))
    waiting = asyncio.create_task(answers.room())
    await asyncio.sleep(0)
    assert not waiting.done()
    answers.stored(first, [])
    await asyncio.wait_for(waiting, 1)
