"""The summary of the ledger says what the ledger itself does, however its deliveries come."""

import itertools
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from store.ledger import fold, ledger_fold, ledger_note, prune
from tests.rigs.grafana.year import connected
from tests.rigs.ledger import devices
from tests.rigs.servers import Database

START = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=3)
Delivery = tuple[datetime, int, int, str]
"""Time of receipt, number, device, boot."""


async def store(opened: Any, *deliveries: Delivery) -> None:
    """Into the ledger, as stored a second after their receipt, with a newest reading of three seconds before it."""
    times, numbers, devices, boots = zip(*deliveries, strict=True) if deliveries else ((), (), (), ())
    await opened.execute(
        "INSERT INTO message (received_at, stored_at, newest_at, seq, device_id, boot, rows, kind) "
        "SELECT t, t + INTERVAL '1 second', t - INTERVAL '2 seconds', n, d, b, 4, 1 "
        "FROM unnest($1::timestamptz[], $2::bigint[], $3::integer[], $4::text[]) u (t, n, d, b)",
        times,
        numbers,
        devices,
        boots,
    )


async def summary(opened: Any, since: datetime | None = None, until: datetime | None = None) -> list[tuple[Any, ...]]:
    """The figures of each device by the summary."""
    rows = await opened.fetch(
        "SELECT device, messages, lost, repeated, late FROM ledger_quality_between($1, $2) ORDER BY device",
        since or START - timedelta(days=1),
        until or datetime.now(UTC),
    )
    return [tuple(row) for row in rows]


async def by_five_minutes(opened: Any, since: datetime, until: datetime) -> list[tuple[Any, ...]]:
    """The figures of a range by each of the intervals that it touches, and the numbers that went missing there."""
    rows = await opened.fetch(
        "SELECT device, sum(deliveries - repeated)::bigint, coalesce((SELECT sum(high - low + 1) FROM ledger_hole h"
        " JOIN device d ON d.id = h.device_id WHERE d.name = s.device AND h.lost AND opened_at < $2"
        " AND opened_at >= time_bucket('5 minutes', $1::timestamptz)), 0)::bigint, sum(repeated)::bigint,"
        " sum(late)::bigint FROM ledger_summary s WHERE bucket + interval '5 minutes' > $1 AND bucket < $2"
        " GROUP BY device ORDER BY device",
        since,
        until,
    )
    return [tuple(row) for row in rows]


async def ledger(opened: Any) -> list[tuple[Any, ...]]:
    """The same by every row of the ledger."""
    rows = await opened.fetch(
        "SELECT device, sum(messages)::bigint, sum(lost)::bigint, sum(repeated)::bigint, sum(late)::bigint "
        "FROM message_gap_between('-infinity', 'infinity') GROUP BY device ORDER BY device"
    )
    return [tuple(row) for row in rows]


def dealt(seed: int) -> list[Delivery]:
    """Three devices with three boots each: one in order, one with losses and repeats, one in any order at all."""
    chance = random.Random(seed)  # noqa: S311 - the same losses each time
    made = []
    for device, boot in itertools.product(range(1, 4), "abc"):
        numbers = [n for n in range(chance.randint(1, 9), 60) if chance.random() > 0.1 * (device - 1)]
        numbers += chance.sample(numbers, 6 * (device - 1))
        if device == 3:
            chance.shuffle(numbers)
        made += [(START + timedelta(seconds=100 * at), n, device, boot) for at, n in enumerate(numbers)]
    return made


