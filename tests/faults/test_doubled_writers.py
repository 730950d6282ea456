"""The same messages at the same time by several writers and ingestors: frames, events and quarantine have each once."""

import asyncio
import json
import random
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest

from broker.contract.topics import Kind
from ingestor.batches.batch import Batch
from ingestor.batches.records import DeviceEvent, Stored, delivery_id
from ingestor.batches.rows import micros_now
from ingestor.writing.store import add_events, add_frames
from ingestor.writing.writer import Writer
from tests.rigs.ingesting import device, ingesting, settings, table
from tests.rigs.servers import Broker, Database
from tests.rigs.waiting import until_equal

FRAMES = {"reason": "no_spec", "port": "/dev/ttyUSB0", "protocol": "sml"}
AT = "2026-11-23T10:00:00Z"


def messages(number: int) -> list[tuple[Kind, bytes]]:
    """A frames message and an event of a device, and a payload that can't be taken, which say their numbers."""
    frames = FRAMES | {"boot": "b3f1", "seq": 3 * number + 1, "frames": [{"at": AT, "data": "GxsbGw=="}] * 2}
    event = {"boot": "b3f1", "seq": 3 * number + 2, "at": AT, "event": "port_lost", "severity": "warning"}
    poison = {"boot": "b3f1", "seq": 3 * number + 3, "samples": []}
    return [
        (Kind.FRAMES, json.dumps(frames).encode()),
        (Kind.EVENTS, json.dumps(event).encode()),
        (Kind.READINGS, json.dumps(poison).encode()),
    ]


async def test_two_ingestors_that_are_given_each_message_twice(broker: Broker, database: Database) -> None:
    """Each stores all that it is given, resends too, four deliveries of each: one row, and four in the ledger."""
    first, second = (
        settings(broker, database.dsn("wattline_ingestor"), batch_wait_s=0.01, receive_maximum=40) for _ in range(2)
    )
    async with table(database) as asked, ingesting(first), ingesting(second), device(broker) as pi:
        count = 60
        for one in range(count):
            sent = messages(one)
            again = [(kind, payload[:-1] + b', "resent": 1}') for kind, payload in sent]
            await asyncio.gather(*(pi.send(payload, kind) for kind, payload in sent + again))
        await until_equal(lambda: asked.value("SELECT count(*) FROM message"), 4 * 3 * count)
        assert await asked.value("SELECT count(*) FROM frame WHERE kind = 'frame'") == 2 * count
        assert await asked.value("SELECT count(*) FROM event WHERE source = 'device'") == count
        assert await asked.quarantined() == {"invalid_message": count}


async def test_a_malformed_status_is_quarantined_once_for_a_group(broker: Broker, database: Database) -> None:
    """Each member of a group is given each status, and one of them twice."""
    of = [
        settings(
            broker, database.dsn("wattline_ingestor"), share_group="all", client_id=f"wattline-member-{broker.port}-{n}"
        )
        for n in range(3)
    ]
    async with table(database) as asked, device(broker) as pi:
        async with ingesting(of[0]) as one, ingesting(of[1]) as two, ingesting(of[2]) as three:
            for number in range(5):
                await pi.send(b'{"online": %d}' % number, Kind.STATUS)

            async def taken() -> float:
                name = 'wattline_ingestor_messages_total{kind="status"}'
                return sum([await member.metric(name) for member in (one, two, three)])

            await until_equal(taken, 4 * 5)
            assert await asked.quarantined() == {"invalid_message": 5}


def batch(numbers: list[int]) -> Batch:
    """A batch with the frames and events of these numbers, in this order."""
    made, now_us = Batch(), micros_now()
    for number in numbers:
        made.add_stored(Stored(now_us, "t", "frame", "no_spec", b"\1", delivery_id("test", number)))
        made.events[1, "b3f1", number] = DeviceEvent(
            now_us, datetime(2026, 11, 23, tzinfo=UTC), 1, None, "port_lost", "info", "b3f1", number, {}
        )
    return made


async def test_writers_that_meet_wait_in_one_order(database: Database) -> None:
    """Four writers with the same frames and events, each in an order of its own, never deadlock."""
    async with table(database) as asked:
        await asked.execute("INSERT INTO device (name) VALUES ('pi-1')")

        async def write(seed: int) -> None:
            connection = await asyncpg.connect(database.dsn("wattline_ingestor"))
            try:
                for round_number in range(15):
                    numbers = list(range(200 * round_number, 200 * round_number + 200))
                    random.Random(seed).shuffle(numbers)  # noqa: S311 - an order, no secret
                    await Writer().write(connection, batch(numbers), staged=True)
            finally:
                await connection.close()

        await asyncio.gather(*(write(seed) for seed in range(4)))
        assert await asked.rows("SELECT count(*), count(DISTINCT delivery) FROM frame") == [(3000, 3000)]
        assert await asked.rows("SELECT count(*), count(DISTINCT seq) FROM event") == [(3000, 3000)]


@pytest.mark.parametrize("doubtful", [True, False])
async def test_what_is_claimed_is_not_entered_again(each_edition: Database, doubtful: bool) -> None:
    """On both editions: a frame and an event given again stay one; a delivery that is known to be new is entered."""
    connection = await asyncpg.connect(each_edition.dsn())
    try:
        await connection.execute("INSERT INTO device (name) VALUES ('pi-1')")
        frame: list[Any] = [
            datetime(2026, 11, 23, tzinfo=UTC),
            1,
            None,
            "t",
            "frame",
            "no_spec",
            None,
            None,
            None,
            None,
        ]
        for second in range(2):
            at = datetime(2026, 11, 23, 0, 0, second, tzinfo=UTC)
            columns = [[at], *([one] for one in frame[1:]), ["{}"], [b"\1"], [delivery_id("test", 1)], [doubtful]]
            await add_frames(connection, *columns)
            event: list[Any] = [at, at, 1, None, "port_lost", "info", "b3f1", 7, "{}"]
            await add_events(connection, *([one] for one in event))
        assert await connection.fetchval("SELECT count(*) FROM frame") == (1 if doubtful else 2)
        assert await connection.fetchval("SELECT count(*) FROM event") == 1
        await connection.execute("SELECT delivery_claim_prune()")
        assert await connection.fetchval("SELECT count(*) FROM delivery_claim") == 2
        await connection.execute("UPDATE delivery_claim SET claimed_at = now() - interval '366 days'")
        await connection.execute("SELECT delivery_claim_prune()")
        assert await connection.fetchval("SELECT count(*) FROM delivery_claim") == 0
    finally:
        await connection.close()
