"""Payloads of third parties through the worker: into readings and events, exactly once, or kept with the reason."""

import asyncio
import contextlib
import signal
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from ingestor.worker.mappings.hand import in_hand
from ingestor.worker.mappings.loop import Mappings
from ingestor.worker.mappings.store import count_payloads
from ingestor.worker.metrics import WorkerMetrics
from store.pool import Pool, open_pool
from tests.rigs.gateway import connection, events, rows
from tests.rigs.redecoding import metrics, worker_process, worker_settings, working
from tests.rigs.servers import Database
from tests.rigs.sources import MAPPING, add_payload, add_source, map_source, payloads
from tests.rigs.waiting import until, until_equal

START = datetime(2026, 11, 20, tzinfo=UTC)
READINGS = "SELECT time, value, obis FROM named_reading WHERE meter = $1 ORDER BY time, obis"


def record(number: int, **more: Any) -> dict[str, Any]:
    """Reading so many of a meter."""
    return {"id": "7", "t": (START + timedelta(minutes=number)).isoformat(), "kwh": 100 + number, **more}


async def settled(database: Database) -> bool:
    return not await rows(database, "SELECT FROM payload WHERE state = 'waiting'")


async def test_payloads_become_readings_and_events(database: Database) -> None:
    """Each way that a payload can go, by one worker, and what of it the metrics, the fleet and the catalogue show."""
    device_id = await add_source(database)
    await add_source(database, "unmapped", None)
    await add_payload(database, [record(0), record(1, alarm="Cover Open")])
    await add_payload(database, [record(2), record(3, kwh="x")])
    await add_payload(database, b"\x00\xff poison")
    await add_payload(database, {"id": "7", "t": "2026-11-20T00:01:00Z", "kwh": 999})
    await add_payload(database, record(4, alarm="\ud800"))
    await add_payload(database, record(0), "unmapped")
    # the same again under another key: its readings and its event are there already
    await add_payload(database, [record(0), record(1, alarm="Cover Open")], key="again")
    await add_payload(database, [record(0), {"id": "7", "t": "2036-11-20T00:00:00Z", "kwh": 5}])
    async with working(worker_settings(database, mapping_poll_s=0.1)) as url:
        await until(lambda: settled(database), "all payloads are settled")
        async with asyncio.timeout(60):
            while (await metrics(url)).get('wattline_worker_payloads_total{result="mapped",source="acme"}') != 6:
                await asyncio.sleep(0.1)
        shown = await metrics(url)
        assert shown['wattline_worker_readings_refused_total{reason="value_conflict"}'] == 1
    found = await payloads(database)
    assert [(one["state"], one["readings"], one["events"]) for one in found] == [
        ("mapped", 2, 1), ("mapped", 1, 0), ("unmapped", 0, 0), ("mapped", 0, 0), ("mapped", 1, 0), ("unmapped", 0, 0),
        ("mapped", 2, 1), ("mapped", 1, 0),
    ]  # fmt: skip
    assert "record 2, values.1-0:1.8.0: 'x' is no number" in found[1]["reason"]
    assert "no utf-8 text" in found[2]["reason"]
    assert found[3]["reason"].startswith("in quarantine, value_conflict: ")
    assert [one["reason"] for one in (found[0], found[6])] == [None, None]
    assert "the source has no mapping yet" in found[5]["reason"]
    assert found[7]["reason"].startswith("in quarantine, implausible_time: ")
    values = [(row["time"], row["value"]) for row in await rows(database, READINGS, "ACME:7")]
    assert values == [(START + timedelta(minutes=number), 100.0 + number) for number in (0, 1, 2, 4)]
    assert [one["detail"] for one in await events(database, "cover_open")] == [{}, {}]
    conflict = await rows(database, "SELECT reason FROM frame WHERE device_id = $1", device_id)
    assert sorted(one["reason"] for one in conflict) == ["implausible_time", "value_conflict"]
    (meter,) = await rows(database, "SELECT manufacturer, product, device_id FROM meter WHERE key = 'ACME:7'")
    assert meter == {"manufacturer": "ACME", "product": "Cloud", "device_id": device_id}
    assert await rows(database, "SELECT FROM message") == []
    assert (await rows(database, "SELECT last_seen_at FROM device WHERE id = $1", device_id))[0]["last_seen_at"]


