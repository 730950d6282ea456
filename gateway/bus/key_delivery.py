"""Keys of meters on their way to devices: sealed when due, published until the broker has them, put right there."""

import asyncio
import contextlib

import structlog

from broker.contract.keys import SealedKeys
from broker.contract.topics import DELIVERY, Address, Kind, Topics
from broker.errors import ContractError
from broker.mqtt.session import ConnectionLostError, Publication, RefusedError, Session
from gateway.database import one_round
from gateway.faults import Refusal
from gateway.keys.delivery import seal_due
from gateway.keys.master import MasterFile
from gateway.keys.store import (
    Delivered,
    Unannounced,
    announced_delivery,
    find_delivery,
    forget_announced,
    redo_delivery,
    unannounced_deliveries,
)
from gateway.metrics import Metrics
from store.pool import Pool

log = structlog.get_logger()
PUBLISH_TIMEOUT_S = 10.0


class KeyDelivery:
    """Publishes what devices are to be given; all that it knows is in the store, and doing it twice changes nothing."""

    def __init__(
        self, session: Session, pool: Pool, topics: Topics, master: MasterFile, metrics: Metrics, every_s: float
    ) -> None:
        self._session = session
        self._pool = pool
        self._topics = topics
        self._master = master
        self._metrics = metrics
        self._every_s = every_s
        self._forgotten = False
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Look now."""
        self._wake.set()

    def connected(self, *, session_present: bool) -> None:
        """A new connection: a broker that has lost our session may have lost all."""
        self._forgotten = self._forgotten or not session_present
        self._wake.set()

    async def run(self) -> None:
        """Seal and publish for ever, every `every_s` or when woken."""
        while True:
            self._wake.clear()
            await one_round(self._round, "gateway.keys", self._metrics)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._every_s):
                    await self._wake.wait()

    async def _round(self) -> bool:
        if self._forgotten:
            await forget_announced(self._pool)
            self._forgotten = False
        if self._master.named:
            try:
                await seal_due(self._pool, self._master.load(), self._metrics)
            except Refusal as error:
                self._metrics.key_deliveries.labels("no_master_key").inc()
                log.warning("meter_keys_not_sealed", reason=error.detail)
        if self._session.connected:
            for one in await unannounced_deliveries(self._pool):
                if not await self._publish(one):
                    break
        return True

    async def _publish(self, one: Unannounced) -> bool:
        delivery = DELIVERY[Kind.KEYS]
        topic = self._topics.of(Kind.KEYS, one.device)
        publication = Publication(topic, one.payload or b"", delivery.qos, delivery.retain)
        try:
            await self._session.publish(publication, PUBLISH_TIMEOUT_S)
        except (ConnectionLostError, TimeoutError, RefusedError) as error:
            reason = "refused" if isinstance(error, RefusedError) else "broker_away"
            self._metrics.publish_failures.labels(reason).inc()
            log.warning("meter_keys_not_published", device=one.device, reason=str(error) or "no answer in time")
            # what a broker refuses for one device is no reason to let the others wait
            return isinstance(error, RefusedError)
        await announced_delivery(self._pool, one.device_id, one.version)
        self._metrics.published.labels(str(Kind.KEYS)).inc()
        log.info("meter_keys_published", device=one.device, version=one.version)
        return True

    async def taken(self, address: Address, payload: bytes, *, retained: bool = False) -> str:
        """Compare what the broker holds for a device with the store, which alone says what that is to be.

        `retained` says that the broker held the message before we came.
        """
        known = await find_delivery(self._pool, address.device)
        if (known.payload or b"" if known else b"") == payload:
            return "in_step"
        if not retained and _is_overtaken(known, payload):
            # one of ours that comes back after its successor was stored
            return "echo"
        if known is None:
            delivery = DELIVERY[Kind.KEYS]
            topic = self._topics.of(Kind.KEYS, address.device)
            with contextlib.suppress(ConnectionLostError, TimeoutError, RefusedError):
                await self._session.publish(Publication(topic, b"", delivery.qos, delivery.retain), PUBLISH_TIMEOUT_S)
        else:
            # sealed anew, so that it is newer than whatever a device may have taken for the newest
            await redo_delivery(self._pool, address.device)
        self._metrics.restored.labels("keys").inc()
        log.warning("meter_keys_restored", device=address.device, reason="not what the store says")
        self.wake()
        return "restored"


def _is_overtaken(known: Delivered | None, payload: bytes) -> bool:
    """Whether a message is older than the store's. Pure."""
    try:
        return known is not None and SealedKeys.parse(payload).version < known.version
    except (ContractError, ValueError, ArithmeticError, RecursionError):
        return False
