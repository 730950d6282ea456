"""What the ledger knows of messages that were sent again, of the lost end of a boot, and of a device that lies."""

from datetime import UTC, datetime, timedelta
from typing import Any

from broker.contract.messages import BootEnd, EventMessage
from broker.contract.topics import Kind
from store.ledger import fold
from tests.rigs.grafana.year import connected
from tests.rigs.ingesting import device, ingesting, settings, table
from tests.rigs.ledger import devices
from tests.rigs.servers import Broker, Database
from tests.rigs.waiting import until_equal

START = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=3)
DAY = (START - timedelta(days=1), START + timedelta(days=1))
FIGURES = "messages, lost, repeated, late, healed, resent, implausible"


async def store(opened: Any, *rows: tuple[int, str, int, int | None], at: datetime = START, of: int = 1) -> None:
    """Deliveries (seconds after `at`, boot, number, times sent before) of a device into the ledger."""
    times, boots, numbers, resends = zip(*rows, strict=True)
    await opened.execute(
        "INSERT INTO message (received_at, stored_at, seq, device_id, boot, rows, kind, resent)"
        " SELECT t, t, n, $5, b, 4, 1, r FROM unnest($1::timestamptz[], $2::text[], $3::bigint[], $4::integer[])"
        " u (t, b, n, r)",
        [at + timedelta(seconds=second) for second in times],
        boots,
        numbers,
        resends,
        of,
    )


async def told(opened: Any, boot: str, seq: int, second: int, of: int = 1) -> None:
    """What a device says of the end of an earlier boot."""
    await opened.execute(
        "INSERT INTO ledger_boot_end VALUES ($1, $2, $3, $4)", of, boot, seq, START + timedelta(seconds=second)
    )


async def figures(opened: Any, columns: str = FIGURES) -> list[tuple[Any, ...]]:
    rows = await opened.fetch(f"SELECT device, {columns} FROM ledger_quality_between($1, $2) ORDER BY 1", *DAY)  # noqa: S608 - the test's own text
    return [tuple(row) for row in rows]


async def gaps(opened: Any) -> list[tuple[Any, ...]]:
    """By every row of the ledger, by boot."""
    rows = await opened.fetch("SELECT boot, messages, lost, repeated, late, healed, resent FROM message_gap ORDER BY 1")
    return [tuple(row) for row in rows]


async def boots(opened: Any) -> list[tuple[Any, ...]]:
    """By boot, as summed up."""
    rows = await opened.fetch(
        "SELECT boot, messages, lost, repeated, late, healed, resent FROM ledger_boot_overview ORDER BY 1"
    )
    return [tuple(row) for row in rows]


async def holes(opened: Any) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in await opened.fetch("SELECT boot, low, high FROM ledger_hole ORDER BY 1, 2")]


async def test_a_hole_that_a_resend_closes_is_healed(each_edition: Database) -> None:
    """Late is late; healed is what came only as it was sent again; a needless resend is a repeat."""
    async with connected(each_edition) as opened:
        await devices(opened)
        await store(opened, (0, "a", 1, None), (1, "a", 6, None))
        await fold(opened)
        assert await figures(opened) == [("d1", 2, 4, 0, 0, 0, 0, 0)]
        again = (2, "a", 2, None), (3, "a", 3, 1), (4, "a", 4, 2), (5, "a", 6, 1), (6, "a", 4, 3)
        await store(opened, *again)
        await fold(opened)
        assert await figures(opened) == [("d1", 5, 1, 2, 3, 2, 4, 0)]
        assert await boots(opened) == await gaps(opened) == [("a", 5, 1, 2, 3, 2, 4)]
        assert await holes(opened) == [("a", 5, 5)]
        summed = await opened.fetchrow("SELECT sum(healed), sum(resent) FROM ledger_1h")
        assert tuple(summed) == (2, 4)


async def test_the_lost_end_of_a_boot_is_a_hole_that_heals(each_edition: Database) -> None:
    """What the next boot tells of, and of a boot of which nothing came at all; what comes afterwards closes it."""
    async with connected(each_edition) as opened:
        await devices(opened)
        await store(opened, (0, "a", 1, None), (1, "a", 2, None), (9, "c", 1, None))
        await told(opened, "a", 5, 9)
        await fold(opened)
        assert await holes(opened) == [("a", 3, 5)]
        await told(opened, "b", 61, 10)
        await fold(opened)
        assert await holes(opened) == [("a", 3, 5), ("b", 1, 61)]
        assert await figures(opened) == [("d1", 3, 64, 0, 0, 0, 0, 0)]
        expected = [("a", 2, 3, 0, 0, 0, 0), ("b", 0, 61, 0, 0, 0, 0), ("c", 1, 0, 0, 0, 0, 0)]
        assert await gaps(opened) == await boots(opened) == expected
        await store(opened, *((20 + n, "a", n, 1) for n in (3, 5)), *((30 + n, "b", n, 1) for n in range(1, 62)))
        await fold(opened)
        assert await holes(opened) == [("a", 4, 4)]
        assert await figures(opened) == [("d1", 66, 1, 0, 63, 63, 63, 0)]