async def test_a_new_version_takes_what_was_unmapped(database: Database) -> None:
    """What gave nothing, and what gave a part, is tried again; what gave all is not."""
    await add_source(database, "acme", MAPPING.replace("kwh", "energy"))
    await add_payload(database, record(0))
    await add_payload(database, [{**record(1), "energy": 101}, record(2)])
    await add_payload(database, {**record(3), "energy": 103})
    async with working(worker_settings(database, mapping_poll_s=0.1)):
        await until(lambda: settled(database), "all are tried")
        assert [one["state"] for one in await payloads(database)] == ["unmapped", "mapped", "mapped"]
        await map_source(database, MAPPING)
        await until_equal(lambda: versions(database), [2, 2, 1])
    assert [one["state"] for one in await payloads(database)] == ["mapped", "mapped", "mapped"]
    assert len(await rows(database, READINGS, "ACME:7")) == 4


async def versions(database: Database) -> list[int]:
    return [one["version"] for one in await payloads(database) if one["state"] != "waiting"]


async def test_a_killed_worker_loses_and_doubles_nothing(database: Database) -> None:
    """Killed again and again amid its work: each payload is settled once, each reading and event is there once."""
    await add_source(database)
    async with connection(database) as opened:
        await opened.execute(
            "INSERT INTO payload (source, key, body) SELECT 'acme', n::text, convert_to(json_build_object("
            "'id', n % 7, 't', timestamptz '2026-11-20 00:00Z' + n * interval '1 minute', 'kwh', n, 'alarm', 'a' || n"
            ")::text, 'UTF8') FROM generate_series(1, 1500) AS n"
        )
    of = worker_settings(database, mapping_poll_s=0.1)
    for done in (1, 400, 800):
        async with worker_process(of) as process:
            await until(lambda done=done: mapped(database, done), f"{done} are mapped")
            process.send_signal(signal.SIGKILL)
            await process.wait()
    async with working(of):
        await until(lambda: settled(database), "all are settled")
    (found,) = await rows(database, "SELECT count(*) AS n FROM payload WHERE state = 'mapped'")
    assert found["n"] == 1500
    (found,) = await rows(database, "SELECT count(*) AS n, sum(value) AS sum FROM reading")
    assert found == {"n": 1500, "sum": 1125750.0}
    told = "SELECT count(*) AS n, count(DISTINCT event) AS kinds FROM event WHERE event ~ '^a[0-9]'"
    assert await rows(database, told) == [{"n": 1500, "kinds": 1500}]


async def test_a_payload_that_ends_its_workers_is_set_aside(database: Database) -> None:
    """Each worker that takes it dies; then it is unmapped with the reason, and what came with it is mapped."""
    await add_source(database)
    good, bad, last = [await add_payload(database, record(number)) for number in range(3)]
    assert await died(database) == [good, bad, last]
    assert await died(database) == [good], "one by one"
    async with pool_of(database) as pool, in_hand(pool, uuid4(), "acme"):
        async with in_hand(pool, uuid4(), "acme") as other:
            assert not other.payloads, "one worker at a time"
        await execute(database, "UPDATE payload SET state = 'mapped' WHERE id = $1", good)
    for _ in range(3):
        assert await died(database) == [bad]
    async with working(worker_settings(database, mapping_poll_s=0.1)):
        await until(lambda: settled(database), "all payloads are settled")
        assert [one["state"] for one in await payloads(database)] == ["mapped", "unmapped", "mapped"]
        assert "3 workers died over it" in (await payloads(database))[1]["reason"]
        # by hand it is tried again, as any
        await execute(database, "UPDATE payload SET state = 'waiting' WHERE id = $1", bad)
        await until(lambda: settled(database), "it is tried")
    assert [one["state"] for one in await payloads(database)] == ["mapped"] * 3


def pool_of(database: Database) -> contextlib.AbstractAsyncContextManager[Pool]:
    return open_pool(database.dsn("wattline_ingestor"), min_size=1, max_size=4, application_name="test")


