"""Fixtures that tests of all kinds share: real servers, databases, and the captures."""

import asyncio
import contextlib
import gc
import hashlib
import os
import secrets
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Generator
from pathlib import Path

import hypothesis
import pytest
import pytest_asyncio
import structlog

from broker.contract.topics import Topics
from deploy.local.community import CommunityServer, provide_community
from deploy.local.locks import file_lock
from deploy.local.mosquitto import MosquittoServer
from deploy.local.postgres import Maintenance, PostgresServer
from deploy.local.settings import LocalSettings
from deploy.local.stack import LocalStack
from tests.rigs.memory import runs_in_memory
from tests.rigs.servers import Broker, Database, KeptConnections

# tests assert behaviour, not times: a busy machine is no failure
hypothesis.settings.register_profile("wattline", deadline=None)
hypothesis.settings.load_profile("wattline")
_ROOT = Path(__file__).resolve().parent.parent
_LONG = ("faults/", "e2e/", "disk/device/simulator/", "integration/test_agent_", "integration/test_api_conformance")
_LONG_UNTIL = 2 / 3
_SHORT = ("unit/",)

if runs := runs_in_memory():
    os.environ.setdefault("WATTLINE_LOCAL_RUNS", str(runs))

# a shell without job control lets what it starts in the background ignore Ctrl-C, and so would the processes of tests
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keep the collector of garbage off what lasts as long as the session: seven thousand tests and their modules.

    Each of eight workers would walk through half a million objects again and again, as it collects tests and runs them;
    what a gateway in a test makes lasts as long as that, so that to look at 7 000 new objects is soon enough.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(7000)
        gc.enable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave what wants a database of TimescaleDB Community to `make test-editions`, but for its smoke test."""
    for item in items:
        on_community = any(name.startswith("community") for name in getattr(item, "fixturenames", ()))
        if on_community and item.get_closest_marker("smoke") is None:
            item.add_marker("editions")
    if hasattr(config, "workerinput"):
        items.sort(key=_turn)


def _turn(item: pytest.Item) -> tuple[bool, float]:
    """When the file of a test has its turn among several workers.

    Those that wait and those that compute are mixed, always in the same way, so that the processor has work at any
    time; long ones begin in the first two thirds, and those of unit tests fill what is left at the end.
    """
    file = item.path.relative_to(_ROOT / "tests").as_posix()
    place = int.from_bytes(hashlib.sha256(file.encode()).digest()[:8], "big") / 2**64
    return file.startswith(_SHORT), place * (_LONG_UNTIL if file.startswith(_LONG) else 1)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say why a test failed that was tried again, as `.ci/run` does: it is unsteady, and that is a bug."""
    for report in terminalreporter.stats.get("rerun", ()):
        terminalreporter.section(f"unsteady: {report.nodeid}", sep="-", yellow=True)
        terminalreporter.write_line(report.longreprtext)


@pytest.fixture(autouse=True)
def _logs_apart() -> None:
    """Services inside a test log past the output of commands that it calls; their log level and name stay theirs."""
    structlog.contextvars.clear_contextvars()
    _log_past_output()


def _log_past_output() -> None:
    structlog.reset_defaults()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(file=sys.__stderr__))


@pytest.fixture(autouse=True)
def _ports_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Services of several tests run side by side: each takes a free port for its metrics, unless told another."""
    for service in ("INGESTOR", "INTAKE", "WORKER", "DEVICE"):
        monkeypatch.setenv(f"WATTLINE_{service}_HTTP_PORT", "0")


@pytest.fixture(scope="session")
def captures() -> Path:
    """The folder of telegrams of real meters; a test that wants it fails where it is missing."""
    return _shared("captures")


@pytest.fixture(scope="session")
def field() -> Path:
    """The folder of telegrams of bug reports with their right answers; a test that wants it fails without it."""
    return _shared("field")


def _shared(name: str) -> Path:
    setting = f"WATTLINE_{name.upper()}"
    folder = Path(os.environ.get(setting) or _ROOT.parent / "shared" / name)
    if not folder.is_dir():
        pytest.fail(f"{folder} is missing: set {setting}, or deselect with -m 'not {name}'")
    return folder.resolve()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stack() -> AsyncIterator[LocalStack]:
    """One PostgreSQL and one Mosquitto for the whole session, fast instead of safe in a power cut."""
    async with LocalStack.start(durable=False, database=None) as running:
        yield running


@pytest_asyncio.fixture
async def broker(stack: LocalStack) -> AsyncIterator[Broker]:
    """The session's Mosquitto with a topic root of this test alone."""
    topics = Topics(f"test-{secrets.token_hex(4)}/v1")
    await stack.mosquitto.add_root(topics)
    yield Broker(stack.mosquitto, topics)
    # a service in the test's process logged to a file that is closed by now
    _log_past_output()
    # a gateway of the next test would take logins of this one's for its own
    await stack.mosquitto.remove_root(topics)


