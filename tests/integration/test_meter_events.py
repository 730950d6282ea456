"""Entries of meters' event logs in the store: one event each, whoever reads them and however often."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from ingestor.writing.store import add_events
from tests.rigs.servers import Database

NOW = datetime.now(UTC)


def entry(seq: int, meter: int | None = 1, *, ago: timedelta = timedelta(hours=1), **detail: Any) -> list[object]:
    """The row of an entry, as a device sends it."""
    stated = {"log": "P.98", "stamp": "2026-11-23 10:00:00 winter", "code": "00000080", "meaning": "power_failure"}
    return [NOW, NOW - ago, 1, meter, "meter_event", "info", "b3f1", seq, json.dumps(stated | detail)]


async def add(connection: asyncpg.Connection, *rows: list[object]) -> int:
    """Enter rows in one statement; how many events there are."""
    await add_events(connection, *([*column] for column in zip(*rows, strict=True)))  # type: ignore[arg-type]
    return int(await connection.fetchval("SELECT count(*) FROM event"))


async def test_the_same_entry_is_one_event(each_edition: Database) -> None:
    """Twice in a batch, again with another meaning; other stamps, codes, logs and meters are others."""
    connection = await asyncpg.connect(each_edition.dsn())
    try:
        await connection.execute("INSERT INTO device (name) VALUES ('pi-1')")
        assert await add(connection, entry(1), entry(2)) == 1
        assert await add(connection, entry(3, meaning="by another spec", clock="off")) == 1
        others = (
            entry(4, code="00000040"), entry(5, stamp="2026-11-23 10:00:01 winter"), entry(6, log="P.99"),
            entry(7, values=["0.9.1 0125703"]), entry(8, 2), entry(9, None), entry(10, None),
        )  # fmt: skip
        assert await add(connection, *others, entry(11)) == 8
        assert await connection.fetchval("SELECT min(at) FROM event") == NOW - timedelta(hours=1)
    finally:
        await connection.close()


async def test_what_is_older_than_events_are_kept_does_not_come_again(each_edition: Database) -> None:
    """Its claim is forgotten with its event: a meter's log may go back further."""
    connection = await asyncpg.connect(each_edition.dsn())
    try:
        await connection.execute("INSERT INTO device (name) VALUES ('pi-1')")
        await connection.execute(
            "INSERT INTO store_setting (name, value) VALUES ('keep_events', '30 days')"
            " ON CONFLICT (name) DO UPDATE SET value = excluded.value"
        )
        assert await add(connection, entry(1, ago=timedelta(days=31)), entry(2, stamp="2026-11-23 10:00:02")) == 1
        await connection.execute("UPDATE store_setting SET value = 'forever' WHERE name = 'keep_events'")
        assert await add(connection, entry(3, ago=timedelta(days=31))) == 2
    finally:
        await connection.close()
