"""`make bench`: the bare COPY limit, the pipeline at three sizes of message, and what the services cost."""

import asyncio
import contextlib
import json
import os
import platform
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import click
import psutil

from benchmarks.agent import measure_agent
from benchmarks.config_restore import measure_restore
from benchmarks.decoding import measure_decoding
from benchmarks.intake import measure_intake
from benchmarks.limit import measure_limit
from benchmarks.packets import CODES, Load
from benchmarks.pipeline import (
    Rig,
    crowd,
    devices,
    ingestor,
    live,
    measure_backlog,
    measure_crowd,
    measure_latency,
    measure_size,
    with_commit_times,
)
from benchmarks.redecode import measure_redecode
from benchmarks.report import BacklogResult, BenchReport, SizeResult, against, show
from broker.errors import WattlineError
from broker.runtime.service import configure_logging
from deploy.demo.http import Api
from deploy.demo.processes import running
from deploy.local.stack import LocalStack
from store.migrate import migrate
from store.sql import Connection

DEVICES = 200
CROWD = 50_000
CROWD_MESSAGES = 4
CROWD_CONNECTIONS = 20
RESTORE_DEVICES = 10_000
LIMIT_ROWS = 2_000_000
MESSAGES = {1: 200_000, 10: 200_000, 100: 40_000}
"""Messages in all, by values a message: each size runs for several seconds."""
LATENCY_S = 20
BACKLOG_DEVICES = 1000
BACKLOG_HOURS = 6
BACKLOG_EVERY_S = 10
LIVE_BESIDE_S = 300
"""How long live readings come beside the backlog: as long as it may take."""
PARTS = ("pipeline", "plain", "crowd", "backlog", "decode", "redecode", "agent", "restore", "intake")
USUAL = tuple(part for part in PARTS if part != "backlog")


def say(line: str) -> None:
    """Progress goes to stderr, so that stdout is the report alone."""
    click.echo(f"· {line}", err=True)


@click.command()
@click.option("--report", type=click.Path(dir_okay=False, writable=True, path_type=Path), help="JSON report to write.")
@click.option("--scale", type=click.FloatRange(0.01, 10), default=1.0, show_default=True, help="Size of the load.")
@click.option("--only", type=click.Choice(PARTS), multiple=True, help="Measure this part; may be given again.")
@click.option("--backlog", is_flag=True, help="Measure hours of readings that come at once, too: some minutes.")
def main(report: Path | None, scale: float, only: tuple[str, ...], backlog: bool) -> None:
    """Measure the platform against the limits of this machine, in one run."""
    configure_logging("warning")
    parts = set(only or USUAL) | ({"backlog"} if backlog else set())
    try:
        result = asyncio.run(bench(scale, parts))
    except WattlineError as error:
        sys.exit(f"wattline bench: {error}")
    show(result)
    if report is not None:
        report.write_text(json.dumps(result.model_dump(), indent=2) + "\n")


async def bench(scale: float, parts: set[str]) -> BenchReport:
    """Run these parts on a stack of its own with fsync on."""
    async with contextlib.AsyncExitStack() as exits:
        stack = await exits.enter_async_context(LocalStack.start(progress=say, tls=True))
        await with_commit_times(stack.postgres)
        await migrate(stack.postgres.dsn())
        logs = stack.folder / "logs"
        logs.mkdir(exist_ok=True)
        connection = await exits.enter_async_context(_connect(stack.postgres.dsn()))
        rows = int(LIMIT_ROWS * scale)
        say(f"bare COPY of {rows:,} rows, three rounds")
        series = list(range(1, DEVICES * len(CODES) + 1))
        before_rows_s = await measure_limit(connection, series, rows)
        found = await _pipeline(stack, connection, logs, scale, parts)
        say("bare COPY again: a limit that was disturbed would flatter the pipeline")
        limit_rows_s = max(before_rows_s, await measure_limit(connection, series, rows))
        found = against(found, limit_rows_s)
        found |= await _others(stack, connection, logs, scale, parts)
        versions = await stack.versions()
        return BenchReport(copy_limit_rows_s=round(limit_rows_s, 1), machine=_machine() | versions, **found)


async def _pipeline(
    stack: LocalStack, connection: Connection, logs: Path, scale: float, parts: set[str]
) -> dict[str, Any]:
    """What needs an ingestor."""
    found: dict[str, Any] = {}
    if "plain" in parts:
        async with _rig(stack, connection, logs, tls=False) as rig:
            found["plain"] = await _plain(rig, scale)
    if not parts & {"pipeline", "crowd", "backlog"}:
        return found
    async with _rig(stack, connection, logs) as rig:
        if "pipeline" in parts:
            found |= await _sizes(rig, scale)
        if "crowd" in parts:
            many = await crowd(stack, max(100, int(CROWD * scale)), CROWD_CONNECTIONS)
            say(f"{sum(len(one.devices) for one in many):,} devices, never heard before and then known")
            load = live(many, 10, CROWD_MESSAGES, "c0de00", window=200)
            found["crowd"] = await measure_crowd(rig, load)
        if "backlog" in parts:
            found["backlog"] = await _backlog(rig, scale)
    return found


