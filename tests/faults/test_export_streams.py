"""Exports that end early, and large ones: nobody takes a part for the whole, and the gateway keeps nothing of them."""

import asyncio
import contextlib
import io
import re
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from structlog.testing import capture_logs

from cli.__main__ import main
from store.export import formats
from store.export import selection as exporting
from tests.rigs.gateway import Gateway, gateway, gateway_settings
from tests.rigs.gateway_process import answers, start
from tests.rigs.rollups import METERS, Store, store_of
from tests.rigs.servers import Broker, Database
from tests.rigs.waiting import until

DEADLINE_S = 60.0
RANGE = {"from": "2026-03-01T00:00:00Z", "to": "2026-03-04T00:00:00Z"}
FILL = (
    "INSERT INTO reading SELECT t, extract(epoch FROM t - '2026-03-01Z'::timestamptz) / 1000, s, 4"
    " FROM generate_series('2026-03-01Z'::timestamptz, '2026-03-03T23:59:59Z', $1::interval) t, generate_series(1, 6) s"
)
GATEWAY = "datname = current_database() AND usename = 'wattline_gateway'"


async def filled(database: Database, every: str) -> None:
    async with store_of(database) as store:
        await store.execute(METERS)
        await store.connection.execute(FILL.replace("$1", f"'{every}'"))
        await store.roll_up()


@contextlib.asynccontextmanager
async def held_up(database: Database) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """Whoever reads the last day waits; what comes is a connection that may do all."""
    async with store_of(database) as holder, store_of(database) as other:
        chunk = await holder.value(
            "SELECT format('%I.%I', chunk_schema, chunk_name) FROM timescaledb_information.chunks"
            " WHERE hypertable_name = 'reading' ORDER BY range_start DESC LIMIT 1"
        )
        async with holder.connection.transaction():
            await holder.execute(f"LOCK TABLE {chunk} IN ACCESS EXCLUSIVE MODE")
            yield other.connection


async def waiting(connection: "asyncpg.Connection[asyncpg.Record]") -> int | None:
    """The gateway's connection that waits for the last day, if one does."""
    found: int | None = await connection.fetchval(
        f"SELECT min(pid) FROM pg_stat_activity WHERE {GATEWAY} AND wait_event_type = 'Lock'"  # noqa: S608 - the test's own text
    )
    return found


