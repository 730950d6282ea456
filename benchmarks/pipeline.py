"""The pipeline under load: real broker, ingestor process and database, and generators beside them."""

import asyncio
import contextlib
import json
import secrets
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import psutil

from benchmarks.packets import Connection, Load
from benchmarks.report import BacklogResult, CrowdResult, LatencyResult, SizeResult
from broker.contract.topics import DEFAULT_ROOT
from deploy.demo.processes import Service
from deploy.local.certificates import environment_of
from deploy.local.postgres import PostgresServer
from deploy.local.process import free_port
from deploy.local.stack import LocalStack

POLL_S = 0.05
MOST_POLL_S = 5.0
DEADLINE_S = 600.0
LEAD = timedelta(seconds=1)
"""How far before the generator's start the first live sample lies."""
_COMMITTED = """
SELECT extract(epoch FROM max(pg_xact_commit_timestamp(xmin))) FROM message WHERE boot = $1 AND received_at > $2
"""
_DELAYS = Path(__file__).with_name("queries") / "delays.sql"


@dataclass(frozen=True, slots=True)
class Rig:
    """What a measurement of the pipeline needs."""

    stack: LocalStack
    connection: asyncpg.Connection
    ingestor: Service

    def cpu_s(self) -> tuple[float, float, float]:
        """CPU taken so far by the ingestor, the broker, and the database with all its processes, in seconds."""
        return _cpu_s(self.ingestor.pid), _cpu_s(self.stack.mosquitto.pid), _cpu_s(self.stack.postgres.pid)

    def rss_mib(self) -> float:
        """Resident memory of the ingestor."""
        return float(psutil.Process(self.ingestor.pid).memory_info().rss / 2**20)


@dataclass(slots=True)
class Generator:
    """A generator that has prepared its packets and is connected."""

    load: Load
    process: asyncio.subprocess.Process
    result: dict[str, float]

    async def go(self) -> None:
        """Let it send; returns when the broker has taken all."""
        assert self.process.stdin is not None and self.process.stdout is not None  # noqa: S101, PT018 - pipes
        self.process.stdin.write(b"go\n")
        line = await self.process.stdout.readline()
        await self.process.wait()
        if not line:
            raise RuntimeError(f"the load generator ended with status {self.process.returncode}")
        self.result.update(json.loads(line))


async def with_commit_times(postgres: PostgresServer) -> None:
    """Have the database note when each transaction was committed; it is started anew."""
    connection = await asyncpg.connect(postgres.dsn("postgres"), timeout=15)
    try:
        await connection.execute("ALTER SYSTEM SET track_commit_timestamp = on")
    finally:
        await connection.close(timeout=10)
    await postgres.restart()


def ingestor(stack: LocalStack, logs: Path, *, tls: bool = True) -> tuple[Service, str]:
    """An ingestor process with default settings, at the broker over TLS as deployed or not, and its health's URL."""
    port = free_port()
    address = stack.mosquitto.address("ingestor") if tls else stack.mosquitto.by_password("ingestor")
    environment = {
        "WATTLINE_INGESTOR_DATABASE_DSN": stack.postgres.dsn(user="wattline_ingestor"),
        "WATTLINE_INGESTOR_HTTP_PORT": str(port),
        **environment_of(address, "WATTLINE_INGESTOR_"),
    }
    return Service("ingestor", ["ingestor"], environment, logs), f"http://127.0.0.1:{port}"


async def devices(stack: LocalStack, count: int) -> tuple[Connection, ...]:
    """Devices with a connection each."""
    words = {f"bench-{number:04d}": secrets.token_hex(8) for number in range(count)}
    await stack.mosquitto.add_users(words, bound=False)
    return tuple(Connection(name, word, (name,)) for name, word in words.items())


