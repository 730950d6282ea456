"""The intake under load, beside a bare HTTP server and bare INSERTs of the same rows."""

import asyncio
import contextlib
import json
import os
import secrets
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import psutil

from benchmarks.posts import BODY_BYTES, Posts, line
from benchmarks.report import IntakeLoad, IntakeResult
from deploy.demo.http import Api
from deploy.demo.processes import Service, running
from deploy.local.process import free_port
from deploy.local.stack import LocalStack
from store.meter_keys import new_master_keys
from store.source_settings import SourceSecret, SourceSettings, device_of, seal_secret
from store.sql import Connection

PROCESSES = 2
CONNECTIONS = 100
"""Of each generator, of which there are two."""
POSTS = 60_000
STEADY_S = 15
GOAL = 5000.0
"""Posts a second that the intake is to take, with an answer within 200 ms."""
BURST = 100_000
BURST_S = 10.0
INSERTED = 20_000
BATCH = 500
SOURCE = "bench"
_ROOT = Path(__file__).resolve().parent.parent
_INSERT = Path(__file__).with_name("queries") / "insert_payloads.sql"


async def measure_intake(stack: LocalStack, connection: Connection, logs: Path, scale: float) -> IntakeResult:
    """As fast as answers come; at half that rate; at the goal's; and a burst, each post taken or told to wait."""
    total = max(2000, int(POSTS * scale))
    bare_http, bare_cpu_us = await _bare_http(total)
    inserted = await _bare_inserts(connection, max(BATCH, int(INSERTED * scale)))
    async with _intake(stack, connection, logs) as (service, port):
        await _load(connection, service, stack, _posts(port, 2000))
        fast = await _load(connection, service, stack, _posts(port, total))
        rate = fast.accepted_s / 2
        steady = await _load(connection, service, stack, _posts(port, int(rate * STEADY_S * min(1.0, scale)), rate))
        goal = await _load(connection, service, stack, _posts(port, int(GOAL * STEADY_S * min(1.0, scale)), GOAL))
        burst = max(4000, int(BURST * scale))
        flood = await _load(connection, service, stack, _posts(port, burst, burst / BURST_S))
        rss_mib = sum(one.memory_info().rss for one in psutil.Process(service.pid).children()) / PROCESSES / 2**20
    return IntakeResult(
        processes=PROCESSES,
        body_bytes=BODY_BYTES,
        bare_http_posts_s=round(bare_http, 1),
        bare_http_cpu_us=round(bare_cpu_us, 1),
        bare_insert_rows_s=round(inserted, 1),
        fast=fast,
        ratio=round(fast.accepted_s / bare_http, 3),
        steady=steady,
        goal=goal,
        burst=flood,
        rss_mib=round(rss_mib, 1),
    )


def _posts(port: int, total: int, rate: float = 0.0) -> Posts:
    """Half of it, for one of two generators."""
    return Posts(port, CONNECTIONS, max(1, total // (2 * CONNECTIONS)), rate / 2)


async def _load(connection: Connection, service: Service, stack: LocalStack, posts: Posts) -> IntakeLoad:
    """Post, and compare what was said yes to with what is in the table."""
    before = await connection.fetchval("SELECT count(*) FROM payload")
    cpu_s = _cpu_s(service.pid), _cpu_s(stack.postgres.pid)
    found = await _generated(posts, posts)
    after = _cpu_s(service.pid), _cpu_s(stack.postgres.pid)
    stored = await connection.fetchval("SELECT count(*) FROM payload") - before
    accepted = sum(one["accepted"] for one in found)
    refused = sum(sum(one["statuses"].values()) for one in found) - accepted
    took_s = max(one["took_s"] for one in found)
    return IntakeLoad(
        posts=2 * posts.total,
        accepted=accepted,
        told_to_wait=refused,
        stored=stored,
        offered_s=round(2 * posts.rate, 1),
        accepted_s=round(accepted / took_s, 1),
        p50_ms=round(1000 * max(one["p50_s"] for one in found), 1),
        p99_ms=round(1000 * max(one["p99_s"] for one in found), 1),
        max_ms=round(1000 * max(one["max_s"] for one in found), 1),
        intake_cpu_us=round(1e6 * (after[0] - cpu_s[0]) / max(1, accepted), 1),
        database_cpu_us=round(1e6 * (after[1] - cpu_s[1]) / max(1, accepted), 1),
    )


async def _generated(*loads: Posts) -> list[dict[str, float]]:
    """What generators saw that began together."""
    pipe = asyncio.subprocess.PIPE
    made = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-m", "benchmarks.posts", cwd=_ROOT, stdin=pipe, stdout=pipe, limit=2**20
        )
        for _ in loads
    ]
    for one, load in zip(made, loads, strict=True):
        one.stdin.write(line(load))  # type: ignore[union-attr] - pipes
    for one in made:
        await one.stdout.readline()  # type: ignore[union-attr]
    for one in made:
        one.stdin.write(b"go\n")  # type: ignore[union-attr]
    lines = [await one.stdout.readline() for one in made]  # type: ignore[union-attr]
    for one in made:
        if await one.wait():
            raise RuntimeError(f"a generator of posts ended with status {one.returncode}")
    return [json.loads(text) for text in lines]


