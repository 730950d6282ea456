"""`make bench`: the bare COPY limit, the pipeline at three sizes of message, and what the services cost."""

import asyncio
import contextlib
import json
import os
import platform
import secrets
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import click
import psutil

from benchmarks.agent import measure_agent
from benchmarks.config_restore import measure_restore
from benchmarks.limit import measure_limit
from benchmarks.packets import CODES, Load
from benchmarks.pipeline import measure_size
from benchmarks.redecode import measure_redecode
from benchmarks.report import BenchReport, SizeResult, show
from broker.errors import WattlineError
from broker.service import configure_logging
from deploy.demo.http import Api
from deploy.demo.processes import Service, running
from deploy.local.process import free_port
from deploy.local.stack import LocalStack
from store.migrate import migrate

DEVICES = 200
RESTORE_DEVICES = 10_000
LIMIT_ROWS = 2_000_000
MESSAGES = {1: 100_000, 10: 100_000, 100: 24_000}
"""Messages in all, by values a message: each size runs for several seconds."""


def say(line: str) -> None:
    """Progress goes to stderr, so that stdout is the report alone."""
    click.echo(f"· {line}", err=True)


@click.command()
@click.option("--report", type=click.Path(dir_okay=False, writable=True, path_type=Path), help="JSON report to write.")
@click.option("--scale", type=click.FloatRange(0.01, 10), default=1.0, show_default=True, help="Size of the load.")
def main(report: Path | None, scale: float) -> None:
    """Measure the platform against the limits of this machine, in one run."""
    configure_logging("warning")
    try:
        result = asyncio.run(bench(scale))
    except WattlineError as error:
        sys.exit(f"wattline bench: {error}")
    show(result)
    if report is not None:
        report.write_text(json.dumps(result.model_dump(), indent=2) + "\n")


async def bench(scale: float) -> BenchReport:
    """Run all of it on a stack of its own with fsync on."""
    async with contextlib.AsyncExitStack() as exits:
        stack = await exits.enter_async_context(LocalStack.start(progress=say))
        await migrate(stack.postgres.dsn())
        logs = stack.folder / "logs"
        logs.mkdir(exist_ok=True)
        users = await _users(stack)
        connection = await exits.enter_async_context(_connect(stack.postgres.dsn()))
        rows = int(LIMIT_ROWS * scale)
        say(f"bare COPY of {rows:,} rows, three rounds")
        limit_rows_s = await measure_limit(connection, list(range(1, DEVICES * len(CODES) + 1)), rows)
        sizes, ingestor_rss_mib = await _pipeline(stack, connection, logs, users, limit_rows_s, scale)
        say("kept frames of SML and P1 meters, decoded again by a worker")
        await connection.execute("TRUNCATE reading")
        redecode = await measure_redecode(stack, connection, logs, scale)
        say("an agent with a meter that pushes each second")
        agent = await measure_agent(stack, logs)
        fleet = max(100, int(RESTORE_DEVICES * scale))
        say(f"a broker that loses the configurations of {fleet:,} devices")
        restore = await measure_restore(stack, connection, logs, fleet)
        return BenchReport(
            copy_limit_rows_s=round(limit_rows_s, 1),
            sizes=sizes,
            ingestor_rss_mib=round(ingestor_rss_mib, 1),
            agent_rss_mib=agent.rss_mib,
            agent_cpu_percent=agent.cpu_percent,
            agent=agent,
            redecode_frames_s=redecode["sml"].frames_s,
            redecode=redecode,
            config_restore_10k_s=restore.restore_s,
            config_restore=restore,
            machine=_machine() | await stack.versions(),
        )


async def _pipeline(
    stack: LocalStack, connection: asyncpg.Connection, logs: Path, users: Path, limit_rows_s: float, scale: float
) -> tuple[dict[str, SizeResult], float]:
    port = free_port()
    environment = {
        "WATTLINE_INGESTOR_BROKER__HOST": stack.mosquitto.host,
        "WATTLINE_INGESTOR_BROKER__PORT": str(stack.mosquitto.port),
        "WATTLINE_INGESTOR_BROKER__USERNAME": "ingestor",
        "WATTLINE_INGESTOR_BROKER__PASSWORD": stack.mosquitto.credentials["ingestor"],
        "WATTLINE_INGESTOR_DATABASE_DSN": stack.postgres.dsn(user="wattline_ingestor"),
        "WATTLINE_INGESTOR_HTTP_PORT": str(port),
    }
    ingestor = Service("ingestor", ["ingestor"], environment, logs)
    sizes: dict[str, SizeResult] = {}
    async with running(ingestor):
        await Api.wait_url_healthy(f"http://127.0.0.1:{port}/healthz", ingestor.check)
        for values, messages in MESSAGES.items():
            load = Load(values, DEVICES, max(1, int(messages * scale) // DEVICES))
            say(f"{load.devices * load.messages:,} messages of {values} values from {DEVICES} devices")
            sizes[str(values)] = await measure_size(stack, connection, ingestor, load, users, limit_rows_s)
        rss_mib = psutil.Process(ingestor.pid).memory_info().rss / 2**20
    return sizes, rss_mib


async def _users(stack: LocalStack) -> Path:
    words = {f"bench-{number:04d}": secrets.token_hex(8) for number in range(DEVICES)}
    await stack.mosquitto.add_users(words)
    path = stack.folder / "bench-users.json"
    path.write_text(json.dumps(words))
    return path


@contextlib.asynccontextmanager
async def _connect(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(dsn, timeout=15)
    try:
        yield connection
    finally:
        await connection.close(timeout=10)


def _machine() -> dict[str, str]:
    return {
        "cores": str(os.cpu_count()),
        "memory_gib": f"{psutil.virtual_memory().total / 2**30:.0f}",
        "python": platform.python_version(),
        "kernel": platform.release(),
    }


if __name__ == "__main__":
    main()