@pytest_asyncio.fixture
async def own_broker(stack: LocalStack) -> AsyncIterator[Broker]:
    """A private Mosquitto that the test may stop, kill and start again: `own_broker.server`."""
    server = MosquittoServer(stack.toolchain, stack.folder / f"mosquitto-{secrets.token_hex(4)}")
    try:
        await server.start()
        yield Broker(server)
    finally:
        await server.kill()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def database_template(stack: LocalStack) -> str:
    """The name of a migrated database that nobody may enter, to be copied."""
    from store.migrate import migrate

    name = "wattline_template"
    await stack.postgres.create_database(name)
    await migrate(stack.postgres.dsn(name))
    await stack.postgres.seal_database(name)
    return name


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stocked_template(stack: LocalStack, database_template: str) -> str:
    """One with the specs that are shipped, as a gateway's first start leaves it."""
    from gateway.desired.spec_catalogue import publish_catalogue
    from gateway.metrics import Metrics
    from meters.specs.catalogue import catalogue

    name = "wattline_stocked"
    await stack.postgres.create_database(name, database_template)
    async with Database(stack.postgres, name).connection() as opened:
        await publish_catalogue(opened, catalogue(), Metrics())
        await opened.execute("DELETE FROM change")
    await stack.postgres.seal_database(name)
    return name


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def maintenance(stack: LocalStack) -> AsyncIterator[Maintenance]:
    """What makes and removes the databases of tests, by one connection: each takes some 10 ms to open."""
    async with stack.postgres.maintenance() as through:
        yield through


@pytest_asyncio.fixture
async def kept_connections() -> AsyncIterator[KeptConnections]:
    """Those of a test's own questions to its database."""
    kept = KeptConnections()
    yield kept
    kept.close()


@pytest_asyncio.fixture(loop_scope="session")
async def database(
    stack: LocalStack, maintenance: Maintenance, stocked_template: str, kept_connections: KeptConnections
) -> AsyncIterator[Database]:
    """A database of this test alone, migrated, and with the specs that are shipped."""
    async with _copied(maintenance, stocked_template) as name:
        yield Database(stack.postgres, name, kept_connections)


@pytest_asyncio.fixture(loop_scope="session")
async def bare_database(
    stack: LocalStack, maintenance: Maintenance, database_template: str, kept_connections: KeptConnections
) -> AsyncIterator[Database]:
    """A database of this test alone, which is migrated and empty: no gateway was there yet."""
    async with _copied(maintenance, database_template) as name:
        yield Database(stack.postgres, name, kept_connections)


@contextlib.asynccontextmanager
async def _copied(maintenance: Maintenance, template: str) -> AsyncIterator[str]:
    name = f"test_{secrets.token_hex(6)}"
    await maintenance.create(name, template)
    yield name
    await maintenance.drop(name)


@pytest_asyncio.fixture
async def own_postgres(stack: LocalStack) -> AsyncIterator[PostgresServer]:
    """A private PostgreSQL with an empty database `wattline`, which the test may stop, kill and start again."""
    server = PostgresServer(
        stack.toolchain,
        stack.folder / f"postgres-{secrets.token_hex(4)}",
        cache=LocalSettings().cache,
        durable=False,
        settings={"shared_buffers": "64MB"},
    )
    try:
        await server.start()
        await server.create_database("wattline")
        yield server
    finally:
        await server.kill()


@pytest_asyncio.fixture
async def own_database(own_postgres: PostgresServer) -> Database:
    """A migrated database on the private PostgreSQL of this test."""
    from store.migrate import migrate

    await migrate(own_postgres.dsn("wattline"))
    return Database(own_postgres, "wattline")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def community_snapshot(stack: LocalStack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database of TimescaleDB Community as a file, to start others from: one worker makes it for all."""
    from store.migrate import migrate

    base = tmp_path_factory.getbasetemp()
    path = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "community.tar"
    with file_lock(path.with_suffix(".lock")):
        if not path.exists():
            packages = await asyncio.to_thread(provide_community, LocalSettings(), print)
            server = CommunityServer(packages, stack.folder / "community-template")
            await server.start()
            await migrate(server.dsn())
            made = shutil.copy(await server.snapshot(), path.with_suffix(".part"))
            await server.stop()
            os.replace(made, path)  # noqa: PTH105 - a pathlib call here is taken for one that blocks
    return path


@pytest_asyncio.fixture
async def community(stack: LocalStack, community_snapshot: Path) -> AsyncIterator[Database]:
    """A migrated database of this test alone on TimescaleDB Community: one connection at a time, and no COPY."""
    packages = await asyncio.to_thread(provide_community, LocalSettings(), print)
    server = CommunityServer(packages, stack.folder / f"community-{secrets.token_hex(4)}", community_snapshot)
    await server.start()
    yield Database(server, "postgres")
    await server.stop()


@pytest.fixture(params=["apache", pytest.param("community", marks=pytest.mark.editions)])
def each_edition(request: pytest.FixtureRequest) -> Database:
    """A migrated database of this test alone; the test runs once on the machine's edition and once on Community."""
    chosen: Database = request.getfixturevalue("database" if request.param == "apache" else "community")
    return chosen
