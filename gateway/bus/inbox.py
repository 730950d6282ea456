"""Takes the config service's messages one by one: stored or quarantined first, acknowledged then."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial

import asyncpg
import structlog

from broker.contract.topics import Address, Kind, Topics
from broker.errors import ContractError, WattlineError
from broker.mqtt.session import Inbound, Session
from gateway.audit import audit_by_hand
from gateway.bus.handlers import Handlers
from gateway.bus.kept import Kept
from gateway.bus.key_delivery import KeyDelivery
from gateway.bus.rate_limiter import RateLimiter
from gateway.bus.software_handlers import SoftwareHandlers
from gateway.database import until_stored
from gateway.desired.change import Configuration
from gateway.events import is_first, quarantine, record_event
from gateway.faults import Refusal, contract_error
from gateway.metrics import Metrics
from gateway.quotas import Quotas
from store.pool import Pool
from store.sql import Connection

log = structlog.get_logger()
KINDS = (Kind.REGISTRATION, Kind.REPORTED, Kind.DESIRED, Kind.REPLIES, Kind.SPEC)
"""What the config service listens to."""
OPTIONAL_KINDS = (Kind.SOFTWARE_REPORTED, Kind.SOFTWARE_DESIRED, Kind.KEYS)
"""The same, where the broker's rights are new enough for it."""
OF_DEVICES = (Kind.REGISTRATION, Kind.REPORTED, Kind.REPLIES, Kind.SOFTWARE_REPORTED)
"""What devices may publish of it."""
BATCH = 50
MATCHING = ("in_step", "adopted")
"""Results by which the broker holds a message as the store does."""


class Inbox:
    """Deals with messages in the order of their arrival.

    What waits is bounded by the session's receive maximum; while the database is away nothing is acknowledged and the
    broker keeps the rest.
    """

    def __init__(
        self,
        session: Session,
        pool: Pool,
        topics: Topics,
        handlers: Handlers,
        software: SoftwareHandlers,
        keys: KeyDelivery,
        configuration: Configuration,
        quotas: Quotas,
        metrics: Metrics,
        kept: Kept,
    ) -> None:
        self._kept = kept
        self._session = session
        self._pool = pool
        self._topics = topics
        self._handlers = handlers
        self._software = software
        self._keys = keys
        self._configuration = configuration
        self._quotas = quotas
        self._rate_limiter = RateLimiter(quotas.limits, topics, quotas.tally)
        self._metrics = metrics
        self._handle: dict[Kind, Callable[[Address, bytes], Awaitable[str]]] = {
            Kind.REGISTRATION: handlers.registration,
            Kind.REPORTED: handlers.reported,
            Kind.DESIRED: handlers.desired,
            Kind.REPLIES: handlers.replies,
            Kind.SPEC: handlers.spec,
            Kind.SOFTWARE_REPORTED: software.reported,
            Kind.SOFTWARE_DESIRED: software.desired,
            Kind.KEYS: keys.taken,
        }
        self.busy = False
        self.last_message_at = time.monotonic()
        """When the last message was dealt with, on the monotonic clock."""

    async def run(self, stop: asyncio.Event) -> None:
        """Deal with messages until `stop`; the one in hand is finished."""
        for one in await self._kept.restore():
            self._rate_limiter.restore(Inbound(one.topic, one.payload, False, 0, 0, None, None, _Acknowledged()))
        while not stop.is_set():
            in_turn, others = list[Inbound](), list[Inbound]()
            for message in await self._receive():
                (in_turn if self._is_in_turn(message) else others).append(message)
            # what waited goes before a newer one is dealt with
            await self._kept.drop_all_but(self._rate_limiter.waits)
            if not await self._take_all(in_turn, stop):
                return
            await self._keep(others)
            if not await self._take_all(self._rate_limiter.due(time.monotonic()), stop):
                return
            await self._kept.drop_all_but(self._rate_limiter.waits)

    async def _take_all(self, messages: Iterable[Inbound], stop: asyncio.Event) -> bool:
        """Deal with these one by one; False where `stop` came meanwhile."""
        for message in messages:
            self.busy = True
            try:
                await self.take(message)
            finally:
                self.busy = False
                self.last_message_at = time.monotonic()
            if stop.is_set():
                return False
        return True

    async def _receive(self) -> list[Inbound]:
        """What has come, or nothing once one that had to wait is due."""
        try:
            async with asyncio.timeout(self._rate_limiter.due_in_s(time.monotonic())):
                return await self._session.receive(BATCH)
        except TimeoutError:
            return []

    async def _keep(self, messages: Sequence[Inbound]) -> None:
        """Store what waits of these, then acknowledge them; what came before them has been dealt with."""
        waits = self._rate_limiter.waits
        await self._kept.keep({message.topic: message.payload for message in messages if waits(message.topic)})
        for message in messages:
            message.ack()

    def _is_in_turn(self, message: Inbound) -> bool:
        try:
            kind = self._topics.parse(message.topic).kind
        except ContractError:
            return True
        last_counts = kind is not Kind.REPLIES
        return kind not in OF_DEVICES or self._rate_limiter.admits(message, time.monotonic(), last_counts=last_counts)

    async def take(self, message: Inbound, *, checked: bool = False) -> None:
        """Store or quarantine one message, then acknowledge it; a `checked` one is no echo of a publication."""
        try:
            address = self._topics.parse(message.topic)
            handle = self._handle[address.kind]
        except (ContractError, KeyError) as error:
            await self._refuse(message, None, ContractError(str(error), field="topic"))
            return
        work: Callable[[], Awaitable[str]] = partial(handle, address, message.payload)
        if address.kind is Kind.DESIRED:
            work = partial(
                self._handlers.desired, address, message.payload, retained=message.retain, echoes=not checked
            )
        elif address.kind is Kind.SOFTWARE_DESIRED:
            work = partial(self._software.desired, address, message.payload, retained=message.retain)
        elif address.kind is Kind.KEYS:
            work = partial(self._keys.taken, address, message.payload, retained=message.retain)
        elif address.kind is Kind.REPLIES:
            work = partial(self._handlers.replies, address, message.payload, correlation=message.correlation)
        try:
            result = await until_stored(work, f"gateway.{address.kind}", self._metrics)
        except Exception as error:
            wrong = wrong_with(error)
            if wrong is None and isinstance(error, WattlineError):
                raise
            if wrong is None:
                # a message on which our own code fails would come again for ever, and stop those of all others
                log.exception("message_failed", topic=message.topic, bytes=len(message.payload))
                self._metrics.message_errors.inc()
                wrong = ContractError(f"internal error: {error!r}", field="payload")
            await self._refuse(message, address, wrong)
            return
        if result in MATCHING and message.payload and message.current:
            # a message of a connection that is gone says nothing of what the broker holds now
            self._note_in_step(address)
        self._metrics.messages.labels(str(address.kind), result).inc()
        message.ack()

    def _note_in_step(self, address: Address) -> None:
        if address.kind is Kind.SOFTWARE_DESIRED:
            self._software.note_in_step(address.device)
        elif address.kind is not Kind.KEYS:
            self._handlers.note_in_step(address)

    async def _refuse(self, message: Inbound, address: Address | None, error: ContractError) -> None:
        """Put a payload into quarantine with an event; a desired configuration is put right as well."""
        kind = str(address.kind) if address else "unknown"
        device = address.device or None if address else None
        by_hand = address is not None and address.kind is Kind.DESIRED

        async def store() -> None:
            if by_hand and device:
                async with self._configuration.changing() as change:
                    await _put_aside(change.connection, message, address, error)
                    await change.republish([device])
            else:
                async with self._pool.acquire() as connection, connection.transaction():
                    if not device or await self._quotas.quarantine(connection, device, message.payload):
                        await _put_aside(connection, message, address, error)

        await until_stored(store, "gateway.quarantine", self._metrics)
        self._metrics.quarantined.labels(kind).inc()
        self._metrics.messages.labels(kind, "refused").inc()
        log.warning("payload_refused", topic=message.topic, field=error.field, reason=error.reason)
        if by_hand and device:
            self._metrics.restored.labels("refused").inc()
        message.ack()


