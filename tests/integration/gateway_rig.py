"""A gateway under test: its process-like task, a device's side of the broker, and HTTP to its API."""

import asyncio
import contextlib
import json
import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import aiohttp
import asyncpg
from pydantic import SecretStr

from broker.messages import Desired, Hardware, MeterSeen, Parameters, Registration, Reported, Software
from broker.session import Publication, Session, SessionOptions
from broker.settings import BrokerAddress
from broker.topics import DELIVERY, Kind, Topics
from deploy.local.process import free_port
from gateway.service import run
from gateway.settings import GatewaySettings
from tests.servers import Broker, Database

DEADLINE_S = 60.0
BOOT = "b3f1a2c4"


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


async def until(check: Callable[[], Any], what: str, deadline_s: float = DEADLINE_S) -> Any:
    """Wait until an (async) check gives something true; returns it."""
    try:
        async with asyncio.timeout(deadline_s):
            while True:
                found = check()
                if asyncio.iscoroutine(found):
                    found = await found
                if found:
                    return found
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"not in {deadline_s} s: {what}") from None


def address(broker: Broker, user: str, port: int | None = None) -> BrokerAddress:
    return BrokerAddress(
        host=broker.host,
        port=port or broker.port,
        username=user,
        password=SecretStr(broker.password(user)),
        root=broker.topics.root,
    )


def gateway_settings(broker: Broker, database: Database, /, **changes: Any) -> GatewaySettings:
    values: dict[str, Any] = {
        "broker": address(broker, "gateway"),
        "database_dsn": SecretStr(database.dsn("wattline_gateway")),
        "client_id": f"gateway-{secrets.token_hex(4)}",
        "http_port": free_port(),
        "reconcile_quiet_s": 0.3,
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
        return f"http://127.0.0.1:{self.settings.http_port}"

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
    async with aiohttp.ClientSession() as http, asyncio.TaskGroup() as group:
        running = Gateway(settings, group.create_task(run(settings, stop)), stop, http)
        try:
            if ready:
                await until(lambda: healthy(running), "the gateway is healthy")
            yield running
        finally:
            stop.set()
            async with asyncio.timeout(DEADLINE_S):
                await asyncio.wait([running.task])


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
    async with Session(address(broker, "monitor"), options) as session:
        await session.wait_connected()
        watcher = Watcher(session, broker.topics)
        task = asyncio.create_task(watcher.run())
        yield watcher
        task.cancel()


@contextlib.asynccontextmanager
async def entered(broker: Broker, user: str) -> AsyncIterator[Session]:
    async with Session(address(broker, user), SessionOptions(f"{user}-{secrets.token_hex(4)}")) as session:
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


@contextlib.asynccontextmanager
async def connection(database: Database) -> AsyncIterator[Any]:
    """The database as its owner sees it."""
    opened = await asyncpg.connect(database.dsn())
    try:
        yield opened
    finally:
        await opened.close()


async def rows(database: Database, sql: str, *values: Any) -> list[dict[str, Any]]:
    async with connection(database) as opened:
        return [dict(row) for row in await opened.fetch(sql, *values)]


async def events(database: Database, name: str) -> list[dict[str, Any]]:
    found = await rows(database, "SELECT *, detail::text AS text FROM event WHERE event = $1", name)
    return [{**one, "detail": json.loads(one["text"])} for one in found]
