"""One whole stack: broker, database, ingestors, gateway, agents on ptys, and a link before each."""

import asyncio
import random
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import asyncpg

from deploy.local.mosquitto import MosquittoServer
from deploy.local.postgres import PostgresServer
from tests.chaos.disks import Disk
from tests.chaos.link import Link
from tests.chaos.meters import Meter
from tests.chaos.plan import Plan
from tests.chaos.service import Process
from tests.chaos.truth import Truth

PUBLISH_S: Final = 1.0
PARAMETERS: Final = {"reading_interval_s": 0.2, "publish_interval_s": PUBLISH_S, "raw_frames": True}
IN_MEMORY_S: Final = 1.5
"""What a killed agent may have heard and not yet written: the interval of its syncs, and the way from the line."""


class Broker(MosquittoServer):
    """A Mosquitto with some lines of its configuration changed."""

    changes: dict[str, str]

    def _write(self, name: str, text: str) -> None:
        if name == "mosquitto.conf":
            lines = [line for line in text.splitlines() if line.split()[0] not in self.changes]
            text = "\n".join([*lines, *(f"{word} {value}" for word, value in self.changes.items())]) + "\n"
        super()._write(name, text)


@dataclass
class Ingestor:
    """An ingestor, its link to the broker and its link to the database."""

    process: Process
    broker: Link
    database: Link


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Readings and raw frames that a process has left out, as the setting says, by its own count."""

    readings: int = 0
    frames: int = 0


@dataclass
class Agent:
    """An agent, its meters, its data folder and its link to the broker."""

    name: str
    process: Process
    meters: tuple[Meter, ...]
    link: Link
    folder: Path

    async def unconfirmed(self) -> float:
        """Messages in its outbox that it may not forget yet; infinite while it does not answer."""
        waiting = await self.process.metric("wattline_device_outbox_messages")
        taken = await self.process.metric("wattline_device_outbox_unconfirmed_messages")
        return float("inf") if waiting is None or taken is None else waiting + taken

    async def left_out(self) -> LeftOut:
        """What it has left out since its start for want of `reading_interval_s` between two."""
        return LeftOut(
            int(await self.process.metric("wattline_device_samples_skipped_total") or 0),
            int(await self.process.metric("wattline_device_frames_left_out_total") or 0),
        )


@dataclass
class Stack:
    """What a fault has its hands on."""

    plan: Plan
    rng: random.Random
    folder: Path
    truth: Truth
    broker: Broker
    database: PostgresServer
    disks: dict[str, Disk]
    ingestors: list[Ingestor] = field(default_factory=list)
    agents: list[Agent] = field(default_factory=list)
    gateway: Process | None = None
    beside: list[Process] = field(default_factory=list)
    """Services that only some stacks have."""
    gateway_links: tuple[Link, ...] = ()
    healed_s: float = 0.0
    destroyed: set[tuple[str, str, int]] = field(default_factory=set)
    """Messages (device, boot, number) that a fault took from the only disk which held them."""
    destroyed_wh: set[tuple[str, int]] = field(default_factory=set)
    """Telegrams (meter, energy) whose readings were in them."""
    destroyed_frames: set[bytes] = field(default_factory=set)
    """Telegrams whose frames were in them."""
    vanished: list[Link] = field(default_factory=list)
    """Links of hosts that are gone for good."""
    told_by: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Meters whose readings' times may be off, if one of these events tells so."""
    broken: list[str] = field(default_factory=list)
    """Promises beside those of the count that a fault found broken, in words."""
    foreign: set[str] = field(default_factory=set)
    """Meters of a fault, which do not count."""
    earlier_left_out: dict[int, LeftOut] = field(default_factory=dict)
    """By process, what agents had left out when this run began."""

    async def begin_counting(self) -> None:
        """Let `left_out()` count from now on."""
        self.earlier_left_out = {agent.process.pid: await agent.left_out() for agent in self.agents}

    async def left_out(self) -> LeftOut:
        """What agents have left out since `begin_counting()`, those that ended meanwhile not counted."""
        now = [(self.earlier_left_out.get(a.process.pid, LeftOut()), await a.left_out()) for a in self.agents]
        return LeftOut(
            sum(max(0, late.readings - early.readings) for early, late in now),
            sum(max(0, late.frames - early.frames) for early, late in now),
        )

    @property
    def ingestor(self) -> Ingestor:
        """The first one."""
        return self.ingestors[0]

    @property
    def agent(self) -> Agent:
        """The first one."""
        return self.agents[0]

    @property
    def links(self) -> list[Link]:
        """All of them."""
        service = [link for one in self.ingestors for link in (one.broker, one.database)]
        return [*service, *(agent.link for agent in self.agents), *self.gateway_links, *self.vanished]

    def healed(self) -> None:
        """From now on nothing stands in a reading's way any more: recovery is measured from here."""
        self.healed_s = time.time()

    async def query(self, sql: str, *arguments: Any) -> list[Any]:
        """Ask the database, past all links."""
        connection = await asyncpg.connect(self.database.dsn(), timeout=5, command_timeout=20)
        try:
            return list(await connection.fetch(sql, *arguments))
        finally:
            # at once: a database that is being killed answers no goodbye
            connection.terminate()

    async def kill_agent(self, agent: Agent) -> None:
        """Kill an agent: what it had heard and could not have written yet is nobody's fault."""
        before_s = time.time() - IN_MEMORY_S
        await agent.process.kill()
        for meter in agent.meters:
            self.truth.unheard(meter.key, before_s, float("inf"))

    async def stop_agent(self, agent: Agent) -> None:
        """Stop an agent as systemd does: what it heard, it hands over."""
        before_s = time.time()
        await agent.process.stop()
        for meter in agent.meters:
            self.truth.unheard(meter.key, before_s, float("inf"))

    async def start_agent(self, agent: Agent) -> None:
        """Start it again; it hears its meters from the first telegram on that is stored."""
        await agent.process.start()
        for deaf in self.truth.deaf:
            if deaf.to_s == float("inf") and deaf.meter in {meter.key for meter in agent.meters}:
                deaf.to_s = time.time()

    async def new_links(self, ingestor: Ingestor) -> None:
        """Give an ingestor's host other addresses, as a new host has; the old ones stay off the network."""
        for name in ("broker", "database"):
            old: Link = getattr(ingestor, name)
            await old.cut()
            self.vanished.append(old)
            fresh = Link(*old._target, self.rng)
            await fresh.restore()
            setattr(ingestor, name, fresh)
        ingestor.process.environment |= self.ingestor_addresses(ingestor)

    def ingestor_addresses(self, ingestor: Ingestor) -> dict[str, str]:
        """Where an ingestor reaches broker and database: its links."""
        link = ingestor.database
        return {
            "WATTLINE_INGESTOR_BROKER__HOST": ingestor.broker.host,
            "WATTLINE_INGESTOR_BROKER__PORT": str(ingestor.broker.port),
            "WATTLINE_INGESTOR_DATABASE_DSN": f"postgresql://wattline_ingestor@{link.host}:{link.port}/wattline",
        }

    def speak(self, *, yes: bool = True) -> None:
        """Let the meters speak, or fall silent."""
        for agent in self.agents:
            for meter in agent.meters:
                meter.speaking.set() if yes else meter.speaking.clear()

    @property
    def processes(self) -> list[Process]:
        """All services."""
        found = [*(one.process for one in self.ingestors), *(agent.process for agent in self.agents), *self.beside]
        return [*found, self.gateway] if self.gateway is not None else found

    async def supervise(self) -> None:
        """Start again what ended by itself, as systemd would, for ever."""
        while True:
            for process in self.processes:
                await process.keep_up()
            await asyncio.sleep(0.5)
