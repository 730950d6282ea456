"""A small fleet whose devices read one product of meter, for tests of versions that a part of it has first."""

import contextlib
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from broker.contract.messages import Clock, EventMessage, FrameReason, Frames, RawFrame, Readings, Sample
from broker.contract.topics import Kind
from broker.mqtt.session import Session
from gateway.settings import GatewaySettings
from gateway.specs.rollouts.models import Limits
from tests.rigs.gateway import (
    Gateway,
    Watcher,
    entered,
    gateway,
    gateway_settings,
    now,
    p1_meter,
    registration,
    report,
    rows,
    send,
    watching,
)
from tests.rigs.ingesting import ingesting
from tests.rigs.ingesting import settings as ingestor_settings
from tests.rigs.servers import Broker, Database
from tests.rigs.specs import acme, published, telegram
from tests.rigs.waiting import until

LIMITS = Limits(window_s=60, least_telegrams=5, silence_s=1)
READ = "SELECT count(*) AS n FROM message WHERE kind = 1 AND spec = $1"


@dataclass
class Pi:
    """A device with one meter, at the broker: it says what a test lets it say."""

    name: str
    session: Session
    broker: Broker
    seen: Watcher
    boot: str = field(default_factory=lambda: secrets.token_hex(4))
    seq: int = 0
    kwh: float = 1234.0

    @property
    def key(self) -> str:
        """Its meter."""
        return f"KFM:{self.name}"

    def spec(self) -> str | None:
        """The spec that is desired for its meter."""
        desired = self.seen.desired(self.name)
        config = desired.meters.get(self.key) if desired else None
        return config.spec if config else None

    async def given(self, spec: str) -> None:
        """Wait until this spec is desired, then report that it is applied."""
        await until(lambda: self.spec() == spec, f"{self.name} is given {spec}, has {self.spec()}")
        desired = self.seen.desired(self.name)
        assert desired is not None
        await send(self.session, self.broker.topics, Kind.REPORTED, self.name, report(desired.version))

    async def register(self) -> None:
        """Say that it is there."""
        await send(
            self.session,
            self.broker.topics,
            Kind.REGISTRATION,
            self.name,
            registration(p1_meter(self.key), boot=self.boot),
        )

    async def read(self, spec: str, times: int = 1, *, factor: float = 1.0, at: datetime | None = None) -> None:
        """Send readings by a spec, a second apart up to now; a factor other than 1 is a wrong scaler."""
        for number in range(times):
            self.kwh += 0.001
            stamp = at or datetime.now(UTC) - timedelta(milliseconds=times - number)
            sample = Sample(at=stamp, values={"1-0:1.8.0": self.kwh * factor, "1-0:1.7.0": 0.4})
            await self._say(Readings, Kind.READINGS, meter=self.key, spec=spec, clock=Clock.SYNCED, samples=(sample,))

    async def fail(self, spec: str, times: int = 1) -> None:
        """Send raw frames that a spec could not decode."""
        for _ in range(times):
            frame = RawFrame(at=datetime.now(UTC), data=telegram(), error="undecodable")
            told = {"port": "/dev/ttyUSB0", "protocol": "p1", "meter": self.key, "hints": {"spec": spec}}
            await self._say(Frames, Kind.FRAMES, reason=FrameReason.UNDECODABLE, frames=(frame,), **told)

    async def tell(self, event: str, **detail: Any) -> None:
        """Send an event about its meter."""
        await self._say(EventMessage, Kind.EVENTS, at=now(), event=event, meter=self.key, detail=detail)

    async def _say(self, model: Any, kind: Kind, **content: Any) -> None:
        self.seq += 1
        payload = model(boot=self.boot, seq=self.seq, **content).payload()
        await send(self.session, self.broker.topics, kind, self.name, payload)


@dataclass
class Fleet:
    """A gateway, an ingestor, and devices that read by acme-one@1."""

    broker: Broker
    database: Database
    running: Gateway
    seen: Watcher
    pis: dict[str, Pi]
    stack: contextlib.AsyncExitStack

    async def add(self, name: str) -> Pi:
        """Let another device in and register it."""
        await self.broker.add_device(name)
        session = await self.stack.enter_async_context(entered(self.broker, name))
        pi = self.pis[name] = Pi(name, session, self.broker, self.seen)
        await pi.register()
        return pi

    async def canary(self, audience: str, version: int = 2, **query: str) -> dict[str, Any]:
        """Publish the next version for some of them."""
        return await published(self.running, acme(version=version), canary=audience, author="anna", **query)

    async def stored(self, spec: str, count: int) -> None:
        """Wait until so many messages of readings by a spec are in the ledger."""

        async def enough() -> bool:
            return int((await rows(self.database, READ, spec))[0]["n"]) >= count

        await until(enough, f"{count} messages by {spec} are stored")

    async def rollout(self, version: int = 2) -> dict[str, Any]:
        """What the API says of the canary."""
        found: dict[str, Any] = await self.running.get(f"/specs/acme-one/{version}/rollout")
        return found

    async def becomes(self, what: str, name: str = "state", version: int = 2) -> dict[str, Any]:
        """Wait for the state, or with name `verdict` for a verdict."""

        async def found() -> Any:
            one = await self.rollout(version)
            return one if (one["figures"].get("verdict") if name == "verdict" else one[name]) == what else None

        return dict(await until(found, f"the canary is {what}"))


def settings(broker: Broker, database: Database, /, **changes: Any) -> GatewaySettings:
    """A gateway that judges at once."""
    return gateway_settings(broker, database, **{"judge_s": 0.2, "rollout": LIMITS, **changes})


@contextlib.asynccontextmanager
async def fleet(broker: Broker, database: Database, *names: str, **changes: Any) -> AsyncIterator[Fleet]:
    """Devices of these names that have acme-one@1 and have sent readings by it."""
    async with contextlib.AsyncExitStack() as stack:
        seen = await stack.enter_async_context(watching(broker))
        await stack.enter_async_context(ingesting(ingestor_settings(broker, database.dsn("wattline_ingestor"))))
        running = await stack.enter_async_context(gateway(settings(broker, database, **changes)))
        made = Fleet(broker, database, running, seen, {}, stack)
        await published(running, acme())
        for name in names:
            await made.add(name)
        for pi in made.pis.values():
            await pi.given("acme-one@1")
            await pi.read("acme-one@1", 10)
        await made.stored("acme-one@1", 10 * len(names))
        yield made
