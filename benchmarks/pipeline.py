"""The pipeline under load: real broker, ingestor process and database, and the generator beside them."""

import asyncio
import json
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import psutil

from benchmarks.packets import Load
from benchmarks.report import SizeResult
from deploy.demo.processes import Service
from deploy.local.stack import LocalStack

WINDOW = 100
"""Publishes in flight for each device."""
POLL_S = 0.05
DEADLINE_S = 300.0


async def measure_size(
    stack: LocalStack, connection: asyncpg.Connection, ingestor: Service, load: Load, users: Path, limit_rows_s: float
) -> SizeResult:
    """Send all messages of one size and wait until every row is stored.

    Raises RuntimeError when rows are missing at the deadline: a lossy run has no speed.
    """
    process = psutil.Process(ingestor.pid)
    days_ago = {1: 2, 10: 4, 100: 6}.get(load.values, 8)
    start = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days_ago)
    generator = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.generator", "--values", str(load.values), "--devices", str(load.devices)),
        *("--messages", str(load.messages), "--host", stack.mosquitto.host, "--port", str(stack.mosquitto.port)),
        *("--root", "wattline/v1", "--users", str(users), "--start", start.isoformat(), "--window", str(WINDOW)),
        *("--boot", f"be{load.values:06d}"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[1],
    )
    if generator.stdin is None or generator.stdout is None:
        raise RuntimeError("the generator has no pipes")
    if (await generator.stdout.readline()).strip() != b"ready":
        raise RuntimeError("the load generator did not get ready; its message stands above")
    cpu_before = sum(process.cpu_times()[:2])
    generator.stdin.write(b"go\n")
    stored_at = await _wait_stored(connection, ingestor, load)
    cpu_after = sum(process.cpu_times()[:2])
    result = json.loads(await generator.stdout.readline())
    await generator.wait()
    messages = load.devices * load.messages
    took_s = stored_at - result["began"]
    return SizeResult(
        values_per_message=load.values,
        messages=messages,
        messages_s=round(messages / took_s, 1),
        rows_s=round(load.rows / took_s, 1),
        ratio=round(load.rows / took_s / limit_rows_s, 3),
        ingestor_cpu_us_per_message=round((cpu_after - cpu_before) / messages * 1e6, 1),
        generator_ahead_s=round(stored_at - result["ended"], 2),
    )


async def _wait_stored(connection: asyncpg.Connection, ingestor: Service, load: Load) -> float:
    """Poll the ledger, which is cheap, until it holds all messages of this size; returns the Unix time then."""
    boot = f"be{load.values:06d}"
    wanted = load.devices * load.messages
    deadline = time.monotonic() + DEADLINE_S
    statement = await connection.prepare("SELECT count(*), sum(rows) FROM message WHERE boot = $1 AND received_at > $2")
    since = datetime.now(UTC) - timedelta(minutes=1)
    while time.monotonic() < deadline:
        ingestor.check()
        count, rows = await statement.fetchrow(boot, since)
        if count >= wanted:
            if rows != load.rows:
                raise RuntimeError(f"{rows} rows stored of {load.rows}")
            return time.time()
        await asyncio.sleep(POLL_S if wanted - count < wanted / 10 else 0.5)
    raise RuntimeError(f"not all of {wanted} messages were stored in {DEADLINE_S} s")
