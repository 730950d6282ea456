"""`wattline worker`: jobs from the queue, kept frames and quarantine taken into history, beside the ingestor."""

import asyncio
import uuid
from dataclasses import asdict
from datetime import timedelta
from typing import Final

import asyncpg
import click
import structlog
from pgqueuer.core.qm import QueueManager
from pgqueuer.domain.errors import FailingListenerError, RetryRequested
from pgqueuer.domain.models import Job as QueueEntry

from broker.backoff import Backoff
from broker.errors import PermanentError
from broker.runtime.http_server import serve_health
from broker.runtime.service import Health, load, run_service
from broker.runtime.settings_help import settings_help
from ingestor.worker import jobs
from ingestor.worker.decoders import Decoders
from ingestor.worker.jobs import LostJobError
from ingestor.worker.mappings.loop import Mappings
from ingestor.worker.metrics import WorkerMetrics
from ingestor.worker.redecoding import Redecoding
from ingestor.worker.retrying import Retrying
from ingestor.worker.settings import WorkerSettings
from ingestor.worker.store import count_unfinished_jobs
from store.errors import DATABASE_ERRORS, is_transient, reason
from store.migrate import require_migrated
from store.pool import Pool, open_pool
from store.probe import DatabaseProbe
from store.queue import CHANNEL, REDECODE, queue_of

log = structlog.get_logger()
OBSERVE_S: Final = 5.0
NAME: Final = "wattline-worker"


