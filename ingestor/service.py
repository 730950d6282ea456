"""The ingestor as a service: what it opens, the tasks it runs, how it stops."""

import asyncio
from dataclasses import dataclass
from functools import partial

import structlog

from broker.backoff import Backoff
from broker.contract.topics import Topics
from broker.mqtt.session import Session
from broker.outage import Outage
from broker.runtime.http_server import serve_health
from broker.runtime.service import Health
from ingestor.batches.assembler import Assembler
from ingestor.batches.limits import Limits
from ingestor.batches.names import Names
from ingestor.health import Monitor
from ingestor.intake.admission import Admission
from ingestor.intake.membership import leave_group, session_options, subscriptions
from ingestor.intake.pipeline import Pipeline
from ingestor.intake.receipts import Receipts
from ingestor.metrics import Metrics
from ingestor.settings import IngestorSettings
from ingestor.upkeep.lease import Lease
from ingestor.upkeep.maintenance import Upkeep
from ingestor.upkeep.quota_days import QuotaDays
from ingestor.writing.receipt_clock import Clock
from ingestor.writing.store import idle_for
from store.errors import DATABASE_ERRORS, reason
from store.migrate import require_migrated
from store.pool import Pool, open_pool
from store.quota_tally import Tally

log = structlog.get_logger()

FLUSH_S = 3.0


async def run(settings: IngestorSettings, stop: asyncio.Event) -> None:
    """Ingest until `stop` is set, then store and acknowledge what was taken, within stop_deadline_s.

    The subscription is made before the database answers, so that the broker keeps what comes meanwhile.
    Raises PermanentError where a person must act: credentials, rights, a database that was not migrated.
    """
    topics = Topics(settings.broker.root)
    metrics, health = Metrics(), Health()
    tally = Tally(settings.quota.days(), metrics.cut)
    names = Names(
        Limits(settings.max_devices, settings.meters_per_device, settings.series_per_meter, settings.names_mib * 2**20),
        tally,
    )
    options = session_options(settings, topics)
    session = Session(settings.broker.as_user("ingestor"), options)
    assembler = Assembler(settings, topics, names, metrics, tally)
    admission = Admission(settings.quota, topics, tally, metrics)
    clock = Clock()
    receipts = Receipts(session, topics, settings.receipts_every_s, clock, metrics)
    pipeline = Pipeline(settings, session, admission, assembler, names, receipts, clock, metrics)
    lease = Lease(settings.client_id)
    monitor = Monitor(settings.client_id, session, pipeline, names, metrics, lease, clock)
    monitor.add_to(health)
    async with serve_health(health, metrics.registry, settings), session:
        log.info("ingestor_started", client_id=settings.client_id, share_group=settings.share_group, root=topics.root)
        async with asyncio.TaskGroup() as group:
            intake = group.create_task(pipeline.intake(), name="ingestor.intake")
            telling = group.create_task(receipts.keep(), name="ingestor.receipts")
            late = asyncio.Event()
            # its client has given up a batch by then
            upkeep = Upkeep(settings.upkeep_every_s, metrics, lease, 2 * settings.database_timeout_s)
            background = Background(monitor, upkeep, lease, clock, QuotaDays(tally, clock, metrics), admission)
            write = group.create_task(_with_database(settings, pipeline, background, late), name="ingestor.database")
            await stop.wait()
            log.info("ingestor_stopping", open_batch=pipeline.held)
            if not await _drain(settings, session, pipeline, intake):
                late.set()
                await asyncio.sleep(0)
            write.cancel()
            telling.cancel()
            await receipts.publish()
    log.info("ingestor_stopped")


@dataclass(frozen=True, slots=True)
class Background:
    """What is done beside writing; each needs a connection of the pool at times."""

    monitor: Monitor
    upkeep: Upkeep
    lease: Lease
    clock: Clock
    quotas: QuotaDays
    admission: Admission


async def _with_database(
    settings: IngestorSettings, pipeline: Pipeline, background: Background, late: asyncio.Event
) -> None:
    opened = partial(open_pool, min_size=1, max_size=settings.writers + 4, application_name=settings.client_id)
    async with opened(settings.database_dsn.get_secret_value()) as pool:
        await require_migrated(pool)
        await _know_the_time(pool, background)
        try:
            async with asyncio.TaskGroup() as group:
                for number in range(settings.writers):
                    group.create_task(pipeline.write(pool), name=f"ingestor.write.{number}")
                group.create_task(pipeline.write_history(pool), name="ingestor.write.history")
                group.create_task(background.monitor.keep(pool), name="ingestor.monitor")
                group.create_task(background.upkeep.keep(pool), name="ingestor.upkeep")
                group.create_task(background.lease.renew(pool), name="ingestor.lease")
                group.create_task(background.quotas.keep(pool), name="ingestor.quotas")
                group.create_task(_terminate_when(late, pool), name="ingestor.terminate")
        finally:
            await _flush(pool, background)


async def _know_the_time(pool: Pool, background: Background) -> None:
    """Ask the database for the time, and for how long nothing was stored, until it answers.

    Nothing is taken before, as a wrong clock judges all wrong.
    """
    clock = background.clock
    backoff, outage = Backoff(cap_s=10.0), Outage()
    while not clock.known.is_set():
        try:
            if (idle_s := await idle_for(pool)) is not None:
                background.admission.was_away(idle_s)
            await clock.compare(pool)
        except DATABASE_ERRORS as error:
            outage.failed("database_unreachable", reason=reason(error))
            await asyncio.sleep(backoff.next_s())
    outage.back("database_back")


async def _flush(pool: Pool, background: Background) -> None:
    async with asyncio.TaskGroup() as group:
        flushing = {
            group.create_task(background.monitor.flush_last_seen(pool), name="ingestor.flush"),
            group.create_task(background.lease.release(pool), name="ingestor.release"),
            group.create_task(background.quotas.write(pool), name="ingestor.quotas"),
        }
        _, late = await asyncio.wait(flushing, timeout=FLUSH_S)
        if late:
            # a statement that is cancelled waits for the server, too
            pool.terminate()


async def _terminate_when(late: asyncio.Event, pool: Pool) -> None:
    await late.wait()
    pool.terminate()


async def _drain(settings: IngestorSettings, session: Session, pipeline: Pipeline, intake: asyncio.Task[None]) -> bool:
    """Store what was taken, in a group also what the broker had set aside for us; False where the time did not do."""
    try:
        async with asyncio.timeout(settings.stop_deadline_s):
            if settings.share_group is not None:
                await leave_group(session, pipeline, subscriptions(Topics(settings.broker.root), settings.share_group))
            intake.cancel()
            await pipeline.drain()
    except TimeoutError:
        log.warning(
            "stopped_before_all_was_stored", deadline_s=settings.stop_deadline_s, note="the rest is given or sent again"
        )
        return False
    finally:
        intake.cancel()
    return True
