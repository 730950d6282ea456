"""What Home Assistant is shown, kept on its broker: published as it changes, taken back as meters go."""

import asyncio
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import structlog

from broker.errors import PermanentError, RefusedError, WattlineError
from broker.mqtt.session import Publication, Session, SessionOptions
from broker.outage import Outage
from outlet.fleet.snapshot import Meter, Snapshot
from outlet.fleet.watch import FleetWatch
from outlet.home_assistant.discovery import Naming, attributes, device_document, entities, meter_document
from outlet.home_assistant.registers import shown_of
from outlet.metrics import OutletMetrics
from outlet.settings import OutletSettings

log = structlog.get_logger()
OUTPUT: Final = "home_assistant"
IN_FLIGHT: Final = 50
LEAVE_S: Final = 3.0
STALE_LOOKS: Final = 6
"""Without a look at the store for so many of its turns, and a minute, all meters are unavailable."""
ONLINE, OFFLINE = b"online", b"offline"


class HomeAssistant:
    """Keeps all retained messages for Home Assistant as the newest look at the store wants them.

    Each is published once and again when it changed, after each connection, and after Home Assistant's own birth
    message. What lies on the broker under our name and is nobody's any more is taken back, also if the meter went
    while we were away.
    """

    def __init__(self, settings: OutletSettings, watch: FleetWatch, metrics: OutletMetrics, software: str) -> None:
        told = settings.home_assistant
        self.naming = Naming(told.discovery_prefix, told.topic, told.name, software)
        self._settings = settings
        self._watch = watch
        self._metrics = metrics
        self._published: dict[str, bytes] = {}
        """Digests of what the broker has of us, by topic."""
        self._idents: set[str] = set()
        """All ids of which something may lie on the broker."""
        self._held = 0
        """Registers that are shown as before their newest reading, by the last look."""
        self._connection = 0
        self._outage = Outage()
        self._failure = ""
        self._session = Session(settings.broker.as_user("outlet"), self._options(settings.client_id))

    def _options(self, client_id: str) -> SessionOptions:
        naming = self.naming
        return SessionOptions(
            client_id,
            in_flight=IN_FLIGHT,
            will=Publication(naming.status, OFFLINE, retain=True),
            no_local=True,
            optional=((naming.births, 1), (naming.all_configs, 1)),
        )

    def check(self) -> tuple[bool, str]:
        """For Health."""
        if not self._session.connected:
            return False, self._session.last_error or "not connected yet"
        return not self._failure, self._failure or f"{len(self._published)} messages stand"

    async def run(self) -> None:
        """Publish until cancelled; then say that we are gone. Raises PermanentError for a login that is refused."""
        async with self._session as session, asyncio.TaskGroup() as group:
            group.create_task(self._listen(session), name="outlet.home_assistant.listen")
            seen: Snapshot | None = None
            try:
                while True:
                    await session.wait_connected()
                    seen = await self._turn(session, seen)
            finally:
                await self._leave(session)

    async def _turn(self, session: Session, seen: Snapshot | None) -> Snapshot | None:
        """Wait for the next look, and publish what it changed; a store that gives none makes all unavailable."""
        stale_s = max(60.0, STALE_LOOKS * self._settings.look_every_s)
        try:
            async with asyncio.timeout(stale_s):
                snapshot = await self._watch.after(seen)
        except TimeoutError:
            await self._send(session, [(self.naming.status, OFFLINE)])
            return seen
        if session.connections != self._connection:
            self._connection = session.connections
            self._published.clear()
        wanted = self._wanted(snapshot)
        gone = self._idents - {ident for ident, _, _ in wanted}
        self._idents |= {ident for ident, _, _ in wanted}
        changed = [(topic, payload) for _, topic, payload in wanted if self._published.get(topic) != _digest(payload)]
        if await self._send(session, [*changed, (self.naming.status, ONLINE)]):
            await self._take_back(session, gone)
        return snapshot

    def _wanted(self, snapshot: Snapshot) -> list[tuple[str, str, bytes]]:
        """Id, topic and payload of all messages, each meter's discovery before its values."""
        naming, found = self.naming, list[tuple[str, str, bytes]]()
        devices = {meter.facts.device: meter.facts for meter in snapshot.meters.values() if meter.facts.device}
        for name, facts in devices.items():
            ident = naming.device_id(name)
            state = {True: ONLINE, False: OFFLINE, None: b"None"}[facts.online]
            found += [(ident, naming.config(ident), _json(device_document(facts, naming)))]
            found += [(ident, naming.state(ident), state)]
        self._held = 0
        for meter in snapshot.meters.values():
            found += self._meter(meter, snapshot)
        self._metrics.held.set(self._held)
        return found

    def _meter(self, meter: Meter, snapshot: Snapshot) -> Iterator[tuple[str, str, bytes]]:
        naming = self.naming
        ident = naming.meter_id(meter.facts.key)
        values = self._values(meter)
        if not values:
            # nothing that Home Assistant has a use for has come yet
            return
        available = meter.available(snapshot.at, self._settings.silent_s)
        yield ident, naming.config(ident), _json(meter_document(meter, naming))
        yield ident, naming.attributes(ident), _json(attributes(meter.facts))
        yield ident, naming.state(ident), _json(values)
        yield ident, naming.available(ident), ONLINE if available else OFFLINE

    def _values(self, meter: Meter) -> dict[str, float]:
        values = dict[str, float]()
        for entity in entities(meter):
            reading = meter.readings[entity.obis]
            shown = shown_of(reading.recent) if entity.register else reading.value
            self._held += shown != reading.value
            values[entity.obis] = shown
        return values

    async def _take_back(self, session: Session, gone: Iterable[str]) -> None:
        for ident in sorted(gone):
            if not await self._send(session, [(topic, b"") for topic in self.naming.topics_of(ident)]):
                return
            self._idents.discard(ident)
            for topic in self.naming.topics_of(ident):
                self._published.pop(topic, None)
            self._metrics.removed.labels(OUTPUT).inc()
            log.info("home_assistant_device_removed", id=ident)

    async def _send(self, session: Session, messages: Iterable[tuple[str, bytes]]) -> bool:
        """Publish what the broker does not have in this form; whether it took all."""
        due = [(topic, payload) for topic, payload in messages if self._published.get(topic) != _digest(payload)]
        failure = ""
        for start in range(0, len(due), IN_FLIGHT):
            some = due[start : start + IN_FLIGHT]
            results = await asyncio.gather(
                *(session.publish(Publication(topic, payload, retain=True)) for topic, payload in some),
                return_exceptions=True,
            )
            for (topic, payload), result in zip(some, results, strict=True):
                if isinstance(result, BaseException):
                    failure = self._not_taken(topic, result)
                else:
                    self._published[topic] = _digest(payload)
                    self._metrics.published.labels(OUTPUT).inc()
        if due or not self._failure:
            self._failure = failure
        if due and not failure:
            self._outage.back("home_assistant_published_again")
        return not failure

    def _not_taken(self, topic: str, error: BaseException) -> str:
        """Note a message that the broker did not take; raises what is no broker's doing."""
        if isinstance(error, RefusedError):
            self._metrics.refused.labels(OUTPUT).inc()
            reason = f"{topic}: {error}; let the outlet's user write there"
        elif isinstance(error, TimeoutError | WattlineError) and not isinstance(error, PermanentError):
            reason = str(error) or "the broker does not answer in time"
        else:
            raise error
        self._outage.failed("home_assistant_not_published", reason=reason)
        return reason

    async def _listen(self, session: Session) -> None:
        """Take Home Assistant's birth, and discovery messages of ours that lie on the broker already."""
        async for message in session.messages():
            message.ack()
            if message.topic == self.naming.births:
                # at a birth only: a retained one is of before, and its will says offline
                if message.payload == ONLINE and not message.retain:
                    log.info("home_assistant_began")
                    self._published.clear()
                continue
            ident = self.naming.ident_of(message.topic)
            if ident is not None and message.payload:
                self._idents.add(ident)

    async def _leave(self, session: Session) -> None:
        """Say that values are of the past from now on: a proper disconnect sends no will."""
        if not session.connected:
            return
        try:
            await session.publish(Publication(self.naming.status, OFFLINE, retain=True), LEAVE_S)
        except (TimeoutError, WattlineError) as error:
            log.warning("home_assistant_not_told", reason=str(error))


def _json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def _digest(payload: bytes) -> bytes:
    return hashlib.blake2b(payload, digest_size=16).digest()
