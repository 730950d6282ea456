"""The newest messages, from their append to the publisher, which sends them before what waits on disk."""

import asyncio
from collections import OrderedDict
from typing import Final

from device.outbox.record import Record

LIVE_MAX: Final = 256


class LiveLane:
    """Messages that were appended while connected; of more than LIVE_MAX the oldest are left to the backlog.

    `wake` is set when there is something to send. Closed, as it is without a connection, it takes none.
    """

    def __init__(self) -> None:
        self.wake = asyncio.Event()
        self._open = False
        self._records: OrderedDict[int, Record] = OrderedDict()

    def offer(self, record: Record) -> None:
        """Take a message that was just appended; without a connection it waits in the outbox."""
        if not self._open:
            return
        self._records[record.index] = record
        if len(self._records) > LIVE_MAX:
            self._records.popitem(last=False)
        self.wake.set()

    def open(self) -> None:
        """There is a connection."""
        self._open = True

    def close(self) -> None:
        """The connection is gone: what was here is in the outbox."""
        self._open = False
        self._records.clear()

    def take(self) -> Record | None:
        """The oldest, None where there is none."""
        return self._records.popitem(last=False)[1] if self._records else None

    def __contains__(self, index: int) -> bool:
        return index in self._records

    def __len__(self) -> int:
        return len(self._records)

    def any_of(self, first: int, end: int) -> bool:
        """Whether one of these indices is here."""
        return any(first <= index < end for index in self._records)
