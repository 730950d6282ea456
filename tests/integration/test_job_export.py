"""Exports as jobs: the same file as a request's, fetched when it is there, within bounds, and never a part."""

import asyncio
import hashlib
import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp

from cli.jobs import job as job_command
from store.kinds.export import EXPORT, ExportArguments
from store.queue import enqueue
from tests.rigs.cli import typed
from tests.rigs.gateway import connection, events, gateway, gateway_settings, rows
from tests.rigs.redecoding import ended, job, worker_process, worker_settings, working
from tests.rigs.rollups import METERS
from tests.rigs.servers import Broker, Database
from tests.rigs.sources import add_source
from tests.rigs.waiting import until

SINCE, UNTIL = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
FILL = (
    "INSERT INTO reading SELECT t, extract(epoch FROM t - '2026-01-01Z'::timestamptz) / 3600, s, 0"
    " FROM generate_series('2026-01-01Z'::timestamptz, '2026-01-31Z', '{every}') t, generate_series(1, 6) s"
)
FILES = (
    "SELECT complete, bytes, (SELECT sum(octet_length(data)) FROM job_file_part WHERE file_id = id) AS held"
    " FROM job_file"
)


async def filled(database: Database, every: str = "1 hour") -> None:
    """Meters with readings."""
    async with connection(database) as opened:
        await opened.execute(METERS)
        await opened.execute(FILL.format(every=every))


async def ask(database: Database, **more: Any) -> int:
    """Ask for an export."""
    async with connection(database) as opened, opened.transaction():
        found = await enqueue(opened, EXPORT, ExportArguments(since=SINCE, until=UNTIL, **more), author="anna")
    assert found is not None
    return found


async def test_the_file_is_what_a_request_gives_and_is_fetched(
    broker: Broker, database: Database, tmp_path: Path
) -> None:
    """Asked for, done, and fetched from the command line; who fetched it stands in the audit."""
    await filled(database)
    words = ("since=2026-01-01T00:00:00Z", "until=2026-02-01T00:00:00Z", 'meters=["TST:1","TST:2"]')
    async with gateway(gateway_settings(broker, database)) as running, working(worker_settings(database)):
        for form in ("csv", "parquet"):
            asked = await typed(running, job_command, "run", "export", *words, f"format={form}", "--json")
            number = json.loads(asked.output)["job"]
            done = await ended(database, number)
            file = tmp_path / f"a.{form}"
            fetched = await typed(running, job_command, "fetch", str(number), str(file))
            assert fetched.exit_code == 0, fetched.output
            query = {"from": "2026-01-01T00:00:00Z", "to": "2026-02-01T00:00:00Z", "meter": "TST:1,TST:2"}
            async with aiohttp.ClientSession() as http:
                async with http.get(f"{running.url}/api/v1/export", params={**query, "format": form}) as answer:
                    wanted = await answer.read()
            assert file.read_bytes() == wanted
            result = json.loads(done["result"])
            assert (result["rows"], result["bytes"]) == (4 * 721, len(wanted))
            assert result["sha256"] == hashlib.sha256(wanted).hexdigest()
        sent = await typed(running, job_command, "import", str(tmp_path / "a.csv"), "--source", "nobody", "--json")
        assert (sent.exit_code, "no source 'nobody'" in sent.output) == (1, True), sent.output
        refused = await typed(running, job_command, "run", "import", "file=99", "source=nobody")
        assert "arguments.source: there is no source 'nobody'; `wattline source create nobody" in refused.output
        assert "arguments.file: there is no file 99" in refused.output
        await add_source(database, "bare", None)
        sent = await typed(running, job_command, "import", str(tmp_path / "a.csv"), "--source", "bare")
        assert (sent.exit_code, "bare has no mapping: `wattline source draft" in sent.output) == (1, True), sent.output
        refused = await typed(running, job_command, "run", "export", *words, 'meters=["TST:1", "TST:77"]')
        assert "arguments.meters: there is no meter 'TST:77'; `wattline meter list`" in refused.output
        told = await typed(running, job_command, "run", "export", *words)
        assert "`wattline job fetch" in told.output
        early = await typed(running, job_command, "run", "recompute", "meter=TST:1", "since=-7d", "until=now", "--json")
        assert early.exit_code == 0, early.output
        number = json.loads(early.stdout)["job"]
        bare = await typed(running, job_command, "fetch", str(number), str(tmp_path / "b.csv"))
        assert f"wattline job show {number} tells of it" in bare.output
        missing = await typed(running, job_command, "fetch", "99", str(tmp_path / "b.csv"))
        assert (missing.exit_code, "no job '99'" in missing.output) == (1, True), missing.output
    audited = await rows(database, "SELECT status FROM audit WHERE action = 'fetchJobFile' ORDER BY at")
    assert [one["status"] for one in audited] == [200, 200, 404, 404]


