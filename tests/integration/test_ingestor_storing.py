"""What the ingestor stores, updates and leaves alone, with a real broker and a real database."""

import asyncio
import json
import urllib.request
from datetime import UTC, datetime

from broker.messages import Clock, Source
from broker.topics import Kind
from store.codes import KIND_CODES, SOURCE_CODES
from tests.faults.ingesting import device, ingesting, settings, table, until_equal
from tests.servers import Broker, Database


async def test_readings_arrive_with_their_names(broker: Broker, database: Database) -> None:
    """A published value is a row with its time, code, unit, device, meter, source and clock, and a ledger entry."""
    async with (
        table(database) as asked,
        ingesting(settings(broker, database.dsn("wattline_ingestor"))),
        device(broker) as pi,
    ):
        payload = pi.payload(
            samples=[{"at": "2026-11-23T10:00:00.25Z", "values": {"1-0:1.8.0": 12345.678, "0-1:24.2.1": 7.5}}],
            units={"0-1:24.2.1": "m³"},
            clock="meter",
            source="backfill",
        )
        await pi.send(payload)
        await until_equal(asked.readings, 2)
        at = datetime(2026, 11, 23, 10, 0, 0, 250000, tzinfo=UTC)
        meter = f"TST:{pi.name}"
        assert await asked.rows(
            "SELECT time, device, meter, obis, unit, kind, value, source, clock FROM named_reading ORDER BY obis"
        ) == [
            (at, pi.name, meter, "0-1:24.2.1", "m³", "register", 7.5, "backfill", "meter"),
            (at, pi.name, meter, "1-0:1.8.0", "kWh", "register", 12345.678, "backfill", "meter"),
        ]
        ledger = "SELECT device_id, meter_id, boot, seq, rows, kind, spec, newest_at FROM message"
        assert await asked.rows(ledger) == [(1, 1, "b3f1", 1, 2, 1, "test@1", at)]
        assert await asked.value("SELECT bool_and(stored_at >= received_at) FROM message")
        assert await asked.value("SELECT spec FROM meter") == "test@1"