async def crowd(stack: LocalStack, count: int, connections: int) -> tuple[Connection, ...]:
    """Many devices over a few connections, which the broker lets speak for all of them."""
    words = {f"crowd-{number}": secrets.token_hex(8) for number in range(connections)}
    await stack.mosquitto.add_crowd(words)
    names = [f"crowd-dev-{number:06d}" for number in range(count)]
    return tuple(
        Connection(user, word, tuple(names[place::connections])) for place, (user, word) in enumerate(words.items())
    )


async def measure_size(rig: Rig, load: Load) -> SizeResult:
    """Send all messages of one size and wait until every row is stored.

    Raises RuntimeError when rows are missing at the deadline: a lossy run has no speed.
    """
    async with generator(rig.stack, load) as sending:
        before = rig.cpu_s()
        stored_at = await _sent_and_stored(rig, sending)
        after = rig.cpu_s()
    took_s = stored_at - sending.result["began"]
    ingestor_us, broker_us, database_us = (
        round((late - early) / load.total * 1e6, 1) for early, late in zip(before, after, strict=True)
    )
    return SizeResult(
        values_per_message=load.values,
        devices=load.devices,
        messages=load.total,
        messages_s=round(load.total / took_s, 1),
        rows_s=round(load.rows / took_s, 1),
        ingestor_cpu_us_per_message=ingestor_us,
        broker_cpu_us_per_message=broker_us,
        database_cpu_us_per_message=database_us,
        generator_ahead_s=round(stored_at - sending.result["ended"], 2),
    )


async def measure_latency(rig: Rig, load: Load) -> LatencyResult:
    """From the moment at which a message is due to the answer of its commit, at a steady rate; if wrong, too long."""
    async with generator(rig.stack, load) as sending:
        stored_at = await _sent_and_stored(rig, sending)
    return LatencyResult(
        values_per_message=load.values,
        messages=load.total,
        offered_messages_s=round(load.rate, 1),
        stored_messages_s=round(load.total / (stored_at - sending.result["began"]), 1),
        **await _delays(rig, load),
    )


async def measure_crowd(rig: Rig, load: Load) -> CrowdResult:
    """Many devices that the ingestor has never heard, then the same again; every message from another one."""
    rss_before_mib = rig.rss_mib()
    once = _again(load, boot="c0de01", messages=1)
    first = await measure_size(rig, once)
    grown_kib = (rig.rss_mib() - rss_before_mib) * 1024
    known = await measure_size(rig, _again(load, boot="c0de02", messages=load.messages))
    return CrowdResult(first_sight=first, known=known, memory_kib_per_device=round(grown_kib / load.devices, 2))


async def measure_backlog(rig: Rig, backlog: Load, live: Load) -> BacklogResult:
    """Devices that come back with hours of readings, and live readings beside them until the backlog is stored."""
    async with generator(rig.stack, backlog) as old, generator(rig.stack, live) as new:
        memory_mib, began = [rig.rss_mib()], time.time()
        watching = asyncio.create_task(_watch_memory(rig, memory_mib))
        flowing = asyncio.create_task(new.go())
        try:
            stored_at = await _sent_and_stored(rig, old)
        finally:
            watching.cancel()
            flowing.cancel()
            await asyncio.wait({watching, flowing})
    # those under way count, too, and to leave them out would leave out the slowest
    await _wait_still(rig, live)
    delays = await _delays(rig, live, until=datetime.fromtimestamp(stored_at, UTC))
    return BacklogResult(
        messages=backlog.total,
        drained_s=round(stored_at - began, 1),
        messages_s=round(backlog.total / (stored_at - began), 1),
        sent_s=round(old.result["ended"] - began, 1),
        live_messages_s=live.rate,
        rss_before_mib=round(memory_mib[0], 1),
        rss_most_mib=round(max(memory_mib), 1),
        **{f"live_{name}": value for name, value in delays.items()},
    )


def live(connections: tuple[Connection, ...], values: int, messages: int, boot: str, **changes: float) -> Load:
    """A load of samples of the present moment."""
    start_at = (datetime.now(UTC) - LEAD).isoformat()
    return Load(values, messages, connections, start_at, boot=boot, **changes)  # type: ignore[arg-type]


