"""Running an ingestor, publishing as devices, and counting what arrived, for tests with real servers."""

import asyncio
import contextlib
import json
import os
import secrets
import signal
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp

from broker.backoff import Backoff
from broker.contract.topics import Kind
from broker.mqtt.session import ConnectionLostError, Publication, Session, SessionOptions
from deploy.local.certificates import environment_of
from deploy.local.process import free_port
from ingestor.service import run
from ingestor.settings import IngestorSettings
from tests.rigs import forking
from tests.rigs.servers import Broker, Database
from tests.rigs.waiting import until, until_equal

DEADLINE_S = 60.0
ROOT = Path(__file__).resolve().parents[2]
OBIS = ("1-0:1.8.0", "1-0:2.8.0", "1-0:16.7.0")


def settings(broker: Broker, dsn: str, **changes: Any) -> IngestorSettings:
    """Settings of an ingestor with a client id of its own."""
    values: dict[str, Any] = {"client_id": f"wattline-ingestor-{secrets.token_hex(4)}", "batch_wait_s": 0.02} | changes
    return IngestorSettings(broker=broker.address("ingestor"), database_dsn=dsn, **values)


@dataclass(frozen=True)
class Running:
    """An ingestor in this process, asked over HTTP as its operators do."""

    http: aiohttp.ClientSession
    url: str

    async def health(self) -> tuple[int, dict[str, Any]]:
        """Status and document of /healthz; status 0 while nobody listens."""
        try:
            async with self.http.get(f"{self.url}/healthz") as answer:
                return answer.status, await answer.json()
        except aiohttp.ClientConnectionError:
            return 0, {}

    async def takes_messages(self) -> bool:
        """Whether its subscription stands."""
        _, document = await self.health()
        return bool(document) and document["checks"]["broker"]["ok"]

    async def metric(self, name: str) -> float:
        """A value of /metrics, by its name with labels; 0 where there is none."""
        async with self.http.get(f"{self.url}/metrics") as answer:
            lines = (await answer.text()).splitlines()
        return next((float(line.rsplit(" ", 1)[1]) for line in lines if line.rsplit(" ", 1)[0] == name), 0.0)


@contextlib.asynccontextmanager
async def ingesting(of: IngestorSettings, *, connected: bool = True) -> AsyncIterator[Running]:
    """An ingestor in this process, which takes messages already; leaving stops it as SIGTERM does."""
    stop, port = asyncio.Event(), free_port()
    async with aiohttp.ClientSession() as http, asyncio.TaskGroup() as group:
        group.create_task(run(of.model_copy(update={"http_port": port}), stop), name="ingestor")
        try:
            running = Running(http, f"http://127.0.0.1:{port}")
            if connected:
                await until_equal(running.takes_messages, wanted=True)
            yield running
        finally:
            stop.set()


class Process:
    """An ingestor as a process of its own, to be killed."""

    def __init__(
        self, broker: Broker, dsn: str, log_path: Path, *, tree: Path = ROOT, executed: bool = False, **changes: str
    ) -> None:
        prefix = "WATTLINE_INGESTOR_"
        # releases that are older know no certificates
        reach = broker.address("ingestor") if tree == ROOT else broker.by_password("ingestor")
        self._environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("WATTLINE_", "COVERAGE"))
        } | {
            **environment_of(reach, prefix),
            f"{prefix}DATABASE_DSN": dsn,
            f"{prefix}CLIENT_ID": f"wattline-ingestor-{secrets.token_hex(4)}",
            f"{prefix}BATCH_WAIT_S": "0.02",
            f"{prefix}HTTP_PORT": "0",
            **{prefix + name: value for name, value in changes.items()},
        }
        self._log_path = log_path
        self._tree = tree
        self._executed = executed
        self._process: forking.Process | None = None

    @property
    def log(self) -> str:
        """What it logged."""
        return self._log_path.read_text() if self._log_path.exists() else ""

    async def start(self, *, connected: bool = True) -> None:
        """Start it, and wait until it takes messages."""
        seen = self.log.count("broker_connected")
        with self._log_path.open("ab") as log:
            self._process = await forking.start(
                "ingestor", env=self._environment, cwd=self._tree, stdout=log, stderr=log, executed=self._executed
            )
        if connected:
            await until(lambda: self.log.count("broker_connected") > seen)

    async def kill(self) -> None:
        """End it as kill -9 does."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> int:
        """End it as a supervisor does; returns its exit status."""
        return await self._end(signal.SIGTERM)

    def signal(self, number: int) -> None:
        """Send it a signal; nothing happens if it has ended."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)

    def rss_mib(self) -> float:
        """Its resident memory."""
        assert self._process is not None
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    async def wait(self) -> int:
        """Wait until it ends by itself; returns its exit status."""
        assert self._process is not None
        async with asyncio.timeout(DEADLINE_S):
            return await self._process.wait()

    async def _end(self, number: int) -> int:
        process = self._process
        if process is None:
            return 0
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
        async with asyncio.timeout(DEADLINE_S):
            return await process.wait()


