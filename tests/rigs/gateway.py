"""A gateway under test: its process-like task, a device's side of the broker, and HTTP to its API."""

import asyncio
import contextlib
import json
import secrets
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
from pydantic import SecretStr

from broker.contract.messages import Desired, Hardware, MeterSeen, Parameters, Registration, Reported, Software
from broker.contract.topics import DELIVERY, Kind, Topics
from broker.mqtt.session import Publication, Session, SessionOptions
from deploy.local.process import free_port
from gateway.enrolment.ca_folder import ROOT, open_or_make
from gateway.service import run
from gateway.settings import GatewaySettings
from tests.rigs.servers import Broker, Database
from tests.rigs.waiting import until

DEADLINE_S = 60.0
BOOT = "b3f1a2c4"


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def gateway_settings(broker: Broker, database: Database, /, **changes: Any) -> GatewaySettings:
    values: dict[str, Any] = {
        "broker": broker.address("gateway"),
        "database_dsn": SecretStr(database.dsn("wattline_gateway")),
        "client_id": f"wattline-gateway-{secrets.token_hex(4)}",
        "http_port": free_port(),
        "reconcile_quiet_s": 0.3,
        # each is a process of the database's that learns the catalogue anew
        "database_connections": 3,
    }
    return GatewaySettings(**{**values, **changes})


@dataclass
class Gateway:
    """A running gateway."""

    settings: GatewaySettings
    task: asyncio.Task[None]
    stop: asyncio.Event
    http: aiohttp.ClientSession

    @property
    def url(self) -> str:
        """Where its HTTP server listens."""
        plain = self.settings.tls_by() == "nobody"
        return f"{'http' if plain else 'https'}://127.0.0.1:{self.settings.http_port}"

    async def get(self, path: str, **params: Any) -> Any:
        """GET a path of the API that must answer 200."""
        async with self.http.get(f"{self.url}/api/v1{path}", params=params) as response:
            document = await response.json()
            assert response.status == 200, document
            return document

    async def metric(self, name: str, **labels: str) -> float:
        """A sample of /metrics, 0 where there is none."""
        async with self.http.get(f"{self.url}/metrics") as response:
            text = await response.text()
        wanted = name + ("{" + ",".join(f'{key}="{value}"' for key, value in labels.items()) + "}" if labels else "")
        return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.rsplit(" ", 1)[0] == wanted)


@contextlib.asynccontextmanager
async def gateway(settings: GatewaySettings, *, ready: bool = True) -> AsyncIterator[Gateway]:
    """Run a gateway for the time of a test; leaving stops it properly and demands that it ends well."""
    stop = asyncio.Event()
    connector = None
    if settings.tls_by() != "nobody":
        authority = settings.tls.certificate or await asyncio.to_thread(made_root, settings)
        connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=authority))
    async with aiohttp.ClientSession(connector=connector) as http, asyncio.TaskGroup() as group:
        running = Gateway(settings, group.create_task(run(settings, stop)), stop, http)
        try:
            if ready:
                await until(lambda: healthy(running), "the gateway is healthy")
            yield running
        finally:
            stop.set()
            async with asyncio.timeout(DEADLINE_S):
                await asyncio.wait([running.task])


def made_root(settings: GatewaySettings) -> Path:
    """What clients trust, of the authority that the gateway would make at its start."""
    if settings.ca.folder is None:
        raise ValueError("these settings have no authority of their own")
    open_or_make(settings.ca.folder, settings.ca.secret())
    return settings.ca.folder / ROOT


async def healthy(running: Gateway) -> bool:
    assert not running.task.done(), running.task.result()
    try:
        async with running.http.get(f"{running.url}/healthz") as response:
            return response.status == 200
    except aiohttp.ClientError:
        return False