async def test_it_adds_up_whatever_comes_in_whatever_order(each_edition: Database) -> None:
    """Summed up in parts of any size, with parts stored long after their time: the figures are those of the ledger."""
    deliveries = sorted(dealt(1))
    chance = random.Random(1)  # noqa: S311 - the same parts each time
    async with connected(each_edition) as opened:
        await devices(opened, "d1", "d2", "d3")
        now = START
        while deliveries:
            now += timedelta(seconds=chance.randint(1, 600))
            stored = [each for each in deliveries if each[0] < now and chance.random() > 0.2]
            deliveries = [each for each in deliveries if each not in stored]
            await store(opened, *stored)
            await fold(opened, now=now)
        assert (await fold(opened)).behind_s == 0
        found = await summary(opened)
        # what was stored out of its order is late or not by the order in which it was summed up, and lost by neither
        assert [each[:4] for each in found] == [each[:4] for each in await ledger(opened)]
        assert (await fold(opened)).deliveries == 0
        assert await summary(opened) == found
        sums = await opened.fetchrow(
            "SELECT sum(deliveries), sum(rows), sum(timed), sum(delay_s), max(delay_max_s), sum(wait_s) FROM ledger_5m"
        )
        for _ in range(100):
            since = START - timedelta(minutes=5) + timedelta(minutes=5 * chance.randint(0, 20))
            until = since + timedelta(seconds=chance.choice((300, 3300, 3600, 7200, 9000))) * chance.random()
            assert await summary(opened, since, until) == await by_five_minutes(opened, since, until), (since, until)
        count = await opened.fetchval("SELECT count(*) FROM message")
        assert tuple(sums) == (count, 4 * count, count, 3.0 * count, 3.0, 1.0 * count)
        assert await opened.fetchval("SELECT count(*) FROM ledger_late") == 0
        await forgets(opened, found)


async def forgets(opened: Any, found: list[tuple[Any, ...]]) -> None:
    """Older than the ledger is kept, sums, holes and boots go, and batches after a week; the rest stays."""
    await opened.execute(
        "INSERT INTO ingest_batch SELECT now() - age, 1, 1, 1, 'i' FROM unnest('{1 hour,9 days}'::interval[]) age"
    )
    old = datetime.now(UTC) - timedelta(days=120)
    await store(opened, (old, 1, 1, "old"), (old, 5, 1, "old"))
    assert (await fold(opened)).deliveries == 2
    assert await summary(opened, old - timedelta(hours=1), old + timedelta(hours=1)) == [("d1", 2, 3, 0, 0)]
    await prune(opened)
    assert await summary(opened, old - timedelta(hours=1)) == found
    assert await opened.fetchval("SELECT count(*) FROM ledger_boot WHERE boot = 'old'") == 0
    assert await opened.fetchval("SELECT count(*) FROM batch_log") == 1


