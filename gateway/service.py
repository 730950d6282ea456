"""The gateway's life: database, broker session, HTTP API, and the tasks between them."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from functools import partial
from typing import Any, TypeVar

import structlog

from broker.service import Health
from broker.serving import health_routes, serve_health, serve_http
from broker.session import Session, SessionOptions
from broker.topics import DELIVERY, Topics
from gateway.api import Api, routes
from gateway.command_sender import CommandSender
from gateway.commands import Bounds, Commands
from gateway.console.desk import Desk
from gateway.console.site import console_routes
from gateway.console.waiting import waiting_routes
from gateway.database import until_stored
from gateway.desired import configuring, rebuild
from gateway.handlers import Handlers
from gateway.inbox import KINDS, Inbox
from gateway.job_sweep import JobSweep
from gateway.metrics import Metrics
from gateway.notices import Notices, Sweep
from gateway.publisher import Publisher
from gateway.reads import Reads, open_reads
from gateway.reconciler import Reconciler, Retained
from gateway.retained_check import RetainedCheck
from gateway.rollout import Rollouts
from gateway.rollout_judge import RolloutJudge
from gateway.settings import GatewaySettings
from gateway.settling import Settler
from gateway.shelf import Shelf, load_shelf, publish_catalogue
from gateway.signals import Signals
from gateway.spec_by_hand import SpecsByHand
from gateway.spec_life import SpecLife
from gateway.stages import Stages
from meters.catalogue import catalogue
from store.pool import Pool, open_pool

log = structlog.get_logger()
T = TypeVar("T")
PROBE_S = 5.0
PROBE_TIMEOUT_S = 5.0


class DatabaseProbe:
    """Asks the database every 5 s whether it is there, for /healthz."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._problem = ""
        self._asked_at = time.monotonic()

    async def run(self) -> None:
        """Probe for ever."""
        while True:
            try:
                async with asyncio.timeout(PROBE_TIMEOUT_S):
                    await self._pool.fetchval("SELECT 1")
                self._problem = ""
            except Exception as error:  # noqa: BLE001 - whatever it is, it is what /healthz must say
                self._problem = str(error) or type(error).__name__
            self._asked_at = time.monotonic()
            await asyncio.sleep(PROBE_S)

    def check(self) -> tuple[bool, str]:
        """For Health."""
        return not self._problem, self._problem or f"answered {time.monotonic() - self._asked_at:.0f} s ago"


async def run(settings: GatewaySettings, stop: asyncio.Event) -> None:
    """Serve until `stop`; then finish what is in hand, publish what is marked, and leave. Raises PermanentError."""
    metrics = Metrics()
    topics = Topics(settings.broker.root)
    options = SessionOptions(
        client_id=settings.client_id,
        clean_start=False,
        session_expiry_s=settings.session_expiry_s,
        receive_maximum=settings.receive_maximum,
        subscriptions=tuple((topics.every(kind), DELIVERY[kind].qos) for kind in KINDS),
    )
    async with contextlib.AsyncExitStack() as stack:
        async with _waiting(settings, metrics):
            pool = await _or_stopped(stack, settings, stop)
            if pool is None:
                return
            stocked = await _until(stop, until_stored(lambda: _stock(pool, metrics), "gateway.catalogue", metrics))
            if stocked is None:
                return
        reconcilers: list[Reconciler] = []
        session = Session(
            settings.broker.as_user("gateway"),
            options,
            on_connect=lambda present: reconcilers[0].connected(session_present=present),
        )
        reads = await stack.enter_async_context(open_reads(settings, pool, metrics))
        parts = Parts(settings, session, pool, reads, topics, metrics, stocked[0])
        parts.publisher.mark(*stocked[1])
        reconcilers.append(parts.reconciler)
        probe = DatabaseProbe(pool)
        await stack.enter_async_context(session)
        await stack.enter_async_context(_http(parts.api, settings, metrics, session, probe, reads))
        async with asyncio.TaskGroup() as group:
            ending = [group.create_task(probe.run(), name="gateway.probe")]
            ending += [group.create_task(reads.run(), name="gateway.reads")]
            ending += [group.create_task(work(), name=f"gateway.{name}") for name, work in parts.works()]
            taking = group.create_task(parts.inbox.run(stop), name="gateway.inbox")
            await _drain(stop, settings, parts.publisher, parts.inbox, taking)
            for task in ending:
                task.cancel()