async def test_a_killed_workers_export_is_begun_anew_and_whole(database: Database) -> None:
    """Of what the first one wrote nothing is left, and nothing stands twice in the file."""
    await filled(database, "2 minutes")
    settings = worker_settings(database)
    number = await ask(database)
    async with worker_process(settings) as first:

        async def begun() -> bool:
            return bool(await rows(database, "SELECT FROM job_file_part"))

        await until(begun, "some of it is written")
        first.kill()
        await first.wait()
    assert (await job(database, number))["state"] == "running"
    async with working(worker_settings(database)):
        done = await ended(database, number)
    (file,) = await rows(database, FILES)
    assert file["complete"]
    assert file["bytes"] == file["held"] == json.loads(done["result"])["bytes"]
    assert json.loads(done["result"])["rows"] == 6 * 21601


async def test_bounds_hold_and_a_cancelled_export_leaves_nothing(database: Database) -> None:
    """Too large is said with what to do; who cancels gets the place back."""
    await filled(database, "1 minute")
    async with working(worker_settings(database, export_mib=1)):
        refused = await ended(database, await ask(database), "failed")
        assert refused["error"] == "the file would be larger than 1 MiB: choose less"
        assert await rows(database, FILES) == []
    assert len(await events(database, "job_failed")) == 1
    async with working(worker_settings(database)):
        number = await ask(database)

        async def begun() -> bool:
            return bool(await rows(database, FILES))

        await until(begun, "it has begun")
        async with connection(database) as opened:
            await opened.execute(
                "UPDATE job SET state = 'cancelled', worker = NULL, finished_at = now() WHERE id = $1", number
            )

        async def gone() -> bool:
            return not await rows(database, FILES)

        await until(gone, "nothing is left")


async def test_a_file_that_is_sent_is_whole_or_not_there(broker: Broker, database: Database) -> None:
    """Within its bound, part by part; who breaks off leaves nothing."""
    settings = gateway_settings(broker, database, job_file_mib=3)
    async with gateway(settings) as running, aiohttp.ClientSession() as http:
        url = f"{running.url}/api/v1/job-files"
        data = bytes(range(256)) * 10_000
        async with http.post(url, params={"name": "year.csv"}, data=io.BytesIO(data)) as answer:
            sent = await answer.json()
        assert (answer.status, sent["name"], sent["bytes"]) == (200, "year.csv", len(data))
        assert sent["sha256"] == hashlib.sha256(data).hexdigest()
        (file,) = await rows(database, FILES)
        assert (file["complete"], file["held"]) == (True, len(data))
        async with http.post(url, data=io.BytesIO(data * 2)) as answer:
            assert (answer.status, "larger than 3 MiB" in (await answer.json())["detail"]) == (429, True)
        async with http.post(url, data=b"") as answer:
            assert (answer.status, (await answer.json())["field"]) == (422, "body")

        async def broken() -> Any:
            yield data
            raise ConnectionAbortedError

        with_error = await asyncio.gather(http.post(url, data=broken()), return_exceptions=True)
        assert isinstance(with_error[0], Exception)

        async def one() -> bool:
            return len(await rows(database, FILES)) == 1

        await until(one, "what broke off is gone")
