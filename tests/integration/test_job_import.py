"""Imports: years of CSV by a source's mapping, each record once, whoever dies, and faults by their lines."""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.jobs.store import requeue_job
from store.files import PART_BYTES
from store.kinds.importing import IMPORT, ImportArguments
from store.queue import enqueue, hand_out
from tests.rigs.gateway import connection, events, rows
from tests.rigs.redecoding import ended, job, metrics, worker_process, worker_settings, working
from tests.rigs.servers import Database
from tests.rigs.sources import add_source
from tests.rigs.waiting import until

MAPPING = """
format: {type: csv, delimiter: ";", decimal: ",", skip_lines: 1}
meter: "OLD:{id}"
time: {at: t, format: "%d.%m.%Y %H:%M", zone: Europe/Warsaw}
values:
  1-0:1.8.0: {path: kwh}
"""
TOP = "Readings of the old system\nid;t;kwh\n"
START = datetime(2024, 1, 1, 0, 15, tzinfo=UTC)
READINGS = "SELECT count(*) AS n, count(DISTINCT (series_id, time)) AS different, min(time) AS first FROM reading"


def line(number: int, meter: int = 1) -> str:
    """A quarter-hour of a meter."""
    return f"{meter};{START + timedelta(minutes=15 * number):%d.%m.%Y %H:%M};{1000 + number},5\n"


