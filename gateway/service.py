"""The gateway's life: database, broker session, HTTP API, and the tasks between them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from functools import partial
from typing import Any, TypeVar

import structlog

from broker.contract.topics import DELIVERY, Topics
from broker.mqtt.session import Session, SessionOptions
from broker.runtime.http_server import health_routes, serve_health, serve_http
from broker.runtime.service import Health
from broker.runtime.tls import ServerTls
from gateway.api.app import Api, routes
from gateway.api.enrolment.part import EnrolmentPart
from gateway.api.jobs.files import FileRoutes
from gateway.api.reads import Reads, open_reads
from gateway.api.server_tls import own_certificate, server_tls
from gateway.bus.command_sender import CommandSender
from gateway.bus.gauges import Gauges
from gateway.bus.handlers import Handlers
from gateway.bus.inbox import KINDS, OPTIONAL_KINDS, Inbox
from gateway.bus.kept import Kept
from gateway.bus.key_delivery import KeyDelivery
from gateway.bus.login_log import LoginLog
from gateway.bus.logins import Logins
from gateway.bus.notices import Notices
from gateway.bus.outbox import Outbox
from gateway.bus.publisher import Publisher
from gateway.bus.reconciler import Reconciler
from gateway.bus.retained import Retained
from gateway.bus.retained_check import RetainedCheck
from gateway.bus.software_handlers import SoftwareHandlers
from gateway.bus.specs_by_hand import SpecsByHand
from gateway.commands.orders import Bounds, Commands
from gateway.console.browser import ConsoleApi
from gateway.console.site import console_routes
from gateway.console.waiting import waiting_routes
from gateway.credentials.access import Access
from gateway.database import until_stored
from gateway.desired.change import Configuration
from gateway.desired.spec_catalogue import publish_catalogue
from gateway.enrolment.expiry import Expiry
from gateway.fleet.claims import SilenceLimits
from gateway.fleet.swap_registers import SwapRegisters
from gateway.keys.keeping import MeterKeys
from gateway.keys.master import MasterFile
from gateway.meter_claims.run import MeterClaims
from gateway.metrics import Metrics
from gateway.notices.keeping import Notifications
from gateway.parameters.stages.run import Stages
from gateway.quotas import Quotas
from gateway.settings import GatewaySettings
from gateway.signals import Signals
from gateway.sources.keeping import Sources
from gateway.specs.job_sweep import JobSweep
from gateway.specs.life import SpecLife
from gateway.specs.rollouts.judging import RolloutJudge
from gateway.specs.rollouts.run import Rollouts
from meters.specs.catalogue import catalogue
from store.errors import DATABASE_ERRORS
from store.pool import Pool, open_pool
from store.probe import EVERY_S, DatabaseProbe

log = structlog.get_logger()
T = TypeVar("T")


async def run(settings: GatewaySettings, stop: asyncio.Event) -> None:
    """Serve until `stop`; then finish what is in hand, publish what waits, and leave. Raises PermanentError."""
    metrics = Metrics()
    topics = Topics(settings.broker.root)
    options = SessionOptions(
        client_id=settings.client_id,
        clean_start=False,
        session_expiry_s=settings.session_expiry_s,
        receive_maximum=settings.receive_maximum,
        subscriptions=tuple((topics.every(kind), DELIVERY[kind].qos) for kind in KINDS),
        optional=tuple((topics.every(kind), DELIVERY[kind].qos) for kind in OPTIONAL_KINDS),
    )
    async with contextlib.AsyncExitStack() as stack:
        own = await asyncio.to_thread(own_certificate, settings)
        tls = await asyncio.to_thread(server_tls, settings, own)
        async with _waiting(settings, metrics, tls):
            pool = await _or_stopped(stack, settings, stop)
            if pool is None:
                return
            configuration = Configuration(pool)
            stock = partial(_stock, configuration, metrics)
            if not await _until(stop, until_stored(stock, "gateway.catalogue", metrics)):
                return
        started: list[Parts] = []
        session = Session(
            settings.broker.as_user("gateway"),
            options,
            on_connect=lambda present: started[0].connected(session_present=present),
        )
        reads = await stack.enter_async_context(open_reads(settings, pool, metrics))
        enrolment = await EnrolmentPart.open(settings, pool, metrics, own)
        parts = Parts(settings, session, pool, reads, topics, metrics, configuration, enrolment)
        started.append(parts)
        probe = DatabaseProbe()
        probe.answered()
        await stack.enter_async_context(session)
        # before the API, whose /healthz says that all is there
        await stack.enter_async_context(enrolment.serve(parts.api.auth.audit))
        await stack.enter_async_context(_http(parts, settings, metrics, session, probe, reads, tls))
        async with asyncio.TaskGroup() as group:
            ending = [group.create_task(_probe(probe, pool), name="gateway.probe")]
            ending += [group.create_task(reads.run(), name="gateway.reads")]
            ending += [group.create_task(tls.run(), name="gateway.tls")] if tls else []
            ending += [group.create_task(own.run(), name="gateway.own-certificate")] if own else []
            ending += [group.create_task(work(), name=f"gateway.{name}") for name, work in parts.works()]
            taking = group.create_task(parts.inbox.run(stop), name="gateway.inbox")
            await _drain(stop, settings, parts.publisher, parts.inbox, taking)
            for task in ending:
                task.cancel()


async def _probe(probe: DatabaseProbe, pool: Pool) -> None:
    """Ask the database for ever whether it is there, for /healthz."""
    while True:
        with contextlib.suppress(*DATABASE_ERRORS):
            await probe.ask(pool)
        await asyncio.sleep(EVERY_S)


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
        configuration: Configuration,
        enrolment: EnrolmentPart,
    ) -> None:
        signals, retained = Signals(), Retained()
        self._pool = pool
        outbox = Outbox(pool, settings.client_id, metrics)
        self.publisher = publisher = Publisher(session, outbox, topics, metrics, configuration, settings.outbox_read_s)
        self.reconciler = Reconciler(session, configuration, publisher, retained, metrics, settings.reconcile_quiet_s)
        by_hand = SpecsByHand(SpecLife(pool, configuration), publisher, topics)
        bounds = Bounds(settings.commands_per_device, settings.commands_in_flight)
        commands = Commands(pool, signals, metrics, settings.client_id, bounds)
        limits = SilenceLimits(settings.claim_silence_s, settings.claim_disputed_s)
        self._quotas = quotas = Quotas(settings.quota, metrics)
        self._claims = claims = MeterClaims(
            pool, configuration, metrics, limits, settings.claim_tick_s, lambda: session.connected, quotas
        )
        handlers = Handlers(
            pool, topics, configuration, publisher, retained, signals, metrics, by_hand, commands, claims, quotas
        )
        waiting = Kept(pool, topics, settings.client_id, settings.session_expiry_s, metrics)
        software = SoftwareHandlers(pool, configuration, publisher, retained, quotas, metrics)
        master = MasterFile(settings.meter_keys_file)
        self._keys = delivery = KeyDelivery(session, pool, topics, master, metrics, settings.keys_s)
        keys = MeterKeys(pool, configuration, master, delivery.wake)
        self.inbox = Inbox(session, pool, topics, handlers, software, delivery, configuration, quotas, metrics, waiting)
        self._check = RetainedCheck(
            settings.broker.as_user("gateway"), settings.client_id, topics, pool, configuration, self.inbox, publisher,
            metrics, settings.reconcile_s, settings.reconcile_quiet_s,
        )  # fmt: skip
        rollouts = Rollouts(configuration, metrics)
        self._stages = Stages(pool, configuration, metrics, settings.stage_tick_s)
        kept, gateway = settings.commands_kept_days, settings.client_id
        self._sender = CommandSender(session, pool, topics, commands, metrics, gateway, kept)
        self._login_log = LoginLog(
            settings.broker.as_user("gateway"), settings.client_id, pool, metrics, settings.logins_s
        )
        self._expiry = Expiry(
            metrics, settings.ca.folder, lambda: session.certificate, authority=settings.ca.authority,
            https=settings.tls.certificate, enrolment=settings.enrolment.certificate,
            broker=settings.broker_certificate, login=settings.broker.tls_certificate,
        )  # fmt: skip
        self._gauges = Gauges(pool, settings.client_id, metrics, settings.logins_s)
        self.logins = Logins(
            settings.broker.as_user("gateway"), settings.client_id, topics, pool, metrics, session.publish
        )
        self._notices = Notices(pool, configuration, publisher, self.logins, metrics)
        self._judge = RolloutJudge(pool, rollouts, settings.rollout, metrics, settings.judge_s)
        self._jobs = JobSweep(pool, configuration, metrics, settings.job_sweep_s)
        self._settler = SwapRegisters(pool, metrics, settings.settle_s)
        access = Access(pool, metrics, self.logins.put_password)
        table = routes(
            *(
                pool,
                reads,
                configuration,
                signals,
                rollouts,
                settings.rollout,
                commands,
                self._stages,
                claims,
                access,
                keys,
                Sources(pool, master),
                Notifications(pool, master),
                FileRoutes(pool, settings.job_file_mib, settings.job_files_mib),
            )
        )
        self._enrolment = enrolment
        self.api = Api([*table, *enrolment.routes()], pool, metrics, settings)

    def connected(self, *, session_present: bool) -> None:
        """Note a new connection to the broker, which may have forgotten anything."""
        self.reconciler.connected(session_present=session_present)
        self._keys.connected(session_present=session_present)
        self._expiry.look_at_broker()
        self.logins.wake()

    def works(self) -> Iterator[tuple[str, Callable[[], Coroutine[Any, Any, None]]]]:
        """The tasks beside the inbox, by name; each runs until it is cancelled."""
        yield "publish", self.publisher.run
        yield "commands", self._sender.run
        yield "reconcile", partial(self.reconciler.run, self.inbox)
        yield "claims", self._claims.run
        yield "jobs", self._jobs.run
        yield "changes", self.api.changes.run
        yield "notices", self._notices.run
        yield "judge", self._judge.run
        yield "settle", self._settler.run
        yield "stages", self._stages.run
        yield "enrolments", self._enrolment.run
        yield "retained", self._check.run
        yield "keys", self._keys.run
        yield "logins", self.logins.run
        yield "login-log", self._login_log.run
        yield "expiry", self._expiry.run
        yield "gauges", self._gauges.run
        yield "quotas", partial(self._quotas.run, self._pool)


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
        # between two statements it matches specs to hundreds of devices
        idle_timeout_s=30,
        clean=True,
    )
    return await _until(stop, stack.enter_async_context(opening))


async def _stock(configuration: Configuration, metrics: Metrics) -> bool:
    """Enter the shipped specs, and match all meters by them; returns True."""
    async with configuration.changing() as change:
        added = await publish_catalogue(change.connection, catalogue(), metrics)
        await change.renew()
        changed = await change.rebuild(None)
    known = len(change.catalogue.specs)
    log.info("specs_published", shipped=len(catalogue()), added=added, known=known, devices_changed=len(changed))
    return True


@contextlib.asynccontextmanager
async def _waiting(settings: GatewaySettings, metrics: Metrics, tls: ServerTls | None) -> AsyncIterator[None]:
    """Say on /healthz that the database is waited for; the API takes the port over once it is there."""
    health = Health()
    health.add("database", lambda: (False, "not connected yet"))
    host, _ = settings.listen_host()
    async with serve_health(health, metrics.registry, settings, host, waiting_routes(), tls=tls):
        yield


@contextlib.asynccontextmanager
async def _http(
    parts: Parts,
    settings: GatewaySettings,
    metrics: Metrics,
    session: Session,
    probe: DatabaseProbe,
    reads: Reads,
    tls: ServerTls | None,
) -> AsyncIterator[None]:
    api, health = parts.api, Health()
    health.add("broker", lambda: (session.connected, session.last_error or "connected"))
    health.add("database", probe.check)
    health.add("logins", parts.logins.check)
    if settings.read_dsn is not None:
        health.add("replica", reads.check)
    host, how = settings.listen_host()
    if settings.api_token is None:
        log.warning("api_without_token", listens=how, host=host, fix="set WATTLINE_GATEWAY_API_TOKEN to serve others")
    console = ConsoleApi(api, settings.oidc.label if settings.oidc.issuer else None)
    pages = console_routes(console, settings.console_session_h, settings.oidc)
    app = api.application([*pages, *health_routes(health, metrics.registry)], console.lost)
    refused = metrics.connections_refused
    async with serve_http(
        app, settings, host, bounds=settings.connection_bounds(), refused=lambda by: refused.labels(by).inc(), tls=tls
    ):
        yield


async def _drain(
    stop: asyncio.Event, settings: GatewaySettings, publisher: Publisher, inbox: Inbox, taking: asyncio.Task[None]
) -> None:
    """Wait for `stop`, then let the message in hand and the publications that wait end, under the deadline.

    What is not done by then is done at the next start, or by another gateway: unacknowledged messages come again, and
    configurations wait in the store.
    """
    await stop.wait()
    log.info("stopping", drain_s=settings.drain_s)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(settings.drain_s):
            while inbox.busy:
                await asyncio.sleep(0.01)
            taking.cancel()
            # what was committed a moment ago, of which the notice is on its way
            publisher.wake()
            while publisher.busy:
                await asyncio.sleep(0.01)
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
