"""Jobs as they come out of the queue: taken, done, given back or ended, always by the one who holds them."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import asyncpg
import structlog
from pgqueuer.domain.errors import FailingListenerError, RetryRequested
from pgqueuer.domain.models import Job as QueueEntry

from broker.backoff import Backoff
from broker.errors import PermanentError
from ingestor.worker import jobs
from ingestor.worker.context import Parts, Work
from ingestor.worker.jobs import Job, LostJobError
from ingestor.worker.kinds.every import Works
from ingestor.worker.running import Outcome, attempt
from ingestor.worker.store import held_jobs, postpone_job
from ingestor.worker.taking import Taking
from store.errors import DATABASE_ERRORS, heals, is_transient, reason
from store.queue import CHANNEL, queue_of

log = structlog.get_logger()
WATCH_S: Final = 1.0
"""How often to look whether the jobs in hand are still wanted."""


@dataclass(frozen=True, slots=True)
class _Running:
    """A job that runs; cancelling the task ends it."""

    holder: uuid.UUID
    task: "asyncio.Task[Outcome]"


class Serving:
    """Takes jobs from the queue, as many at a time as the settings say; what it holds when it dies others take up."""

    def __init__(self, parts: Parts, works: Works) -> None:
        self.in_hand: dict[int, uuid.UUID | None] = {}
        """Jobs with the holder that this worker is of them."""
        self._parts = parts
        self._works = works
        self._running: dict[int, _Running] = {}
        self._manager: Taking | None = None
        self._refusal: PermanentError | None = None

    async def end(self) -> None:
        """Wait for the worker's stop, then take no more."""
        await self._parts.stop.wait()
        if self._manager is not None:
            self._manager.shutdown.set()

    async def serve(self) -> None:
        """Serve the queue through outages of the database, until the worker stops. Raises PermanentError."""
        backoff, metrics = Backoff(cap_s=10.0), self._parts.metrics
        while not self._parts.stop.is_set():
            try:
                await self._serve_once()
            except (*DATABASE_ERRORS, FailingListenerError) as error:
                if not isinstance(error, FailingListenerError) and not heals(error):
                    raise PermanentError(f"the database refuses the worker: {error}") from error
                metrics.database.failed("queue_unavailable", reason=reason(error))
                metrics.retries.labels(type(error).__name__).inc()
                await asyncio.sleep(backoff.next_s())
            else:
                backoff.succeeded()

    async def watch(self) -> None:
        """End what was cancelled, or taken over, while it runs: its task is cancelled."""
        while True:
            await asyncio.sleep(WATCH_S)
            before = dict(self._running)
            if not before:
                continue
            try:
                async with asyncio.timeout(WATCH_S * 5):
                    held = dict(await held_jobs(self._parts.pool, list(before)))
            except DATABASE_ERRORS:
                continue
            for number, one in before.items():
                if held.get(number) != one.holder and self._running.get(number) is one:
                    one.task.cancel()

    async def _serve_once(self) -> None:
        settings, works = self._parts.settings, self._works
        manager = self._manager = Taking(
            queue_of(self._parts.pool),
            channel=CHANNEL,
            heavy=frozenset(name for name, work in works.items() if work.kind.heavy),
            heavy_most=settings.jobs - 1,
        )
        for name, work in works.items():
            manager.entrypoint(name, accepts_context=False, concurrency_limit=work.kind.concurrent)(self._taker())
        await manager.run(
            dequeue_timeout=timedelta(seconds=settings.poll_s),
            batch_size=1,
            max_concurrent_tasks=settings.jobs,
            shutdown_on_listener_failure=True,
            heartbeat_timeout=timedelta(seconds=settings.heartbeat_timeout_s),
            log_aggregation_interval=timedelta(0),
        )
        if self._refusal is not None:
            raise self._refusal

    def _taker(self) -> Callable[[QueueEntry], Awaitable[None]]:
        async def taken(entry: QueueEntry) -> None:
            await self._do(int(entry.payload or b"0"))

        return taken

    async def _do(self, number: int) -> None:
        """Do one job whatever the database does meanwhile. Raises RetryRequested to give it back to the queue."""
        backoff = Backoff(cap_s=10.0)
        self.in_hand[number] = None
        try:
            while not await self._attempt(number):
                if self._parts.stop.is_set() or self._refusal is not None:
                    raise RetryRequested(delay=timedelta(0), reason="the worker stops")
                await asyncio.sleep(backoff.next_s())
        finally:
            del self.in_hand[number]

    async def _attempt(self, number: int) -> bool:
        """Take a job up where it stands; whether it is over for this worker, as an outage or a stop leaves it not."""
        parts = self._parts
        try:
            job = await jobs.take(parts.pool, number, self.in_hand[number])
            if job is None:
                return True
            self.in_hand[number] = job.holder
            work = self._works[job.taken.kind]
            outcome = await self._watched(work, job)
            if outcome.state == "stopped":
                await jobs.release(parts.pool, job)
                log.info("job_released", job=number)
                return False
            if outcome.state == "again":
                await self._postpone(work, job, outcome)
            else:
                await self._finish(work, job, outcome)
        except LostJobError as lost:
            parts.metrics.lost.inc()
            log.info("job_lost", job=number, reason=str(lost))
        except DATABASE_ERRORS as error:
            log.warning("job_interrupted", job=number, reason=reason(error))
            parts.metrics.retries.labels(type(error).__name__).inc()
            if isinstance(error, asyncpg.PostgresError) and not is_transient(error):
                self._refuse(error)
            return False
        return True

    async def _watched(self, work: Work[Any], job: Job) -> Outcome:
        """An attempt that watch() can cancel. Raises as attempt() does."""
        found: list[Exception] = []

        async def tried() -> Outcome:
            try:
                return await attempt(work, self._parts, job)
            except (LostJobError, *DATABASE_ERRORS) as error:
                # not out of the group, which would wrap it
                found.append(error)
                return Outcome("stopped")

        try:
            async with asyncio.TaskGroup() as group:
                task = group.create_task(tried(), name=f"worker.job.{job.id}")
                self._running[job.id] = _Running(job.holder, task)
        finally:
            self._running.pop(job.id, None)
        if task.cancelled():
            raise LostJobError(f"job {job.id} was cancelled or taken over")
        if found:
            raise found[0]
        return task.result()

    def _refuse(self, error: Exception) -> None:
        """End the worker, as no repetition heals this: a role without its rights, a table that is not there."""
        self._refusal = PermanentError(f"the database refuses the worker: {error}; run `wattline migrate`")
        if self._manager is not None:
            self._manager.shutdown.set()

    async def _postpone(self, work: Work[Any], job: Job, outcome: Outcome) -> None:
        """Give a job back that failed. Raises RetryRequested, or LostJobError where it is no longer ours."""
        failures = job.taken.failures + 1
        delay = timedelta(seconds=work.kind.delay_s(failures))
        error = outcome.error or ""
        if not await postpone_job(self._parts.pool, job.id, job.holder, error, datetime.now(UTC) + delay):
            raise LostJobError("cancelled or taken over as it failed")
        self._parts.metrics.ended.labels(work.kind.name, "again").inc()
        in_s = round(delay.total_seconds(), 1)
        log.warning("job_failed", job=job.id, kind=work.kind.name, failures=failures, again_in_s=in_s, error=error)
        raise RetryRequested(delay=delay, reason=error)

    async def _finish(self, work: Work[Any], job: Job, outcome: Outcome) -> None:
        state, metrics = outcome.state, self._parts.metrics
        pool, told = self._parts.pool, work.kind.told
        ended = await jobs.finish(pool, job, state, outcome.error, outcome.result, told=told)
        if ended is None:
            raise LostJobError("cancelled or taken over at its end")
        metrics.ended.labels(work.kind.name, state).inc()
        metrics.job_s.labels(work.kind.name).observe(ended.seconds)
        tell = log.error if state == "failed" else log.info
        tell("job_ended", job=job.id, kind=work.kind.name, state=state, error=outcome.error, **asdict(ended))
