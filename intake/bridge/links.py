"""The brokers that sources are at: a session and a pipeline for each, for as long as a source is there."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import structlog

from broker.errors import PermanentError
from broker.mqtt.session import Session, SessionOptions
from broker.runtime.settings import BrokerAddress
from intake.bridge.book import SourceBook
from intake.bridge.metrics import BridgeMetrics
from intake.bridge.pipeline import Pipeline, drain
from intake.bridge.settings import BridgeSettings
from intake.bridge.sparkplug.hosts import Hosts
from store.source_settings import OUR_BROKER

log = structlog.get_logger()
QOS: Final = 1
MakePipeline = Callable[[str, Session], Pipeline]


@dataclass(slots=True)
class Link:
    """One broker: what is subscribed to there, and the task that serves it."""

    session: Session
    pipeline: Pipeline
    filters: set[str] = field(default_factory=set)
    task: asyncio.Task[None] | None = None


class Links:
    """Keeps the subscriptions as the book has them; a broker that is away or refuses us harms none of the others."""

    def __init__(
        self, settings: BridgeSettings, book: SourceBook, metrics: BridgeMetrics, make: MakePipeline,
        discovery: frozenset[str],
    ) -> None:  # fmt: skip
        self._settings = settings
        self._book = book
        self._metrics = metrics
        self._make = make
        self._discovery = discovery
        self._links: dict[str, Link] = {}

    async def follow(self, group: asyncio.TaskGroup) -> None:
        """Bring sessions and subscriptions to what the book says now."""
        wanted = {source.broker for source in self._book.sources.values()}
        if self._discovery:
            wanted |= {OUR_BROKER, *self._settings.brokers}
        for broker in [name for name in self._links if name not in wanted]:
            # its session stays at the broker until it expires; it gives nothing more by what is taken back here
            link = self._links.pop(broker)
            await link.session.unsubscribe(*link.filters)
            if link.task is not None:
                link.task.cancel()
                await asyncio.wait({link.task})
        for broker in sorted(wanted):
            address = self._settings.address(broker)
            if address is not None:
                await self._follow_one(broker, address, group)

    async def _follow_one(self, broker: str, address: BrokerAddress, group: asyncio.TaskGroup) -> None:
        filters = self._book.filters(broker)
        link = self._links.get(broker)
        if link is None or (link.task is not None and link.task.done()):
            session = Session(address, self._options(broker))
            link = self._links[broker] = Link(session, self._make(broker, session))
            link.filters = set(filters)
            # before the connection, so that what the broker kept for us finds its source
            heard = sorted(self._discovery - filters)
            await session.subscribe_optional(*((name, QOS) for name in sorted(filters)), *((name, 0) for name in heard))
            link.task = group.create_task(_serve(broker, link), name=f"bridge.{broker}")
            return
        if gone := link.filters - filters:
            await link.session.unsubscribe(*sorted(gone))
        new = [(name, QOS) for name in sorted(filters - link.filters)]
        # what a source has no more is still listened to, by another QoS
        new += [(name, 0) for name in sorted(gone & self._discovery)]
        if new:
            await link.session.subscribe_optional(*new)
        link.filters = set(filters)

    def _options(self, broker: str) -> SessionOptions:
        settings = self._settings
        return SessionOptions(
            client_id=settings.client_id if broker == OUR_BROKER else f"{settings.client_id}-{broker}"[:64],
            clean_start=False,
            session_expiry_s=settings.session_expiry_s,
            receive_maximum=settings.receive_maximum,
            receive_bytes=settings.intake_mib * 2**20,
            refusal_is_fatal=False,
            identified=True,
        )

    async def drain(self, deadline_s: float) -> bool:
        """Take nothing more, and wait until what was taken is stored and acknowledged; whether it was, in time."""
        for link in self._links.values():
            link.pipeline.stop()
        return await drain([link.pipeline for link in self._links.values()], deadline_s)

    async def close(self) -> None:
        """Leave the brokers; they keep the sessions."""
        tasks = {link.task for link in self._links.values() if link.task is not None}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def measure(self, hosts: Hosts) -> None:
        """Show the sessions of links and hosts; a broker counts once, and as connected where each session of it is."""
        metrics, links = self._metrics, self._links.values()
        sessions = [(name, link.session) for name, link in self._links.items()] + list(hosts.sessions.items())
        wanted = {name for name, _ in sessions}
        metrics.brokers_wanted.set(len(wanted))
        metrics.brokers.set(len(wanted - {name for name, session in sessions if not session.connected}))
        metrics.dropped_qos0.set(sum(session.dropped_qos0 for _, session in sessions))
        metrics.held.set(sum(link.pipeline.held for link in links) + hosts.held)
        metrics.sources.set(len(self._book.sources) + len(self._book.faults))
        refused = {name for link in links for name in link.session.refused_filters()}
        unheard = [one for one in self._book.sources.values() if refused.intersection(one.filters)]
        metrics.sources_faulty.set(len(self._book.faults) + len(unheard))

    def check(self) -> tuple[bool, str]:
        """Whether all brokers are connected, and what is not as it should be."""
        away = [
            f"{name}: {link.session.last_error or 'connecting'}"
            for name, link in self._links.items()
            if not link.session.connected
        ]
        refused = [
            f"{name} refuses {', '.join(found[:3])}"
            for name, link in self._links.items()
            if (found := link.session.refused_filters())
        ]
        faults = [f"{name}: {fault}" for name, fault in self._book.faults.items()]
        detail = "; ".join([*away, *refused, *faults]) or f"{len(self._links)} connected"
        return not away, detail[:1000]


async def _serve(broker: str, link: Link) -> None:
    try:
        async with link.session:
            await link.pipeline.run()
    except* PermanentError as group:
        # a certificate that can't be read any more, say: this broker alone is tried again, with the next look
        log.error("broker_given_up", broker=broker, reason=str(group.exceptions[0]))  # noqa: TRY400 - the reason does