async def test_an_end_below_what_came_says_nothing(database: Database) -> None:
    """As from a device whose files are older than what it sent, told again, or of a boot that sent nothing."""
    async with connected(database) as opened:
        await devices(opened)
        await store(opened, (0, "a", 1, None), (1, "a", 2, None), (2, "a", 3, None))
        await told(opened, "a", 2, 9)
        await told(opened, "b", 0, 9)
        await fold(opened)
        assert (await holes(opened), await gaps(opened)) == ([], [("a", 3, 0, 0, 0, 0, 0)])
        await store(opened, (20, "a", 4, None))
        await fold(opened)
        assert await figures(opened) == [("d1", 4, 0, 0, 0, 0, 0, 0)]


async def test_a_device_that_lies_harms_its_own_record_only(each_edition: Database) -> None:
    """Numbers and boots that can't be are counted, told of once a day, and reckoned with nowhere."""
    async with connected(each_edition) as opened:
        await devices(opened, "d1", "liar")
        await store(opened, (0, "a", 1, None), (1, "a", 2, None), (2, "a", 4, None))
        wild = [(n % 50, f"{n:04x}", 2**53, None) for n in range(1100)]
        await store(opened, *wild, (55, "good", 1, None), (56, "good", 2**50, None), (57, "good", 3, None), of=2)
        await told(opened, "beef", 2**53, 5, of=2)
        await fold(opened)
        await store(opened, *((60, f"b{n:04x}", 1, None) for n in range(1200)), of=2)
        await store(opened, (61, "a", 3, None), at=START)
        await fold(opened)
        assert await figures(opened) == [("d1", 4, 0, 0, 1, 0, 0, 0), ("liar", 2303, 1, 0, 0, 0, 0, 1302)]
        assert await holes(opened) == [("good", 2, 2)]
        await opened.fetch("SELECT sum(lost)::bigint FROM message_gap")
        rows = await opened.fetch("SELECT device, event, detail ->> 'deliveries' FROM event_log")
        assert [tuple(row) for row in rows] == [("liar", "numbers_implausible", "1101")]
        rows = await opened.fetch("SELECT device, quota, allowed, cut FROM device_quota")
        assert [tuple(row) for row in rows] == [("liar", "boots", 1000, 201)]


async def test_a_device_whose_rows_fail_is_left_out_and_told_of(each_edition: Database) -> None:
    """The others are summed up all the same, and so is what it sends later."""
    async with connected(each_edition) as opened:
        await devices(opened, "d1", "poison", "d3")
        await opened.execute("INSERT INTO ledger_hole VALUES (2, 'a', 2, 9, now(), true)")
        for of in (1, 2, 3):
            await store(opened, (0, "a", 1, None), (1, "a", 4, None), of=of)
        done = await fold(opened)
        assert done.behind_s == 0
        assert [row[:3] for row in await figures(opened)] == [("d1", 2, 2), ("d3", 2, 2)]
        [skipped] = await opened.fetch("SELECT device, error FROM ledger_skip")
        assert (skipped["device"], "ledger_hole_pkey" in skipped["error"]) == ("poison", True)
        assert await opened.fetchval("SELECT device FROM event_log WHERE event = 'ledger_skipped'") == "poison"
        await opened.execute("DELETE FROM ledger_hole WHERE device_id = 2")
        await store(opened, (30, "a", 5, None), of=2)
        assert (await fold(opened)).deliveries == 1
        assert (await figures(opened))[2][:2] == ("poison", 1)


async def test_what_the_device_says_reaches_the_ledger(broker: Broker, database: Database) -> None:
    """A resend and the end of the boot before, from the wire to the ledger, straight and through staging."""
    at = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
    began = EventMessage(
        boot="c0de", seq=1, at=at, event="boot_began", previous=BootEnd(boot="b3f1", seq=7), resent=None
    )
    async with (
        table(database) as asked,
        ingesting(settings(broker, database.dsn("wattline_ingestor"))),
        device(broker) as pi,
    ):
        first = pi.payload(resent=2)
        await pi.send_all([first, first, pi.payload()])
        await pi.send(began.payload(), Kind.EVENTS)
        await pi.send(began.model_copy(update={"resent": 1}).payload(), Kind.EVENTS)
        await until_equal(lambda: asked.value("SELECT count(*) FROM message"), 5)
        rows = await asked.rows("SELECT seq, resent FROM ledger WHERE kind = 'readings' ORDER BY seq")
        assert rows == [(1, 2), (1, 2), (2, None)]
        assert await asked.rows("SELECT boot, seq FROM ledger_boot_end") == [("b3f1", 7)]
        previous = await asked.rows("SELECT detail #>> '{previous,boot}', detail #>> '{previous,seq}' FROM event_log")
        assert previous == [("b3f1", "7")]
        await until_equal(lambda: asked.value("SELECT coalesce(sum(lost), 0)::int FROM message_gap"), 5)
