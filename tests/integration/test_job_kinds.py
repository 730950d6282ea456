"""Jobs of any kind: tried again and given up, cancelled while they run, limited, each done once by many workers."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from broker.errors import PermanentError
from ingestor.worker.context import Context, Result, Work
from ingestor.worker.kinds.every import WORKS
from store.kinds.kind import JobArguments, Kind
from store.queue import enqueue
from tests.rigs.gateway import connection, events, rows
from tests.rigs.redecoding import ended, job, metrics, worker_settings, working
from tests.rigs.servers import Database
from tests.rigs.waiting import until


class Number(JobArguments):
    """Which of many."""

    n: int = 0


KIND = Kind("probe", Number, "Tries.", unit="steps", attempts=3, first_s=0.2, cap_s=0.4, heavy=False)


@contextlib.asynccontextmanager
async def as_ingestor(database: Database) -> AsyncIterator[Any]:
    """A connection with the rights that a worker has."""
    opened = await asyncpg.connect(database.dsn("wattline_ingestor"))
    try:
        yield opened
    finally:
        await opened.close()


async def ask(database: Database, n: int = 0, kind: Kind[Number] = KIND, **more: Any) -> int | None:
    """Ask for a job, as the worker's role may."""
    async with as_ingestor(database) as opened, opened.transaction():
        return await enqueue(opened, kind, Number(n=n), author="anna", **more)


@contextlib.asynccontextmanager
async def doing(database: Database, do: Any, kind: Kind[Number] = KIND, **changes: Any) -> AsyncIterator[str]:
    """A worker that knows a kind more."""
    works = {**WORKS, kind.name: Work(kind, do)}
    async with working(worker_settings(database, **changes), works) as url:
        yield url


async def test_a_job_is_done_with_what_it_was_asked_for(database: Database) -> None:
    """Arguments come as the model that they are, progress and result are in the row, and its end is an event."""

    async def do(context: Context[Number]) -> Result:
        assert context.saved == {}
        async with context.pool.acquire() as opened, opened.transaction():
            await context.save(opened, {"at": 2}, 2, 4, "half of it")
        await context.progress(4)
        return {"square": context.arguments.n**2}

    number = await ask(database, 7, reason="curious", priority=3)
    assert number is not None
    async with doing(database, do):
        found = await ended(database, number)
    assert (found["kind"], found["result"], found["note"]) == ("probe", '{"square": 49}', "half of it")
    assert (found["done"], found["total"], found["progress"], found["attempts"]) == (4, 4, 1, 1)
    (told,) = await events(database, "job_done")
    assert told["detail"] == {"job": number, "kind": "probe", "author": "anna", "note": "half of it", "failures": 0}


async def test_a_poison_job_is_dead_after_its_attempts_and_told(database: Database) -> None:
    """Each failure waits longer; a fault that only a person mends is not tried again at all."""
    tries: dict[int, int] = defaultdict(int)

    async def do(context: Context[Number]) -> Result:
        tries[context.arguments.n] += 1
        assert context.attempt == tries[context.arguments.n]
        if context.arguments.n == 1:
            raise PermanentError("no such place")
        if context.arguments.n == 2 and context.attempt == 2:
            return None
        raise OSError("nobody answers")

    numbers = [await ask(database, n) for n in range(3)]
    async with doing(database, do) as url:
        dead, refused = [await ended(database, one or 0, "failed") for one in numbers[:2]]
        healed = await ended(database, numbers[2] or 0)
        counted = await metrics(url)
    assert (dead["failures"], dead["error"], tries[0]) == (3, "nobody answers", 3)
    assert (refused["failures"], refused["error"], tries[1]) == (1, "no such place", 1)
    assert (healed["failures"], healed["error"], tries[2]) == (1, None, 2)
    assert counted['wattline_worker_jobs_ended_total{kind="probe",state="again"}'] == 3
    assert counted['wattline_worker_jobs_ended_total{kind="probe",state="failed"}'] == 2
    told = {one["detail"]["job"]: one["detail"]["error"] for one in await events(database, "job_failed")}
    assert told == {numbers[0]: "nobody answers", numbers[1]: "no such place"}
    assert await rows(database, "SELECT FROM pgqueuer") == []


