"""Acks and receipts of batches that are stored, in the order in which they were taken."""

import asyncio
from collections import deque
from dataclasses import dataclass, field

from broker.mqtt.publication import Inbound, ack_all
from ingestor.batches.batch import Batch, Confirmed
from ingestor.intake.receipts import Receipts


@dataclass(slots=True, eq=False)
class Taken:
    """The messages of a batch, how many parts of it are still to be stored, and what is in the store already."""

    deliveries: list[Inbound]
    payload_bytes: int
    parts: int = 1
    confirmed: list[Confirmed] = field(default_factory=list)


class Answers:
    """Batches that are not answered yet: a batch is when all of it is stored, and all that was taken before it.

    MQTT 5 4.6: acks go in the order of the messages. Receipts, too: one for a later message and none for an earlier
    would be taken for evidence that the earlier one was lost. `most_bytes` bounds the payload that waits so; when it is
    reached, `room` waits.
    """

    def __init__(self, receipts: Receipts, most_bytes: int) -> None:
        self._receipts = receipts
        self._most_bytes = most_bytes
        self._waiting: deque[Taken] = deque()
        self._bytes = 0
        self.messages = 0
        """How many are not answered."""
        self._moved = asyncio.Event()

    @property
    def empty(self) -> bool:
        """Whether all is answered."""
        return not self._waiting

    async def room(self) -> None:
        """Wait until one more batch may be taken."""
        while self._bytes >= self._most_bytes:
            self._moved.clear()
            await self._moved.wait()

    def take(self, batch: Batch) -> Taken:
        """Note a batch in its order."""
        taken = Taken(batch.deliveries, batch.payload_bytes)
        self._waiting.append(taken)
        self._bytes += taken.payload_bytes
        self.messages += len(taken.deliveries)
        return taken

    def stored(self, taken: Taken, confirmed: list[Confirmed]) -> None:
        """A part of a batch is committed: answer what is whole now, in order."""
        taken.confirmed += confirmed
        taken.parts -= 1
        while self._waiting and not self._waiting[0].parts:
            whole = self._waiting.popleft()
            self._bytes -= whole.payload_bytes
            self.messages -= len(whole.deliveries)
            self._receipts.committed(whole.confirmed)
            ack_all(whole.deliveries)
            self._moved.set()
