"""The life of one process of the intake: senders before the database, and answers before both."""

import asyncio
import contextlib

import structlog

from broker.runtime.http_server import serve_health
from broker.runtime.service import Health
from broker.runtime.tls import ServerTls
from intake.hooks.handler import Hooks
from intake.hooks.listening import listening
from intake.hooks.metrics import Busyness, HookMetrics
from intake.hooks.settings import IntakeSettings
from intake.hooks.shared_rates import SharedRates
from intake.hooks.sources import Sources
from intake.inbox.inbox import open_inbox
from intake.notices.notices import Notices
from store.meter_keys import MasterKeys
from store.migrate import require_migrated
from store.pool import open_pool
from store.probe import DatabaseProbe

log = structlog.get_logger()
NAME = "wattline-intake"
LOOK_S = 1.0


async def run(settings: IntakeSettings, stop: asyncio.Event) -> None:
    """Serve senders until `stop`; then answer what was taken, within drain_s. Raises PermanentError.

    While the database is away senders are told to come again: from the first moment, and at any later one.
    """
    with contextlib.ExitStack() as opened:
        file = settings.rates_file
        await _serve(settings, stop, None if file is None else opened.enter_context(SharedRates(file)))


async def _serve(settings: IntakeSettings, stop: asyncio.Event, rates: SharedRates | None) -> None:
    metrics, health, probe = HookMetrics(), Health(), DatabaseProbe()
    health.add("database", probe.check)
    keys = None if settings.meter_keys_file is None else MasterKeys.load(settings.meter_keys_file)
    sources = Sources(keys, metrics, probe, rates)
    notices = Notices(metrics.events_lost)
    hooks = Hooks(settings, sources, metrics, notices)
    tls = ServerTls.of(settings.tls)
    drained = asyncio.Event()
    async with (
        serve_health(health, metrics.registry, settings),
        listening(hooks, settings, metrics, tls) as listener,
        asyncio.TaskGroup() as group,
    ):
        keeping = group.create_task(_keep(settings, hooks, sources, metrics, notices, drained), name="intake.keep")
        beside = [group.create_task(_observe(hooks, metrics), name="intake.observe")]
        if tls is not None:
            beside.append(group.create_task(tls.run(), name="intake.tls"))
        await stop.wait()
        log.info("intake_stopping", in_flight=hooks.in_flight)
        await listener.drain(settings.drain_s)
        drained.set()
        _, late = await asyncio.wait({keeping}, timeout=settings.drain_s if hooks.inbox is not None else 0)
        for task in (*late, *beside):
            task.cancel()
    log.info("intake_stopped")


async def _keep(
    settings: IntakeSettings, hooks: Hooks, sources: Sources, metrics: HookMetrics, notices: Notices,
    drained: asyncio.Event,
) -> None:  # fmt: skip
    """Connect, then keep what comes until nobody is left who waits for an answer."""
    dsn = settings.database_dsn.get_secret_value()
    async with open_pool(dsn, min_size=1, max_size=settings.writers + 1, application_name=NAME, clean=True) as pool:
        await require_migrated(pool)
        async with (
            open_inbox(pool, settings.inbox_bounds(), metrics.inbox, settings.drain_s) as inbox,
            asyncio.TaskGroup() as group,
        ):
            reading = group.create_task(sources.run(pool, settings.sources_every_s), name="intake.sources")
            telling = group.create_task(notices.keep(pool), name="intake.notices")
            hooks.inbox = inbox
            log.info("intake_started", processes=settings.processes)
            try:
                await drained.wait()
            finally:
                hooks.inbox = None
                reading.cancel()
                telling.cancel()


async def _observe(hooks: Hooks, metrics: HookMetrics) -> None:
    """Say how busy this process is."""
    busy = Busyness()
    while True:
        await asyncio.sleep(LOOK_S)
        queue = hooks.inbox.load if hooks.inbox is not None else 0.0
        metrics.load.set(max(queue, busy.look()))
