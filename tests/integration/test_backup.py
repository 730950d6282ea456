"""`wattline backup` and `wattline restore` on a real database: nothing is lost, and nothing is written over."""

import asyncio
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from deploy.backup import stillness
from deploy.backup.cli import backup, restore
from deploy.backup.database import DatabaseAccess, DatabaseError
from deploy.local.postgres import PostgresServer
from deploy.local.stack import LocalStack
from store.migrate import migrate
from tests.rigs.ingesting import table
from tests.rigs.servers import Database

ROWS = """
INSERT INTO reading (time, series_id, value, source)
SELECT now() - g * interval '1 hour', 1, g, 0 FROM generate_series(1, 2000) g
"""


@dataclass(frozen=True)
class Server:
    """A database and folders as a server has them."""

    postgres: PostgresServer
    folder: Path

    @property
    def places(self) -> dict[str, Path]:
        """Its folders."""
        names = {"settings": "etc", "certificates": "certs", "broker": "broker", "authority": "private/ca"}
        return {place: self.folder / "server" / name for place, name in names.items()}

    async def call(self, command: object, *words: str) -> Result:
        """Run one of both commands as a person does."""
        options = [f"--{place}={folder}" for place, folder in self.places.items()]
        dsn = self.postgres.dsn("wattline")
        return await asyncio.to_thread(CliRunner().invoke, command, ["--dsn", dsn, *options, *words])  # type: ignore[arg-type]

    async def drop(self) -> None:
        """Lose the database."""
        async with table(Database(self.postgres, "postgres")) as asked:
            await asked.execute("DROP DATABASE wattline WITH (FORCE)")

    async def databases(self) -> set[str]:
        """What databases there are."""
        async with table(Database(self.postgres, "postgres")) as asked:
            return {name for (name,) in await asked.rows("SELECT datname FROM pg_database")}

    def files(self) -> dict[str, tuple[bytes, int]]:
        """All of the folders' files, with their modes."""
        found = sorted((self.folder / "server").rglob("*"))
        return {
            str(path.relative_to(self.folder)): (path.read_bytes() if path.is_file() else b"", path.stat().st_mode)
            for path in found
        }