@contextlib.asynccontextmanager
async def _rig(stack: LocalStack, connection: Connection, logs: Path, *, tls: bool = True) -> AsyncIterator[Rig]:
    service, url = ingestor(stack, logs, tls=tls)
    async with running(service):
        await Api.wait_url_healthy(f"{url}/healthz", service.check)
        yield Rig(stack, connection, service)


async def _plain(rig: Rig, scale: float) -> SizeResult:
    some = await devices(rig.stack, DEVICES)
    await measure_size(rig, live(some, 10, 1, "91aa"))
    load = live(some, 10, max(1, int(MESSAGES[10] * scale) // DEVICES), "91be")
    say(f"{load.total:,} messages of 10 values, the ingestor at the broker without TLS")
    return await measure_size(rig, load)


async def _sizes(rig: Rig, scale: float) -> dict[str, Any]:
    few = await devices(rig.stack, DEVICES)
    sizes = {}
    for values, messages in MESSAGES.items():
        # names are looked up once in a device's life: not what is measured here
        await measure_size(rig, live(few, values, 1, f"{values:04x}aa"))
        load = live(few, values, max(1, int(messages * scale) // DEVICES), f"{values:04x}be")
        say(f"{load.total:,} messages of {values} values from {DEVICES} devices")
        sizes[str(values)] = await measure_size(rig, load)
    rss_mib = rig.rss_mib()
    rate = sizes["10"].messages_s / 2
    messages = max(1, int(rate * LATENCY_S * min(1.0, scale)) // DEVICES)
    say(f"{messages * DEVICES:,} messages of 10 values at {rate:,.0f} a second")
    latency = await measure_latency(rig, live(few, 10, messages, "1a7e", rate=rate))
    return {"sizes": sizes, "latency": latency, "ingestor_rss_mib": round(rss_mib, 1)}


async def _backlog(rig: Rig, scale: float) -> BacklogResult:
    few = await devices(rig.stack, max(10, int(BACKLOG_DEVICES * min(1.0, scale))))
    messages = BACKLOG_HOURS * 3600 // BACKLOG_EVERY_S
    since = datetime.now(UTC) - timedelta(hours=BACKLOG_HOURS)
    backlog = Load(
        *(10, messages, few, since.isoformat()),
        step_us=BACKLOG_EVERY_S * 1_000_000,
        boot="bac0",
        source="backfill",
        by_receipts=True,
    )
    rate = len(few) / BACKLOG_EVERY_S
    beside = live(few, 10, int(LIVE_BESIDE_S / BACKLOG_EVERY_S), "11fe", rate=rate)
    say(f"{backlog.total:,} messages of the last {BACKLOG_HOURS} h, and {rate:,.0f} live ones a second")
    return await measure_backlog(rig, backlog, beside)


async def _others(
    stack: LocalStack, connection: Connection, logs: Path, scale: float, parts: set[str]
) -> dict[str, Any]:
    """What needs other services."""
    found: dict[str, Any] = {}
    if "decode" in parts:
        say("telegrams of each protocol, decoded by one core")
        found["decode"] = await asyncio.to_thread(measure_decoding)
    if "redecode" in parts:
        say("kept frames of SML and P1 meters, decoded again by a worker")
        await connection.execute("TRUNCATE reading")
        found["redecode"] = await measure_redecode(stack, connection, logs, scale)
        found["redecode_frames_s"] = found["redecode"]["sml"].frames_s
    if "agent" in parts:
        say("an agent with a meter that pushes each second")
        agent = await measure_agent(stack, logs)
        found |= {"agent": agent, "agent_rss_mib": agent.rss_mib, "agent_cpu_percent": agent.cpu_percent}
    if "intake" in parts:
        say("posts of 1 KB, signed, to two processes of the intake")
        found["intake"] = await measure_intake(stack, connection, logs, scale)
    if "restore" in parts:
        fleet = max(100, int(RESTORE_DEVICES * scale))
        say(f"a broker that loses the configurations of {fleet:,} devices")
        restore = await measure_restore(stack, connection, logs, fleet)
        found["config_restore"], found["config_restore_10k_s"] = restore, restore.restore_s
    return found


@contextlib.asynccontextmanager
async def _connect(dsn: str) -> AsyncIterator[Connection]:
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
