"""The agent as a service: its parts opened outermost first, its tasks run until stop."""

import asyncio
import contextlib
import fcntl
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import structlog

from broker.environment import unknown
from broker.errors import PermanentError
from broker.service import Health
from broker.session import Session, SessionOptions
from broker.topics import DELIVERY, Kind, Topics
from device.actions import RESTART, Actions
from device.agent import Agent
from device.bundles import Bundles
from device.clock import DeviceClock
from device.command_journal import CommandJournal
from device.commands import Commands
from device.context import Context
from device.control import Control, will
from device.gathered import FramesOf, ReadingsOf
from device.hardware import device_id
from device.health_server import serve_health
from device.inbox import Inbox
from device.metrics import DeviceMetrics
from device.outbox import Outbox
from device.outbox_segments import sync
from device.outgoing import Outgoing
from device.parameters import Configuration
from device.port_memory import PortMemory
from device.ports import Ports
from device.probation import Probation
from device.publisher import Publisher, PublisherOptions
from device.registry import MeterRegistry
from device.settings import DeviceSettings
from device.specs import SpecStore
from device.write_ahead import WriteAhead

log = structlog.get_logger()


RESTART_STATUS = 75
"""How the process ends by the command `restart`: EX_TEMPFAIL of sysexits.h, for supervisors that look at it."""


async def run(settings: DeviceSettings, stop: asyncio.Event) -> int:
    """Run the agent until `stop` is set; returns the exit status. Raises PermanentError where a person must act."""
    device = settings.device_id or device_id()
    structlog.contextvars.bind_contextvars(device=device)
    _prepare(settings.data_folder)
    metrics, health = DeviceMetrics(), Health()
    boot = secrets.token_hex(8)
    with _sole_use(settings.data_folder):
        config = Configuration(settings.data_folder / "desired.json")
        config.load()
        for told in unknown(type(settings)):
            log.warning("setting_unknown", reason=told)
        log.info("agent_starts", boot=boot, data_folder=str(settings.data_folder), version_in_force=config.version)
        restarts = await _kept(settings, device, boot, config, metrics, health, stop)
    return RESTART_STATUS if restarts else 0


async def _kept(
    settings: DeviceSettings,
    device: str,
    boot: str,
    config: Configuration,
    metrics: DeviceMetrics,
    health: Health,
    stop: asyncio.Event,
) -> bool:
    async with (
        _outbox(settings, config) as outbox,
        _write_ahead(settings) as ahead,
        serve_health(health, metrics.registry, settings),
    ):
        restarts = await _connected(settings, device, boot, outbox, ahead, config, metrics, health, stop)
    log.info("agent_stopped", waiting=outbox.waiting, unconfirmed=outbox.unconfirmed, restarts=restarts)
    return restarts


async def _connected(
    settings: DeviceSettings,
    device: str,
    boot: str,
    outbox: Outbox,
    ahead: WriteAhead,
    config: Configuration,
    metrics: DeviceMetrics,
    health: Health,
    stop: asyncio.Event,
) -> bool:
    topics = Topics(settings.broker.root)
    clock = DeviceClock()
    since = clock.now()
    options = SessionOptions(
        client_id=device,
        in_flight=settings.in_flight,
        will=will(topics, device, boot, since),
        refusal_is_fatal=False,
        # all devices are told the same nodes, and share them
        spread=True,
        subscriptions=(
            (topics.of(Kind.DESIRED, device), DELIVERY[Kind.DESIRED].qos),
            (topics.commands_of(device), DELIVERY[Kind.COMMAND].qos),
        ),
        # a broker of before receipts may refuse it
        optional=((topics.of(Kind.RECEIPTS, device), DELIVERY[Kind.RECEIPTS].qos),),
    )
    async with Session(settings.broker.as_user(device), options) as session:
        publisher = Publisher(
            session,
            outbox,
            topics,
            device,
            clock,
            metrics,
            PublisherOptions(settings.in_flight, settings.backfill_after_s),
        )
        outgoing = Outgoing(outbox, clock, boot, publisher.offer)
        context = _context(settings, device, clock, metrics, config, outgoing, ahead)
        control = Control(session, topics, device, boot, clock, config, since)
        agent = _agent(context, session, outbox, ahead, publisher, control, topics)
        agent.health(health)
        await agent.run(stop)
    return agent.restarts