def _again(load: Load, boot: str, messages: int) -> Load:
    return live(load.connections, load.values, messages, boot, window=load.window)


@contextlib.asynccontextmanager
async def generator(stack: LocalStack, load: Load, root: str = DEFAULT_ROOT) -> AsyncIterator[Generator]:
    """A generator of this load that is ready to go."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.generator"),
        *("--host", stack.mosquitto.host, "--root", root),
        *_way(stack, load),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[1],
    )
    try:
        assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018 - pipes
        process.stdin.write(json.dumps(load.as_json()).encode() + b"\n")
        await process.stdin.drain()
        if (await process.stdout.readline()).strip() != b"ready":
            raise RuntimeError("the load generator did not get ready; its message stands above")
        yield Generator(load, process, {})
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def _way(stack: LocalStack, load: Load) -> tuple[str, ...]:
    """How a generator comes to the broker: over TLS as devices do, where its messages are sent in lots.

    Sent one by one, a TLS record for each takes the generator three times what the ingestor takes for a message.
    """
    if load.rate or load.by_receipts:
        return ("--port", str(stack.mosquitto.port))
    return ("--port", str(stack.mosquitto.password_port), "--ca", str(stack.mosquitto.certificates.shown.authority))


async def _sent_and_stored(rig: Rig, generator: Generator) -> float:
    """Let a generator send all, and wait until it is stored; the Unix time then."""
    async with asyncio.TaskGroup() as group:
        group.create_task(generator.go())
        stored = group.create_task(_wait_stored(rig, generator.load))
    return stored.result()


async def _wait_stored(rig: Rig, load: Load) -> float:
    """Ask the ledger until it holds all messages of this load; returns the Unix time at which the last was committed.

    Each question reads all that it has, on the cores that are measured: so few are asked, by what is left at this rate,
    and the time is PostgreSQL's own (see with_commit_times).
    """
    began = time.monotonic()
    deadline = began + DEADLINE_S
    statement = await rig.connection.prepare(
        "SELECT count(*), coalesce(sum(rows), 0) FROM message WHERE boot = $1 AND received_at > $2"
    )
    since = datetime.now(UTC) - timedelta(minutes=1)
    while time.monotonic() < deadline:
        rig.ingestor.check()
        count, rows = await statement.fetchrow(load.boot, since)
        if count >= load.total:
            if rows != load.rows:
                raise RuntimeError(f"{rows} rows stored of {load.rows}")
            return float(await rig.connection.fetchval(_COMMITTED, load.boot, since))
        left_s = (load.total - count) * (time.monotonic() - began) / max(1, count)
        await asyncio.sleep(min(max(POLL_S, 0.8 * left_s), MOST_POLL_S))
    raise RuntimeError(f"not all of {load.total} messages were stored in {DEADLINE_S} s")


async def _wait_still(rig: Rig, load: Load) -> None:
    """Wait until no more messages of this load come in."""
    before = -1
    while True:
        count = await rig.connection.fetchval("SELECT count(*) FROM message WHERE boot = $1", load.boot)
        if count == before:
            return
        before = count
        await asyncio.sleep(3)


async def _watch_memory(rig: Rig, memory_mib: list[float]) -> None:
    while True:
        await asyncio.sleep(0.5)
        memory_mib.append(rig.rss_mib())


async def _delays(rig: Rig, load: Load, until: datetime | None = None) -> dict[str, float]:
    row = await rig.connection.fetchrow(_DELAYS.read_text(), load.boot, until)
    return {name: round(float(value), 1) for name, value in row.items()}


def _cpu_s(pid: int | None) -> float:
    process = psutil.Process(pid)
    taken = 0.0
    for one in (process, *process.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            taken += sum(one.cpu_times()[:2])
    return taken