@dataclass
class Watcher:
    """Everything retained below the root of a test, as `monitor` sees it; the newest payload by topic."""

    session: Session
    topics: Topics
    newest: dict[str, bytes] = field(default_factory=dict)
    count: dict[str, int] = field(default_factory=dict)

    async def run(self) -> None:
        """Take messages for ever."""
        async for message in self.session.messages():
            self.newest[message.topic] = message.payload
            self.count[message.topic] = self.count.get(message.topic, 0) + 1
            message.ack()

    def desired(self, device: str) -> Desired | None:
        """What is retained for a device, None where nothing valid is."""
        payload = self.newest.get(self.topics.of(Kind.DESIRED, device))
        try:
            return Desired.model_validate_json(payload) if payload else None
        except ValueError:
            return None

    def times(self, device: str) -> int:
        """How often something came on a device's desired topic."""
        return self.count.get(self.topics.of(Kind.DESIRED, device), 0)

    def specs(self) -> set[str]:
        """The specs that are retained, as name@version."""
        prefix = f"{self.topics.root}/specs/"
        return {
            topic.removeprefix(prefix).replace("/", "@")
            for topic, payload in self.newest.items()
            if topic.startswith(prefix) and payload
        }


@contextlib.asynccontextmanager
async def watching(broker: Broker) -> AsyncIterator[Watcher]:
    options = SessionOptions(f"watch-{secrets.token_hex(4)}", subscriptions=((broker.topics.everything(), 1),))
    async with Session(broker.address("monitor"), options) as session:
        await session.wait_connected()
        watcher = Watcher(session, broker.topics)
        task = asyncio.create_task(watcher.run())
        try:
            yield watcher
        finally:
            task.cancel()


@contextlib.asynccontextmanager
async def entered(broker: Broker, user: str) -> AsyncIterator[Session]:
    async with Session(broker.address(user), SessionOptions(f"{user}-{secrets.token_hex(4)}")) as session:
        await session.wait_connected()
        yield session


async def send(session: Session, topics: Topics, kind: Kind, device: str, payload: bytes) -> None:
    delivery = DELIVERY[kind]
    await session.publish(Publication(topics.of(kind, device), payload, delivery.qos, delivery.retain))


def p1_meter(key: str = "KFM:E0026000123456789", port: str = "/dev/ttyUSB0", **changes: Any) -> MeterSeen:
    """A P1 meter that no product's spec fits."""
    serial = key.partition(":")[2]
    values: dict[str, Any] = {
        "key": key,
        "port": port,
        "protocol": "p1",
        "manufacturer": "ZZZ",
        "serial": serial,
        "facts": {"identification": "ZZZ5\\UNHEARD-OF"},
        "addresses": ("1-0:1.8.0", "1-0:1.7.0"),
    }
    return MeterSeen(**{**values, **changes})


def registration(*meters: MeterSeen, boot: str = BOOT) -> bytes:
    return Registration(
        boot=boot,
        at=now(),
        hardware=Hardware(model="Raspberry Pi 4"),
        software=Software(version="0.1.0"),
        ports=tuple(dict.fromkeys(meter.port for meter in meters)),
        meters=meters,
    ).payload()


def report(
    version: int,
    state: str = "applied",
    in_force: int | None = None,
    held_back: tuple[str, ...] | None = None,
    **effective: Any,
) -> bytes:
    return Reported(
        version=version,
        state=state,  # type: ignore[arg-type]
        in_force=in_force,
        held_back=held_back,
        boot=BOOT,
        at=now(),
        effective=Parameters(**effective),
    ).payload()


def connection(database: Database) -> contextlib.AbstractAsyncContextManager[Any]:
    """The database as its owner sees it."""
    return database.connection()


async def rows(database: Database, sql: str, *values: Any) -> list[dict[str, Any]]:
    async with connection(database) as opened:
        return [dict(row) for row in await opened.fetch(sql, *values)]


async def events(database: Database, name: str) -> list[dict[str, Any]]:
    # several sessions write them, each to a page of its own: without an order the newest may come first
    asked = "SELECT *, detail::text AS text FROM event WHERE event = $1 ORDER BY received_at"
    found = await rows(database, asked, name)
    return [{**one, "detail": json.loads(one["text"])} for one in found]


async def all_announced(database: Database) -> bool:
    """Whether the broker has acknowledged every configuration."""
    return not await rows(database, "SELECT FROM desired WHERE announced IS DISTINCT FROM version")
