"""Retained images of what the store holds: desired configurations and specs, published until the broker has them."""

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping

import structlog

from broker.backoff import Backoff
from broker.messages import Desired
from broker.outage import Outage
from broker.session import ConnectionLostError, Publication, RefusedError, Session
from broker.topics import DELIVERY, Kind, Topics
from gateway.database import Connection, until_stored
from gateway.metrics import Metrics
from gateway.shelf import Shelf, refreshed
from gateway.sql import load
from store.pool import Pool

log = structlog.get_logger()
BATCH = 50
"""Devices published at once; each has one message in flight."""
PUBLISH_TIMEOUT_S = 30.0
ECHOES = 32


class Publisher:
    """Publishes the desired configuration of marked devices, with the specs that it names before it.

    What waits is a set of names and bounded by the number of devices: marking one twice publishes it once, with what
    the store holds by then. Nothing is lost where the process dies, as the reconciler compares broker and store.
    """

    def __init__(self, session: Session, pool: Pool, topics: Topics, metrics: Metrics) -> None:
        self._session = session
        self._pool = pool
        self._topics = topics
        self._metrics = metrics
        self._devices: set[str] = set()
        self._removals: set[str] = set()
        self._specs: dict[str, Publication] = {}
        self._at_broker: set[str] = set()
        self._echoes: dict[str, deque[tuple[int, str]]] = {}
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._outage = Outage()
        self.shelf = Shelf({})

    async def renew(self, connection: Connection) -> Shelf:
        """The published specs as the store has them now: another gateway may have changed them.

        Never inside a transaction that has changed them itself, as it may not commit.
        """
        self.shelf = await refreshed(connection, self.shelf)
        return self.shelf

    def mark(self, *devices: str) -> None:
        """Publish what the store holds for these devices."""
        self._devices.update(devices)
        self._woken()

    def is_marked(self, device: str) -> bool:
        """Whether a device's configuration waits to be published."""
        return device in self._devices

    def remove(self, device: str) -> None:
        """Clear the retained desired configuration of a device that the store does not know."""
        self._removals.add(device)
        self._woken()

    def need_specs(self, *refs: str, again: bool = False) -> None:
        """Publish these specs unless the broker has them; `again` where it is known that it has not."""
        for ref in refs:
            published = self.shelf.specs.get(ref)
            if published is None or (ref in self._at_broker and not again):
                continue
            topic = self._topics.spec(published.name, published.version)
            delivery = DELIVERY[Kind.SPEC]
            self._specs[ref] = Publication(topic, published.message().payload(), delivery.qos, delivery.retain)
            self._woken()

    def clear_spec(self, name: str, version: int) -> None:
        """Take a spec off the broker that the store does not have."""
        delivery = DELIVERY[Kind.SPEC]
        self._specs[f"{name}@{version}"] = Publication(
            self._topics.spec(name, version), b"", delivery.qos, delivery.retain
        )
        self._woken()

    def spec_seen(self, ref: str) -> None:
        """Note that the broker holds a spec as the store does."""
        self._at_broker.add(ref)

    def forget_broker(self, *, session_present: bool) -> None:
        """A new connection: what the broker holds must be seen anew; echoes still come where it kept our session."""
        self._at_broker.clear()
        if not session_present:
            self._echoes.clear()

    def is_echo(self, device: str, version: int, content_hash: str) -> bool:
        """Whether this is one of our own publications coming back; each is expected once, in order."""
        echoes = self._echoes.get(device)
        if not echoes or (version, content_hash) not in echoes:
            return False
        while echoes.popleft() != (version, content_hash):
            pass
        return True

    async def drained(self) -> None:
        """Wait until nothing is marked any more."""
        await self._idle.wait()

    async def run(self) -> None:
        """Publish what is marked, for ever."""
        backoff = Backoff(cap_s=10.0)
        while True:
            await self._wake.wait()
            if await self._pass():
                backoff.succeeded()
                if not (self._devices or self._removals or self._specs):
                    self._wake.clear()
                    self._idle.set()
            else:
                await asyncio.sleep(backoff.next_s())

    async def _pass(self) -> bool:
        """One round over a batch; False where some of it must be tried again."""
        names = sorted(self._devices)[:BATCH]
        # before the store is read: what is marked while it answers is published once more
        self._devices.difference_update(names)
        rows = await until_stored(lambda: self._pool.fetch(load("desired_of"), names), "gateway.publish", self._metrics)
        desired = {row["name"]: Desired.model_validate_json(row["document"], extra="ignore") for row in rows}
        self._metrics.waiting.set(len(self._devices))
        removals, self._removals = self._removals, set()
        if not await self._send_specs(desired.values()):
            self._devices.update(desired)
            self._removals |= removals
            return False
        done = await asyncio.gather(*(self._publish(name, one) for name, one in desired.items()))
        sent = {name: one.version for (name, one), success in zip(desired.items(), done, strict=True) if success}
        self._devices.update(desired.keys() - sent.keys())
        await self._announced(sent)
        cleared = {name: await self._send(Kind.DESIRED, self._publication(name, b"")) for name in removals}
        self._removals.update(name for name, success in cleared.items() if not success)
        return all(done) and all(cleared.values())

    async def _send_specs(self, desired: Iterable[Desired]) -> bool:
        """Send the specs that these configurations name, where the broker may not have them; False where one waits."""
        refs = {meter.spec for one in desired for meter in one.meters.values() if meter.spec}
        if not refs <= self.shelf.specs.keys():
            # published by another gateway, whose notice is still on its way
            await until_stored(self._look_again, "gateway.publish", self._metrics)
        self.need_specs(*refs)
        specs, self._specs = self._specs, {}
        sent = [await self._send(Kind.SPEC, publication) for publication in specs.values()]
        for ref, success in zip(specs, sent, strict=True):
            if not success:
                self._specs.setdefault(ref, specs[ref])
            elif specs[ref].payload:
                self._at_broker.add(ref)
        return all(sent)

    async def _look_again(self) -> None:
        async with self._pool.acquire() as connection:
            await self.renew(connection)

    async def _announced(self, sent: Mapping[str, int]) -> None:
        """Note what the broker has acknowledged; what is not noted another gateway or a restart publishes again."""

        async def note() -> None:
            await self._pool.execute(load("note_announced"), list(sent), list(sent.values()))

        if sent:
            await until_stored(note, "gateway.publish", self._metrics)

    async def _publish(self, device: str, desired: Desired) -> bool:
        sealed = desired.sealed()
        # one for each publication, also of the same version: each comes back; those that never do go with the next
        self._echoes.setdefault(device, deque(maxlen=ECHOES)).append((sealed.version, sealed.hash or ""))
        if await self._send(Kind.DESIRED, self._publication(device, sealed.payload())):
            log.info("desired_published", device=device, version=sealed.version, author=sealed.author)
            return True
        return False

    def _publication(self, device: str, payload: bytes) -> Publication:
        delivery = DELIVERY[Kind.DESIRED]
        return Publication(self._topics.of(Kind.DESIRED, device), payload, delivery.qos, delivery.retain)

    async def _send(self, kind: Kind, publication: Publication) -> bool:
        try:
            await self._session.publish(publication, PUBLISH_TIMEOUT_S)
        except (ConnectionLostError, TimeoutError) as error:
            self._metrics.publish_failures.labels("broker_away").inc()
            self._outage.failed("publish_waits", reason=str(error) or "no answer in time", topic=publication.topic)
            return False
        except RefusedError as error:
            # only a person can put the access list right; the next connection tries again
            self._metrics.publish_failures.labels("refused").inc()
            log.exception("publish_refused", topic=publication.topic, code=error.code)
            return self._session.connected
        self._outage.back("publish_goes_on")
        self._metrics.published.labels(str(kind)).inc()
        return True

    def _woken(self) -> None:
        self._metrics.waiting.set(len(self._devices))
        self._idle.clear()
        self._wake.set()
