"""Running an outlet, and what stands on a broker's topics, for tests with real servers."""

import asyncio
import contextlib
import json
import os
import secrets
import signal
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from broker.mqtt.session import Session, SessionOptions
from outlet.service import run
from outlet.settings import OutletSettings
from tests.rigs import forking
from tests.rigs.ingesting import Device
from tests.rigs.servers import Broker, Database


def outlet_settings(broker: Broker, database: Database, /, **changes: Any) -> OutletSettings:
    """Settings of an outlet that looks ten times a second."""
    values: dict[str, Any] = {
        "broker": broker.address("outlet"), "database_dsn": database.dsn("wattline_outlet"), "look_every_s": 0.1,
        "client_id": f"wattline-outlet-{secrets.token_hex(4)}", "http_port": 0,
    }  # fmt: skip
    return OutletSettings(**values | changes)


@contextlib.asynccontextmanager
async def giving(settings: OutletSettings) -> AsyncIterator[None]:
    """An outlet in this process; leaving stops it as SIGTERM does."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(run(settings, stop), name="outlet")
        try:
            yield
        finally:
            stop.set()


class Topics:
    """What somebody hears at a broker: the newest payload of each topic, and how often each came."""

    def __init__(self) -> None:
        self.payloads: dict[str, bytes] = {}
        self.retained: set[str] = set()
        self.times: dict[str, int] = {}

    def document(self, topic: str) -> Any:
        """The JSON of a topic, None where nothing stands there."""
        payload = self.payloads.get(topic)
        return json.loads(payload) if payload else None


@contextlib.asynccontextmanager
async def hearing(broker: Broker, user: str, *filters: str) -> AsyncIterator[tuple[Topics, Session]]:
    """Subscribe as a user."""
    heard = Topics()

    async def listen(session: Session) -> None:
        async for message in session.messages():
            message.ack()
            heard.payloads[message.topic] = message.payload
            heard.times[message.topic] = heard.times.get(message.topic, 0) + 1
            if message.retain:
                heard.retained.add(message.topic)

    subscriptions = tuple((name, 1) for name in filters)
    options = SessionOptions(f"wattline-hearing-{secrets.token_hex(4)}", subscriptions=subscriptions)
    async with Session(broker.address(user), options) as session, asyncio.TaskGroup() as group:
        listening = group.create_task(listen(session))
        async with asyncio.timeout(60):
            await session.wait_connected()
        yield heard, session
        listening.cancel()


async def tell(device: Device, meter: str, **values: float) -> None:
    """Publish a sample of now; codes are written with `_`: e1_8_0 is 1-0:1.8.0."""
    codes = {f"1-0:{name[1:].replace('_', '.')}": value for name, value in values.items()}
    sample = {"at": datetime.now(UTC).isoformat(), "values": codes}
    await device.send(device.payload(meter=meter, samples=[sample]))


class OutletProcess:
    """An outlet as a process of its own, to be killed."""

    def __init__(self, settings: OutletSettings, log_path: Path, **changes: str) -> None:
        prefix, reach = "WATTLINE_OUTLET_", settings.broker
        password = reach.secret() or ""
        self._environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("WATTLINE_", "COVERAGE"))
        } | {
            f"{prefix}BROKER__HOST": reach.host, f"{prefix}BROKER__PORT": str(reach.port),
            f"{prefix}BROKER__PASSWORD": password, f"{prefix}DATABASE_DSN": settings.database_dsn.get_secret_value(),
            f"{prefix}CLIENT_ID": settings.client_id, f"{prefix}HTTP_PORT": "0", f"{prefix}LOOK_EVERY_S": "0.1",
            **{prefix + name: value for name, value in changes.items()},
        }  # fmt: skip
        self._log_path = log_path
        self._process: forking.Process | None = None

    @property
    def log(self) -> str:
        """What it logged."""
        return self._log_path.read_text() if self._log_path.exists() else ""

    async def start(self) -> None:
        """Start it."""
        with self._log_path.open("ab") as log:
            self._process = await forking.start("outlet", env=self._environment, stdout=log, stderr=log)

    async def kill(self) -> None:
        """End it as kill -9 does."""
        await self.end(signal.SIGKILL)

    async def end(self, number: int = signal.SIGTERM) -> int:
        """End it; returns its exit status."""
        if self._process is None:
            return 0
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)
        async with asyncio.timeout(60):
            return await self._process.wait()
