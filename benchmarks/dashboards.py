"""How long each query of each dashboard and rule takes: `python -m benchmarks.dashboards [--meters n] [--report file]`.

The load is what that many meters make in a day at the default parameters' pace of messages: a device each, a message
every ten seconds in the ledger over its dashboards' longest range, and readings by the minute.
"""

import asyncio
import json
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import click
from rich.console import Console
from rich.table import Table

from broker.errors import WattlineError
from broker.runtime.service import configure_logging
from deploy.local.stack import LocalStack
from grafana.build import dashboards, plain
from grafana.panels import AXIS
from grafana.rules import rules
from grafana.settings import GrafanaSettings
from store.ledger import fold
from store.migrate import migrate
from store.rollups import refresh
from tests.rigs.grafana.macros import Context

LIMIT_MS = 1000.0
"""What no query may take at 1 000 meters."""
ROUNDS = 3
_SEED = Path(__file__).with_name("dashboards.sql")
_POINTS = 500
_WIDTHS_S = (10, 30, 60, 300, 900, 1800, 3600, 10800, 21600, 86400)


@click.command()
@click.option("--meters", type=click.IntRange(1, 20_000), default=1000, show_default=True)
@click.option(
    "--hours", type=click.IntRange(1, 24 * 31), default=24, show_default=True, help="How far readings go back."
)
@click.option("--report", type=click.Path(dir_okay=False, writable=True, path_type=Path), help="JSON report to write.")
def main(meters: int, hours: int, report: Path | None) -> None:
    """Time every query on a database of this load; fails where one takes longer than a second."""
    configure_logging("warning")
    try:
        found = asyncio.run(bench(meters, hours))
    except WattlineError as error:
        sys.exit(f"wattline bench: {error}")
    table = Table("query", "ms", title=f"{meters} meters, {hours} h; best of {ROUNDS}")
    for name, took_ms in sorted(found.items(), key=lambda item: -item[1]):
        table.add_row(name, f"{took_ms:.0f}")
    Console().print(table)
    if report is not None:
        report.write_text(json.dumps({"meters": meters, "hours": hours, "queries_ms": found}, indent=2) + "\n")
    slow = [name for name, took_ms in found.items() if took_ms > LIMIT_MS]
    if slow:
        sys.exit(f"slower than {LIMIT_MS:.0f} ms: {', '.join(slow)}")


async def bench(meters: int, hours: int) -> dict[str, float]:
    """Seed a database of its own and time all queries on it."""
    async with LocalStack.start(durable=False, progress=lambda line: click.echo(f"· {line}", err=True)) as stack:
        dsn = stack.postgres.dsn()
        await migrate(dsn, settings={"zone": "Europe/Warsaw"})
        opened = await asyncpg.connect(dsn)
        try:
            await seed(opened, meters, hours)
            return await measure(opened)
        finally:
            await opened.close()


async def seed(opened: Any, meters: int, hours: int) -> None:
    """Fill a migrated database, roll it up, and let the planner know it."""
    for name, value in (("meters", meters), ("hours", hours)):
        await opened.execute("SELECT set_config($1, $2, false)", f"wattline.{name}", str(value))
    await opened.execute(_SEED.read_text(), timeout=600)
    await refresh(opened)
    await fold(opened)
    await opened.execute("VACUUM ANALYZE", timeout=600)


async def measure(opened: Any) -> dict[str, float]:
    """The best time of each query, in milliseconds, as Grafana's role on the dashboards' own ranges."""
    devices = [row["name"] for row in await opened.fetch("SELECT name FROM device ORDER BY id")]
    meters = [row["key"] for row in await opened.fetch("SELECT key FROM meter ORDER BY id")]
    await opened.execute("SET ROLE wattline_grafana")
    settings = GrafanaSettings.model_construct()
    found = {}
    for board in dashboards(settings):
        for name, sql, span in _queries(board):
            there = _context(board, span or board["time"]["from"].removeprefix("now-"), devices, meters)
            found[f"{board['title']}: {name}"] = await _time(opened, there.expand(sql))
    now = datetime.now(UTC)
    for rule in map(plain, rules(settings)):
        sql = Context(now, now).expand(rule["data"][0]["model"]["rawSql"])
        found[f"rule: {rule['title']}"] = await _time(opened, sql)
    await opened.execute("RESET ROLE")
    return found


def _queries(board: dict[str, Any]) -> list[tuple[str, str, str | None]]:
    """Name, SQL and own range of each query."""
    panels = [panel for panel in board["panels"] if panel["type"] != "row"]
    made = [
        (f"{each['title']}{', axis' if target['refId'] == AXIS else ''}", target["rawSql"], each.get("timeFrom"))
        for each in panels
        for target in each["targets"]
    ]
    made += [(mark["name"], mark["target"]["rawSql"], None) for mark in board.get("annotations", {}).get("list", [])]
    variables = board["templating"]["list"]
    return made + [(each["name"], each["query"], None) for each in variables if each["type"] == "query"]


def _context(board: dict[str, Any], back: str, devices: list[str], meters: list[str]) -> Context:
    own = board["time"]["from"].removeprefix("now-")
    span, whole = _span("1d" if back == "now/d" else back), _span(own)
    now = datetime.now(UTC)
    chosen: dict[str, Any] = {"device": devices, "since": (now - whole).isoformat(), "until": now.isoformat()}
    for variable in board["templating"]["list"]:
        if variable["name"] == "meter":
            chosen["meter"] = meters if variable["multi"] else meters[0]
        elif variable["name"] not in chosen:
            chosen[variable["name"]] = variable["current"]["value"]
    width_s = next(width for width in _WIDTHS_S if span.total_seconds() / width <= _POINTS)
    return Context(now - span, now, width_s, chosen=chosen)


def _span(back: str) -> timedelta:
    return timedelta(hours=int(back[:-1]) * {"h": 1, "d": 24}[back[-1]])


async def _time(opened: Any, sql: str) -> float:
    best_s = float("inf")
    for _ in range(ROUNDS):
        started_s = time.perf_counter()
        await opened.fetch(sql, timeout=60)
        best_s = min(best_s, time.perf_counter() - started_s)
    return round(best_s * 1000, 1)


if __name__ == "__main__":
    main()
