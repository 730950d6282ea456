"""The agent as a service: its parts opened outermost first, its tasks run until stop."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass

import structlog

from broker.contract.messages import Receipts
from broker.contract.topics import DELIVERY, Kind, Topics
from broker.mqtt.session import Session, SessionOptions
from broker.runtime.environment import unknown
from broker.runtime.service import Health
from device.activation.activation import Activation
from device.activation.probation import Probation
from device.agent import Agent
from device.announcements import Control, will
from device.clock import DeviceClock
from device.commands.actions import RESTART, Actions
from device.commands.execution import Commands
from device.commands.journal import CommandJournal
from device.config.configuration import Configuration
from device.config.effective import EffectiveConfig
from device.config.spec_store import SpecStore
from device.data_folder import opened_outbox, opened_write_ahead, prepare, sole_use
from device.enrolment.enrolment import Enrolment
from device.hardware import device_id
from device.health_server import serve_health
from device.heap import give_back
from device.history.event_logs import EventLogs
from device.history.history import History
from device.history.log_memory import LogMemory
from device.history.memory import HistoryMemory
from device.inbox import Inbox
from device.metrics import DeviceMetrics
from device.moving.addresses import Addresses
from device.moving.moving import Moving
from device.outbox.bundles import Bundles
from device.outbox.durability import Durability
from device.outbox.gathered import FramesOf, ReadingsOf
from device.outbox.lanes import Lanes
from device.outbox.outbox import Outbox
from device.outbox.outgoing import Outgoing
from device.outbox.publisher import Publisher, PublisherOptions
from device.outbox.record import Record
from device.outbox.resending import Resending
from device.outbox.status import OutboxStatus
from device.outbox.write_ahead import WriteAhead
from device.ports.memory import PortMemory
from device.ports.supervisor import Ports
from device.readings.context import Context
from device.readings.meter_health import MeterHealth
from device.readings.meter_keys import MeterKeys
from device.readings.registry import MeterRegistry
from device.settings import DeviceSettings
from device.software import Software
from device.upkeep import Upkeep
from device.version import software_version

log = structlog.get_logger()


RESTART_STATUS = 75
"""How the process ends by the command `restart`: EX_TEMPFAIL of sysexits.h, for supervisors that look at it."""


@dataclass(slots=True)
class Restart:
    """The agent's end by command, to be started again by its supervisor."""

    stop: asyncio.Event
    requested: bool = False

    def request(self) -> None:
        """End the agent."""
        self.requested = True
        self.stop.set()


@dataclass(frozen=True, slots=True)
class Base:
    """What the agent is made on: opened before its connection, closed after it."""

    settings: DeviceSettings
    device: str
    boot: str
    config: Configuration
    metrics: DeviceMetrics
    lanes: Lanes
    outbox: Outbox
    ahead: WriteAhead


async def run(settings: DeviceSettings, stop: asyncio.Event) -> int:
    """Run the agent until `stop` is set; returns the exit status. Raises PermanentError where a person must act."""
    device = settings.device_id or device_id()
    structlog.contextvars.bind_contextvars(device=device)
    prepare(settings.data_folder)
    metrics, health, restart, lanes = DeviceMetrics(), Health(), Restart(stop), Lanes()
    boot = secrets.token_hex(8)
    metrics.info.labels(software_version(), boot).set(1)
    with sole_use(settings.data_folder):
        config = Configuration(settings.data_folder / "desired.json")
        config.load()
        for reason in unknown(type(settings)):
            log.warning("setting_unknown", reason=reason)
        log.info("agent_starts", boot=boot, data_folder=str(settings.data_folder), version_in_force=config.version)
        limit = config.parameters.outbox_limit_mib * 1024 * 1024
        async with (
            opened_outbox(settings.data_folder, limit, lanes) as outbox,
            opened_write_ahead(settings.data_folder, outbox) as ahead,
            serve_health(health, metrics.registry, settings),
        ):
            await _connected(Base(settings, device, boot, config, metrics, lanes, outbox, ahead), health, restart)
        log.info("agent_stopped", waiting=outbox.waiting, unconfirmed=outbox.unconfirmed, restarts=restart.requested)
    return RESTART_STATUS if restart.requested else 0


async def _connected(base: Base, health: Health, restart: Restart) -> None:
    settings, device = base.settings, base.device
    topics = Topics(settings.broker.root)
    clock = DeviceClock()
    since = clock.now()
    options = SessionOptions(
        client_id=device,
        in_flight=settings.in_flight,
        will=will(topics, device, base.boot, since),
        refusal_is_fatal=False,
        # all devices are given the same nodes, and share them
        spread=True,
        subscriptions=(
            (topics.of(Kind.DESIRED, device), DELIVERY[Kind.DESIRED].qos),
            (topics.commands_of(device), DELIVERY[Kind.COMMAND].qos),
        ),
        # a broker of before them may refuse these
        optional=tuple(
            (topics.of(kind, device), DELIVERY[kind].qos) for kind in (Kind.RECEIPTS, Kind.SOFTWARE_DESIRED, Kind.KEYS)
        ),
    )
    address, enrolment = settings.broker.as_user(device), None
    if settings.enrol.url is not None:
        enrolment = Enrolment(settings.enrol, settings.data_folder / "enrolment", device, base.metrics)
        address = enrolment.address(address)
        health.add("enrolment", enrolment.health)
    addresses = Addresses(settings.data_folder, address)
    addresses.load(base.config.parameters)
    if enrolment is not None:
        enrolment.elsewhere, enrolment.settle = addresses.enrolment, addresses.settle
        addresses.settle()
    async with Session(addresses.address(), options, ready=enrolment.ready if enrolment else None) as session:
        resending = Resending(base.outbox, base.metrics)
        status = OutboxStatus(base.outbox, resending, clock)
        control = Control(
            session, topics, device, base.boot, clock, base.config, since, status, base.lanes.live.wake.set
        )
        agent = _agent(base, session, topics, clock, control, resending, restart, addresses)
        agent.health(health)
        give_back()
        async with _kept(enrolment, session):
            await agent.run(restart.stop)


