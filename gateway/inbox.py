"""Takes the config service's messages one by one: stored or quarantined first, acknowledged then."""

import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING

import asyncpg
import structlog

from broker.errors import ContractError, WattlineError
from broker.session import Inbound, Session
from broker.topics import Address, Kind, Topics
from gateway.audit import audit_by_hand
from gateway.database import until_stored
from gateway.events import quarantine, record_event
from gateway.handlers import Handlers
from gateway.metrics import Metrics
from gateway.publisher import Publisher
from store.pool import Pool

if TYPE_CHECKING:
    import asyncio

log = structlog.get_logger()
KINDS = (Kind.REGISTRATION, Kind.REPORTED, Kind.DESIRED, Kind.REPLIES, Kind.SPEC)
"""What the config service listens to."""
BATCH = 50
HELD = ("in_step", "adopted")
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
        publisher: Publisher,
        metrics: Metrics,
    ) -> None:
        self._session = session
        self._pool = pool
        self._topics = topics
        self._handlers = handlers
        self._publisher = publisher
        self._metrics = metrics
        self._handle: dict[Kind, Callable[[Address, bytes], Awaitable[str]]] = {
            Kind.REGISTRATION: handlers.registration,
            Kind.REPORTED: handlers.reported,
            Kind.DESIRED: handlers.desired,
            Kind.REPLIES: handlers.replies,
            Kind.SPEC: handlers.spec,
        }
        self.busy = False
        self.last_message_at = time.monotonic()
        """When the last message was dealt with, on the monotonic clock."""

    async def run(self, stop: "asyncio.Event") -> None:
        """Deal with messages until `stop`; the one in hand is finished."""
        while not stop.is_set():
            for message in await self._session.receive(BATCH):
                self.busy = True
                try:
                    await self.take(message)
                finally:
                    self.busy = False
                    self.last_message_at = time.monotonic()
                if stop.is_set():
                    return

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
        elif address.kind is Kind.REPLIES:
            work = partial(self._handlers.replies, address, message.payload, correlation=message.correlation)
        try:
            result = await until_stored(work, f"gateway.{address.kind}", self._metrics)
        except ContractError as error:
            await self._refuse(message, address, error)
            return
        except (ValueError, ArithmeticError, RecursionError) as error:
            # what no model foresaw, such as a time before the year 1: it would come again for ever
            await self._refuse(message, address, ContractError(str(error), field="payload"))
            return
        except asyncpg.PostgresError as error:
            await self._refuse(message, address, ContractError(str(error), field="payload"))
            return
        except WattlineError:
            raise
        except Exception as error:
            # a message on which our own code fails would come again for ever, and stop those of all others
            log.exception("message_failed", topic=message.topic, bytes=len(message.payload))
            self._metrics.message_errors.inc()
            await self._refuse(message, address, ContractError(f"internal error: {error!r}", field="payload"))
            return
        if result in HELD and message.payload and message.current:
            # a message of a connection that is gone says nothing of what the broker holds now
            self._handlers.saw(address)
        self._metrics.messages.labels(str(address.kind), result).inc()
        message.ack()

    async def _refuse(self, message: Inbound, address: Address | None, error: ContractError) -> None:
        """Put a payload into quarantine and tell of it; a desired configuration is put right as well."""
        kind = str(address.kind) if address else "unknown"
        device = address.device or None if address else None
        by_hand = address is not None and address.kind is Kind.DESIRED

        async def store() -> None:
            async with self._pool.acquire() as connection, connection.transaction():
                new = await quarantine(
                    connection, message.topic, message.payload, device=device, reason="contract", detail=str(error)
                )
                if new or by_hand:
                    event = "desired_refused" if by_hand else "payload_refused"
                    detail = {"topic": message.topic, "device": device, "field": error.field, "reason": error.reason}
                    detail |= {"fix": error.fix} if error.fix else {}
                    await record_event(connection, event, device=device, severity="warning", detail=detail)
                if address is not None and (by_hand or (new and address.kind is Kind.SPEC)):
                    await audit_by_hand(connection, message.topic, message.payload, error)

        await until_stored(store, "gateway.quarantine", self._metrics)
        self._metrics.quarantined.labels(kind).inc()
        self._metrics.messages.labels(kind, "refused").inc()
        log.warning("payload_refused", topic=message.topic, field=error.field, reason=error.reason)
        if by_hand and device:
            self._metrics.restored.labels("refused").inc()
            self._publisher.mark(device)
        message.ack()