async def test_in_their_order_late_ones_are_the_ledger_s_too(database: Database) -> None:
    """Stored in the order of receipt, all four figures are those of the ledger, at one go and in ten."""
    deliveries = sorted(dealt(7))
    async with connected(database) as opened:
        await devices(opened, "d1", "d2", "d3")
        for part in range(10):
            await store(opened, *deliveries[len(deliveries) * part // 10 : len(deliveries) * (part + 1) // 10])
            await fold(opened)
        found = await summary(opened)
        assert found == await ledger(opened)
        assert [(lost > 0, repeated > 0, late > 0) for _, _, lost, repeated, late in found] == [
            (False, False, False),
            (True, True, False),
            (True, True, True),
        ]


async def test_a_flood_is_summed_up_in_pieces(database: Database) -> None:
    """No transaction takes more than its share, unless all came in one moment; the sums are those of one piece."""
    share, moment = 2500, START + timedelta(minutes=1)
    async with connected(database) as opened:
        await devices(opened, "d1", "d2")
        spread = [(START + timedelta(milliseconds=n), n // 2 + 1, n % 2 + 1, "a") for n in range(2 * share + 500)]
        at_once = [(moment, n, 1, "b") for n in range(1, share + 501)]
        await store(opened, *spread, *at_once)
        await ledger_note(opened, datetime.now(UTC))
        taken = []
        while (stretch := await ledger_fold(opened, timedelta(days=1))) and stretch.behind:
            taken.append(stretch.deliveries)
        assert taken == [share, share, 500, share + 500]
        assert await summary(opened) == await ledger(opened)
        assert [each[:3] for each in await summary(opened)] == [("d1", 2 * share + 750, 0), ("d2", share + 250, 0)]


async def test_a_late_message_mends_the_time_where_it_was_missed(database: Database) -> None:
    """What comes an hour later is late then, and no longer lost in the five minutes where others overtook it."""
    async with connected(database) as opened:
        await devices(opened, "d1", "d2", "d3")
        times = [START + timedelta(minutes=minutes) for minutes in (0, 1, 2)]
        await store(opened, *((at, seq, 1, "a") for at, seq in zip(times, (1, 2, 8), strict=True)))
        await fold(opened)
        hour = (START, START + timedelta(minutes=10))
        assert await summary(opened, *hour) == [("d1", 3, 5, 0, 0)]
        later = START + timedelta(hours=1)
        await store(opened, (later, 5, 1, "a"), (later, 5, 1, "a"), (later, 9, 1, "a"))
        await fold(opened)
        assert await summary(opened, *hour) == [("d1", 3, 4, 0, 0)]
        assert await summary(opened, later, later + timedelta(minutes=1)) == [("d1", 2, 0, 1, 1)]
        holes = await opened.fetch("SELECT low, high, opened_at FROM ledger_hole ORDER BY low")
        assert [tuple(hole) for hole in holes] == [(3, 4, times[2]), (6, 7, times[2])]


async def test_what_is_committed_late_is_counted_once(database: Database) -> None:
    """A transaction that was open as its time was summed up holds the summary back; one that began later is added."""
    async with connected(database) as opened, connected(database) as slow:
        await devices(opened, "d1", "d2", "d3")
        await fold(opened, now=START)
        await store(opened, (START, 1, 1, "a"))
        transaction = slow.transaction()
        await transaction.start()
        await store(slow, (START + timedelta(seconds=1), 2, 1, "a"))
        held = await fold(opened, settle_s=0.2)
        assert (held.deliveries, held.behind_s > 3600) == (0, True)
        assert await summary(opened) == []
        await transaction.commit()
        assert (await fold(opened)).deliveries == 2
        transaction = slow.transaction()
        await transaction.start()
        await store(slow, (START + timedelta(seconds=2), 3, 1, "a"), (START + timedelta(seconds=3), 2, 1, "a"))
        assert (await fold(opened, settle_s=0.2)).deliveries == 0
        await transaction.commit()
        assert (await fold(opened)).deliveries == 2
        assert (await fold(opened)).deliveries == 0
        assert await summary(opened) == [("d1", 3, 0, 1, 0)]


async def test_a_note_that_was_taken_before_its_time_is_summed_up_counts_once(database: Database) -> None:
    """Noted as late though its time was still to come: it is in the ledger by then, and not counted from both."""
    async with connected(database) as opened:
        await devices(opened, "d1", "d2", "d3")
        await fold(opened, now=START)
        await opened.execute("SELECT ledger_note($1)", START + timedelta(hours=2))
        await store(opened, *((START + timedelta(minutes=n), n, 1, "a") for n in range(1, 100)))
        assert await opened.fetchval("SELECT count(*) FROM ledger_late") == 99
        assert (await fold(opened)).deliveries == 99
        assert await summary(opened) == [("d1", 99, 0, 0, 0)]


async def test_the_ingestor_may_sum_up_and_nobody_else(database: Database) -> None:
    """Its role may do all of it; Grafana's reads the summary and does not write."""
    async with connected(database, "wattline_ingestor") as ingestor:
        await fold(ingestor)
        await prune(ingestor)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await ingestor.execute("DELETE FROM ledger_5m")
    async with connected(database, "wattline_grafana") as grafana:
        await grafana.fetch("SELECT * FROM ledger_summary")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await grafana.execute("SELECT ledger_fold('1 hour')")
