"""Devices that spoke of meters of others: an event for each of them, told once an hour."""

from typing import Any, Final

from ingestor.batches.batch import Batch
from ingestor.batches.quarantine_rows import FOREIGN_METER
from ingestor.batches.records import cleaned
from ingestor.batches.store import record_event
from store.sql import Connection

NAMED: Final = 5
"""Meters that the event names."""


async def record(connection: Connection, batch: Batch) -> None:
    """Enter the events, in the transaction that puts what these devices sent into quarantine."""
    for device_id, meters in sorted(batch.foreign.items()):
        detail: dict[str, Any] = {
            "meters": sorted(meters)[:NAMED],
            "count": len(meters),
            "fix": "`wattline meter claims` tells whose they are; `wattline meter move` gives one to this device",
        }
        await record_event(connection, device_id, None, FOREIGN_METER, "warning", cleaned(detail))
