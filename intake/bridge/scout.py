"""Listens for devices that nobody has a source for yet, and proposes one for each: an engineer takes or refuses it."""

import asyncio
import time
from collections import OrderedDict
from dataclasses import asdict, dataclass, field
from typing import Final

import structlog

from broker.contract.outlets import is_ours
from broker.errors import ContractError, PermanentError
from broker.mqtt.publication import Inbound
from broker.outage import Outage
from intake.bridge.book import SourceBook
from intake.bridge.discovery.announcement import MOST_ENTITIES, DeviceFacts, Entity, entities, place_of
from intake.bridge.discovery.draft import drafted
from intake.bridge.discovery.shipped import read_by, shipped_filters
from intake.bridge.metrics import BridgeMetrics
from intake.bridge.store import REFUSED, propose_source, withdraw_proposal
from meters.mappings.catalogue import named
from store.errors import DATABASE_ERRORS, heals, reason, refuses_data
from store.pool import Pool

log = structlog.get_logger()

MOST_ANNOUNCEMENTS: Final = 5000
MOST_ANNOUNCED: Final = 20_000
"""Entities of all of them: one announcement may have MOST_ENTITIES, each of a kilobyte and more."""
MOST_PROPOSALS: Final = 2000
MOST_METERS: Final = 50
"""Meters of a shipped mapping that its proposal names."""
AGAIN_S: Final = 3600.0
"""A topic is looked at so often at most: a proposal needs no more."""
_MOST_TOPICS: Final = 20_000
_LONGEST_BODY: Final = 64 * 1024


@dataclass(slots=True)
class _Heard:
    """What was announced and published at one broker."""

    announced: "OrderedDict[str, tuple[str, list[Entity]]]" = field(default_factory=OrderedDict)
    """By the key of the announcement: the device, and its entities there."""
    families: dict[str, set[str]] = field(default_factory=dict)
    """Meters by the shipped mapping that reads them."""
    entities: int = 0
    """How many all of them have."""
    devices: set[str] = field(default_factory=set)
    """Those whose proposals are to be written anew."""
    changed: set[str] = field(default_factory=set)
    """Families of which that holds."""


