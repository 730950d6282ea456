"""Exports over the API and the command line, as CSV and Parquet, of any selection."""

import asyncio
import csv
import io
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import aiohttp
import asyncpg
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from multidict import CIMultiDictProxy

from cli.__main__ import main
from store.export import selection as exporting
from tests.rigs.gateway import Gateway, gateway, gateway_settings
from tests.rigs.rollups import METERS, store_of
from tests.rigs.servers import Broker, Database

RANGE = {"from": "2026-03-01T00:00:00Z", "to": "2026-03-03T00:00:00Z"}
FILL = """
INSERT INTO reading SELECT t, extract(epoch FROM t - '2026-03-01Z'::timestamptz) / 1000, s, 4
FROM generate_series('2026-03-01Z'::timestamptz, '2026-03-02T23:59Z', '10 minutes') t, generate_series(1, 6) s
"""


async def filled(database: Database) -> None:
    """Two days of three meters with two series each."""
    async with store_of(database) as store:
        await store.execute(METERS)
        await store.execute(FILL)


async def get(running: Gateway, **query: str) -> tuple[int, CIMultiDictProxy[str], bytes]:
    """Ask for an export."""
    async with aiohttp.ClientSession() as http, http.get(f"{running.url}/api/v1/export", params=query) as answer:
        return answer.status, answer.headers, await answer.read()


