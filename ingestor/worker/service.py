"""`wattline worker`: does the jobs that any service asked for, of all kinds, beside the ingestor."""

import asyncio
from typing import Final

import click
import structlog

from broker.runtime.http_server import serve_health
from broker.runtime.service import Health, load, run_service
from broker.runtime.settings_help import settings_help
from ingestor.notices.metrics import NoticeMetrics
from ingestor.notices.sending import Limits
from ingestor.notices.service import Notices
from ingestor.worker.context import Parts
from ingestor.worker.decoders import Decoders
from ingestor.worker.kinds.every import WORKS, Works
from ingestor.worker.mappings.loop import Mappings
from ingestor.worker.metrics import WorkerMetrics
from ingestor.worker.schedules import ask_by_the_clock
from ingestor.worker.serving import Serving
from ingestor.worker.settings import WorkerSettings
from ingestor.worker.store import count_jobs, newest_backups
from store.errors import DATABASE_ERRORS
from store.kinds.backup import BACKUP
from store.migrate import require_migrated
from store.pool import Pool, open_pool
from store.probe import DatabaseProbe

log = structlog.get_logger()
OBSERVE_S: Final = 5.0
NAME: Final = "wattline-worker"


@click.command(epilog=settings_help(WorkerSettings), context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Do background jobs, such as decoding kept frames again into history, until SIGTERM or SIGINT."""
    run_service("worker", load(WorkerSettings), run)


async def run(settings: WorkerSettings, stop: asyncio.Event, works: Works = WORKS) -> None:
    """Do jobs until `stop`; then finish the portions in hand and give the jobs back, within stop_deadline_s.

    Raises PermanentError where a person must act: credentials, rights, a database that was not migrated.
    """
    worker = Worker(settings, stop, works)
    async with (
        serve_health(worker.health, worker.metrics.registry, settings),
        asyncio.TaskGroup() as group,
    ):
        working = group.create_task(worker.work(), name="worker.work")
        await stop.wait()
        in_hand = None if worker.serving is None else worker.serving.in_hand
        log.info("worker_stopping", jobs=len(in_hand or ()))
        _, late = await asyncio.wait({working}, timeout=0 if in_hand is None else settings.stop_deadline_s)
        if late:
            working.cancel()
    log.info("worker_stopped")


def works_of(settings: WorkerSettings, works: Works) -> Works:
    """The kinds that a worker takes: backups where it has a folder for them, and nothing else where it is for these."""
    if settings.backup_only:
        return {BACKUP.name: works[BACKUP.name]}
    if settings.backup_folder is None:
        return {name: work for name, work in works.items() if name != BACKUP.name}
    return works


class Worker:
    """The worker's tasks around the jobs that it holds."""

    def __init__(self, settings: WorkerSettings, stop: asyncio.Event, works: Works) -> None:
        self.metrics = WorkerMetrics()
        self.health = Health()
        self._probe = DatabaseProbe()
        self.health.add("database", self._probe.check)
        self.serving: Serving | None = None
        """None until the database is there."""
        self._settings = settings
        self._stop = stop
        self._works = works_of(settings, works)

    async def work(self) -> None:
        """Connect, then serve the queue until `stop`."""
        settings = self._settings
        # a job reads on one connection while it writes on another; the queue listens on one and asks on
        # one, and payloads take four; notifications find on one and send by the others
        alone = settings.backup_only
        most = 2 * settings.jobs + 6 + (3 if settings.notices and not alone else 0)
        dsn = settings.database_dsn.get_secret_value()
        async with open_pool(dsn, min_size=1, max_size=most, application_name=NAME) as pool:
            await require_migrated(pool)
            with Decoders(settings.processes, settings.nice) as decoders:
                serving = self.serving = Serving(Parts(pool, settings, self.metrics, decoders, self._stop), self._works)
                log.info("worker_started", processes=decoders.processes, jobs=settings.jobs, kinds=sorted(self._works))
                async with asyncio.TaskGroup() as group:
                    group.create_task(serving.end(), name="worker.end")
                    if not alone:
                        mappings = Mappings(pool, settings, self.metrics, self._stop)
                        group.create_task(mappings.run(), name="worker.mappings")
                    if settings.notices and not alone:
                        group.create_task(self._notices(pool).run(self._stop), name="worker.notices")
                    beside = [
                        group.create_task(serving.watch(), name="worker.watch"),
                        group.create_task(ask_by_the_clock(pool, self.metrics), name="worker.schedules"),
                        group.create_task(self._observe(pool, serving), name="worker.observe"),
                    ]
                    await serving.serve()
                    for one in beside:
                        one.cancel()

    def _notices(self, pool: Pool) -> Notices:
        settings = self._settings
        limits = Limits(settings.notices_timeout_s, settings.notices_private, settings.meter_keys_file)
        return Notices(
            pool, NoticeMetrics(self.metrics.registry), limits, settings.notices_round_s, self.metrics.database
        )

    async def _observe(self, pool: Pool, serving: Serving) -> None:
        while True:
            self.metrics.in_hand.set(len(serving.in_hand))
            try:
                async with asyncio.timeout(OBSERVE_S):
                    counts = await count_jobs(pool)
                    backups = await newest_backups(pool)
            except DATABASE_ERRORS as error:
                self.metrics.database.failed("database_unavailable", reason=self._probe.failed(error))
            else:
                self.metrics.count(self._works, counts)
                self.metrics.tell_backups(backups)
                self._probe.answered()
                self.metrics.database.back("database_back")
            await asyncio.sleep(OBSERVE_S)


if __name__ == "__main__":
    main()