async def sent(database: Database, data: bytes) -> int:
    """A file as the gateway keeps it."""
    async with connection(database) as opened:
        number: int = await opened.fetchval(
            "INSERT INTO job_file (name, media, bytes, sha256, complete, author, expires_at)"
            " VALUES ('old.csv', 'text/csv', $1, $2, true, 'anna', now() + '1 day') RETURNING id",
            len(data),
            hashlib.sha256(data).hexdigest(),
        )
        for part in range(0, len(data), PART_BYTES):
            piece = data[part : part + PART_BYTES]
            await opened.execute("INSERT INTO job_file_part VALUES ($1, $2, $3)", number, part // PART_BYTES, piece)
        return number


async def ask(database: Database, file: int, **more: Any) -> int:
    """Ask for an import."""
    async with connection(database) as opened, opened.transaction():
        asked = ImportArguments(file=file, source=more.get("source", "acme"))
        found = await enqueue(opened, IMPORT, asked, author="anna")
    assert found is not None
    return found


async def test_a_file_becomes_history_and_faults_have_their_lines(database: Database) -> None:
    """What fits is stored, what does not is told with its line; the same file again changes nothing."""
    await add_source(database, "acme", MAPPING)
    lines = [line(number) for number in range(20)]
    lines[4] = "1;31.02.2024 00:00;5\n"
    lines.insert(10, "\n")
    lines[12] = "1;01.01.2024 09:00;five\n"
    data = (TOP + "".join(lines)).encode()
    async with working(worker_settings(database)) as url:
        first = await ended(database, await ask(database, await sent(database, data)))
        again = await ended(database, await ask(database, await sent(database, data)))
        another = (TOP + line(0).replace("1000,5", "1,5")).encode()
        conflict = await ended(database, await ask(database, await sent(database, another)), "failed")
        assert (await metrics(url))['wattline_worker_readings_refused_total{reason="value_conflict"}'] == 1
        none = TOP + "1;31.02.2024 00:00;5\n" * 3
        unfit = await ended(database, await ask(database, await sent(database, none.encode())), "failed")
        nobody = await ended(database, await ask(database, 99), "failed")
        nothing = await ended(database, await ask(database, await sent(database, data), source="other"), "failed")
    result = json.loads(first["result"])
    assert (result["records"], result["values"], result["new"], result["faulty"]) == (20, 18, 18, 2)
    assert [one.split(":")[0] for one in result["faults"]] == ["line 7", "line 15"], result["faults"]
    assert "'five'" in result["faults"][1]
    assert (first["done"], first["total"], first["note"]) == (len(data), len(data), "20 records, 18 values, 2 faults")
    assert "1 value in quarantine, value_conflict: samples.0.at: of 2023-12-31T23:15:00" in conflict["error"], conflict
    assert unfit["error"].startswith("nothing of the file fits the mapping acme@1: 3 faults, line 3: "), unfit["error"]
    result = json.loads(again["result"])
    assert (result["new"], result["repeated"]) == (0, 18)
    (found,) = await rows(database, READINGS)
    assert found == {"n": 18, "different": 18, "first": datetime(2023, 12, 31, 23, 15, tzinfo=UTC)}
    assert nobody["error"] == "there is no file 99: it has expired, or was never sent whole"
    assert nothing["error"] == "there is no source other"
    # done, and removed; what failed may be tried again
    assert len(await rows(database, "SELECT FROM job_file")) == 1
    (meter,) = await rows(
        database, "SELECT d.name FROM meter m JOIN device d ON d.id = m.device_id WHERE key = 'OLD:1'"
    )
    assert meter == {"name": "source-acme"}


async def test_what_goes_to_quarantine_is_told_with_its_reasons(database: Database) -> None:
    """Part of a file: how many values, and why. All of it: the job has failed, and says so again when it is retried."""
    await add_source(database, "acme", MAPPING)
    bad = [f"1;01.0{number}.2090 00:00;5\n" for number in range(1, 4)]
    some = (TOP + "".join([line(0), bad[0], line(1), bad[1], line(2).replace("1002,5", "1000000000000")])).encode()
    async with working(worker_settings(database)):
        part = await ended(database, await ask(database, await sent(database, some)))
        number = await ask(database, await sent(database, (TOP + "".join(bad)).encode()))
        whole = await ended(database, number, "failed")

        async def let_go() -> bool:
            return not await rows(database, "SELECT FROM pgqueuer")

        await until(let_go, "the queue has done with it, which would not take it twice")
        async with connection(database) as opened, opened.transaction():
            assert await requeue_job(opened, number)
            await hand_out(opened, number, IMPORT.name)
        again = await ended(database, number, "failed")
    result = json.loads(part["result"])
    assert {name: result[name] for name in ("values", "new", "repeated", "quarantined", "faulty", "reasons")} == {
        "values": 5, "new": 2, "repeated": 0, "quarantined": 3, "faulty": 0,
        "reasons": {"implausible_time": 2, "implausible_value": 1},
    }  # fmt: skip
    assert result["details"]["implausible_value"] == "samples.2.values.1-0:1.8.0: 1e+12 is outside [-1e+11, 1e+11]"
    assert part["note"] == "5 records, 5 values, 0 faults, 3 values in quarantine"
    for one in (whole, again):
        assert one["error"].startswith(
            "history has none of the file's values: 3 values in quarantine, implausible_time: samples.0.at: 2089-12-31"
        ), one["error"]
    assert "wattline quarantine retry --device source-acme" in whole["error"]
    assert len(await rows(database, "SELECT FROM reading")) == 2


async def test_a_killed_workers_import_goes_on_where_it_stood(database: Database) -> None:
    """Kill -9 in the middle: another worker goes on at the cursor, and each reading is stored once."""
    await add_source(database, "acme", MAPPING.replace("Europe/Warsaw", "UTC"))
    count = 20_000
    data = (TOP + "".join(line(number) for number in range(count))).encode()
    number = await ask(database, await sent(database, data))
    async with worker_process(worker_settings(database)) as first:

        async def begun() -> int:
            return int((await job(database, number))["done"])

        done: int = await until(begun, "a portion is stored")
        first.kill()
        await first.wait()
    assert done < len(data), "it was over before anything could happen to it"
    async with working(worker_settings(database)):
        found = await ended(database, number)
    result = json.loads(found["result"])
    assert (found["attempts"], result["records"], result["values"], result["faulty"]) == (2, count, count, 0)
    # portions and cursor are one transaction: nothing was taken a second time
    assert (result["new"], result["repeated"]) == (count, 0)
    (stored,) = await rows(database, READINGS)
    assert stored["n"] == stored["different"] == result["new"]
    assert await events(database, "job_failed") == []


async def test_a_quote_that_is_never_closed_is_said_with_its_line(database: Database) -> None:
    """And what stands before it is stored."""
    await add_source(database, "acme", MAPPING)
    data = (TOP + line(0) + '1;"' + "x" * (2 * PART_BYTES)).encode() + b"\nmore"
    async with working(worker_settings(database)):
        found = await ended(database, await ask(database, await sent(database, data)), "failed")
    assert found["error"].startswith("the record at line 4 is longer than"), found["error"]
    assert (await rows(database, READINGS))[0]["n"] == 1