class _Acknowledged:
    """Stands for the connection of a message that was acknowledged before this process began."""

    def __init__(self) -> None:
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.lost.set_result("of before")

    def ack(self, mid: int, qos: int) -> None:
        """Nothing is left to tell the broker."""

    def ack_all(self, mids: list[int]) -> None:
        """Nor here."""


def wrong_with(error: Exception) -> ContractError | None:
    """What is wrong with a message that could not be dealt with for this error; None where it is not to blame."""
    match error:
        case ContractError():
            return error
        case Refusal():
            return contract_error(error)
        case ValueError() | ArithmeticError() | RecursionError() | asyncpg.PostgresError():
            # what no model foresaw, such as a time before the year 1: it would come again for ever
            return ContractError(str(error), field="payload")
    return None


async def _put_aside(connection: Connection, message: Inbound, address: Address | None, error: ContractError) -> None:
    """Quarantine a message, with its event and, of what a person publishes, its audit line."""
    device = address.device or None if address else None
    by_hand = address is not None and address.kind is Kind.DESIRED
    new = await quarantine(
        connection, message.topic, message.payload, device=device, reason="contract", detail=str(error)
    )
    # a person who makes the same mistake again is told again
    told = await is_first(connection, "desired_refused", message.topic, message.payload) if by_hand else new
    if told:
        event = "desired_refused" if by_hand else "payload_refused"
        detail = {"topic": message.topic, "device": device, "field": error.field, "reason": error.reason}
        detail |= {"fix": error.fix} if error.fix else {}
        await record_event(connection, event, device=device, severity="warning", detail=detail)
    if address is not None and told and address.kind in (Kind.DESIRED, Kind.SPEC):
        await audit_by_hand(connection, message.topic, message.payload, error)