async def test_a_job_that_kills_its_workers_is_given_up(database: Database) -> None:
    """As a job that takes all of the memory would; one that its worker left, and gave back, is not to blame."""

    async def do(context: Context[Number]) -> Result:
        return None

    numbers = [await ask(database) for _ in range(2)]
    async with connection(database) as opened:
        for number, deaths in zip(numbers, (KIND.deaths - 1, KIND.deaths - 2), strict=True):
            await opened.execute(
                "UPDATE job SET state = 'running', worker = gen_random_uuid(), deaths = $2 WHERE id = $1",
                number, deaths,
            )  # fmt: skip
    async with doing(database, do):
        dead = await ended(database, numbers[0] or 0, "failed")
        await ended(database, numbers[1] or 0)
    assert dead["error"] == "its worker died 5 times over it"


async def test_a_cancelled_job_stops_within_seconds_wherever_it_is(database: Database) -> None:
    """One that never looks is ended in the middle of what it waits for; one that waits for its turn is not begun."""
    running, ended_by = asyncio.Event(), list[str]()

    async def do(context: Context[Number]) -> Result:
        running.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended_by.append("cancelled")
            raise

    number = await ask(database)
    async with doing(database, do):
        await running.wait()
        async with connection(database) as opened:
            await opened.execute("UPDATE job SET state = 'cancelled', worker = NULL, finished_at = now()")

        async def let_go() -> bool:
            return not await rows(database, "SELECT FROM pgqueuer")

        await until(let_go, "the worker has let it go")
    assert ended_by == ["cancelled"]
    assert (await job(database, number or 0))["state"] == "cancelled"


async def test_a_limit_by_kind_holds_over_workers_and_each_job_is_done_once(database: Database) -> None:
    """Two workers with eight places, a kind of which one may run; of a higher priority is first."""
    limited = replace(KIND, concurrent=1)
    now, most, order = 0, 0, list[int]()

    async def do(context: Context[Number]) -> Result:
        nonlocal now, most
        now += 1
        most = max(most, now)
        order.append(context.arguments.n)
        for _ in range(20):
            await asyncio.sleep(0)
            await context.pool.fetchval("SELECT 1")
        now -= 1
        return None

    numbers = [await ask(database, n, limited, priority=1 if n == 5 else None) for n in range(6)]
    async with doing(database, do, limited, jobs=4), doing(database, do, limited, jobs=4):
        found = [await ended(database, one or 0) for one in numbers]
    assert (most, order) == (1, [5, 0, 1, 2, 3, 4])
    assert [one["attempts"] for one in found] == [1] * 6


async def test_long_jobs_leave_a_place_to_short_ones(database: Database) -> None:
    """However many of a heavy kind wait, one that takes a moment is done meanwhile."""
    heavy, release, busy = replace(KIND, name="digging", heavy=True), asyncio.Event(), 0

    async def dig(context: Context[Number]) -> Result:
        nonlocal busy
        busy += 1
        await release.wait()
        return None

    async def do(context: Context[Number]) -> Result:
        return None

    numbers = [await ask(database, kind=heavy) for _ in range(3)]
    works = {**WORKS, "probe": Work(KIND, do), "digging": Work(heavy, dig)}
    async with working(worker_settings(database, jobs=2), works):
        await until(lambda: busy == 1, "a long one runs")
        await ended(database, await ask(database) or 0)
        assert busy == 1
        release.set()
        for one in numbers:
            await ended(database, one or 0)


async def test_a_key_is_asked_for_once_and_too_many_are_refused(database: Database) -> None:
    """The same key gives the same job, also after its end; what does not fit the kind's bound is not entered."""

    async def do(context: Context[Number]) -> Result:
        return None

    few = replace(KIND, most=2)
    first = await ask(database, 1, few, key="invoice 7", not_before=datetime.now(UTC) - timedelta(hours=1))
    assert await ask(database, 2, few, key="invoice 7") == first
    assert await ask(database, 3, few) is not None
    assert await ask(database, 4, few) is None
    async with doing(database, do, few):
        await ended(database, first or 0)
        assert await ask(database, 5, few, key="invoice 7") == first


async def test_a_job_whose_transaction_fails_was_never_asked_for(database: Database) -> None:
    """It is there exactly if what it is asked for is."""
    async with as_ingestor(database) as opened:
        doubtful = opened.transaction()
        await doubtful.start()
        assert await enqueue(opened, KIND, Number(), author="anna")
        await doubtful.rollback()
    assert await rows(database, "SELECT FROM job") == await rows(database, "SELECT FROM pgqueuer") == []