@click.command(epilog=settings_help(WorkerSettings), context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Do background jobs, such as decoding kept frames again into history, until SIGTERM or SIGINT."""
    run_service("worker", load(WorkerSettings), run)


async def run(settings: WorkerSettings, stop: asyncio.Event) -> None:
    """Do jobs until `stop`; then finish the portions in hand and give the jobs back, within stop_deadline_s.

    Raises PermanentError where a person must act: credentials, rights, a database that was not migrated.
    """
    worker = Worker(settings, stop)
    async with (
        serve_health(worker.health, worker.metrics.registry, settings),
        asyncio.TaskGroup() as group,
    ):
        working = group.create_task(worker.work(), name="worker.work")
        await stop.wait()
        log.info("worker_stopping", jobs=len(worker.in_hand))
        _, late = await asyncio.wait({working}, timeout=settings.stop_deadline_s if worker.connected else 0)
        if late:
            working.cancel()
    log.info("worker_stopped")


class Worker:
    """Takes jobs from the queue, `jobs` of them at a time; what it holds when it dies another worker takes up."""

    def __init__(self, settings: WorkerSettings, stop: asyncio.Event) -> None:
        self.metrics = WorkerMetrics()
        self.health = Health()
        self._probe = DatabaseProbe()
        self.health.add("database", self._probe.check)
        self.in_hand: dict[int, uuid.UUID | None] = {}
        """Jobs with the holder that this worker is of them."""
        self.connected = False
        self._manager: QueueManager | None = None
        self._refusal: PermanentError | None = None
        self._settings = settings
        self._stop = stop

    async def work(self) -> None:
        """Connect, then serve the queue until `stop`."""
        settings = self._settings
        # a job reads on one connection while it writes on another; the queue listens on one and asks on
        # one, and payloads take one
        most = 2 * settings.jobs + 4
        dsn = settings.database_dsn.get_secret_value()
        async with open_pool(dsn, min_size=1, max_size=most, application_name=NAME) as pool:
            await require_migrated(pool)
            self.connected = True
            with Decoders(settings.processes, settings.nice) as decoders:
                log.info("worker_started", processes=decoders.processes, jobs=settings.jobs)
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._end(), name="worker.end")
                    observing = group.create_task(self._observe(pool), name="worker.observe")
                    mappings = Mappings(pool, settings, self.metrics.registry, self._stop)
                    group.create_task(mappings.run(), name="worker.mappings")
                    await self._serve(pool, decoders)
                    observing.cancel()

    async def _end(self) -> None:
        await self._stop.wait()
        if self._manager is not None:
            self._manager.shutdown.set()

    async def _serve(self, pool: Pool, decoders: Decoders) -> None:
        """Serve the queue through outages of the database."""
        backoff = Backoff(cap_s=10.0)
        while not self._stop.is_set():
            try:
                await self._serve_once(pool, decoders)
            except (*DATABASE_ERRORS, FailingListenerError) as error:
                if not isinstance(error, FailingListenerError) and not is_transient(error):
                    raise PermanentError(f"the database refuses the worker: {error}") from error
                self.metrics.database.failed("queue_unavailable", reason=reason(error))
                self.metrics.retries.labels(type(error).__name__).inc()
                await asyncio.sleep(backoff.next_s())
            else:
                backoff.succeeded()

    async def _serve_once(self, pool: Pool, decoders: Decoders) -> None:
        manager = self._manager = QueueManager(queue_of(pool), channel=CHANNEL)

        async def redecode(entry: QueueEntry) -> None:
            await self._redecode(pool, decoders, int(entry.payload or b"0"))

        manager.entrypoint(REDECODE, accepts_context=False)(redecode)
        await manager.run(
            dequeue_timeout=timedelta(seconds=self._settings.poll_s),
            batch_size=1,
            max_concurrent_tasks=self._settings.jobs,
            shutdown_on_listener_failure=True,
            heartbeat_timeout=timedelta(seconds=self._settings.heartbeat_timeout_s),
            log_aggregation_interval=timedelta(0),
        )
        if self._refusal is not None:
            raise self._refusal

    async def _redecode(self, pool: Pool, decoders: Decoders, job_id: int) -> None:
        """Run one job whatever the database does meanwhile. Raises RetryRequested to give it back to the queue."""
        backoff = Backoff(cap_s=10.0)
        self.in_hand[job_id] = None
        try:
            while not await self._attempt(pool, decoders, job_id):
                if self._stop.is_set() or self._refusal is not None:
                    raise RetryRequested(delay=timedelta(0), reason="the worker stops")
                await asyncio.sleep(backoff.next_s())
        finally:
            del self.in_hand[job_id]

    async def _attempt(self, pool: Pool, decoders: Decoders, job_id: int) -> bool:
        """Take a job up where it stands; whether it is over for this worker, as an outage or `stop` leaves it not."""
        try:
            job = await jobs.take(pool, job_id, self.in_hand[job_id])
            if job is None:
                return True
            self.in_hand[job_id] = job.holder
            over, failure = await self._run(pool, decoders, job)
            if not over:
                await jobs.release(pool, job)
                log.info("job_released", job=job_id)
                return False
            await self._finish(pool, job, failure)
        except LostJobError as lost:
            self.metrics.lost.inc()
            log.info("job_lost", job=job_id, reason=str(lost))
        except DATABASE_ERRORS as error:
            log.warning("job_interrupted", job=job_id, reason=reason(error))
            self.metrics.retries.labels(type(error).__name__).inc()
            if isinstance(error, asyncpg.PostgresError) and not is_transient(error):
                self._refuse(error)
            return False
        return True

    def _refuse(self, error: Exception) -> None:
        """End the worker, as no repetition heals this: a role without its rights, a table that is not there."""
        self._refusal = PermanentError(f"the database refuses the worker: {error}; run `wattline migrate`")
        if self._manager is not None:
            self._manager.shutdown.set()

    async def _run(self, pool: Pool, decoders: Decoders, job: jobs.Job) -> tuple[bool, str | None]:
        """Whether the job is over, and why it failed if it did."""
        try:
            if job.kind == "retry":
                return await Retrying(pool, self._settings, self.metrics, job, self._stop).run(), None
            return await Redecoding(pool, decoders, self._settings, self.metrics, job, self._stop).run(), None
        except (LostJobError, *DATABASE_ERRORS) as error:
            if isinstance(error, asyncpg.PostgresError) and not is_transient(error):
                return True, f"the database refuses the job: {error}"
            raise
        except PermanentError as error:
            return True, str(error)
        except Exception as error:
            # a job on which our own code fails would come again for ever
            log.exception("job_crashed", job=job.id)
            return True, f"the worker's own code failed: {error!r}"

    async def _finish(self, pool: Pool, job: jobs.Job, error: str | None) -> None:
        state = "done" if error is None else "failed"
        ended = await jobs.finish(pool, job, state, error)
        if ended is None:
            self.metrics.lost.inc()
            log.info("job_lost", job=job.id, reason="cancelled or taken over at its end")
            return
        self.metrics.ended.labels(state).inc()
        tell = log.error if state == "failed" else log.info
        tell("job_ended", job=job.id, spec=job.spec, state=state, error=error, **asdict(ended))

    async def _observe(self, pool: Pool) -> None:
        while True:
            self.metrics.in_hand.set(len(self.in_hand))
            try:
                async with asyncio.timeout(OBSERVE_S):
                    counts = dict(await count_unfinished_jobs(pool))
            except DATABASE_ERRORS as error:
                self.metrics.database.failed("database_unavailable", reason=self._probe.failed(error))
            else:
                for state in ("queued", "running"):
                    self.metrics.jobs.labels(state).set(counts.get(state, 0))
                self._probe.answered()
                self.metrics.database.back("database_back")
            await asyncio.sleep(OBSERVE_S)


if __name__ == "__main__":
    main()
