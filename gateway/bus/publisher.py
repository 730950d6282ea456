"""Retained images of what the store holds: configurations, specs and software, published until the broker has them."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Final, TypeVar

import structlog

from broker.backoff import Backoff
from broker.contract.messages import Desired
from broker.contract.topics import DELIVERY, Kind, Topics
from broker.mqtt.session import ConnectionLostError, Publication, RefusedError, Session
from broker.outage import Outage
from gateway.bus.outbox import BATCH, Outbox
from gateway.bus.store import ClaimedSoftware, Waiting
from gateway.database import until_stored
from gateway.desired.change import Configuration
from gateway.metrics import Metrics

log = structlog.get_logger()
T = TypeVar("T")
PUBLISH_TIMEOUT_S: Final = 10.0
"""After so long without an answer a message counts as not sent; less than a claim lasts."""
CLAIM_ENDS_S: Final = 0.5
"""How long to wait at least for the end of a claim that is due: its gateway may be writing."""
ECHOES: Final = 32


class Publisher:
    """Publishes what waits in the outbox: configurations, with the specs that they name before them, and software.

    It reads the outbox at the notice of each commit, at each connection to the broker, when another gateway's claim
    ends, and every `read_s`, so that a lost notice costs time only. Removals and specs wait in memory: where the
    process dies, the comparison of broker and store finds them again.
    """

    def __init__(
        self,
        session: Session,
        outbox: Outbox,
        topics: Topics,
        metrics: Metrics,
        configuration: Configuration,
        read_s: float,
    ) -> None:
        self._session = session
        self._outbox = outbox
        self._topics = topics
        self._metrics = metrics
        self._configuration = configuration
        self._read_s = read_s
        self._removals: set[tuple[Kind, str]] = set()
        self._specs: dict[str, Publication] = {}
        self._at_broker: set[str] = set()
        self._echoes: dict[str, deque[tuple[int, str]]] = {}
        self._software_sent: dict[str, int] = {}
        self._wake = asyncio.Event()
        self._working = True
        self._outage = Outage()

    @property
    def busy(self) -> bool:
        """Whether something waits to be published here."""
        return self._working or self._wake.is_set()

    def wake(self) -> None:
        """Read the outbox now."""
        self._wake.set()

    def remove(self, device: str, kind: Kind = Kind.DESIRED) -> None:
        """Clear the retained message of a device that the store does not know, or of which it desires nothing."""
        self._removals.add((kind, device))
        self._wake.set()

    def need_specs(self, *refs: str, again: bool = False) -> None:
        """Publish these specs unless the broker has them; `again` where it is known that it has not."""
        if self._want_specs(refs, again=again):
            self._wake.set()

    def clear_spec(self, name: str, version: int) -> None:
        """Take a spec off the broker that the store does not have."""
        delivery = DELIVERY[Kind.SPEC]
        self._specs[f"{name}@{version}"] = Publication(
            self._topics.spec(name, version), b"", delivery.qos, delivery.retain
        )
        self._wake.set()

    def note_spec(self, ref: str) -> None:
        """Note that the broker holds a spec as the store does."""
        self._at_broker.add(ref)

    def forget_broker(self, *, session_present: bool) -> None:
        """A new connection: what the broker holds is unknown; echoes still come where it kept our session."""
        self._at_broker.clear()
        if not session_present:
            self._echoes.clear()
            self._software_sent.clear()
        self._wake.set()

    def is_echo(self, device: str, version: int, content_hash: str) -> bool:
        """Whether this is one of our own publications coming back; each is expected once, in order."""
        echoes = self._echoes.get(device)
        if not echoes or (version, content_hash) not in echoes:
            return False
        while echoes.popleft() != (version, content_hash):
            pass
        return True

    def is_software_echo(self, device: str, version: int) -> bool:
        """Whether this may be one of our own publications coming back: we have sent this version, or a later one."""
        return version <= self._software_sent.get(device, 0)

    async def run(self) -> None:
        """Publish what waits, for ever."""
        backoff = Backoff(cap_s=10.0)
        while True:
            self._wake.clear()
            self._working = True
            connected = self._session.connected
            claimed, done = await self._pass() if connected else (0, False)
            waiting = await self._stored(self._outbox.waiting)
            self._metrics.waiting.set(waiting.devices)
            if connected and not done:
                await asyncio.sleep(backoff.next_s())
                continue
            backoff.succeeded()
            if claimed == BATCH:
                continue
            if not connected and waiting.devices:
                self._outage.failed("publish_waits", reason="not connected", devices=waiting.devices)
            self._working = not connected and bool(waiting.devices or self._specs or self._removals)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._pause_s(waiting)):
                    await self._wake.wait()

    def _pause_s(self, waiting: Waiting) -> float:
        """How long the outbox need not be read without a notice."""
        return self._read_s if waiting.free_in_s is None else min(self._read_s, max(CLAIM_ENDS_S, waiting.free_in_s))

    async def _pass(self) -> tuple[int, bool]:
        """One round over a batch: how many configurations it claimed, and whether all went well."""
        claimed = await self._stored(self._outbox.claim)
        well = await self._send_specs([one.desired for one in claimed])
        sent = await asyncio.gather(*(self._publish(one.device, one.desired) for one in claimed)) if well else []
        acknowledged = {
            one.device_id: one.desired.version for one, success in zip(claimed, sent, strict=False) if success
        }
        if claimed:
            await self._stored(partial(self._outbox.release, claimed, acknowledged))
        software, installed = await self._pass_software()
        removals, self._removals = self._removals, set()
        for kind, name in removals:
            if not (well and await self._send(kind, self._publication(kind, name, b""))):
                well = False
                self._removals.add((kind, name))
        return max(len(claimed), software), well and installed and len(acknowledged) == len(claimed)

    async def _pass_software(self) -> tuple[int, bool]:
        """The same of software: how many devices' it claimed, and whether the broker has it."""
        claimed = await self._stored(self._outbox.claim_software)
        if not claimed:
            return 0, True
        sent = await asyncio.gather(*(self._publish_software(one) for one in claimed))
        acknowledged = {one.device_id: one.version for one, success in zip(claimed, sent, strict=True) if success}
        await self._stored(partial(self._outbox.release_software, claimed, acknowledged))
        return len(claimed), all(sent)

    async def _stored(self, work: Callable[[], Awaitable[T]]) -> T:
        return await until_stored(work, "gateway.publish", self._metrics)

    def _want_specs(self, refs: Iterable[str], *, again: bool = False) -> bool:
        """Enter specs that the broker may not have; whether there are any."""
        for ref in refs:
            published = self._configuration.catalogue.specs.get(ref)
            if published is None or (ref in self._at_broker and not again):
                continue
            topic = self._topics.spec(published.name, published.version)
            delivery = DELIVERY[Kind.SPEC]
            self._specs[ref] = Publication(topic, published.message().payload(), delivery.qos, delivery.retain)
        return bool(self._specs)

    async def _send_specs(self, desired: Iterable[Desired]) -> bool:
        """Send the specs that these configurations name, where the broker may not have them; False where one waits."""
        refs = {meter.spec for one in desired for meter in one.meters.values() if meter.spec}
        if not refs <= self._configuration.catalogue.specs.keys():
            # published by another gateway, whose notice is still on its way
            await self._stored(self._configuration.reload)
        self._want_specs(refs)
        specs, self._specs = self._specs, {}
        sent = [await self._send(Kind.SPEC, publication) for publication in specs.values()]
        for ref, success in zip(specs, sent, strict=True):
            if not success:
                self._specs.setdefault(ref, specs[ref])
            elif specs[ref].payload:
                self._at_broker.add(ref)
        return all(sent)

    async def _publish(self, device: str, desired: Desired) -> bool:
        sealed = desired.sealed()
        # one for each publication, also of the same version: each comes back; those that never do go with the next
        self._echoes.setdefault(device, deque(maxlen=ECHOES)).append((sealed.version, sealed.hash or ""))
        if await self._send(Kind.DESIRED, self._publication(Kind.DESIRED, device, sealed.payload())):
            log.info("desired_published", device=device, version=sealed.version, author=sealed.author)
            return True
        return False

    async def _publish_software(self, one: ClaimedSoftware) -> bool:
        self._software_sent[one.device] = max(one.version, self._software_sent.get(one.device, 0))
        payload = b"" if one.software is None else one.software.payload()
        if not await self._send(Kind.SOFTWARE_DESIRED, self._publication(Kind.SOFTWARE_DESIRED, one.device, payload)):
            return False
        release = one.software and one.software.release
        log.info("software_published", device=one.device, version=one.version, release=release)
        return True

    def _publication(self, kind: Kind, device: str, payload: bytes) -> Publication:
        delivery = DELIVERY[kind]
        return Publication(self._topics.of(kind, device), payload, delivery.qos, delivery.retain)

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
