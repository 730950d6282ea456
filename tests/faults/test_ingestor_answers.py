"""A database whose answers are lost, refused, or never come: nothing is doubled and nothing is misjudged."""

import asyncio
import itertools
import time
from typing import Any

import asyncpg
import pytest

from broker.contract.topics import Kind
from ingestor import service as service_module
from ingestor.batches.assembler import Assembler
from ingestor.batches.batch import Batch, Received
from ingestor.writing.writer import Writer, Written
from tests.rigs.ingesting import Running, device, ingesting, settings, table
from tests.rigs.proxy import TcpProxy
from tests.rigs.servers import Broker, Database
from tests.rigs.waiting import until, until_equal

FAILS_AFTER_S = 0.003
"""What a database takes to fail, so that another batch is written meanwhile."""
OTHER_IDS = """
CREATE TEMPORARY TABLE before AS TABLE series;
DELETE FROM series;
INSERT INTO series (meter_id, obis, unit, kind) SELECT meter_id, obis, unit, kind FROM before;
"""


@pytest.mark.parametrize("error", [asyncpg.ConnectionDoesNotExistError, asyncpg.InternalClientError])
async def test_a_commit_whose_answer_is_lost_doubles_nothing(
    broker: Broker, database: Database, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    """Readings, ledger and quarantine are entered once where the connection breaks right after COMMIT."""
    write, to_lose = Writer.write, list[str]()

    async def losing(self: Writer, *arguments: Any, **named: Any) -> Written:
        written = await write(self, *arguments, **named)
        if to_lose:
            raise error(to_lose.pop())
        return written

    monkeypatch.setattr(Writer, "write", losing)
    of = settings(broker, database.dsn("wattline_ingestor"), receive_maximum=4)
    async with ingesting(of) as ingestor, device(broker) as pi, table(database) as asked:
        # beyond what a broker may give again after a connect, a delivery is known to be new
        await pi.readings(10, 3)
        await until_equal(asked.entered, 10)
        for payload in (pi.payload(), b"{not json", b""):
            to_lose.append("connection was closed in the middle of operation")
            await pi.send(payload)
            await until(lambda: not to_lose)
        await pi.readings(1, 3)
        await until_equal(asked.entered, 12)
        assert await asked.value("SELECT count(*) FROM message") == 12
        assert await asked.readings() == 36
        await until_equal(asked.quarantined, {"invalid_json": 2})
        assert await ingestor.metric(f'wattline_ingestor_retries_total{{error="{error.__name__}"}}') == 3


async def test_one_writer_that_fails_costs_the_other_no_names(
    broker: Broker, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one batch is tried again, the names of the other are found: no message is taken for beyond a limit."""
    write, calls = Writer.write, itertools.count()

    async def failing(self: Writer, *arguments: Any, **named: Any) -> Written:
        if next(calls) % 2 and not named["staged"]:
            await asyncio.sleep(FAILS_AFTER_S)
            raise asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")
        return await write(self, *arguments, **named)

    monkeypatch.setattr(Writer, "write", failing)
    of = settings(broker, database.dsn("wattline_ingestor"), receive_maximum=12, batch_wait_s=0.0, writers=4)
    async with ingesting(of), device(broker) as pi, table(database) as asked, asyncio.timeout(60):
        status = b'{"online": true, "boot": "b3f1", "software": "1", "since": "2026-11-23T10:00:00Z"}'
        for n in range(60):
            await asyncio.gather(
                pi.send(pi.payload(1 + n, meter=f"TST:{n % 7}")),
                pi.send(status, Kind.STATUS),
                pi.send(b"{not json", Kind.EVENTS),
            )
        await until_equal(asked.entered, 60)
        await until_equal(asked.quarantined, {"invalid_json": 60})
        assert await asked.value("SELECT count(*) FROM frame WHERE device_id IS NULL") == 0
        assert await asked.readings() == sum(1 + n for n in range(60))


async def is_writing(ingestor: Running) -> bool:
    """Whether /healthz says that a batch is being written."""
    _, document = await ingestor.health()
    return "is being written" in document["checks"]["writing"]["detail"]


@pytest.mark.parametrize("in_hand", [0, 1])
async def test_stopping_while_the_database_does_not_answer_ends_in_time(
    broker: Broker, database: Database, monkeypatch: pytest.MonkeyPatch, in_hand: int
) -> None:
    """A database that hangs delays the end by the deadlines and no more, with a batch in hand or without."""
    monkeypatch.setattr(service_module, "FLUSH_S", 0.3)
    server = database.server
    async with TcpProxy(server.host, server.port) as proxy:
        dsn = database.dsn("wattline_ingestor").replace(f":{server.port}/", f":{proxy.port}/")
        of = settings(broker, dsn, stop_deadline_s=0.5)
        async with device(broker) as pi, table(database) as asked:
            async with ingesting(of) as ingestor:
                await pi.readings(3, 3)
                await until_equal(asked.entered, 3)
                # stored is not yet known to be stored: the answer to the commit must not be caught on its way
                await until_equal(lambda: is_writing(ingestor), wanted=False)
                proxy.stall()
                await pi.readings(in_hand, 3)
                await until_equal(lambda: is_writing(ingestor), wanted=bool(in_hand))
                began_s = time.monotonic()
            assert time.monotonic() - began_s < 30


async def test_what_waits_in_an_outage_is_not_stored_by_ids_of_before(
    broker: Broker, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database that answers after an outage may have given its ids otherwise: messages read before it ask anew."""
    write, add, added = Writer.write, Assembler.add, list[Received]()

    def spying(self: Assembler, batch: Batch, received: Received) -> None:
        add(self, batch, received)
        added.append(received)

    async with ingesting(settings(broker, database.dsn("wattline_ingestor"), writers=1)), device(broker) as pi:
        async with table(database) as asked, table(database) as other:
            await pi.readings(1)
            await until_equal(asked.entered, 1)

            async def failing(self: Writer, *arguments: Any, **named: Any) -> Written:
                monkeypatch.setattr(Writer, "write", write)
                seen = len(added)
                await pi.readings(1)
                await until(lambda: len(added) > seen)
                await other.execute(OTHER_IDS)
                raise asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")

            monkeypatch.setattr(Assembler, "add", spying)
            monkeypatch.setattr(Writer, "write", failing)
            await pi.readings(1)
            await until_equal(asked.entered, 3)
            assert await asked.value("SELECT count(*) FROM reading r JOIN series s ON s.id = r.series_id") == 6
