"""Backups as jobs: whole or not called so, verified, bounded in number, and nothing left of one that did not end."""

import contextlib
import json
import os
import signal
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from cli.jobs import job as job_command
from deploy.backup.archive import Manifest, verify
from deploy.local.stack import LocalStack
from store.kinds.backup import BACKUP, BackupArguments
from store.queue import enqueue
from tests.rigs.cli import typed
from tests.rigs.gateway import connection, gateway, gateway_settings, rows
from tests.rigs.redecoding import ended, job, metrics, worker_process, worker_settings, working
from tests.rigs.servers import Broker, Database
from tests.rigs.waiting import until

PLACES = ("settings", "certificates", "broker", "authority")


@pytest.fixture
def folder(stack: LocalStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where backups go, beside what a server has; PostgreSQL's programs are there."""
    monkeypatch.setenv("PATH", f"{stack.toolchain.postgres_bin}:{os.environ['PATH']}")
    for place in PLACES:
        (tmp_path / place).mkdir()
        (tmp_path / place / "a.txt").write_text(f"of the {place}")
    made = tmp_path / "backups"
    made.mkdir()
    return made


def settings(database: Database, folder: Path, **changes: Any) -> Any:
    """Of a worker that makes nothing but backups."""
    places = {f"backup_{place}": folder.parent / place for place in PLACES}
    more = {"backup_folder": folder, "backup_dsn": database.dsn(), "backup_broker_unit": "", "backup_only": True}
    return worker_settings(database, **{**places, **more, **changes})


async def ask(database: Database, *without: str) -> int:
    """Ask for a backup."""
    async with connection(database) as opened, opened.transaction():
        found = await enqueue(opened, BACKUP, BackupArguments(without=without), author="anna")  # type: ignore[arg-type]
    assert found is not None
    return found


def names(folder: Path) -> set[str]:
    """What is in a folder."""
    return {one.name for one in folder.iterdir()}


async def seen(url: str, name: str) -> float | None:
    """A sample of /metrics, as soon as it listens."""
    with contextlib.suppress(aiohttp.ClientConnectionError):
        return (await metrics(url)).get(name)
    return None


def manifest(file: Path, passphrase: bytes | None = None) -> Manifest:
    """Of a backup all of which is read."""
    with file.open("rb") as opened:
        return verify(opened, passphrase, lambda _: None)


async def test_whole_ones_are_kept_by_number_and_told_by_age(broker: Broker, database: Database, folder: Path) -> None:
    """Sealed and read back; the newest two stay, and so does all that is no job's; its age is a metric."""
    (folder / "2026-11-29.backup").write_text("made by hand")
    word = folder.parent / "word"
    word.write_text("secret\n")
    made = []
    changed = settings(database, folder, backup_keep=2, backup_passphrase_file=word)
    async with gateway(gateway_settings(broker, database)) as running, working(changed) as url:
        planned = await typed(running, job_command, "schedule", "set", "nightly", "backup", "--cron", "30 2 * * *")
        assert planned.exit_code == 0, planned.output

        async def age() -> float | None:
            return await seen(url, 'wattline_worker_backup_age_seconds{whole="true"}')

        assert await until(age, "that there is none is told") == float("inf")
        for _ in range(3):
            asked = await typed(running, job_command, "run", "backup", "--json")
            done = await ended(database, json.loads(asked.output)["job"])
            made.append(json.loads(done["result"]))

        async def young() -> bool:
            return (await age() or 0) < 1000

        await until(young, "its age is told")
    for one in made:
        assert (one["whole"], one["verified"], one["sealed"], one["lacks"]) == (True, True, True, {})
    assert made[2]["removed"] == [made[0]["file"]]
    assert names(folder) == {made[1]["file"], made[2]["file"], "2026-11-29.backup"}
    newest = folder / made[2]["file"]
    assert (newest.stat().st_mode & 0o777, newest.stat().st_size) == (0o600, made[2]["bytes"])
    assert {entry.place for entry in manifest(newest, b"secret").entries} == set(PLACES)


async def test_what_lacks_something_is_never_called_whole(database: Database, folder: Path) -> None:
    """Of a place that is not there it fails, and what there is is kept; left out on purpose it is done, as partial."""
    (folder.parent / "authority" / "a.txt").unlink()
    (folder.parent / "authority").rmdir()
    async with working(settings(database, folder, backup_keep=1)):
        failed = await ended(database, await ask(database, "broker"), "failed")
        (name,) = names(folder)
        partial = folder / name
        assert name.endswith(".partial.backup")
        said = f"a partial backup alone, {partial}, lacks authority ({folder.parent}/authority is not on this machine)"
        assert said in failed["error"]
        assert set(manifest(partial).lacks) == {"broker", "authority"}
        done = json.loads((await ended(database, await ask(database, "broker", "authority")))["result"])
        assert (done["whole"], set(done["lacks"]), done["removed"]) == (False, {"broker", "authority"}, [partial.name])
        (folder.parent / "authority").mkdir()
        whole = json.loads((await ended(database, await ask(database)))["result"])
    assert (whole["whole"], whole["removed"]) == (True, [])
    assert names(folder) == {done["file"], whole["file"]}


async def test_cancelled_or_failed_it_leaves_nothing(
    database: Database, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a half file nor PostgreSQL's program; what was made before stays, and the reason is told."""
    (folder / "wattline-20260101T000000Z-1.backup").write_text("of before")
    with monkeypatch.context() as patch:
        dumping = _still(folder, patch)
        async with working(settings(database, folder)):
            number = await ask(database)
            await until(lambda: dumping.exists() and dumping.read_text().strip(), "it is at it")
            async with connection(database) as opened:
                await opened.execute(
                    "UPDATE job SET state = 'cancelled', worker = NULL, finished_at = now() WHERE id = $1", number
                )
            await until(lambda: names(folder) == {"wattline-20260101T000000Z-1.backup"})
            await until(lambda: not Path(f"/proc/{dumping.read_text().strip()}").exists(), "pg_dump is gone")
    wrong = database.dsn().rpartition("/")[0] + "/nothing"
    async with working(settings(database, folder, backup_dsn=wrong)):
        number = await ask(database)

        async def failed() -> Any:
            return (await job(database, number))["error"]

        said = await until(failed, "it failed")
    assert 'database "nothing" does not exist' in said
    assert names(folder) == {"wattline-20260101T000000Z-1.backup"}


async def test_a_killed_workers_backup_is_begun_anew(
    database: Database, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it had begun is gone once the next one is made, and counts as nothing."""
    number = await ask(database)
    with monkeypatch.context() as patch:
        dumping = _still(folder, patch)
        async with worker_process(settings(database, folder)) as first:
            await until(lambda: dumping.exists() and dumping.read_text().strip(), "it is at it")
            first.kill()
            await first.wait()
    assert len(names(folder)) == 1
    async with working(settings(database, folder)):
        done = json.loads((await ended(database, number))["result"])
    assert names(folder) == {done["file"]}
    assert manifest(folder / done["file"]).lacks == {}
    os.kill(int(dumping.read_text()), signal.SIGKILL)


async def test_a_worker_without_a_folder_leaves_backups_to_others(database: Database, folder: Path) -> None:
    """It does all else; the backup waits for one that can."""
    number = await ask(database)
    async with working(worker_settings(database)) as url:

        async def waits() -> bool:
            return await seen(url, 'wattline_worker_jobs{kind="backup",state="queued"}') == 1

        await until(waits, "that it waits is told")
    assert [one["state"] for one in await rows(database, "SELECT state FROM job WHERE id = $1", number)] == ["queued"]
    async with working(settings(database, folder)):
        await ended(database, number)


def _still(folder: Path, patch: pytest.MonkeyPatch) -> Path:
    """Have a pg_dump that does nothing, for ever; returns the file that has its number once it is at it."""
    still, dumping = folder.parent / "bin" / "pg_dump", folder.parent / "dumping"
    still.parent.mkdir()
    still.write_text(f"#!/bin/sh\necho $$ > {dumping}\nexec sleep 1000\n")
    still.chmod(0o755)
    patch.setenv("PATH", f"{still.parent}:{os.environ['PATH']}")
    return dumping