@contextlib.asynccontextmanager
async def _kept(enrolment: Enrolment | None, session: Session) -> AsyncIterator[None]:
    """Keep the certificate good while the agent runs, where it has one."""
    if enrolment is None:
        yield
        return
    async with asyncio.TaskGroup() as group:
        keeping = group.create_task(enrolment.run(session), name="device.enrolment")
        try:
            yield
        finally:
            keeping.cancel()


def _agent(
    base: Base,
    session: Session,
    topics: Topics,
    clock: DeviceClock,
    control: Control,
    resending: Resending,
    restart: Restart,
    addresses: Addresses,
) -> Agent:
    """The parts of one agent, each made of those before it."""
    settings, outbox = base.settings, base.outbox
    durability = Durability(
        outbox, base.ahead, base.metrics, every_s=settings.sync_s, every_records=settings.sync_records
    )

    def appended(record: Record) -> None:
        durability.appended()
        base.lanes.live.offer(record)

    outgoing = Outgoing(outbox, clock, base.boot, appended)

    def refused(record: Record, code: int) -> None:
        size = len(record.payload)
        outgoing.event("message_refused_by_broker", "error", kind=str(record.kind), bytes=size, code=code)

    pace = PublisherOptions(settings.in_flight, settings.backfill_after_s)
    publisher = Publisher(
        session, outbox, topics, base.device, clock, base.metrics, pace, base.lanes, resending,
        lambda: control.registered, refused,
    )  # fmt: skip
    context = _context(base, clock, control, outgoing, durability)
    memory = PortMemory(settings.data_folder / "ports.json")
    memory.load()
    remembered = HistoryMemory(settings.data_folder / "history.json")
    remembered.load()
    history = History(context, remembered, lambda: session.connected and control.registered)
    read_logs = LogMemory(settings.data_folder / "event-logs.json")
    read_logs.load()
    logs = EventLogs(context, read_logs, lambda: session.connected and control.registered)
    ports = Ports(context, memory, history, logs, durability)
    probation = Probation(context, ports.read_now)
    activation = Activation(session, topics, context, outbox, probation)
    actions = Actions(context, ports, history, logs, outbox, base.lanes.live, activation).by_name()
    journal = CommandJournal(settings.data_folder / "commands.json")
    commands = Commands(context, control, journal, actions, RESTART, restart.request)
    software = Software(
        settings.data_folder / "software", settings.updater_folder, base.metrics, outgoing, control.report_software
    )
    moving = Moving(
        context, session, control, addresses, lambda: outbox.waiting + outbox.unconfirmed, activation.withhold
    )

    def confirmed(receipts: Receipts) -> None:
        publisher.take_receipts(receipts)
        moving.heard(receipts)

    inbox = Inbox(session, topics, context, activation, commands.take, confirmed, software.desired, moving.on_trial)
    upkeep = Upkeep(context, session, outbox, base.ahead, resending, ports, software.upkeep)
    return Agent(
        context, session, outbox, base.ahead, durability, publisher, control, inbox, ports, history, logs, activation,
        probation, commands, upkeep, moving,
    )  # fmt: skip


def _context(base: Base, clock: DeviceClock, control: Control, outgoing: Outgoing, durability: Durability) -> Context:
    def send_readings(of: ReadingsOf, samples: list, units: dict[str, str]) -> None:  # type: ignore[type-arg]
        outgoing.readings(of.meter, of.spec, of.clock, of.source, samples, units)

    def send_frames(of: FramesOf, frames: list) -> None:  # type: ignore[type-arg]
        outgoing.frames(of.reason, of.port, of.protocol, frames, meter=of.meter, clock=of.clock)

    loop = asyncio.get_running_loop()
    keys = MeterKeys(base.settings.data_folder, base.device, base.metrics, outgoing, base.settings.enrol.key)
    keys.load()
    specs = SpecStore(base.settings.data_folder / "specs")
    return Context(
        device=base.device,
        settings=base.settings,
        clock=clock,
        metrics=base.metrics,
        effective=EffectiveConfig(base.config, specs, control.report),
        outgoing=outgoing,
        keys=keys,
        bundles=Bundles(send_readings, send_frames, base.ahead),
        registry=MeterRegistry(control.registration_changed, control.is_registered, loop.time),
        health=MeterHealth(loop.time),
        make_durable=durability.now,
        monotonic=loop.time,
    )