class Scout:
    """Hears discovery messages and the topics of shipped mappings; `keep` writes what follows of them.

    All that it keeps is bounded: of more announcements than that the longest known are forgotten.
    """

    def __init__(self, book: SourceBook, metrics: BridgeMetrics, prefix: str, *, enabled: bool) -> None:
        self._book = book
        self._metrics = metrics
        self._outage = Outage()
        self._prefix = prefix
        self._enabled = enabled
        self._brokers: dict[str, _Heard] = {}
        self._looked: OrderedDict[tuple[str, str], float] = OrderedDict()

    def filters(self) -> frozenset[str]:
        """What it listens to at each broker, by QoS 0."""
        if not self._enabled:
            return frozenset()
        ours = (f"{self._prefix}/+/+/config", f"{self._prefix}/+/+/+/config")
        return frozenset((*ours, *shipped_filters()))

    def hear(self, broker: str, message: Inbound) -> bool:
        """Take a look at a message; whether it is one of discovery, which is no reading of anybody."""
        if not self._enabled or len(message.payload) > _LONGEST_BODY:
            return False
        place = place_of(message.topic, self._prefix)
        heard = self._brokers.setdefault(broker, _Heard())
        if place is not None:
            try:
                self._announced(heard, place.key, entities(place, message.payload))
            except ContractError as error:
                self._refuse(broker, topic=message.topic[:200], reason=str(error)[:500])
            return True
        if (
            not message.retain
            and not is_ours(message.topic)
            and self._is_due(broker, message.topic)
            and not self._is_owned(broker, message.topic)
        ):
            read = read_by(message.topic, message.payload)
            if read is not None:
                meters = heard.families.setdefault(read.shipped.name, set())
                if len(meters) < MOST_METERS and not meters.issuperset(read.meters):
                    meters.update(read.meters[:MOST_METERS])
                    heard.changed.add(read.shipped.name)
        return False

    def _is_owned(self, broker: str, topic: str) -> bool:
        return bool(self._book.owners(broker, topic, ()))

    def _is_due(self, broker: str, topic: str) -> bool:
        now_s, key = time.monotonic(), (broker, topic)
        if now_s - self._looked.get(key, float("-inf")) < AGAIN_S:
            return False
        self._looked[key] = now_s
        self._looked.move_to_end(key)
        if len(self._looked) > _MOST_TOPICS:
            self._looked.popitem(last=False)
        return True

    def _refuse(self, broker: str, **facts: str) -> None:
        """Count what can't be proposed; it is told once an hour, for who announces may do it a thousand times a second.

        `facts` begin with what it is of, and end with the reason.
        """
        self._metrics.unproposed.inc()
        name, of = next(iter(facts.items()))
        if self._is_due(broker, f"{name}:{of}"):
            log.warning("announcement_refused", broker=broker, **facts)

    @staticmethod
    def _announced(heard: _Heard, key: str, found: list[Entity]) -> None:
        before = heard.announced.pop(key, None)
        if before is not None:
            heard.devices.add(before[0])
            heard.entities -= len(before[1])
        if found:
            device = found[0].device.key or key
            heard.announced[key] = device, found
            heard.devices.add(device)
            heard.entities += len(found)
            while len(heard.announced) > MOST_ANNOUNCEMENTS or heard.entities > MOST_ANNOUNCED:
                _, (_, gone) = heard.announced.popitem(last=False)
                heard.entities -= len(gone)

    async def keep(self, pool: Pool, every_s: float) -> None:
        """Write proposals as they change, for ever; what the database does not take now is written later.

        Raises PermanentError where it never will.
        """
        while True:
            await asyncio.sleep(every_s)
            for broker, heard in list(self._brokers.items()):
                try:
                    await self._write(pool, broker, heard)
                except DATABASE_ERRORS as error:
                    self._outage.failed("proposals_wait", reason=reason(error))
                else:
                    self._outage.back("proposals_written")

    async def _write(self, pool: Pool, broker: str, heard: _Heard) -> None:
        by_device: dict[str, list[Entity]] = {}
        for device, found in heard.announced.values():
            if device in heard.devices:
                taken = by_device.setdefault(device, [])
                # a device may be announced a thousand times, and pages show what of it is left out
                room = MOST_ENTITIES - len(taken)
                taken += found[:room]
                if len(found) > room:
                    self._refuse(broker, device=device[:200], reason=f"more than {MOST_ENTITIES} entities")
        for device in sorted(heard.devices):
            try:
                await self._propose(pool, broker, device, by_device.get(device, []))
            except (*DATABASE_ERRORS, ContractError, ValueError) as error:
                if isinstance(error, DATABASE_ERRORS):
                    _raise_unless_of_its_data(error)
                # a name with a line's end in it, say: that device alone is not proposed
                self._refuse(broker, device=device[:200], reason=str(error)[:500])
            heard.devices.discard(device)
        for name in sorted(heard.changed):
            try:
                await self._propose_family(pool, broker, name, heard.families[name])
            except DATABASE_ERRORS as error:
                _raise_unless_of_its_data(error)
                self._refuse(broker, mapping=name, reason=str(error)[:500])
            heard.changed.discard(name)

    async def _propose(self, pool: Pool, broker: str, device: str, found: list[Entity]) -> None:
        key = f"device:{device}"[:200]
        draft = drafted(found[0].device, found, self._book.root) if found else None
        if draft is None or all(self._is_owned(broker, topic) for topic in draft.topics):
            await withdraw_proposal(pool, broker, key)
            return
        detail = {"device": _facts(found[0].device), "meters": draft.meters, "left_out": draft.left_out}
        if await propose_source(
            pool, broker, key, "homeassistant", draft.name, draft.topics, draft.document, detail, MOST_PROPOSALS
        ):
            log.info("source_proposed", broker=broker, name=draft.name, topics=len(draft.topics))

    @staticmethod
    async def _propose_family(pool: Pool, broker: str, name: str, meters: set[str]) -> None:
        detail = {"meters": sorted(meters)}
        text = named(name).text
        if await propose_source(pool, broker, f"mapping:{name}", "topics", name, (), text, detail, MOST_PROPOSALS):
            log.info("source_proposed", broker=broker, name=name, meters=len(meters))


def _raise_unless_of_its_data(error: Exception) -> None:
    """What heals is tried again, and what no proposal of anybody can change is a person's to mend: PermanentError."""
    if heals(error):
        raise error
    if not refuses_data(error):
        raise PermanentError(REFUSED.format(error)) from error


def _facts(device: DeviceFacts) -> dict[str, object]:
    return {name: value for name, value in asdict(device).items() if value}
