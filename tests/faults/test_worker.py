"""Workers that are killed, stopped, robbed of their database or of their job: nothing is lost, nothing comes twice."""

import asyncio
import signal

import asyncpg
import psutil
import pytest

from ingestor.worker import redecoding
from tests.rigs.gateway import connection, rows
from tests.rigs.redecoding import (
    add_job,
    add_meter,
    add_spec,
    ended,
    job,
    keep,
    metrics,
    pushes,
    worker_process,
    worker_settings,
    working,
)
from tests.rigs.servers import Database
from tests.rigs.waiting import until

pytestmark = pytest.mark.timeout(300)
FRAMES = 2500
SMALL, LARGE = 20, 500
"""Frames of a portion: of a worker that something happens to in the middle of a job, and of one that does the rest."""
READINGS = "SELECT count(*) AS n, count(DISTINCT (series_id, time)) AS different FROM reading"


async def prepared(database: Database, frames: int = FRAMES) -> str:
    """A meter with many frames, and the spec that reads them."""
    await add_meter(database)
    await keep(database, pushes(frames))
    return (await add_spec(database)).ref


async def begun(database: Database, number: int) -> int:
    """Wait until some of a job is stored, but not all; returns how many frames."""

    async def some() -> int:
        return int((await job(database, number))["frames"])

    found: int = await until(some, "the first portion is stored")
    assert found < FRAMES, "the job was over before anything could happen to it"
    return found


async def complete(database: Database, frames: int = FRAMES) -> None:
    """Every frame's readings are in history, each once."""
    assert await rows(database, READINGS) == [{"n": 2 * frames, "different": 2 * frames}]


async def test_a_killed_workers_job_is_taken_up_where_it_stood(database: Database) -> None:
    """Kill -9 in the middle: another worker goes on from the cursor within seconds; published = stored."""
    ref = await prepared(database)
    settings = worker_settings(database, portion_frames=SMALL)
    async with worker_process(settings) as first:
        number = await add_job(database, ref)
        done = await begun(database, number)
        children = psutil.Process(first.pid).children(recursive=True)
        assert children
        first.kill()
        await first.wait()
        await until(lambda: not any(one.is_running() and one.status() != "zombie" for one in children), "none is left")
    left = await job(database, number)
    assert (left["state"], left["frames"] >= done) == ("running", True)
    async with worker_process(worker_settings(database, portion_frames=LARGE)):
        found = await ended(database, number)
    assert (found["attempts"], found["frames"], found["undecodable"]) == (2, FRAMES, 0)
    assert found["readings"] + found["repeated"] == 2 * FRAMES
    # portions and cursor are one transaction: nothing was decoded a second time
    assert found["repeated"] == 0
    await complete(database)


async def test_a_stopped_worker_finishes_its_portion_and_gives_the_job_back(database: Database) -> None:
    """SIGTERM: the process ends well, the job waits for the next worker with its cursor."""
    ref = await prepared(database)
    async with worker_process(worker_settings(database, portion_frames=SMALL)) as first:
        number = await add_job(database, ref)
        await begun(database, number)
        first.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(first.wait(), 60) == 0
    left = await job(database, number)
    assert (left["state"], left["finished_at"]) == ("queued", None)
    assert 0 < left["frames"] < FRAMES
    async with working(worker_settings(database, portion_frames=LARGE, heartbeat_timeout_s=60)):
        found = await ended(database, number)
    assert (found["readings"], found["repeated"]) == (2 * FRAMES, 0)
    await complete(database)


async def test_two_workers_share_jobs_and_never_write_twice(database: Database) -> None:
    """Two workers with several jobs over the same frames: each job is done by one, each reading is stored once."""
    ref = await prepared(database, 600)
    async with working(worker_settings(database)), working(worker_settings(database)):
        numbers = [await add_job(database, ref) for _ in range(4)]
        found = [await ended(database, number) for number in numbers]
    assert [one["attempts"] for one in found] == [1, 1, 1, 1]
    assert sum(one["readings"] for one in found) == 1200
    assert all(one["readings"] + one["repeated"] == 1200 for one in found)
    await complete(database, 600)


