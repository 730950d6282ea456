"""What was written and not synced yet, brought onto the disk: in a rhythm, and at once where somebody waits for it."""

import asyncio
import contextlib
from collections.abc import Callable

from device.metrics import DeviceMetrics
from device.outbox.outbox import Outbox
from device.outbox.segments import sync
from device.outbox.write_ahead import WriteAhead


class Durability:
    """Syncs outbox, write-ahead and whatever registers, every `every_s` and after each `every_records` appended."""

    def __init__(
        self, outbox: Outbox, ahead: WriteAhead, metrics: DeviceMetrics, *, every_s: float, every_records: int
    ) -> None:
        self._outbox = outbox
        self._ahead = ahead
        self._metrics = metrics
        self._every_s = every_s
        self._every_records = every_records
        self._appended = 0
        self._many = asyncio.Event()
        self._syncing = asyncio.Lock()
        self._sources: list[Callable[[], list[int]]] = [outbox.take_unsynced]

    def register(self, take_unsynced: Callable[[], list[int]]) -> None:
        """Sync these files, too: it gives the descriptors whose contents the disk may not have yet."""
        self._sources.append(take_unsynced)

    def appended(self) -> None:
        """One more record was put into the outbox."""
        self._appended += 1
        if self._appended >= self._every_records:
            self._many.set()

    async def run(self) -> None:
        """Sync until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._every_s):
                    await self._many.wait()
            self._many.clear()
            self._appended = 0
            await self.now()

    async def now(self) -> bool:
        """Wait until the disk has all that was written before; False where it refuses."""
        # one after another: who comes second must not return while the first still waits for the disk
        async with self._syncing:
            sent = self._ahead.has_sent()
            try:
                descriptors = [one for take in self._sources for one in take()] + self._ahead.take_unsynced()
                self._metrics.syncs.inc(len(descriptors))
                if descriptors:
                    await asyncio.to_thread(sync, descriptors)
            except OSError as error:
                self._outbox.sync_failed(error)
                self._ahead.sync_failed()
                return False
            self._outbox.save_state()
            if self._outbox.disk_error:
                return False
            if sent:
                self._ahead.empty()
            return True