async def killed(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """End the gateway's connection once it is in the midst of the last page's statement."""
    pid = await until(lambda: waiting(connection), "an export waits for the last day", timeout_s=DEADLINE_S)
    await connection.execute(f"SELECT pg_terminate_backend({pid})")


async def ended(running: Gateway) -> float:
    """How many exports the gateway is done with, whatever became of them."""
    async with running.http.get(f"{running.url}/metrics") as response:
        text = await response.text()
    found = re.findall(r'_seconds_count\{[^}]*route="/api/v1/export"[^}]*\} (\S+)', text)
    return sum(float(count) for count in found)


async def test_what_breaks_off_is_no_file(
    broker: Broker, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lost database connection is an error to HTTP client and command line; nothing of it stays in the gateway."""
    monkeypatch.setattr(exporting, "PAGE_ROWS", 500)
    monkeypatch.setattr(formats, "GROUP_ROWS", 500)
    await filled(database, "5 minutes")
    with capture_logs() as lines:
        await _break_off_four(broker, database, tmp_path)
    broken = [line for line in lines if "broken" in line["event"] or "unavailable" in line["event"]]
    assert [line["event"] for line in broken] == ["stream_broken"] * 4, "each is told once"
    for line in broken:
        # by how far the server's farewell came, with its words or without
        assert line["reason"].startswith(("terminating connection", "connection was closed")), line["reason"]


async def _break_off_four(broker: Broker, database: Database, tmp_path: Path) -> None:
    async with gateway(gateway_settings(broker, database)) as running:
        url = f"{running.url}/api/v1/export"

        async def call(file: str) -> Result:
            limits = ("--from", RANGE["from"], "--to", RANGE["to"])
            return await asyncio.to_thread(
                CliRunner().invoke, main, ["export", "--url", running.url, file, *limits, "--force"]
            )

        for form in ("csv", "parquet"):
            async with held_up(database) as other:
                async with running.http.get(url, params={**RANGE, "format": form}) as answer:
                    assert answer.status == 200
                    assert await answer.content.readany()
                    await killed(other)
                    with pytest.raises(aiohttp.ClientError):
                        await asyncio.wait_for(answer.read(), DEADLINE_S)
                (tmp_path / f"all.{form}").write_text("of before")
                typed = asyncio.create_task(call(str(tmp_path / f"all.{form}")))
                await killed(other)
                done = await asyncio.wait_for(typed, DEADLINE_S)
            assert (done.exit_code, type(done.exception)) == (1, SystemExit), done.output
            assert "broke off" in done.output
            assert "nothing was kept" in done.output
        assert {path.name: path.read_text() for path in _files(tmp_path)} == dict.fromkeys(
            ("all.csv", "all.parquet"), "of before"
        )
        await until(lambda: _is(ended(running), 4), "all four are done with", timeout_s=DEADLINE_S)
        await nothing_left(running, database)


async def test_a_client_that_leaves_is_not_served_on(
    broker: Broker, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its export ends in the gateway before its end, with no connection or transaction left open."""
    read = 0
    pages = exporting.Export.pages

    async def counted(export: exporting.Export) -> AsyncIterator[list[Any]]:
        nonlocal read
        async for page in pages(export):
            read += len(page)
            yield page

    monkeypatch.setattr(exporting, "PAGE_ROWS", 500)
    monkeypatch.setattr(exporting.Export, "pages", counted)
    await filled(database, "5 minutes")
    async with gateway(gateway_settings(broker, database)) as running:
        async with held_up(database):
            for _ in range(3):
                async with running.http.get(f"{running.url}/api/v1/export", params=RANGE) as answer:
                    assert await answer.content.readany()
                    answer.close()
        await until(lambda: _is(ended(running), 3), "all three are done with", timeout_s=DEADLINE_S)
        # of 5 184 rows the last day has 1 728
        assert read <= 3 * (5184 - 1728 + 500)
        await nothing_left(running, database)


async def nothing_left(running: Gateway, database: Database) -> None:
    """No statement or transaction of the gateway's is open, and the next export is whole."""
    async with store_of(database) as store:

        async def idle() -> bool:
            sql = f"SELECT bool_and(state = 'idle') FROM pg_stat_activity WHERE {GATEWAY}"  # noqa: S608 - the test's own text
            return bool(await store.value(sql))

        await until(idle, "all connections are idle", timeout_s=DEADLINE_S)
        async with running.http.get(f"{running.url}/api/v1/export", params={**RANGE, "format": "parquet"}) as answer:
            assert pq.read_table(io.BytesIO(await answer.read())).num_rows == await _count(store)


async def test_memory_does_not_grow_with_the_range(broker: Broker, database: Database) -> None:
    """A gateway process that sends hundreds of thousands of rows never holds more than some thousands of them."""
    await filled(database, "8 seconds")
    settings = gateway_settings(broker, database)
    process = await start(settings, executed=True)
    try:
        await answers(settings)
        url = f"http://127.0.0.1:{settings.http_port}/api/v1/export"
        async with aiohttp.ClientSession() as http:

            async def fetched(form: str, until_time: str) -> int:
                size = 0
                async with http.get(url, params={**RANGE, "to": until_time, "format": form}) as answer:
                    async for part in answer.content.iter_any():
                        size += len(part)
                return size

            for form, least in (("csv", 10_000_000), ("parquet", 100_000)):
                await fetched(form, "2026-03-01T01:00:00Z")  # what the first export loads for good
                _forget_peak(process.pid)
                before = _peak_mib(process.pid)
                assert await fetched(form, RANGE["to"]) > least
                # 194 400 rows; with 2 million it is 16 MiB for CSV and 20 MiB for Parquet
                assert _peak_mib(process.pid) - before < 45, form
    finally:
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.wait(), DEADLINE_S)


def _forget_peak(pid: int) -> None:
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def _peak_mib(pid: int) -> float:
    """The most memory that a process has had resident since `_forget_peak` (proc(5))."""
    found = re.search(r"VmHWM:\s*(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) / 1024


def _files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


async def _is(measure: Any, wanted: float) -> bool:
    return bool(await measure == wanted)


async def _count(store: Store) -> int:
    return int(await store.value("SELECT count(*) FROM reading"))
