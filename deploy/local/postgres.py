"""A PostgreSQL with TimescaleDB of one's own: its data folder, settings, start, end, and databases."""

import asyncio
import contextlib
import hashlib
import re
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from urllib.parse import quote

import asyncpg

from broker.errors import PermanentError
from deploy.local.answers import postgres_answers
from deploy.local.locks import file_lock
from deploy.local.process import HOST, ServerError, ServerProcess, free_port, own, run_as_server
from deploy.local.settings import server_account
from deploy.local.toolchain import Toolchain
from store.sql import Connection

_INITDB = (
    "--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8",
    "--locale=C", "--data-checksums", "--no-sync",
)  # fmt: skip
_SETTINGS = {
    "listen_addresses": HOST,
    # A socket's path may have 107 bytes at most, a data folder's more. The loopback does.
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "512MB",
    "max_wal_size": "4GB",
    "max_locks_per_transaction": "256",
    "max_worker_processes": "48",
    "dynamic_shared_memory_type": "posix" if Path("/dev/shm").is_dir() else "mmap",  # noqa: S108  (shared memory)
    "shared_preload_libraries": "timescaledb",
    "timescaledb.telemetry_level": "off",
    "timescaledb.max_background_workers": "32",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%u@%d ",
}
# synchronous_commit stays on: without it a kill -9 would lose what was committed last.
_NOT_DURABLE = {
    "fsync": "off",
    "full_page_writes": "off",
    "max_wal_size": "512MB",
    # in the data folder: of a server that is killed for good, segments in /dev/shm would stay until the next boot
    "dynamic_shared_memory_type": "mmap",
}
_START_S = 60.0
_STOP_S = 60.0
_ATTEMPTS = 8
_TAKEN = "Address already in use"
_DATABASE = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_CONNECT_S = 15.0
_IN_USE_S = 20.0