@dataclass
class Device:
    """A device that publishes numbered readings at QoS 1 and knows what the broker took."""

    name: str
    session: Session
    broker: Broker
    boot: str = "b3f1"
    seq: int = 0
    published_values: int = 0
    start_at: datetime = datetime(2026, 11, 23, tzinfo=UTC)

    def payload(self, values: int = 3, **changes: Any) -> bytes:
        """The next readings message: `values` values of one instant, a second after the one before."""
        self.seq += 1
        at = self.start_at + timedelta(seconds=self.seq)
        codes = {f"1-0:{group}.7.{tariff}": 1.5 for group in range(21, 70, 10) for tariff in range(20)}
        chosen = dict.fromkeys(OBIS, float(self.seq)) | codes
        document: dict[str, Any] = {
            "boot": self.boot,
            "seq": self.seq,
            "meter": f"TST:{self.name}",
            "spec": "test@1",
            "clock": "synced",
            "samples": [{"at": at.isoformat(), "values": dict(list(chosen.items())[:values])}],
        } | changes
        return json.dumps(document).encode()

    async def send(self, payload: bytes, kind: Kind = Kind.READINGS, *, retain: bool = False) -> None:
        """Publish until the broker has acknowledged, through its restarts."""
        await self.session.publish(
            Publication(self.broker.topics.of(kind, self.name), payload, retain=retain), DEADLINE_S
        )

    async def readings(self, count: int, values: int = 3) -> None:
        """Publish this many good messages, 50 in flight, each again until it is acknowledged."""
        await self.send_all([self.payload(values) for _ in range(count)])
        self.published_values += count * values

    async def send_all(self, payloads: Iterable[bytes]) -> None:
        """Publish readings payloads, 50 in flight."""
        topic = self.broker.topics.of(Kind.READINGS, self.name)
        left, backoff = [Publication(topic, payload) for payload in payloads], Backoff(first_s=0.05, cap_s=0.5)
        while left:
            await asyncio.wait_for(self.session.wait_connected(), DEADLINE_S)
            wave, left = left[:50], left[50:]
            results = await asyncio.gather(*(self.session.send(one) for one in wave), return_exceptions=True)
            again = [one for one, result in zip(wave, results, strict=True) if isinstance(result, ConnectionLostError)]
            unexpected = [result for result in results if result and not isinstance(result, ConnectionLostError)]
            assert not unexpected
            if again:
                left = again + left
                await asyncio.sleep(backoff.next_s())


@contextlib.asynccontextmanager
async def device(broker: Broker, name: str = "") -> AsyncIterator[Device]:
    """A connected device with its own user."""
    name = name or f"pi-{secrets.token_hex(4)}"
    await broker.add_device(name)
    async with Session(broker.address(name), SessionOptions(name, clean_start=True, in_flight=100)) as session:
        await asyncio.wait_for(session.wait_connected(), DEADLINE_S)
        yield Device(name, session, broker)


class Table:
    """Questions to a test's database, each over the same connection."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def execute(self, sql: str) -> None:
        """Run statements."""
        await self._connection.execute(sql)

    async def value(self, sql: str, *arguments: Any) -> Any:
        """The first value of the answer."""
        return await self._connection.fetchval(sql, *arguments)

    async def rows(self, sql: str, *arguments: Any) -> list[tuple[Any, ...]]:
        """All rows."""
        return [tuple(row) for row in await self._connection.fetch(sql, *arguments)]

    async def readings(self) -> int:
        """Rows in `reading`."""
        return int(await self.value("SELECT count(*) FROM reading"))

    async def quarantined(self) -> dict[str, int]:
        """Payloads in quarantine by reason."""
        return dict(await self.rows("SELECT reason, count(*) FROM frame WHERE kind = 'payload' GROUP BY reason"))

    async def entered(self) -> int:
        """Distinct messages in the ledger."""
        return int(await self.value("SELECT count(*) FROM (SELECT DISTINCT device_id, boot, seq FROM message) m"))

    async def lost(self) -> int:
        """Messages that the ledger misses."""
        return int(await self.value("SELECT coalesce(sum(lost + first_seq - 1), 0) FROM message_gap"))


@contextlib.asynccontextmanager
async def table(database: Database) -> AsyncIterator[Table]:
    """A connection to ask questions on."""
    async with database.connection() as connection:
        yield Table(connection)