class Parts:
    """What a gateway is made of, wired together; nothing of it runs yet."""

    def __init__(
        self,
        settings: GatewaySettings,
        session: Session,
        pool: Pool,
        reads: Reads,
        topics: Topics,
        metrics: Metrics,
        shelf: Shelf,
    ) -> None:
        signals, retained = Signals(), Retained()
        self.publisher = publisher = Publisher(session, pool, topics, metrics)
        publisher.shelf = shelf
        self.reconciler = Reconciler(session, pool, publisher, retained, metrics, settings.reconcile_quiet_s)
        by_hand = SpecsByHand(SpecLife(pool, publisher), publisher)
        bounds = Bounds(settings.commands_per_device, settings.commands_in_flight)
        commands = Commands(pool, signals, metrics, settings.client_id, bounds)
        handlers = Handlers(pool, publisher, retained, signals, metrics, by_hand, commands)
        self.inbox = Inbox(session, pool, topics, handlers, publisher, metrics)
        self._check = RetainedCheck(
            settings.broker.as_user("gateway"), settings.client_id, topics, pool, self.inbox, publisher, metrics,
            settings.reconcile_s, settings.reconcile_quiet_s,
        )  # fmt: skip
        rollouts = Rollouts(pool, publisher, metrics)
        self._stages = Stages(pool, publisher, metrics, settings.stage_tick_s)
        kept, gateway = settings.commands_kept_days, settings.client_id
        self._sender = CommandSender(session, pool, topics, commands, metrics, gateway, kept)
        self._notices = Notices(pool, publisher, metrics)
        self._sweep = Sweep(pool, publisher, metrics, settings.sweep_s)
        self._judge = RolloutJudge(pool, rollouts, settings.rollout, metrics, settings.judge_s)
        self._jobs = JobSweep(pool, metrics, settings.job_sweep_s)
        self._settler = Settler(pool, metrics, settings.settle_s)
        table = routes(pool, reads, publisher, signals, rollouts, settings.rollout, commands, self._stages)
        self.api = Api(table, pool, metrics, settings)

    def works(self) -> Iterator[tuple[str, Callable[[], Coroutine[Any, Any, None]]]]:
        """The tasks beside the inbox, by name; each runs until it is cancelled."""
        yield "publish", self.publisher.run
        yield "commands", self._sender.run
        yield "reconcile", partial(self.reconciler.run, self.inbox)
        yield "jobs", self._jobs.run
        yield "changes", self.api.changes.run
        yield "notices", self._notices.run
        yield "sweep", self._sweep.run
        yield "judge", self._judge.run
        yield "settle", self._settler.run
        yield "stages", self._stages.run
        yield "retained", self._check.run


async def _or_stopped(
    stack: contextlib.AsyncExitStack, settings: GatewaySettings, stop: asyncio.Event
) -> "Pool | None":
    """The pool, or None where `stop` came while the database was away."""
    opening = open_pool(
        settings.database_dsn.get_secret_value(),
        min_size=1,
        max_size=settings.database_connections,
        application_name="wattline-gateway",
        # configuration is written one after the other, and a catalogue for the whole fleet takes its time
        lock_timeout_s=30,
    )
    return await _until(stop, stack.enter_async_context(opening))


async def _stock(pool: Pool, metrics: Metrics) -> tuple[Shelf, list[str]]:
    """Enter the shipped specs; returns all published ones, and the devices that a new one serves better."""
    async with configuring(pool) as connection:
        added = await publish_catalogue(connection, catalogue(), metrics)
        shelf = await load_shelf(connection)
        changed = await rebuild(connection, None, shelf)
    log.info(
        "specs_published", shipped=len(catalogue()), added=added, known=len(shelf.specs), devices_changed=len(changed)
    )
    return shelf, changed


@contextlib.asynccontextmanager
async def _waiting(settings: GatewaySettings, metrics: Metrics) -> AsyncIterator[None]:
    """Say on /healthz that the database is waited for; the API takes the port over once it is there."""
    health = Health()
    health.add("database", lambda: (False, "not connected yet"))
    host, _ = settings.listen_host()
    async with serve_health(health, metrics.registry, settings, host, waiting_routes()):
        yield


@contextlib.asynccontextmanager
async def _http(
    api: Api, settings: GatewaySettings, metrics: Metrics, session: Session, probe: DatabaseProbe, reads: Reads
) -> AsyncIterator[None]:
    health = Health()
    health.add("broker", lambda: (session.connected, session.last_error or "connected"))
    health.add("database", probe.check)
    if settings.read_dsn is not None:
        health.add("replica", reads.check)
    host, how = settings.listen_host()
    if settings.api_token is None:
        log.warning("api_without_token", listens=how, host=host, fix="set WATTLINE_GATEWAY_API_TOKEN to serve others")
    desk = Desk(api)
    pages = console_routes(desk, settings.console_session_h)
    app = api.application([*pages, *health_routes(health, metrics.registry)], desk.lost)
    async with serve_http(app, settings, host):
        yield


async def _drain(
    stop: asyncio.Event, settings: GatewaySettings, publisher: Publisher, inbox: Inbox, taking: asyncio.Task[None]
) -> None:
    """Wait for `stop`, then let the message in hand and the publications that are marked end, under the deadline.

    What is not done by then is done at the next start: unacknowledged messages come again, and the reconciler
    publishes what the broker lacks.
    """
    await stop.wait()
    log.info("stopping", drain_s=settings.drain_s)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(settings.drain_s):
            while inbox.busy:
                await asyncio.sleep(0.01)
            taking.cancel()
            await publisher.drained()
    taking.cancel()


async def _until(stop: asyncio.Event, work: Coroutine[Any, Any, T]) -> T | None:
    """The result of some work, or None where `stop` came first."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(work, name="gateway.start")
        stopping = group.create_task(stop.wait(), name="gateway.stop")
        await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        task.cancel()
    return None if task.cancelled() else task.result()