async def died(database: Database) -> list[int]:
    """What a worker had in hand whose connections broke in its turn, and which came no more."""
    async with pool_of(database) as pool, in_hand(pool, uuid4(), "acme") as hand:
        await execute(
            database,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1",
            "wattline_ingestor",
        )
        found = [one.id for one in hand.payloads]
    ours = "usename = 'wattline_ingestor' AND datname = current_database()"
    left = f"SELECT count(*) AS n FROM pg_stat_activity WHERE {ours}"  # noqa: S608 - the test's own text
    # its lock goes with its sessions
    await until_equal(lambda: rows(database, left), [{"n": 0}])
    return found


async def execute(database: Database, query: str, *arguments: Any) -> None:
    async with connection(database) as opened:
        await opened.execute(query, *arguments)


async def mapped(database: Database, most: int) -> bool:
    (found,) = await rows(database, "SELECT count(*) AS n FROM payload WHERE state = 'mapped'")
    return int(found["n"]) >= most


async def test_a_source_that_floods_delays_the_others_by_a_portion(database: Database) -> None:
    for name in ("a-flood", "quiet"):
        await add_source(database, name)
    async with connection(database) as opened:
        await opened.execute(
            "INSERT INTO payload (source, key, body) SELECT 'a-flood', n::text, '{}' FROM generate_series(1, 1000) AS n"
        )
    await add_payload(database, record(0), "quiet")
    async with pool(database) as opened:
        assert await Mappings(opened, worker_settings(database), WorkerMetrics(), asyncio.Event()).round() == 201
    assert (await payloads(database))[-1]["state"] == "mapped"


DEAR = """
format: {type: json}
records: [many]
meter: "DEAR:1"
values:
  1-0:1.8.0: {path: "_body.many[?@==`-1`]|[0]"}
"""


async def test_a_source_with_dear_payloads_holds_up_no_other(database: Database) -> None:
    """What is dear waits for turns of its own, beside the others'; one beyond all bounds is kept, with the reason."""
    await add_source(database, "a-dear", DEAR)
    await add_source(database, "b-large")
    await add_source(database, "quiet")
    await add_payload(database, {"many": list(range(1000))}, "a-dear")
    await add_payload(database, [record(0, id="8", note="x" * 300_000), record(1, id="8")], "b-large")
    for number in range(3):
        await add_payload(database, record(number), "quiet")
    async with pool(database) as opened:
        mappings = Mappings(opened, worker_settings(database, mapping_turn_s=0), WorkerMetrics(), asyncio.Event())
        assert [await mappings.round() for _ in range(3)] == [1, 1, 1], "one each, of the third source alone"
        assert [one["state"] for one in await payloads(database)] == ["waiting"] * 2 + ["mapped"] * 3
        assert await mappings.dear_round() == 2
        assert await mappings.dear_round() == 0
    dear, large, *_ = await payloads(database)
    assert (dear["state"], dear["gone"]) == ("unmapped", False)
    assert "the mapping takes too long on it" in dear["reason"]
    assert (large["state"], large["readings"]) == ("mapped", 2)


async def test_a_dear_payload_that_ends_its_workers_is_found(database: Database) -> None:
    """That it was left to turns of its own in between counts for no life."""
    await add_source(database)
    bad = await add_payload(database, record(0))
    assert await died(database) == [bad]
    for _ in range(3):
        async with pool_of(database) as pool, in_hand(pool, uuid4(), "acme") as hand:
            hand.is_given_back = True
        assert await died(database) == [bad]
    async with pool_of(database) as pool, in_hand(pool, uuid4(), "acme") as hand:
        assert hand.is_deadly


