"""Sparkplug B with a library of others, pysparkplug: its edge node at our host, and our messages read by it."""

import asyncio
import json
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from broker.sparkplug.topics import NodeTopic
from meters.mappings.catalogue import named
from tests.rigs.bridging import add_source, bridging
from tests.rigs.bridging import settings as bridge_settings
from tests.rigs.gateway import rows
from tests.rigs.ingesting import device, ingesting, settings, table
from tests.rigs.outlets import giving, hearing, outlet_settings, tell
from tests.rigs.redecoding import worker_settings, working
from tests.rigs.servers import Broker, Database
from tests.rigs.waiting import until

REQUIREMENTS = Path(__file__).with_name("sparkplug.txt")
SCRIPT = Path(__file__).parents[1] / "rigs" / "sparkplug_node.py"
READINGS = "SELECT value FROM named_reading WHERE meter = $1 AND obis = '1-0:1.8.0' ORDER BY time"
KINDS = {"NBIRTH": "NBirth", "DBIRTH": "DBirth", "DDATA": "DData"}


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python of its own that has the library."""
    folder = tmp_path_factory.mktemp("sparkplug")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", "--require-hashes", "-r", REQUIREMENTS], check=True)
    return python


class Node:
    """The library's edge node, and its reader."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def update(self, value: float) -> None:
        """Have it publish data of its device."""
        await self._tell(f"update {value}")

    async def births_wanted(self) -> int:
        """How often it was asked for births."""
        return int(await self._ask("births"))

    async def read(self, kind: str, payload: bytes) -> dict[str, object]:
        """What the library makes of a message."""
        found: dict[str, object] = json.loads(await self._ask(f"read {KINDS[kind]} {payload.hex()}"))
        return found

    async def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())
        await self._process.stdin.drain()

    async def _ask(self, line: str) -> str:
        await self._tell(line)
        assert self._process.stdout is not None
        async with asyncio.timeout(60):
            return (await self._process.stdout.readline()).decode()


@pytest.fixture
async def group() -> str:
    """A group of this test alone."""
    return f"plant-{secrets.token_hex(4)}"


@pytest.fixture
async def node(library: Path, broker: Broker, group: str) -> AsyncIterator[Node]:
    """It, born at the broker."""
    process = await asyncio.create_subprocess_exec(
        library, SCRIPT, broker.host, str(broker.port), group, broker.password("foreign"),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    started = Node(process)
    # it answers once it was born: a host that comes first would have no births to ask for
    assert await started.births_wanted() == 0
    yield started
    assert process.stdin is not None
    process.stdin.close()
    assert await process.wait() == 0


async def test_its_edge_node_becomes_readings_and_is_asked_for_births(
    broker: Broker, database: Database, group: str, node: Node
) -> None:
    """The host comes later than the node: it asks for births, keeps what came, and the shipped mapping reads it."""
    await add_source(database, "plant", [f"spBv1.0/{group}/+/+", f"spBv1.0/{group}/+/+/+"], named("sparkplug").text)
    of = bridge_settings(broker, database, sparkplug_host_id=f"h-{group}", discovery=False)
    async with bridging(of), working(worker_settings(database)):
        meter, value = f"SPARKPLUG:{group}/library/meter-7", 100.0

        async def stored() -> list[float]:
            nonlocal value
            value += 0.5
            await node.update(value)
            return [row["value"] for row in await rows(database, READINGS, meter)]

        found = await until(stored, "data of the library's device is stored")
        assert 100.5 <= found[0] <= value
        assert await node.births_wanted() >= 1


async def test_our_edge_node_s_messages_are_read_by_it(broker: Broker, database: Database, node: Node) -> None:
    """Births and data in their order, with the names and values that were stored."""
    heard: dict[str, bytes] = {}
    async with (
        ingesting(settings(broker, database.dsn("wattline_ingestor"))), device(broker) as pi, table(database),
        hearing(broker, "sparkplug-host", "spBv1.0/Wattline/#") as (topics, _),
    ):  # fmt: skip
        await tell(pi, "TST:1", e1_8_0=100.5)
        async with giving(outlet_settings(broker, database, sparkplug={"enabled": True, "node": "ours"})):

            def kinds() -> set[str]:
                parsed = {topic: NodeTopic.parse(topic) for topic in topics.payloads}
                ours = {topic: one for topic, one in parsed.items() if one.node == "ours"}
                heard.update({one.kind.value: topics.payloads[topic] for topic, one in ours.items()})
                return set(heard)

            await until(lambda: {"NBIRTH", "DBIRTH"} <= kinds())
            await tell(pi, "TST:1", e1_8_0=101.0)
            await until(lambda: "DDATA" in kinds())
        read = {kind: await node.read(kind, heard[kind]) for kind in KINDS}
    assert [read[kind]["seq"] for kind in KINDS] == [0, 1, 2]
    assert "bdSeq" in read["NBIRTH"]["metrics"]
    assert "Node Control/Rebirth" in read["NBIRTH"]["metrics"]
    assert 100.5 in read["DBIRTH"]["metrics"].values()