@pytest.fixture
async def server(
    own_postgres: PostgresServer, stack: LocalStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Server:
    """A platform that has been at work, on a machine with PostgreSQL's programs of its server's version."""
    monkeypatch.setenv("PATH", f"{stack.toolchain.postgres_bin}:{os.environ['PATH']}")
    made = Server(own_postgres, tmp_path)
    for place, folder in made.places.items():
        (folder / "inner").mkdir(parents=True, mode=0o700)
        (folder / f"{place}.txt").write_text(f"of the {place}")
        (folder / f"{place}.txt").chmod(0o640)
        (folder / "inner" / "key").write_bytes(bytes(range(256)))
        (folder / "inner" / "half.new").write_text("being written")
    await migrate(own_postgres.dsn("wattline"))
    async with table(Database(own_postgres, "wattline")) as asked:
        await asked.execute("SET session_replication_role = replica")  # a series of its own is not needed here
        await asked.execute(ROWS)
        await asked.execute("ALTER ROLE wattline_gateway PASSWORD 'of-the-gateway'")
    return made


def _growing(folder: Path) -> list[Path]:
    return list(folder.glob(".*growing"))


async def _state(server: Server) -> list[tuple[object, ...]]:
    """What a restore must bring back."""
    async with table(Database(server.postgres, "wattline")) as asked:
        return [
            *await asked.rows("SELECT count(*), sum(value), min(time), max(time) FROM reading"),
            *await asked.rows("SELECT name, sha256 FROM schema_migration ORDER BY name"),
            *await asked.rows("SELECT hypertable_name::text, num_chunks FROM timescaledb_information.hypertables"
                              " ORDER BY 1"),
            *await asked.rows("SELECT rolname, rolpassword FROM pg_authid WHERE rolname LIKE 'wattline%' ORDER BY 1"),
        ]  # fmt: skip


async def test_a_backup_brings_all_back_into_an_empty_place(server: Server, tmp_path: Path) -> None:
    """Sealed, while all runs: rows, hypertables, roles' passwords, files and modes; TimescaleDB works after."""
    before, files = await _state(server), server.files()
    word = tmp_path / "word"
    word.write_text("secret\n")
    to = tmp_path / "wattline.backup"
    done = await server.call(backup, "--broker-unit=", f"--passphrase-file={word}", str(to))
    assert done.exit_code == 0, done.output
    assert to.stat().st_mode & 0o777 == 0o600
    assert b"of the settings" not in to.read_bytes()
    assert _growing(tmp_path) == []

    refused = await server.call(restore, f"--passphrase-file={word}", str(to))
    assert refused.exit_code == 1
    assert "the database wattline" in refused.output
    assert await _state(server) == before
    await server.drop()
    shutil.rmtree(tmp_path / "server/certs")
    refused = await server.call(restore, f"--passphrase-file={word}", str(to))
    assert f"{server.places['authority']}/authority.txt" in refused.output
    assert "wattline" not in await server.databases()
    assert not server.places["certificates"].exists()
    shutil.rmtree(tmp_path / "server")
    async with table(Database(server.postgres, "postgres")) as asked:
        for role in ("wattline_ingestor", "wattline_gateway", "wattline_grafana"):
            await asked.execute(f"DROP ROLE {role}")

    done = await server.call(restore, f"--passphrase-file={word}", str(to))
    assert done.exit_code == 0, done.output
    assert await _state(server) == before
    gone = {name for name in files if name.endswith(".new")}
    assert {name: files[name] for name in files.keys() - gone} == server.files()
    assert await migrate(server.postgres.dsn("wattline")) == []
    async with table(Database(server.postgres, "wattline")) as asked:
        await asked.execute("SET session_replication_role = replica")
        await asked.execute(ROWS.replace("interval '1 hour'", "interval '1 minute 7 seconds'"))
        assert await asked.rows("SELECT count(*) FROM reading") == [(4000,)]


async def test_a_partial_backup_is_called_so_and_restored_as_what_it_is(server: Server, tmp_path: Path) -> None:
    """What is left out, or not on this machine, is told when it is made and when it is put back."""
    shutil.rmtree(server.places["authority"])
    words = ("--broker-unit=", "--partial", "--without=broker", "--verify", str(tmp_path / "a.backup"))
    done = await server.call(backup, *words)
    assert done.exit_code == 0, done.output
    assert not (tmp_path / "a.backup").exists()
    lacks = f"without broker (left out as asked); authority ({server.places['authority']} is not on this machine)"
    assert "a.partial.backup: " in done.output
    assert f"a part of it alone, {lacks}" in done.output
    before = await _state(server)
    await server.drop()
    shutil.rmtree(tmp_path / "server")
    done = await server.call(restore, str(tmp_path / "a.partial.backup"))
    assert (done.exit_code, f"it was a partial backup, {lacks}" in done.output) == (0, True), done.output
    assert await _state(server) == before
    assert sorted(path.name for path in (tmp_path / "server").iterdir()) == ["certs", "etc"]


async def test_a_restore_that_fails_leaves_nothing_behind(server: Server, tmp_path: Path) -> None:
    """A file that is damaged, a place that can't be made, a TimescaleDB that is not there: as if it had not been."""
    to = tmp_path / "wattline.backup"
    assert (await server.call(backup, "--broker-unit=", str(to))).exit_code == 0
    await server.drop()
    shutil.rmtree(tmp_path / "server")
    content = to.read_bytes()
    to.write_bytes(content[: len(content) // 2] + b"!" + content[len(content) // 2 + 1 :])
    failed = await server.call(restore, str(to))
    assert failed.exit_code == 1
    assert "wattline restore: " in failed.output
    assert "wattline" not in await server.databases()

    to.write_bytes(content)
    (tmp_path / "server").mkdir()
    (tmp_path / "server/private").write_text("a file where a folder belongs")
    failed = await server.call(restore, str(to))
    assert failed.exit_code == 1
    assert "private" in failed.output
    assert "wattline" not in await server.databases()
    assert [path.name for path in (tmp_path / "server").rglob("*")] == ["private"]
    (tmp_path / "server/private").unlink()
    assert (await server.call(restore, str(to))).exit_code == 0


async def test_a_restore_that_fails_changes_no_role_and_nothing_of_others(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A password that was changed since stays, a role that was made goes, a database that came meanwhile is another's.

    A program that does nothing is ended, with a sentence.
    """
    to = tmp_path / "wattline.backup"
    assert (await server.call(backup, "--broker-unit=", str(to))).exit_code == 0
    await server.drop()
    shutil.rmtree(tmp_path / "server")
    of_roles = "SELECT rolname, rolpassword, rolcanlogin FROM pg_authid WHERE rolname LIKE 'wattline%' ORDER BY 1"
    async with table(Database(server.postgres, "postgres")) as asked:
        await asked.execute("ALTER ROLE wattline_gateway PASSWORD 'of-today'; DROP ROLE wattline_grafana")
        before = await asked.rows(of_roles)
        (tmp_path / "server").mkdir()
        (tmp_path / "server/private").write_text("a file where a folder belongs")
        assert (await server.call(restore, str(to))).exit_code == 1
        assert await asked.rows(of_roles) == before
        (tmp_path / "server/private").unlink()

        still = tmp_path / "bin" / "pg_restore"
        still.parent.mkdir()
        still.write_text("#!/bin/sh\nsleep 1000\n")
        still.chmod(0o755)
        with monkeypatch.context() as patch:
            patch.setenv("PATH", f"{still.parent}:{os.environ['PATH']}")
            patch.setattr(stillness, "LOOK_S", 0.1)
            failed = await server.call(restore, str(to))
        assert failed.exit_code == 1
        assert "pg_restore: it has done nothing for" in failed.output
        assert "wattline" not in await server.databases()
        assert await asked.rows(of_roles) == before

        there = DatabaseAccess.there

        def comes_after(self: DatabaseAccess) -> bool:
            found = there(self)
            self.ask("CREATE DATABASE wattline", "postgres")
            return found

        monkeypatch.setattr(DatabaseAccess, "there", comes_after)
        failed = await server.call(restore, str(to))
        assert failed.exit_code == 1
        assert "already exists" in failed.output
        assert "wattline" in await server.databases()
        assert await asked.rows(of_roles) == before


async def test_only_what_does_nothing_is_ended(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server's work counts as the program's, and is told; a wait for somebody else does not."""
    monkeypatch.setattr(stillness, "LOOK_S", 0.2)
    told: list[str] = []
    access = DatabaseAccess(server.postgres.dsn("wattline"), None, told.append)
    assert await asyncio.to_thread(access.ask, "SELECT count(*) FROM pg_sleep(3)") == "1"
    assert "psql is at work: SELECT count(*) FROM pg_sleep(3)" in told
    async with table(Database(server.postgres, "wattline")) as asked:
        await asked.execute("BEGIN; LOCK TABLE series")
        with pytest.raises(DatabaseError, match="it has done nothing for 1 s"):
            await asyncio.to_thread(access.ask, "SELECT count(*) FROM series")


async def test_a_backup_that_fails_leaves_the_one_of_before(server: Server, tmp_path: Path) -> None:
    """No database, or a place that is not there: it is named, and what was written last night stays."""
    to = tmp_path / "wattline.backup"
    to.write_text("of last night")
    shutil.rmtree(server.places["authority"])
    failed = await server.call(backup, "--broker-unit=", str(to))
    assert failed.exit_code == 1
    assert "--authority" in failed.output
    server.places["authority"].mkdir(parents=True)
    await server.drop()
    failed = await server.call(backup, "--broker-unit=", str(to))
    assert failed.exit_code == 1
    assert "wattline" in failed.output
    assert to.read_text() == "of last night"
    assert _growing(tmp_path) == []