async def test_a_job_that_was_taken_over_is_written_by_its_new_holder_only(database: Database) -> None:
    """A worker that was too slow to be believed alive stores nothing more for the job that another one holds."""
    ref = await prepared(database)
    number = 0
    async with working(worker_settings(database, portion_frames=SMALL)):
        number = await add_job(database, ref)
        await begun(database, number)
        async with connection(database) as opened:
            await opened.execute("UPDATE job SET worker = gen_random_uuid() WHERE id = $1", number)
        before = await job(database, number)

        async def let_go() -> bool:
            return not await rows(database, "SELECT FROM pgqueuer")

        await until(let_go, "the worker has let it go")
        after = await job(database, number)
    assert (after["state"], after["frames"]) == ("running", before["frames"])
    assert await rows(database, READINGS) == [{"n": 2 * after["frames"], "different": 2 * after["frames"]}]


async def test_a_cancelled_job_stops_at_once_and_keeps_what_it_has(database: Database) -> None:
    """What was stored stays; nothing is stored after the cancellation."""
    ref = await prepared(database)
    async with working(worker_settings(database, portion_frames=SMALL)):
        number = await add_job(database, ref)
        await begun(database, number)
        async with connection(database) as opened:
            await opened.execute("UPDATE job SET state = 'cancelled', worker = NULL, finished_at = now()")
        stored = await job(database, number)

        async def let_go() -> bool:
            return not await rows(database, "SELECT FROM pgqueuer")

        await until(let_go, "the queue has let it go")
        assert (await job(database, number))["frames"] == stored["frames"] < FRAMES
        await complete(database, stored["frames"])
    # a new job does the rest
    async with working(worker_settings(database, portion_frames=LARGE)):
        again = await ended(database, await add_job(database, ref))
    assert again["repeated"] == 2 * stored["frames"]
    await complete(database)


async def test_a_worker_outlives_its_database(own_database: Database) -> None:
    """PostgreSQL is killed in the middle of a job: the worker waits for it and goes on, and nothing is missing."""
    ref = await prepared(own_database)
    async with working(worker_settings(own_database, portion_frames=SMALL)):
        number = await add_job(own_database, ref)
        await begun(own_database, number)
        await own_database.server.kill()
        await own_database.server.start()
        found = await ended(own_database, number)
        assert (found["frames"], found["readings"] + found["repeated"]) == (FRAMES, 2 * FRAMES)
    async with working(worker_settings(own_database, portion_frames=LARGE)):
        later = await ended(own_database, await add_job(own_database, ref))
    assert later["readings"] == 0
    await complete(own_database)


async def test_a_decoding_process_that_dies_is_replaced(database: Database) -> None:
    """The processes may be killed at any time, as the kernel does when memory runs out; the job goes on."""
    ref = await prepared(database)
    async with worker_process(worker_settings(database, portion_frames=SMALL)) as worker:
        number = await add_job(database, ref)
        await begun(database, number)
        for child in psutil.Process(worker.pid).children(recursive=True):
            child.kill()
        found = await ended(database, number)
    assert (found["frames"], found["attempts"]) == (FRAMES, 1)
    await complete(database)


async def test_a_history_over_more_days_than_the_server_can_lock(
    own_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A frame a day over years, a chunk a day, is stored though one transaction can't hold so many locks."""
    # as chunks are many in few days where hash partitions are
    monkeypatch.setattr(redecoding, "MOST_DAYS", 10_000)
    days = 800
    ref = await prepared(own_database, days)
    async with connection(own_database) as opened:
        await opened.execute("UPDATE frame SET at = at - id * INTERVAL '1 day'")
        await opened.execute("ALTER SYSTEM SET max_locks_per_transaction = 10")
        await opened.execute("ALTER SYSTEM SET max_connections = 25")
        await opened.execute("ALTER SYSTEM SET max_worker_processes = 8")
        await opened.execute("ALTER SYSTEM SET timescaledb.max_background_workers = 2")
    await own_database.server.restart()
    async with working(worker_settings(own_database, portion_frames=days)) as url:
        number = await add_job(own_database, ref)

        async def over() -> bool:
            try:
                return bool((await job(own_database, number))["finished_at"])
            except asyncpg.OutOfMemoryError:
                # we need locks, too
                return False

        await until(over, "the job has ended")
        found = await ended(own_database, number)
        assert (await metrics(url))['wattline_worker_retries_total{error="OutOfMemoryError"}'] >= 1
    assert (found["frames"], found["readings"], found["attempts"]) == (days, 2 * days, 1)
    async with connection(own_database) as opened:
        await opened.execute("ALTER SYSTEM RESET ALL")
    # counting them takes as many locks
    await own_database.server.restart()
    await complete(own_database, days)