async def _bare_http(total: int) -> tuple[float, float]:
    """Answers a second of a server that keeps nothing, and what one takes of a processor in microseconds."""
    port = free_port()
    servers = [
        await asyncio.create_subprocess_exec(sys.executable, "-m", "benchmarks.bare_http", str(port), cwd=_ROOT)
        for _ in range(PROCESSES)
    ]
    try:
        await _listens(port)
        before_s = sum(_cpu_s(one.pid) for one in servers)
        found = await _generated(_posts(port, total), _posts(port, total))
        cpu_s = sum(_cpu_s(one.pid) for one in servers) - before_s
    finally:
        for one in servers:
            one.kill()
            await one.wait()
    answered = sum(one["accepted"] for one in found)
    return answered / max(one["took_s"] for one in found), 1e6 * cpu_s / answered


async def _listens(port: int) -> None:
    async with asyncio.timeout(30):
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.1)


async def _bare_inserts(connection: Connection, rows: int) -> float:
    """Rows a second of the inbox's statement on one connection, a transaction for each batch."""
    marker, body = secrets.token_hex(4), b"x" * BODY_BYTES
    began_s = time.perf_counter()
    for first in range(0, rows, BATCH):
        keys = [f"{marker}-{number}" for number in range(first, first + BATCH)]
        kinds = ["application/json"] * BATCH
        await connection.execute(_INSERT.read_text(), [SOURCE] * BATCH, keys, kinds, [body] * BATCH)
    took_s = time.perf_counter() - began_s
    await connection.execute("TRUNCATE payload")
    return rows / took_s


@contextlib.asynccontextmanager
async def _intake(stack: LocalStack, connection: Connection, logs: Path) -> AsyncIterator[tuple[Service, int]]:
    keys, port, health = new_master_keys(), free_port(), free_port()
    path = logs / "bench-master-keys"
    keys.write(path)
    settings = SourceSettings(posts_per_second=100_000, burst=1_000_000, bytes_per_second=2**30)
    device = await connection.fetchval("INSERT INTO device (name) VALUES ($1) RETURNING id", device_of(SOURCE))
    await connection.execute(
        "INSERT INTO source (name, kind, device_id, settings, secret, master, created_by)"
        " VALUES ($1, 'hook', $2, $3, $4, $5, 'bench')",
        SOURCE,
        device,
        settings.model_dump_json(),
        seal_secret(keys, SOURCE, SourceSecret(Posts(0, 0, 0).signed_by)),
        keys.newest,
    )
    given = {
        "DATABASE_DSN": stack.postgres.dsn(user="wattline_intake"),
        "METER_KEYS_FILE": str(path),
        "HTTP_PORT": str(health),
        "HOOKS_PORT": str(port),
        "PROCESSES": str(PROCESSES),
        "HTTP_CONNECTIONS_EACH": "1000",
    }
    service = Service("intake", ["intake"], {f"WATTLINE_INTAKE_{name}": value for name, value in given.items()}, logs)
    async with running(service):
        for number in range(PROCESSES):
            await Api.wait_url_healthy(f"http://127.0.0.1:{health + number}/healthz", service.check)
        yield service, port


def _cpu_s(pid: int | None) -> float:
    process = psutil.Process(pid or os.getpid())
    taken = 0.0
    for one in (process, *process.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            taken += sum(one.cpu_times()[:2])
    return taken
