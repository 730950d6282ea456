"""Kept frames decoded again into history, by a worker process, side by side with decoding alone."""

import asyncio
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import psutil

from benchmarks.report import RedecodeResult
from deploy.demo.http import Api
from deploy.demo.processes import Service, running
from deploy.local.process import free_port
from deploy.local.stack import LocalStack
from device.simulator import SimulatedMeter, SimulatedP1Meter
from device.simulator.sml_meter import SimulatedSmlMeter
from meters.decoding.engine import decode
from meters.specs.catalogue import catalogue
from meters.specs.spec import Spec, spec_document
from meters.telegram import Telegram
from meters.wires.readers import read_all
from store.queue import hand_out
from store.sql import Connection

METERS: Final = 10
INTERVAL_S: Final = 10
LIMIT_FRAMES: Final = 4000
DEADLINE_S: Final = 300.0
POLL_S: Final = 0.05
_ADD_FRAMES: Final = """
INSERT INTO frame (received_at, at, device_id, meter_id, topic, kind, reason, protocol, hints, data, delivery)
SELECT taken.at, taken.at, 1, $3, 'bench', 'frame', 'no_spec', $4, '{"clock": "synced"}', f.data, gen_random_uuid()
FROM unnest($5::bytea[]) WITH ORDINALITY AS f (data, n),
     LATERAL (SELECT $1::timestamptz + f.n * $2::interval AS at) taken
"""


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of one kind of meter: `frames` of each of METERS."""

    name: str
    spec: str
    flag: str
    frames: int

    def meter(self, number: int, wall: "Iterator[float]") -> SimulatedMeter:
        """A simulated meter whose clock is on the wall that moves with each look."""
        if self.name == "sml":
            return SimulatedSmlMeter(serial=f"01{number:08d}", seed=number, wall=lambda: next(wall))
        return SimulatedP1Meter(serial=f"E00260000000{number:05d}", seed=number, wall=lambda: next(wall))


KINDS: Final = (Kept("sml", "iskra-mt175", "ISK", 6000), Kept("p1", "iskra-2m550", "KFM", 3000))


async def measure_redecode(
    stack: LocalStack, connection: Connection, logs: Path, scale: float
) -> dict[str, RedecodeResult]:
    """Frames a second from the queue to the commit of the last, by protocol; every reading must be there.

    Raises RuntimeError when readings are missing: a lossy run has no speed.
    """
    port = free_port()
    environment = {
        "WATTLINE_WORKER_DATABASE_DSN": stack.postgres.dsn(user="wattline_ingestor"),
        "WATTLINE_WORKER_HTTP_PORT": str(port),
        # nothing has to go before it here, and the limit is measured without standing back, too
        "WATTLINE_WORKER_NICE": "0",
    }
    worker = Service("worker", ["worker"], environment, logs)
    results = {}
    async with running(worker):
        await Api.wait_url_healthy(f"http://127.0.0.1:{port}/healthz", worker.check)
        for kept in KINDS:
            spec = next(one for one in catalogue() if one.name == kept.spec)
            count = max(100, int(kept.frames * scale))
            sample = await _keep(connection, kept, spec, count)
            # the first job starts the processes, which every later one finds there
            await _run(connection, worker, spec, [1])
            await connection.execute("TRUNCATE reading")
            limit_frames_s = await asyncio.to_thread(_decoding_limit, spec, sample)
            cpu_s, began = _cpu_s(worker), time.monotonic()
            readings = await _run(connection, worker, spec, list(range(1, METERS + 1)))
            took_s, cpu_s = time.monotonic() - began, _cpu_s(worker) - cpu_s
            stored = await connection.fetchval("SELECT count(*) FROM reading")
            if stored != readings:
                raise RuntimeError(f"{stored} readings stored of {readings}")
            results[kept.name] = RedecodeResult(
                frames=METERS * count,
                frames_s=round(METERS * count / took_s, 1),
                readings_s=round(readings / took_s, 1),
                decoding_limit_frames_s=round(limit_frames_s, 1),
                ratio=round(METERS * count / took_s / limit_frames_s, 3),
                worker_cpu_us_per_frame=round(cpu_s / METERS / count * 1e6, 1),
            )
            await connection.execute("TRUNCATE reading, frame")
    return results


async def _keep(connection: Connection, kept: Kept, spec: Spec, count: int) -> list[bytes]:
    """Enter frames of METERS meters, as if they had been taken every INTERVAL_S seconds; returns some of them."""
    await connection.execute("DELETE FROM job")
    await connection.execute("TRUNCATE frame, series, meter, device RESTART IDENTITY CASCADE")
    await connection.execute("INSERT INTO device (name) VALUES ('bench')")
    await connection.execute(
        "INSERT INTO spec (name, version, document, source, sha256) VALUES ($1, $2, $3, '', $4) ON CONFLICT DO NOTHING",
        spec.name,
        spec.version,
        json.dumps(spec_document(spec)),
        spec.digest,
    )
    start = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=3)
    some: list[bytes] = []
    for number in range(1, METERS + 1):
        telegrams = await asyncio.to_thread(_telegrams, kept, number, start, count)
        some = some or telegrams[:LIMIT_FRAMES]
        await connection.execute(
            "INSERT INTO meter (key, device_id, protocol) VALUES ($1, 1, $2)",
            f"{kept.flag}:{number}",
            str(spec.match.protocol),
        )
        await connection.execute(
            _ADD_FRAMES,
            start,
            timedelta(seconds=INTERVAL_S),
            number,
            str(spec.match.protocol),
            telegrams,
        )
    await connection.execute("ANALYZE frame")
    return some


def _telegrams(kept: Kept, number: int, start: datetime, count: int) -> list[bytes]:
    def wall() -> Iterator[float]:
        second = start.timestamp()
        while True:
            yield second
            second += INTERVAL_S

    meter = kept.meter(number, wall())
    return [meter.telegram() for _ in range(count)]


def _cpu_s(worker: Service) -> float:
    """CPU time of the worker and its processes."""
    process = psutil.Process(worker.pid)
    return sum(sum(one.cpu_times()[:2]) for one in (process, *process.children(recursive=True)))


def _decoding_limit(spec: Spec, frames: list[bytes]) -> float:
    """Frames a second that one process decodes and does nothing else, times the cores."""
    began = time.perf_counter()
    for data in frames:
        for found in read_all(spec.match.protocol, data):
            if isinstance(found, Telegram):
                decode(spec, found)
    return len(frames) / (time.perf_counter() - began) * (os.cpu_count() or 1)


async def _run(connection: Connection, worker: Service, spec: Spec, meters: list[int]) -> int:
    """Queue a job and wait for its end; returns the readings that it gave."""
    async with connection.transaction():
        job_id = await connection.fetchval(
            "INSERT INTO job (spec, automatic, author) VALUES ($1, false, 'bench') RETURNING id", spec.ref
        )
        await connection.execute(
            "INSERT INTO job_meter (job_id, meter_id) SELECT $1, unnest($2::int[])", job_id, meters
        )
        await hand_out(connection, job_id, "redecode")
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        worker.check()
        row = await connection.fetchrow("SELECT state, readings, undecodable, error FROM job WHERE id = $1", job_id)
        if row["state"] in ("done", "failed"):
            if row["state"] == "failed" or row["undecodable"]:
                raise RuntimeError(f"job {job_id}: {dict(row)}")
            return int(row["readings"])
        await asyncio.sleep(POLL_S)
    raise RuntimeError(f"job {job_id} was not done in {DEADLINE_S} s")