class PostgresServer:
    """One PostgreSQL on a free port of the loopback; whoever connects from this machine is trusted.

    `durable=False` trades safety in a power cut for speed; a kill -9 loses nothing committed either way, because
    the kernel keeps what was written. The port stays the same over restarts and kills.
    """

    def __init__(
        self,
        toolchain: Toolchain,
        folder: Path,
        *,
        cache: Path,
        durable: bool = True,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.host = HOST
        self.port = 0
        self.folder = folder
        self._toolchain = toolchain
        self._cache = cache
        self._settings = _SETTINGS | ({} if durable else _NOT_DURABLE) | dict(settings or {})
        self._process = self._server(0)

    @property
    def running(self) -> bool:
        """Whether it runs."""
        return self._process.running

    @property
    def pid(self) -> int | None:
        """The postmaster's process id while it runs."""
        return self._process.pid

    @property
    def log_path(self) -> Path:
        """Its log file."""
        return self._process.log_path

    def dsn(self, database: str = "wattline", user: str = "postgres") -> str:
        """The address of a database for this user."""
        return f"postgresql://{quote(user)}@{self.host}:{self.port}/{quote(database)}"

    async def start(self) -> None:
        """Start it, with a fresh data folder the first time; after a kill it recovers. Raises ServerError."""
        if self.running:
            return
        if not self.folder.exists():
            await asyncio.to_thread(self._make_folder)
        for attempt in range(_ATTEMPTS):
            port = self.port or free_port()
            self._process = self._server(port)
            try:
                await self._process.start(partial(self._answers, port), timeout_s=_START_S)
            except ServerError as error:
                if _TAKEN not in error.log or self.port or attempt == _ATTEMPTS - 1:
                    raise
                continue
            self.port = port
            return

    async def stop(self) -> None:
        """End it cleanly; open transactions are rolled back."""
        await self._process.stop(signal.SIGINT, timeout_s=_STOP_S)

    async def restart(self) -> None:
        """Stop it cleanly and start it again."""
        await self.stop()
        await self.start()

    async def kill(self) -> None:
        """End it as kill -9 does, the postmaster and all its children at once; `start` recovers."""
        await self._process.kill()

    async def create_database(self, name: str, template: str | None = None) -> None:
        """Make a database, empty or as a copy of a sealed one (see seal_database)."""
        async with self.maintenance() as through:
            await through.create(name, template)

    async def drop_database(self, name: str) -> None:
        """Remove a database with whatever is connected to it; one that is not there is no error."""
        async with self.maintenance() as through:
            await through.drop(name)

    @contextlib.asynccontextmanager
    async def maintenance(self) -> AsyncIterator["Maintenance"]:
        """For whoever makes and removes many databases: over one connection, and another one if that is lost."""
        made = Maintenance(self._connect)
        try:
            yield made
        finally:
            await made.close()

    async def seal_database(self, name: str) -> None:
        """Let nobody in any more and put everybody out, TimescaleDB's workers too, so that it can be copied."""
        connection = await self._connect()
        try:
            await connection.execute(f"ALTER DATABASE {_quoted(name)} WITH ALLOW_CONNECTIONS false")
            await connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name)
        finally:
            await connection.close(timeout=_CONNECT_S)

    async def _connect(self) -> Connection:
        return await asyncpg.connect(self.dsn("postgres"), ssl=False, timeout=_CONNECT_S, command_timeout=60)

    def _server(self, port: int) -> ServerProcess:
        command: list[str | Path] = [self._toolchain.postgres, "-D", self.folder, "-p", str(port)]
        # Nobody waits for an orphan: it ends at once, and recovers where its folder was to be kept.
        return ServerProcess(command, self.folder, orphan_signal="QUIT")

    async def _answers(self, port: int) -> bool:
        try:
            lines = (self.folder / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        # Until the postmaster says so (as pg_ctl has it) each question would be a line of FATAL in its log.
        if len(lines) < 8 or lines[0] != str(self._process.pid) or lines[7].strip() != "ready":
            return False
        return await postgres_answers(f"postgresql://postgres@{self.host}:{port}/postgres", self.folder)

    def _make_folder(self) -> None:
        template = _template(self._toolchain, self._cache)
        subprocess.run(["cp", "-a", "--reflink=auto", template, self.folder], check=True, timeout=120)
        lines = (f"{name} = '{_escaped(value)}'" for name, value in self._settings.items())
        path = self.folder / "postgresql.conf"
        path.write_text("\n".join(lines) + "\n")
        own(path)


class Maintenance:
    """Makes and removes databases over one connection, opened when it is first needed and after it was lost."""

    def __init__(self, connect: Callable[[], Awaitable[Connection]]) -> None:
        self._connect = connect
        self._connection: Connection | None = None

    async def create(self, name: str, template: str | None = None) -> None:
        """As PostgresServer.create_database."""
        # of some 750 small files: what PostgreSQL does else, page by page through its log, takes three times as long
        copied = f" TEMPLATE {_quoted(template)} STRATEGY file_copy" if template else ""
        await self._execute_unused(f"CREATE DATABASE {_quoted(name)}{copied}")

    async def drop(self, name: str) -> None:
        """As PostgresServer.drop_database."""
        await self._execute_unused(f"DROP DATABASE IF EXISTS {_quoted(name)} WITH (FORCE)")

    async def close(self) -> None:
        """Give the connection back."""
        if self._connection is not None:
            await self._connection.close(timeout=_CONNECT_S)

    async def _execute_unused(self, statement: str) -> None:
        """Run a statement that needs a database nobody uses: workers take a moment to leave."""
        if self._connection is None or self._connection.is_closed():
            self._connection = await self._connect()
        async with asyncio.timeout(_IN_USE_S):
            while True:
                try:
                    await self._connection.execute(statement)
                except asyncpg.ObjectInUseError:
                    await asyncio.sleep(0.05)
                else:
                    return


def _template(toolchain: Toolchain, cache: Path) -> Path:
    """A data folder fresh from initdb, kept in the cache, because copying it is ten times faster than making it."""
    version = subprocess.run([toolchain.postgres, "-V"], capture_output=True, check=True, timeout=20).stdout
    account = server_account()
    recipe = repr((version, _INITDB, account and account.pw_uid))
    template = cache / f"cluster-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"
    if template.exists():
        return template
    cache.mkdir(parents=True, exist_ok=True, mode=0o755)
    with file_lock(cache / f"{template.name}.lock"):
        if not template.exists():
            growing = template.with_name(f"{template.name}.growing")
            if growing.exists():
                shutil.rmtree(growing)
            growing.mkdir(mode=0o700)
            own(growing)
            run_as_server([toolchain.initdb, "-D", growing, *_INITDB], timeout_s=120)
            growing.rename(template)
    return template


def _escaped(value: str) -> str:
    return value.replace("'", "''")


def _quoted(name: str) -> str:
    if not _DATABASE.fullmatch(name):
        raise PermanentError(f"{name!r} is no database name: use small letters, digits and _")
    return f'"{name}"'