async def test_formats_and_selections(broker: Broker, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """CSV and Parquet say the same, page after page, in the order of time; selections and steps are kept to."""
    monkeypatch.setattr(exporting, "PAGE_ROWS", 100)
    await filled(database)
    async with gateway(gateway_settings(broker, database)) as running:
        status, headers, body = await get(running, **RANGE)
        rows = list(csv.DictReader(io.StringIO(body.decode())))
        assert (status, len(rows), headers["Wattline-Rows"]) == (200, 288 * 6, str(288 * 6))
        assert [row["time"] for row in rows] == sorted(row["time"] for row in rows)
        assert rows[6] == {
            "time": "2026-03-01T00:10:00Z", "device": "pi-1", "meter": "TST:1", "obis": "1-0:1.8.0", "unit": "kWh",
            "value": "0.6", "source": "live", "clock": "meter",
        }  # fmt: skip
        assert len({(row["time"], row["meter"], row["obis"]) for row in rows}) == len(rows)

        _, _, body = await get(running, **RANGE, format="parquet")
        table = pq.read_table(io.BytesIO(body)).to_pylist()
        assert [(row["meter"], row["obis"], row["value"]) for row in table] == [
            (row["meter"], row["obis"], float(row["value"])) for row in rows
        ]

        _, _, body = await get(running, **RANGE, step="1h", meter="TST:1,TST:3", obis="1-0:16.7.0")
        hours = list(csv.DictReader(io.StringIO(body.decode())))
        assert (len(hours), {row["meter"] for row in hours}) == (96, {"TST:1", "TST:3"})
        assert {row["readings"] for row in hours} == {"6"}

        _, _, body = await get(running, **RANGE, step="1d", what="consumption", format="parquet", device="pi-1")
        used = pq.read_table(io.BytesIO(body)).to_pylist()
        assert [row["value"] for row in used[:3]] == [Decimal("86.4")] * 3
        assert (len(used), {row["obis"] for row in used}) == (6, {"1-0:1.8.0"})

        _, _, body = await get(running, **{"from": "2020-01-01T00:00:00Z", "to": "2020-01-02T00:00:00Z"})
        assert body == b"time,device,meter,obis,unit,value,source,clock\r\n"


async def test_pages_of_silence_are_pages(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was consumed between two readings that lie months apart comes page by page, too."""
    monkeypatch.setattr(exporting, "PAGE_ROWS", 500)
    start, end = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)
    async with store_of(database) as store, asyncpg.create_pool(database.dsn(), min_size=1, max_size=1) as pool:
        await store.execute(METERS)
        for series in (1, 3, 5):
            await store.add(series, ("2026-03-01T00:00Z", 100.0), ("2026-06-01T00:00Z", 2308.0))
        selection = exporting.Selection(start, end, "1h", "consumption")
        export = await exporting.Export.prepare(pool, selection)
        sizes = [(len(page), sum(row.value for row in page)) async for page in export.pages()]
    assert max(size for size, _ in sizes) <= 500
    assert [sum(column) for column in zip(*sizes, strict=True)] == [3 * 92 * 24, 3 * 2208]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"from": "2026-03-02T00:00:00Z", "to": "2026-03-01T00:00:00Z"}, "from"),
        ({"from": "yesterday"}, "from"),
        ({"what": "consumption"}, "step"),
        ({"step": "2h"}, "step"),
        ({"format": "xlsx"}, "format"),
    ],
)
async def test_refused(broker: Broker, database: Database, query: dict[str, str], field: str) -> None:
    """A query that can't be answered is refused by its field."""
    async with (
        gateway(gateway_settings(broker, database)) as running,
        aiohttp.ClientSession() as http,
        http.get(f"{running.url}/api/v1/export", params=query) as answer,
    ):
        assert answer.status == 422
        assert (await answer.json(content_type=None))["field"] == field


async def test_command_line(
    broker: Broker, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`wattline export` writes the file named, by its suffix; a refusal names the field and leaves no file."""
    await filled(database)
    async with gateway(gateway_settings(broker, database)) as running:

        async def call(*arguments: str) -> Result:
            return await asyncio.to_thread(CliRunner().invoke, main, ["export", "--url", running.url, *arguments])

        limits = ("--from", RANGE["from"], "--to", RANGE["to"])
        for name in ("all.csv", "all.parquet"):
            done = await call(str(tmp_path / name), *limits, "--meter", "TST:1", "--meter", "TST:2")
            assert done.exit_code == 0, done.output
            assert f"{name}: 1,152 rows" in done.output
        assert (tmp_path / "all.csv").read_bytes().count(b"\n") == 288 * 4 + 1
        assert pq.read_table(tmp_path / "all.parquet").num_rows == 288 * 4
        with monkeypatch.context() as laptop:
            laptop.setitem(sys.modules, "pyarrow.parquet", None)  # as with the extra `cli` alone
            small = await call(str(tmp_path / "all.parquet"), *limits, "--meter", "TST:1", "--force")
        assert small.exit_code == 0, small.output
        assert f"all.parquet: {(tmp_path / 'all.parquet').stat().st_size:,} bytes" in small.output
        nameless = await call(str(tmp_path / "none.xlsx"))
        assert nameless.exit_code == 2
        assert "ends in .csv or .parquet says the format; else give --format" in nameless.output
        refused = await call(str(tmp_path / "none.csv"), "--from", "last week")
        assert refused.exit_code == 2
        assert "Invalid value for '--from': 'last week' is no time; write 2026-11-23" in refused.output
        ranged = await call(str(tmp_path / "none.csv"), "--from", "now", "--to", "-7d")
        assert ranged.exit_code == 1
        assert "from: " in ranged.output
        before = (tmp_path / "all.csv").read_bytes()
        kept = await call(str(tmp_path / "all.csv"), *limits, "--meter", "TST:1")
        assert kept.exit_code == 1
        assert "all.csv exists" in kept.output
        assert "--force" in kept.output
        assert (tmp_path / "all.csv").read_bytes() == before
        forced = await call(str(tmp_path / "all.csv"), "--from", "-7d", "--to", "now", "--meter", "TST:1", "--force")
        assert forced.exit_code == 0, forced.output
        assert (tmp_path / "all.csv").read_bytes() != before
        for option, name in (("--device", "nobody"), ("--meter", "TST:9"), ("--obis", "9-9:9.9.9")):
            unknown = await call(str(tmp_path / "none.csv"), *limits, option, name)
            assert unknown.exit_code == 1, unknown.output
            assert f"'{name}'" in unknown.output
    gone = await asyncio.to_thread(
        CliRunner().invoke, main, ["export", "--url", running.url, str(tmp_path / "none.csv")]
    )
    assert gone.exit_code == 1
    assert sorted(path.name for path in await asyncio.to_thread(lambda: list(tmp_path.iterdir()))) == [
        "all.csv",
        "all.parquet",
    ]
