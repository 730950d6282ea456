"""A worker under test, frames as the ingestor keeps them, and jobs without a gateway."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
from pydantic import SecretStr

from broker.contract.messages import Clock
from deploy.local.process import free_port
from ingestor.worker.kinds.every import WORKS, Works
from ingestor.worker.service import run
from ingestor.worker.settings import WorkerSettings
from meters.specs.catalogue import catalogue
from meters.specs.spec import Spec, load_spec, spec_document
from meters.wires.encode.p1 import encode_p1
from store.queue import hand_out
from tests.rigs import forking
from tests.rigs.gateway import DEADLINE_S, connection, rows
from tests.rigs.servers import Database
from tests.rigs.specs import HEADER, KEY, acme
from tests.rigs.waiting import until

ENDED_S = 120.0
START = datetime(2026, 11, 20, 12, tzinfo=UTC)
MAIN = "SELECT time, value, obis, source, clock FROM named_reading WHERE meter = $1 ORDER BY time, obis"


@dataclass(frozen=True, slots=True)
class Shot:
    """A frame of the past: when the device took it, by which clock, and why it could not use it."""

    at: datetime
    data: bytes
    clock: Clock | None = Clock.SYNCED
    reason: str = "no_spec"


def push(number: int) -> bytes:
    """The telegram of the meter of tests.rigs.specs number so many; it has no clock of its own."""
    return encode_p1(HEADER, [f"1-0:1.8.0({1000 + number:06d}.567*kWh)", f"1-0:1.7.0(0{number % 9}.482*kW)"])


def pushes(count: int, start: datetime = START) -> list[Shot]:
    """Telegrams ten seconds apart."""
    return [Shot(start + timedelta(seconds=10 * number), push(number)) for number in range(count)]


async def add_meter(database: Database, key: str = KEY, *, device: str = "d1", protocol: str = "p1") -> int:
    """A device with a meter."""
    async with connection(database) as opened:
        await opened.execute("INSERT INTO device (name) VALUES ($1) ON CONFLICT DO NOTHING", device)
        number: int = await opened.fetchval(
            "INSERT INTO meter (key, device_id, protocol, installed_at) "
            "VALUES ($1, (SELECT id FROM device WHERE name = $2), $3, now()) RETURNING id",
            key,
            device,
            protocol,
        )
        return number


async def keep(database: Database, shots: Sequence[Shot], key: str = KEY) -> None:
    """Enter frames of a meter that is there as the ingestor does, received just when they were taken."""
    async with connection(database) as opened:
        await opened.execute(
            "INSERT INTO frame (received_at, at, device_id, meter_id, topic, kind, reason, port, protocol, hints, data,"
            " delivery) SELECT f.at, f.at, m.device_id, m.id, 't', 'frame', f.reason, '', m.protocol, "
            "CASE WHEN f.clock IS NULL THEN '{}' ELSE jsonb_build_object('clock', f.clock) END, f.data, "
            "gen_random_uuid() FROM meter m, unnest($2::timestamptz[], $3::bytea[], $4::text[], $5::text[]) "
            "AS f (at, data, reason, clock) WHERE m.key = $1",
            key,
            [shot.at for shot in shots],
            [shot.data for shot in shots],
            [shot.reason for shot in shots],
            [shot.clock for shot in shots],
        )


def spec_named(name: str) -> Spec:
    """A spec of the catalogue."""
    return next(spec for spec in catalogue() if spec.name == name)


async def add_spec(database: Database, spec: Spec | None = None) -> Spec:
    """Publish a spec without a gateway; by default that of the meter of tests.rigs.specs."""
    import json

    spec = spec or load_spec(acme(), origin="test")
    async with connection(database) as opened:
        await opened.execute(
            "INSERT INTO spec (name, version, document, source, sha256) VALUES ($1, $2, $3, '', $4) "
            "ON CONFLICT DO NOTHING",
            spec.name,
            spec.version,
            json.dumps(spec_document(spec)),
            spec.digest,
        )
    return spec


async def add_job(
    database: Database, spec: str, keys: Iterable[str] = (KEY,), *, automatic: bool = False, **more: Any
) -> int:
    """Queue a job without a gateway."""
    async with connection(database) as opened, opened.transaction():
        number: int = await opened.fetchval(
            "INSERT INTO job (spec, automatic, author, since) VALUES ($1, $2, 'test', $3) RETURNING id",
            spec,
            automatic,
            more.get("since"),
        )
        await opened.execute(
            "INSERT INTO job_meter (job_id, meter_id) SELECT $1, id FROM meter WHERE key = ANY ($2)", number, list(keys)
        )
        await hand_out(opened, number, "redecode")
        return number


def worker_settings(database: Database, /, **changes: Any) -> WorkerSettings:
    """Settings for small jobs on a busy machine."""
    values: dict[str, Any] = {
        "database_dsn": SecretStr(database.dsn("wattline_ingestor")),
        "processes": 1,
        "nice": 0,
        "portion_frames": 50,
        "heartbeat_timeout_s": 2,
        "poll_s": 0.2,
        "http_port": free_port(),
    }
    return WorkerSettings(**{**values, **changes})


@contextlib.asynccontextmanager
async def working(settings: WorkerSettings, works: Works = WORKS) -> AsyncIterator[str]:
    """A worker in this process; leaving stops it as SIGTERM does. Yields where its HTTP server listens."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(run(settings, stop, works), name="worker")
        try:
            yield f"http://127.0.0.1:{settings.http_port}"
        finally:
            stop.set()
            async with asyncio.timeout(DEADLINE_S):
                await asyncio.wait([task])


@contextlib.asynccontextmanager
async def worker_process(settings: WorkerSettings) -> AsyncIterator[forking.Process]:
    """`wattline worker` as a process of its own, killed at the end if it is there still."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("WATTLINE_")}
    for name, value in settings.model_dump(mode="json", exclude_unset=True).items():
        given = getattr(settings, name)
        told = given.get_secret_value() if isinstance(given, SecretStr) else str(value)
        environment[f"WATTLINE_WORKER_{name.upper()}"] = told
    process = await forking.start("cli", "worker", env=environment, stdin=forking.DEVNULL)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def job(database: Database, number: int) -> dict[str, Any]:
    """A row of job_overview."""
    (found,) = await rows(database, "SELECT * FROM job_overview WHERE job_id = $1", number)
    return found


async def ended(database: Database, number: int, state: str = "done") -> dict[str, Any]:
    """Wait until a job has ended, in this state."""

    async def over() -> dict[str, Any] | None:
        found = await job(database, number)
        return found if found["finished_at"] else None

    found: dict[str, Any] = await until(over, f"job {number} has ended", timeout_s=ENDED_S)
    assert found["state"] == state, found
    return found


async def metrics(url: str) -> dict[str, float]:
    """The samples of /metrics by name with labels."""
    async with aiohttp.ClientSession() as http, http.get(f"{url}/metrics") as response:
        lines = (await response.text()).splitlines()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}