def _agent(
    context: Context,
    session: Session,
    outbox: Outbox,
    ahead: WriteAhead,
    publisher: Publisher,
    control: Control,
    topics: Topics,
) -> Agent:
    ports = Ports(context)
    probation = Probation(context, control)
    inbox = Inbox(session, topics, context, control, probation)
    actions = Actions(context, ports, outbox, publisher, probation, inbox)
    journal = CommandJournal(context.settings.data_folder / "commands.json")
    commands = Commands(context, control, journal, actions.by_name(), RESTART)
    return Agent(context, session, outbox, publisher, control, inbox, ports, probation, commands, ahead)


def _context(
    settings: DeviceSettings,
    device: str,
    clock: DeviceClock,
    metrics: DeviceMetrics,
    config: Configuration,
    outgoing: Outgoing,
    ahead: WriteAhead,
) -> Context:
    def send_readings(of: ReadingsOf, samples: list, units: dict[str, str]) -> None:  # type: ignore[type-arg]
        outgoing.readings(of.meter, of.spec, of.clock, of.source, samples, units)

    def send_frames(of: FramesOf, frames: list) -> None:  # type: ignore[type-arg]
        outgoing.frames(of.reason, of.port, of.protocol, frames, meter=of.meter, clock=of.clock)

    memory = PortMemory(settings.data_folder / "ports.json")
    memory.load()
    loop = asyncio.get_running_loop()
    return Context(
        device=device,
        settings=settings,
        clock=clock,
        metrics=metrics,
        config=config,
        specs=SpecStore(settings.data_folder / "specs"),
        outgoing=outgoing,
        bundles=Bundles(send_readings, send_frames, ahead),
        registry=MeterRegistry(loop.time),
        memory=memory,
        monotonic=loop.time,
    )


@contextlib.asynccontextmanager
async def _outbox(settings: DeviceSettings, config: Configuration) -> AsyncIterator[Outbox]:
    """The outbox, synced to disk at the end."""
    limit = config.parameters.outbox_limit_mib * 1024 * 1024
    outbox = Outbox(settings.data_folder / "outbox", limit_bytes=limit)
    await asyncio.to_thread(outbox.open)
    try:
        yield outbox
    finally:
        try:
            sync(outbox.take_unsynced())
        except OSError as error:
            outbox.sync_failed(error)
        outbox.save_state()


@contextlib.asynccontextmanager
async def _write_ahead(settings: DeviceSettings) -> AsyncIterator[WriteAhead]:
    """What is gathered, on disk, with what an earlier run left of it."""
    ahead = WriteAhead(settings.data_folder / "ahead")
    await asyncio.to_thread(ahead.open)
    try:
        yield ahead
    finally:
        ahead.close()


@contextlib.contextmanager
def _sole_use(folder: Path) -> Iterator[None]:
    """Hold the data folder's lock, which ends with the process: two agents on one outbox would lose readings.

    Raises PermanentError where another agent holds it. A disk that can't lock is no reason not to start.
    """
    with contextlib.ExitStack() as exits:
        try:
            lock = exits.enter_context((folder / "lock").open("ab"))
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise PermanentError(
                f"another agent uses the data folder {folder}; stop it, or set WATTLINE_DEVICE_DATA_FOLDER"
            ) from error
        except OSError as error:
            log.warning("data_folder_not_locked", folder=str(folder), reason=str(error))
        yield


def _prepare(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PermanentError(
            f"data folder {folder}: {error.strerror}; set WATTLINE_DEVICE_DATA_FOLDER to a folder that can be written"
        ) from error