async def test_what_was_kept_long_enough_goes(database: Database) -> None:
    """Bodies first, then rows; unmapped ones stay until their own time or bound, which is told."""
    await add_source(database)
    for number in range(3):
        await add_payload(database, record(number))
    for letter in b"abcd":
        await add_payload(database, bytes([letter]) * 600_000)
    now = datetime.now(UTC)
    of = worker_settings(database, unmapped_mib_per_source=1)
    async with pool(database) as opened:
        mappings = Mappings(opened, of, WorkerMetrics(), asyncio.Event())
        while await mappings.round() + await mappings.dear_round():
            pass
        await mappings.forget(now)
        assert [one["gone"] for one in await payloads(database)] == [False, False, False, False]
        await mappings.forget(now + timedelta(days=8))
        assert [one["gone"] for one in await payloads(database)] == [True, True, True, False]
        await mappings.forget(now + timedelta(days=31))
        assert [one["state"] for one in await payloads(database)] == ["unmapped"]
        await mappings.forget(now + timedelta(days=366))
        assert await payloads(database) == []
    # the same once an hour
    (told,) = await events(database, "payloads_dropped")
    assert (told["detail"]["payloads"], told["detail"]["bytes"]) == (3, 1_800_000)


async def test_a_flood_of_tiny_payloads_is_kept_within_its_bound(database: Database) -> None:
    """However many came since the last time: their rows are what fills the table, and what is counted on each page."""
    await add_source(database)
    flood = """INSERT INTO payload (source, key, content_type, body, state, version, mapped_at)
               SELECT 'acme', n::text, '', 'x', 'unmapped', 1, now() FROM generate_series(1, 7000) n"""
    async with connection(database) as asked:
        await asked.execute(flood)
    async with pool(database) as opened:
        of = worker_settings(database, unmapped_mib_per_source=1)
        await Mappings(opened, of, WorkerMetrics(), asyncio.Event()).forget(datetime.now(UTC))
    left = await rows(database, "SELECT count(*) AS count, max(key::integer) AS newest FROM payload")
    assert left == [{"count": 1023, "newest": 7000}]


async def test_a_source_that_the_database_holds_up_holds_up_no_other(database: Database) -> None:
    """Somebody's transaction has its device: the turn fails as an outage would, and the next round begins elsewhere."""
    device_id = await add_source(database)
    await add_source(database, "behind")
    await add_payload(database, record(0))
    await add_payload(database, record(1), "behind")
    async with connection(database) as held, held.transaction(), pool(database, lock_timeout_s=0.5) as opened:
        await held.execute("SELECT FROM device WHERE id = $1 FOR UPDATE", device_id)
        mappings = Mappings(opened, worker_settings(database), WorkerMetrics(), asyncio.Event())
        with pytest.raises(asyncpg.LockNotAvailableError):
            await mappings.round()
        assert await mappings.round() == 1
    assert [(one["source"], one["state"]) for one in await payloads(database)] == [
        ("acme", "waiting"), ("behind", "mapped"),
    ]  # fmt: skip


def pool(database: Database, **changes: float) -> Any:
    login = database.dsn("wattline_ingestor")
    return open_pool(login, min_size=1, max_size=4, application_name="test", **changes)


async def test_years_in_one_payload(database: Database) -> None:
    """More days than one transaction may make chunks of are stored in pieces, and settled after them."""
    await add_source(database)
    days = [{"id": "7", "t": (START - timedelta(days=day)).isoformat(), "kwh": 10_000 - day} for day in range(400)]
    await add_payload(database, days)
    async with working(worker_settings(database, mapping_poll_s=0.1)):
        await until(lambda: settled(database), "it is settled")
    assert (await payloads(database))[0]["readings"] == 400
    assert len(await rows(database, READINGS, "ACME:7")) == 400


async def test_what_waits_is_counted_for_each_source_that_there_is(database: Database) -> None:
    """One with nothing at 0, as a rule on its rise needs; what an engineer turned off is not overdue."""
    for name in ("acme", "empty", "off"):
        await add_source(database, name)
    await add_payload(database, record(0))
    await add_payload(database, record(0), "off")
    async with connection(database) as opened:
        await opened.execute("UPDATE source SET enabled = false WHERE name = 'off'")
        await opened.execute("UPDATE payload SET received_at = now() - INTERVAL '1 hour'")
    async with open_pool(database.dsn("wattline_ingestor"), min_size=1, max_size=1, application_name="test") as pool:
        found = {one.source: one for one in await count_payloads(pool)}
    assert {name: one.waiting for name, one in found.items()} == {"acme": 1, "empty": 0, "off": 1}
    assert {name: one.oldest_s >= 3600 for name, one in found.items()} == {"acme": True, "empty": False, "off": False}
