"""The local stack on real servers: starts, ends of all kinds, several at once."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import asyncpg
import psutil
import pytest

from broker.errors import PermanentError
from deploy.local.answers import mqtt_answers, postgres_answers
from deploy.local.mosquitto import MosquittoServer
from deploy.local.postgres import PostgresServer
from deploy.local.process import ServerError, until
from deploy.local.settings import LocalSettings
from deploy.local.stack import LocalStack
from store.errors import DATABASE_ERRORS
from tests.rigs.servers import Broker, Database

_TOP = Path(__file__).resolve().parents[2]
_DEADLINE_S = 60.0


@pytest.fixture
def runs(stack: LocalStack) -> Path:
    """A registry of runs of this test alone, which the servers' account can enter."""
    folder = stack.folder / f"runs-{os.urandom(4).hex()}"
    folder.mkdir(mode=0o711)
    return folder


@asynccontextmanager
async def _by_hand(runs: Path, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """`python -m deploy.local run` in a process of its own, with its servers up."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "deploy.local", "run", "--fast", *arguments,
        cwd=_TOP, env={**os.environ, "WATTLINE_LOCAL_RUNS": str(runs)}, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        async with asyncio.timeout(_DEADLINE_S):
            while b"Ctrl-C ends it" not in (line := await process.stdout.readline()):
                assert line, "it ended before its servers were up"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def _found(runs: Path, pattern: str) -> list[Path]:
    return list(runs.glob(pattern))


def _servers_of(runs: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.cwd().startswith(str(runs)):
                found.append(process)
        except psutil.Error:
            continue
    return found


async def test_stack_has_what_is_asked_for(stack: LocalStack) -> None:
    """Mosquitto is 2.x, PostgreSQL is 17, and TimescaleDB is of a known edition."""
    versions = await stack.versions()
    assert versions["mosquitto"].split(".")[0] == "2"
    assert versions["postgresql"].split(".")[0] == "17"
    assert versions["timescaledb"].split(".")[0] == "2"
    assert versions["timescaledb_edition"] in {"apache", "community"}


async def test_hypertable_in_a_database_copied_from_a_template(stack: LocalStack) -> None:
    """TimescaleDB works in a copy, although its workers sit in the template the moment before."""
    postgres = stack.postgres
    await postgres.create_database("template_of_test")
    connection = await asyncpg.connect(postgres.dsn("template_of_test"))
    await connection.execute("CREATE EXTENSION timescaledb")
    await connection.execute("CREATE TABLE sample (time timestamptz NOT NULL, value float8)")
    await connection.execute("SELECT create_hypertable('sample', 'time')")
    await connection.close()
    await postgres.seal_database("template_of_test")
    await postgres.create_database("copy_of_test", "template_of_test")
    connection = await asyncpg.connect(postgres.dsn("copy_of_test"))
    await connection.execute("INSERT INTO sample VALUES ('2026-11-23T10:00Z', 1)")
    assert await connection.fetchval("SELECT count(*) FROM show_chunks('sample')") == 1
    # The open connection does not keep the database: dropping it puts everybody out.
    await postgres.drop_database("copy_of_test")
    await postgres.drop_database("template_of_test")
    with pytest.raises(DATABASE_ERRORS):
        await connection.execute("SELECT 1")


async def test_migrated_database_is_fresh_for_each_test(database: Database) -> None:
    """The fixture's database can be entered and has the extension from its template."""
    connection = await asyncpg.connect(database.dsn())
    try:
        assert await connection.fetchval("SELECT count(*) FROM pg_extension WHERE extname = 'timescaledb'") == 1
    finally:
        await connection.close()


async def test_database_name_that_is_none_is_refused(stack: LocalStack) -> None:
    """Names go into statements, so they are held to plain letters."""
    with pytest.raises(PermanentError, match="no database name"):
        await stack.postgres.create_database('x"; DROP DATABASE postgres; --')


async def test_postgres_recovers_what_was_committed_before_a_kill(own_postgres: PostgresServer) -> None:
    """After kill -9 of the whole server it starts at the same port, with every committed row."""
    port = own_postgres.port
    connection = await asyncpg.connect(own_postgres.dsn())
    await connection.execute("CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n")
    await own_postgres.kill()
    assert not own_postgres.running
    with pytest.raises(OSError, match=r"(?i)connect"):
        await asyncpg.connect(own_postgres.dsn(), timeout=30)
    connection.terminate()
    await own_postgres.start()
    assert own_postgres.port == port
    connection = await asyncpg.connect(own_postgres.dsn())
    try:
        assert await connection.fetchval("SELECT count(*) FROM kept") == 1000
    finally:
        await connection.close()


async def test_servers_run_without_privileges(stack: LocalStack) -> None:
    """Neither server runs as root, whoever started it."""
    for server in (stack.postgres, stack.mosquitto):
        assert server.pid is not None
        assert 0 not in psutil.Process(server.pid).uids()


async def test_port_stays_over_a_restart_and_a_taken_one_is_an_error(own_broker: Broker) -> None:
    """A server keeps its port; where somebody else took it meanwhile, it says so instead of moving."""
    server = own_broker.server
    port = server.port
    await server.restart()
    assert server.port == port
    await server.stop()
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind((server.host, port))
        other.listen()
        with pytest.raises(ServerError, match="Address already in use"):
            await server.start()


@pytest.fixture
def scripted(stack: LocalStack) -> Callable[[str], MosquittoServer]:
    """Makes a Mosquitto of a shell script, in which $MOSQUITTO is the program."""

    def make(script: str) -> MosquittoServer:
        folder = stack.folder / f"scripted-{os.urandom(4).hex()}"
        folder.mkdir(mode=0o711)
        program = folder / "mosquitto"
        program.write_text(f"#!/bin/sh\nMOSQUITTO={stack.toolchain.mosquitto}\n{script}\n")
        program.chmod(0o755)
        return MosquittoServer(replace(stack.toolchain, mosquitto=program), folder / "data")

    return make


async def test_a_broker_that_keeps_its_log_to_itself_is_ready_and_reloads(
    scripted: Callable[[str], MosquittoServer],
) -> None:
    """Ready means that it answers a CONNECT: Mosquitto before 2.0.16 keeps back what it says to a file."""
    server = scripted('exec "$MOSQUITTO" "$@" >/dev/null 2>&1')
    try:
        await server.start()
        assert server.log_path.read_bytes() == b""
        await server.add_user("pi-1", "first")
        assert await mqtt_answers(server.host, server.port, "pi-1", "first")
        assert not await mqtt_answers(server.host, server.port, "pi-1", "second")
        await server.add_user("pi-1", "second")
        assert await mqtt_answers(server.host, server.port, "pi-1", "second")
    finally:
        await server.kill()


async def test_a_broker_that_only_says_that_it_runs_is_not_ready(
    scripted: Callable[[str], MosquittoServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line in the log is no answer, and its words come with the error."""
    monkeypatch.setattr("deploy.local.mosquitto._START_S", 1.5)
    with pytest.raises(ServerError, match=r"was not ready in 1\.5 s: mosquitto version 2\.0\.21 running"):
        await scripted("echo mosquitto version 2.0.21 running; exec sleep 60").start()


async def test_a_stranger_at_the_port_is_not_taken_for_the_server(stack: LocalStack, broker: Broker) -> None:
    """An answer counts from the server that was started: its users, its data folder."""
    host, port, folder = stack.postgres.host, stack.postgres.port, stack.postgres.folder
    assert await mqtt_answers(broker.host, broker.port, "monitor", broker.password("monitor"))
    assert not await mqtt_answers(broker.host, broker.port, "monitor", "another server's")
    assert not await mqtt_answers(host, port, "monitor", "that is no broker")
    dsn = stack.postgres.dsn("postgres")
    assert await postgres_answers(dsn, folder)
    assert not await postgres_answers(dsn, folder.with_name("another"))
    assert not await postgres_answers(dsn.replace(f":{port}", f":{broker.port}"), folder)


async def test_two_stacks_at_once_do_not_meet(runs: Path) -> None:
    """Two runs have ports and folders of their own, and the end of one leaves the other alone."""
    settings = LocalSettings(runs=runs)
    async with LocalStack.start(durable=False, settings=settings) as first:
        async with LocalStack.start(durable=False, settings=settings) as second:
            assert first.folder != second.folder
            ports = {first.postgres.port, second.postgres.port, first.mosquitto.port, second.mosquitto.port}
            assert len(ports) == 4
        assert not second.folder.exists()
        assert first.postgres.running
        assert first.mosquitto.running
    assert not first.folder.exists()


async def test_named_folder_is_kept_and_taken_up_again(runs: Path) -> None:
    """With `keep` the next run in the same folder finds the data of the last one."""
    settings = LocalSettings(runs=runs)
    folder = runs / "mine"
    async with LocalStack.start(folder, keep=True, durable=False, settings=settings) as stack:
        connection = await asyncpg.connect(stack.postgres.dsn())
        await connection.execute("CREATE TABLE kept AS SELECT 42 AS n")
        await connection.close()
    async with LocalStack.start(folder, durable=False, settings=settings) as stack:
        connection = await asyncpg.connect(stack.postgres.dsn())
        assert await connection.fetchval("SELECT n FROM kept") == 42
        await connection.close()
    assert folder.exists()
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_run_ends_cleanly_when_asked(runs: Path, number: signal.Signals) -> None:
    """Ctrl-C and SIGTERM end a run with its servers and its folder, and exit code 0."""
    async with _by_hand(runs) as process:
        assert len(_servers_of(runs)) >= 2
        process.send_signal(number)
        async with asyncio.timeout(_DEADLINE_S):
            assert await process.wait() == 0
        assert _servers_of(runs) == []
        assert _found(runs, "run-*") == []


async def test_nothing_is_left_of_a_run_that_was_killed(runs: Path) -> None:
    """After kill -9 of a run its servers end by themselves, and the next run removes its folder."""
    async with _by_hand(runs) as process:
        process.kill()
        await process.wait()
        await until(lambda: _servers_of(runs) == [], timeout_s=_DEADLINE_S)
        assert len(_found(runs, "run-*")) == 1
    async with LocalStack.start(durable=False, settings=LocalSettings(runs=runs)) as stack:
        assert _found(runs, "run-*") == [stack.folder]
    assert _found(runs, "*.run") == []


async def test_servers_that_outlived_their_run_are_ended_by_the_next(runs: Path) -> None:
    """Where a frozen server did not hear of its owner's death, the next run ends it."""
    async with _by_hand(runs) as process:
        frozen = _servers_of(runs)
        for server in frozen:
            server.suspend()
        process.kill()
        await process.wait()
        async with LocalStack.start(durable=False, settings=LocalSettings(runs=runs)) as stack:
            assert {server.pid for server in _servers_of(runs)}.isdisjoint(server.pid for server in frozen)
            assert _found(runs, "run-*") == [stack.folder]


async def test_folder_out_of_the_servers_reach_is_refused(runs: Path) -> None:
    """Root's servers run under another account: a folder that it cannot enter is an error that says what to do."""
    if os.geteuid() != 0:
        assert LocalSettings().runs.stat().st_uid == os.geteuid()
        return
    closed = runs / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(PermanentError, match="cannot enter"):
        async with LocalStack.start(closed / "inner", settings=LocalSettings(runs=runs)):
            pytest.fail("it started")
