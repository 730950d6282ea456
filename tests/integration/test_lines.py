"""Each stored reading to a receiver of line protocol: late ones, failures, kill -9, commits out of order."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg

from outlet.lines.exporter import PROBES
from tests.rigs.ingesting import device, ingesting, settings, table
from tests.rigs.line_receiver import line_receiver
from tests.rigs.outlets import OutletProcess, giving, outlet_settings, tell
from tests.rigs.servers import Broker, Database
from tests.rigs.waiting import stays, until, until_equal

NOW = datetime.now(UTC)


async def test_all_that_is_stored_is_given_whenever_it_comes(broker: Broker, database: Database) -> None:
    """History since a time, live readings, those that come days late, bad lines left out, a receiver that fails."""
    of = settings(broker, database.dsn("wattline_ingestor"))
    async with ingesting(of), device(broker) as pi, table(database) as asked, line_receiver() as receiver:
        await tell(pi, "TST:before", e1_8_0=1.0)
        await until_equal(asked.readings, 1)
        lines = {"url": receiver.url, "since": NOW - timedelta(hours=2), "authorization": "Token abc"}
        async with giving(outlet_settings(broker, database, lines=lines)):
            await until_equal(lambda: len(receiver.points), 1)
            assert receiver.authorization == "Token abc"
            await tell(pi, "TST:1", e1_8_0=100.5, e16_7_0=0.25)
            await until_equal(lambda: len(receiver.points), 3)

            receiver.fail, receiver.headers = 503, {"Retry-After": "0.1"}
            late = [
                {"at": (NOW - timedelta(days=3, seconds=n)).isoformat(), "values": {"1-0:1.8.0": 9.0}} for n in range(9)
            ]
            await pi.send(pi.payload(meter="TST:1", samples=late))
            await tell(pi, "TST:bad", e1_8_0=1.0)
            await tell(pi, "TST:2", e1_8_0=2.0)
            await until(lambda: receiver.refused > 1)
            receiver.fail, receiver.bad = 0, "TST:bad"
            await until_equal(lambda: len(receiver.points), 3 + 9 + 1)
            assert not [key for key in receiver.points if key[0] == "TST:bad"]
            receiver.bad = ""
            await tell(pi, "TST:2", e1_8_0=3.0)
            await until_equal(lambda: len(receiver.points), 14)
            await until_equal(lambda: asked.value("SELECT count(*) FROM stored_span"), 0)


async def test_no_transaction_is_passed_over_and_a_kill_loses_nothing(
    broker: Broker, database: Database, tmp_path: Path
) -> None:
    """One that began first and commits last holds its successors back; kill -9 while the receiver takes its time."""
    async with table(database) as asked, line_receiver() as receiver:
        await asked.execute(
            "INSERT INTO device (name) VALUES ('pi'); INSERT INTO meter (key, device_id) SELECT 'M:' || n, id"
            " FROM device, generate_series(1, 2) n; INSERT INTO series (meter_id, obis, unit, kind) SELECT id,"
            " '1-0:1.8.0', 'kWh', 'register' FROM meter"
        )
        process = OutletProcess(outlet_settings(broker, database), tmp_path / "log", LINES__URL=receiver.url)
        await process.start()
        await until(lambda: asked.value("SELECT seeded FROM outlet_cursor"))
        first, second = [await asyncpg.connect(database.dsn("wattline_ingestor")) for _ in range(2)]
        try:
            # makes the chunk, which would have the second wait for the first
            await store(first, 1, -1)
            begun = first.transaction()
            await begun.start()
            await store(first, 1, 0)
            async with second.transaction():
                await store(second, 2, 0)
            await until(lambda: "lines_seeded" in process.log)
            await until_equal(lambda: len(receiver.points), 1)
            await stays(lambda: len(receiver.points) == 1, 1.0, "the second waits for the first")
            await begun.commit()
            await until_equal(lambda: len(receiver.points), 3)

            receiver.fail = 503
            for number in range(1, 400):
                async with second.transaction():
                    await store(second, 2, number)
            await until(lambda: receiver.refused)
            await process.kill()
            receiver.fail = 0
            await process.start()
            await until_equal(lambda: len(receiver.points), 402)
            assert receiver.posts < 60, "small commits are given together"
        finally:
            await asyncio.gather(first.close(), second.close())
        assert await process.end() == 0, process.log
    assert "Traceback" not in process.log


async def store(connection: "asyncpg.Connection[asyncpg.Record]", series: int, number: int) -> None:
    """Store a reading as a writer does: first the reading, then the note."""
    at = NOW + timedelta(seconds=number)
    key = f"M:{series}"
    await connection.execute(
        "INSERT INTO reading (time, value, series_id, source) SELECT $1, $2, s.id, 1 FROM series s JOIN meter m ON"
        " m.id = s.meter_id WHERE m.key = $3", at, float(number), key,
    )  # fmt: skip
    await connection.execute(
        "INSERT INTO stored_span (from_at, until_at, series) SELECT $1, $1, array_agg(s.id) FROM series s JOIN meter m"
        " ON m.id = s.meter_id WHERE m.key = $2", at, key,
    )  # fmt: skip


async def test_a_receiver_that_refuses_everything_is_told_and_nothing_is_thrown_away(
    broker: Broker, database: Database
) -> None:
    """A wrong address answers 400 to each line: those are not bad lines."""
    of = settings(broker, database.dsn("wattline_ingestor"))
    async with ingesting(of), device(broker) as pi, table(database) as asked, line_receiver() as receiver:
        receiver.fail = 400
        async with giving(outlet_settings(broker, database, lines={"url": receiver.url, "since": NOW})):
            await until(lambda: asked.value("SELECT seeded FROM outlet_cursor"))
            await tell(pi, "TST:1", e1_8_0=1.0, e2_8_0=2.0)
            await until(lambda: receiver.refused >= 3)
            receiver.fail = 0
            await until_equal(lambda: sorted(key[1] for key in receiver.points), ["1-0:1.8.0", "1-0:2.8.0"])


async def test_a_page_of_which_every_line_is_refused_holds_nothing_up(broker: Broker, database: Database) -> None:
    """Beyond the receiver's retention, or a meter that it never takes: left out once it surely takes others."""
    of = settings(broker, database.dsn("wattline_ingestor"))
    async with ingesting(of), device(broker) as pi, table(database) as asked, line_receiver() as receiver:
        receiver.kept_ns = int((NOW - timedelta(days=1)).timestamp()) * 10**9
        receiver.bad = "TST:bad"
        lines = {"url": receiver.url, "since": NOW - timedelta(days=3)}
        for meter, back in (("TST:old", timedelta(days=2)), ("TST:bad", timedelta(hours=2))):
            await pi.send(pi.payload(meter=meter, samples=samples(NOW - back, 2 * PROBES)))
        await until_equal(asked.readings, 4 * PROBES)
        async with giving(outlet_settings(broker, database, lines=lines)):
            await until(lambda: receiver.refused > PROBES)
            await stays(lambda: not receiver.points, 0.5, "nothing shows yet that the receiver takes any")
            assert await asked.value("SELECT count(*) FROM stored_span")

            # in one page behind more refused lines than are probed
            receiver.fail = 503
            await pi.send(
                pi.payload(meter="TST:bad", samples=samples(NOW - timedelta(hours=2, minutes=-1), 2 * PROBES))
            )
            await pi.send(pi.payload(meter="TST:good", samples=samples(NOW - timedelta(hours=2), 3)))
            await tell(pi, "TST:1", e1_8_0=1.0)
            await until_equal(asked.readings, 6 * PROBES + 4)
            receiver.fail = 0
            await until_equal(lambda: len(receiver.points), 4)
            await until_equal(lambda: asked.value("SELECT count(*) FROM stored_span"), 0)
            assert {key[0] for key in receiver.points} == {"TST:good", "TST:1"}


def samples(since: datetime, most: int) -> list[dict[str, object]]:
    """Samples of a register, a second apart."""
    return [{"at": (since + timedelta(seconds=n)).isoformat(), "values": {"1-0:1.8.0": 1.0}} for n in range(most)]
