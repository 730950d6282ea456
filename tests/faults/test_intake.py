"""The intake amid faults: killed, its database stopped, flooded; what was answered 202 is in the table, once."""

import asyncio
import contextlib
import json
import signal
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from tests.rigs.hooks import Intake, add_source, intake, post, signed
from tests.rigs.ingesting import Table, table
from tests.rigs.servers import Database
from tests.rigs.waiting import until


@dataclass
class Sender:
    """Posts numbered payloads, each again by the same key until it is told yes, and notes what it was told."""

    one: Intake
    said: dict[str, int] = field(default_factory=dict)
    """Ids by key."""
    statuses: list[int] = field(default_factory=list)
    number: int = 0
    ending: bool = False

    async def run(self, http: aiohttp.ClientSession) -> None:
        """Post until `ending`, and then until the last one is taken."""
        while not self.ending:
            self.number += 1
            key = f"k{self.number}"
            body = json.dumps({"key": key}).encode()
            while key not in self.said:
                try:
                    status, document, headers = await post(
                        http, f"{self.one.url}/hooks/head-end", body, signed(body, key)
                    )
                except (aiohttp.ClientError, ConnectionError, TimeoutError):
                    await asyncio.sleep(0.02)
                    continue
                self.statuses.append(status)
                if status == 202:
                    self.said[key] = document["id"]
                else:
                    assert int(headers["Retry-After"]) >= 1
                    await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def sending(one: Intake, most: int = 20) -> AsyncIterator[Sender]:
    """Some senders at a time, who end when the context does."""
    sender = Sender(one)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as http, asyncio.TaskGroup() as group:
        for _ in range(most):
            group.create_task(sender.run(http))
        try:
            yield sender
        finally:
            sender.ending = True


async def kept(asked: Table) -> dict[str, int]:
    """Ids by key; each key once, as the table's constraint has it."""
    return dict(await asked.rows("SELECT key, id FROM payload"))


async def test_killed_amid_load_nothing_that_was_said_yes_to_is_lost(database: Database, tmp_path: Path) -> None:
    """Kill -9, three times: all that got 202 is in the table under the id that was told; repeats change nothing."""
    async with intake(database, tmp_path) as one, table(database) as asked:
        async with sending(one) as sender:
            for _ in range(3):
                target = len(sender.said) + 200
                await until(lambda target=target: len(sender.said) >= target)
                await one.end(signal.SIGKILL)
                await one.start()
            target = len(sender.said) + 100
            await until(lambda: len(sender.said) >= target)
        found = await kept(asked)
        assert sender.said == found
        assert len(set(found.values())) == len(found) == sender.number


async def test_a_database_that_stops_is_503_and_nothing_is_lost(own_database: Database, tmp_path: Path) -> None:
    """While it is away every sender is told to come again; afterwards all is there that was told yes."""
    async with intake(own_database, tmp_path) as one:
        async with sending(one) as sender:
            for _ in range(2):
                target = len(sender.said) + 100
                await until(lambda target=target: len(sender.said) >= target)
                await own_database.server.kill()
                refused = sender.statuses.count(503)
                await until(lambda refused=refused: sender.statuses.count(503) > refused + 20)
                async with aiohttp.ClientSession() as http, http.get(f"{one.url}/healthz") as got:
                    assert got.status == 503
                await own_database.server.start()
            target = len(sender.said) + 100
            await until(lambda: len(sender.said) >= target)
        async with table(own_database) as asked:
            assert sender.said == await kept(asked)
        assert set(sender.statuses) <= {202, 429, 503}


async def test_an_intake_starts_without_its_database(own_database: Database, tmp_path: Path) -> None:
    """It says 503 until the database is there, and ends when it is asked to."""
    one = Intake(own_database.dsn("wattline_intake"), tmp_path)
    await add_source(own_database.dsn(), one.keys, "head-end")
    await own_database.server.kill()
    try:
        await one.start(ready=False)

        async def told() -> bool:
            with contextlib.suppress(aiohttp.ClientError):
                async with aiohttp.ClientSession() as http:
                    status, document, headers = await post(http, f"{one.url}/hooks/head-end")
                    return status == 503 and "Retry-After" in headers and document["status"] == 503
            return False

        await until(told)
        await own_database.server.start()
        await until(one._takes)
    finally:
        assert await one.end() == 0


async def test_two_processes_share_a_port_and_the_keys(database: Database, tmp_path: Path) -> None:
    """Both take posts; a key is new to one of them, and a rate one of both; both stop when their parent is told to."""
    async with intake(database, tmp_path, PROCESSES="2", HTTP_PORT="0") as one, table(database) as asked:
        await until(lambda: one.log.count('"sources_known"') == 2)
        ids: dict[str, set[int]] = {}
        for number in range(40):
            # a connection each, which the kernel gives to one of the two
            async with aiohttp.ClientSession() as http:
                key, body = f"k{number % 10}", b'{"n": 1}'
                status, document, _ = await post(http, f"{one.url}/hooks/head-end", body, signed(body, key))
            assert status == 202
            ids.setdefault(key, set()).add(document["id"])
        assert [len(found) for found in ids.values()] == [1] * 10
        assert await asked.value("SELECT count(*) FROM payload") == 10
        await add_source(database.dsn(), one.keys, "slow", {"posts_per_second": 0.001, "burst": 5})
        told = list[str]()

        async def both_refuse() -> bool:
            # one of the two may know it a moment later
            async with aiohttp.ClientSession() as http:
                body = b'{"n": %d}' % len(told)
                status, document, _ = await post(http, f"{one.url}/hooks/slow", body, signed(body))
            told.append("taken" if status == 202 else document["detail"])
            return len(told) > 20 and all("may send" in one for one in told[-20:])

        await until(both_refuse)
        assert told.count("taken") == 5, "its rate is of both together"
        assert await one.end() == 0
        assert one.log.count('"intake_stopped"') == 2


async def test_a_flood_of_one_source_leaves_another_alone(database: Database, tmp_path: Path) -> None:
    """A source far beyond its rate is told to wait, and a quiet one's posts are all taken, in usual time."""
    async with intake(database, tmp_path) as one, table(database) as asked:
        await add_source(database.dsn(), one.keys, "flood", {"posts_per_second": 1, "burst": 50})
        flooding, times, told = True, list[float](), list[int]()

        async def flood(http: aiohttp.ClientSession) -> None:
            while flooding:
                body = json.dumps({"at": time.perf_counter_ns()}).encode()
                told.append((await post(http, f"{one.url}/hooks/flood", body, signed(body)))[0])

        async with aiohttp.ClientSession() as http, asyncio.TaskGroup() as group:
            for _ in range(20):
                group.create_task(flood(http))
            await until(lambda: told.count(429) > 50)
            for number in range(50):
                body = b'{"n": %d}' % number
                began_s = time.perf_counter()
                status, _, _ = await post(http, f"{one.url}/hooks/head-end", body, signed(body))
                times.append(time.perf_counter() - began_s)
                assert status == 202
            flooding = False
        # its first posts may come before the intake knows it
        assert {202, 429} <= set(told) <= {202, 404, 429}
        by_source = dict(await asked.rows("SELECT source, count(*) FROM payload GROUP BY source"))
        assert by_source["head-end"] == 50
        assert by_source["flood"] == told.count(202)
        assert sorted(times)[45] < 5, "on a machine however busy"
