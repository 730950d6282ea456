"""Running a bridge, making sources, and publishing as foreign devices do, for tests with real servers."""

import asyncio
import contextlib
import json
import os
import secrets
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

from broker.mqtt.session import Session, SessionOptions
from deploy.local.process import free_port
from intake.bridge.service import run
from intake.bridge.settings import BridgeSettings
from tests.rigs import forking
from tests.rigs.ingesting import Running
from tests.rigs.servers import Broker, Database
from tests.rigs.waiting import until


def settings(broker: Broker, database: Database, **changes: Any) -> BridgeSettings:
    """Settings of a bridge with a client id of its own."""
    values: dict[str, Any] = {"client_id": f"wattline-bridge-{secrets.token_hex(4)}", "refresh_s": 0.1} | changes
    address = values.pop("broker", broker.address("bridge"))
    return BridgeSettings(broker=address, database_dsn=database.dsn("wattline_intake"), **values)


async def add_source(database: Database, name: str, topics: list[str], mapping: str | None = None, **more: Any) -> None:
    """An enabled MQTT source, with its device and perhaps a mapping."""
    async with database.connection() as connection:
        device = await connection.fetchval("INSERT INTO device (name) VALUES ($1) RETURNING id", f"source-{name}")
        await connection.execute(
            "INSERT INTO source (name, kind, device_id, settings, created_by) VALUES ($1, 'mqtt', $2, $3, 'test')",
            name, device, json.dumps({"topics": topics, **more}),
        )  # fmt: skip
        if mapping is not None:
            await connection.execute(
                "INSERT INTO source_mapping (source, version, document, sha256, author) VALUES ($1, 1, $2, '', 'test')",
                name, mapping,
            )  # fmt: skip
            await connection.execute("UPDATE source SET version = 1 WHERE name = $1", name)


async def payloads(database: Database, source: str | None = None) -> list[tuple[str, str, bytes]]:
    """Source, topic and body of what is kept, in the order of ids."""
    async with database.connection() as opened:
        rows = await opened.fetch(
            "SELECT source, topic, body FROM payload WHERE $1::text IS NULL OR source = $1 ORDER BY id", source
        )
        return [tuple(row) for row in rows]


@contextlib.asynccontextmanager
async def bridging(of: BridgeSettings) -> AsyncIterator[Running]:
    """A bridge in this process whose brokers are connected; leaving stops it as SIGTERM does."""
    stop, port = asyncio.Event(), free_port()
    async with aiohttp.ClientSession() as http, asyncio.TaskGroup() as group:
        group.create_task(run(of.model_copy(update={"http_port": port}), stop), name="bridge")
        try:
            running = Running(http, f"http://127.0.0.1:{port}")
            await until(lambda: bridges(running), "the bridge's brokers are connected")
            yield running
        finally:
            stop.set()


async def bridges(running: Running) -> bool:
    """Whether the sources' brokers are connected, and each filter that may be is subscribed to."""
    _, document = await running.health()
    checks = document.get("checks", {})
    if not checks.get("brokers", {}).get("ok"):
        return False
    return await running.metric("wattline_bridge_brokers_connected") >= 1


@contextlib.asynccontextmanager
async def foreign(broker: Broker, client_id: str = "") -> AsyncIterator[Session]:
    """A foreign device at the broker."""
    options = SessionOptions(client_id or f"plug-{secrets.token_hex(3)}")
    async with Session(broker.address("foreign"), options) as session:
        await session.wait_connected()
        yield session


class BridgeProcess:
    """A bridge as a process of its own, to be killed."""

    def __init__(self, of: BridgeSettings, broker: Broker, log_path: Path) -> None:
        prefix = "WATTLINE_BRIDGE_"
        self._environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("WATTLINE_", "COVERAGE"))
        } | {
            f"{prefix}BROKER__HOST": of.broker.host,
            f"{prefix}BROKER__PORT": str(of.broker.port),
            f"{prefix}BROKER__PASSWORD": broker.password("bridge"),
            f"{prefix}BROKER__ROOT": of.broker.root,
            f"{prefix}DATABASE_DSN": of.database_dsn.get_secret_value(),
            f"{prefix}CLIENT_ID": of.client_id,
            f"{prefix}REFRESH_S": "0.1",
            f"{prefix}HTTP_PORT": "0",
            f"{prefix}TOPIC_PER_S": str(of.topic_per_s),
            f"{prefix}SOURCE_PER_S": str(of.source_per_s),
        }
        self._log_path = log_path
        self._process: forking.Process | None = None

    @property
    def log(self) -> str:
        """What it logged."""
        return self._log_path.read_text() if self._log_path.exists() else ""

    async def start(self) -> None:
        """Start it, and wait until it is at the broker."""
        seen = self.log.count("broker_connected")
        with self._log_path.open("ab") as log:
            self._process = await forking.start("intake.bridge.service", env=self._environment, stdout=log, stderr=log)
        await until(lambda: self.log.count("broker_connected") > seen, "broker_connected")

    async def kill(self) -> None:
        """End it as kill -9 does."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> int:
        """End it as a supervisor does; returns its exit status."""
        return await self._end(signal.SIGTERM)

    async def _end(self, number: int) -> int:
        process = self._process
        if process is None:
            return 0
        if process.returncode is None:
            process.send_signal(number)
        async with asyncio.timeout(60):
            return await process.wait()
