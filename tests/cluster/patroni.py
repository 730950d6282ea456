"""PostgreSQL that survives its primary: two nodes under Patroni, one etcd, all on the loopback."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import aiohttp
import asyncpg

from broker.errors import PermanentError
from deploy.local.locks import file_lock
from deploy.local.process import HOST, ServerProcess, free_port, own
from deploy.local.settings import LocalSettings, open_to_all, server_account
from deploy.local.toolchain import Toolchain
from store.errors import DATABASE_ERRORS

VERSION: Final = "4.1.5"
SCOPE: Final = "wattline"
_START_S: Final = 60.0
_INSTALL_S: Final = 600.0
Say = Callable[[str], None]


def provide(settings: LocalSettings, say: Say) -> Path:
    """A Python with Patroni in the cache, installed first where there is none. Raises PermanentError."""
    folder = settings.cache / f"patroni-{VERSION}"
    program = folder / "bin" / "patroni"
    with file_lock(settings.cache / f"{folder.name}.lock", lambda: say("waiting for another run that fetches Patroni")):
        if program.exists():
            return program
        say(f"fetching Patroni {VERSION}")
        shutil.rmtree(folder, ignore_errors=True)
        python = _python()
        for command in (
            [python, "-m", "venv", folder],
            [folder / "bin/pip", "install", "--quiet", f"patroni[etcd3]=={VERSION}", "psycopg[binary]>=3.1"],
        ):
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_INSTALL_S)
            if done.returncode:
                raise PermanentError(f"Patroni can't be fetched: {done.stderr.strip()[-300:]}")
        return program


def _python() -> Path:
    """A Python that the servers' account can run: ours, or the system's where ours lies in a closed home."""
    ours = Path(sys.executable).resolve()
    return ours if server_account() is None or open_to_all(ours) else Path("/usr/bin/python3")


def etcd_program() -> Path:
    """etcd, as Debian's package etcd-server has it. Raises PermanentError."""
    found = shutil.which("etcd") or "/usr/bin/etcd"
    if not Path(found).exists():
        raise PermanentError("Patroni keeps who leads in etcd, which is not here: install etcd-server")
    return Path(found)


class Etcd:
    """One etcd with a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._folder = folder
        client, peer = f"http://{HOST}:{self.port}", f"http://{HOST}:{free_port()}"
        words = ["--name=one", f"--data-dir={folder}/data"]
        words += [f"--listen-client-urls={client}", f"--advertise-client-urls={client}"]
        words += [
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=one={peer}",
        ]
        self._process = ServerProcess([etcd_program(), *words], folder, orphan_signal="KILL")

    async def start(self) -> None:
        """Start it."""
        self._folder.mkdir(parents=True, exist_ok=True)
        own(self._folder)
        await self._process.start(self._healthy, timeout_s=_START_S)

    async def _healthy(self) -> bool:
        return (await answer(f"http://{HOST}:{self.port}/health"))[0] == 200

    async def kill(self) -> None:
        """End it."""
        await self._process.kill()


class Node:
    """A Patroni with its PostgreSQL."""

    def __init__(self, name: str, folder: Path, program: Path) -> None:
        self.name = name
        self.folder = folder
        self.host, self.port, self.rest_port = HOST, free_port(), free_port()
        self._process = ServerProcess([program, folder / "patroni.json"], folder, orphan_signal="TERM")

    @property
    def data(self) -> Path:
        """PostgreSQL's data folder."""
        return self.folder / "data"

    @property
    def log_path(self) -> Path:
        """Patroni's log, with PostgreSQL's in it."""
        return self._process.log_path

    async def start(self) -> None:
        """Start it; it waits until Patroni answers, not until PostgreSQL does."""
        await self._process.start(self._answers, timeout_s=_START_S)

    async def _answers(self) -> bool:
        return (await self.standing())["status"] != 0

    async def standing(self) -> dict[str, Any]:
        """What Patroni says of its PostgreSQL: role, state, and more."""
        status, text = await answer(f"http://{self.host}:{self.rest_port}/patroni")
        found: dict[str, Any] = json.loads(text) if text.startswith("{") else {}
        return {"role": "", "state": "", **found, "status": status}

    async def kill(self) -> None:
        """End Patroni and the postmaster with all its children at once, as a host's death does."""
        pids = _postgres_in(self.data)
        if self._process.pid:
            os.kill(self._process.pid, signal.SIGKILL)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        await self._process.kill()


class Cluster:
    """Both nodes, synchronously replicated: what was committed is on both, or no other node may lead."""

    def __init__(
        self, toolchain: Toolchain, program: Path, folder: Path, databases: tuple[str, ...] = ("a", "b")
    ) -> None:
        self._toolchain = toolchain
        self._etcd = Etcd(folder / "etcd")
        self.nodes = [Node(f"db-{name}", folder / f"db-{name}", program) for name in databases]
        self._template: Path | None = None

    def dsn(self, database: str = "wattline", user: str = "postgres", attrs: str = "") -> str:
        """The address of all nodes."""
        hosts = ",".join(f"{node.host}:{node.port}" for node in self.nodes)
        return f"postgresql://{user}@{hosts}/{database}" + (f"?target_session_attrs={attrs}" if attrs else "")

    async def start(self) -> None:
        """Start etcd and both nodes; returns when the second is a synchronous standby of the first."""
        await self._etcd.start()
        for node in self.nodes:
            self._configure(node)
        for node in self.nodes:
            await node.start()
            await self.until(self.leader, "a primary")
        await self.until(self.synchronous, "a synchronous standby")

    async def until(self, condition: Callable[[], Any], what: str, within_s: float = _START_S) -> Any:
        """Wait for it. Raises PermanentError that says what was waited for, with the nodes' last words."""
        try:
            async with asyncio.timeout(within_s):
                while not (found := await condition()):
                    await asyncio.sleep(0.2)
        except TimeoutError:
            tails = {n.name: n.log_path.read_text(errors="replace")[-1500:] for n in self.nodes if n.log_path.exists()}
            raise PermanentError(f"no {what} within {within_s:.0f} s: {tails}") from None
        return found

    async def leader(self) -> Node | None:
        """The node whose PostgreSQL takes writes."""
        for node in self.nodes:
            standing = await node.standing()
            if standing["role"] in ("primary", "master") and standing["state"] == "running":
                return node
        return None

    async def synchronous(self) -> bool:
        """Whether the primary has a synchronous standby, by its own word."""
        rows = await self.query("SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'", database="postgres")
        return bool(rows)

    async def query(self, sql: str, *arguments: Any, database: str = "wattline") -> list[Any]:
        """Ask the primary; an empty list while there is none."""
        for node in self.nodes:
            dsn = f"postgresql://postgres@{node.host}:{node.port}/{database}"
            try:
                connection = await asyncpg.connect(
                    dsn, timeout=3, command_timeout=20, target_session_attrs="read-write"
                )
            except DATABASE_ERRORS:
                continue
            try:
                return list(await connection.fetch(sql, *arguments))
            finally:
                await connection.close(timeout=5)
        raise ConnectionError("no primary")

    async def kill(self) -> None:
        """End all of it."""
        for node in self.nodes:
            await node.kill()
        await self._etcd.kill()

    def _configure(self, node: Node) -> None:
        node.folder.mkdir(parents=True)
        path = node.folder / "patroni.json"
        parameters = {
            "shared_preload_libraries": "timescaledb", "timescaledb.telemetry_level": "off", "max_connections": 80,
            "shared_buffers": "64MB", "max_wal_size": "512MB", "max_worker_processes": 24, "jit": "off",
            "timescaledb.max_background_workers": 8, "max_locks_per_transaction": 256, "wal_log_hints": "on",
            "wal_keep_size": "256MB", "wal_sender_timeout": "10s", "tcp_user_timeout": "10s",
            "dynamic_shared_memory_type": "posix", "unix_socket_directories": "",
        }  # fmt: skip
        dcs = {
            "ttl": 20, "loop_wait": 5, "retry_timeout": 5, "maximum_lag_on_failover": 1048576,
            "synchronous_mode": True,
            "postgresql": {"use_pg_rewind": True, "use_slots": True, "parameters": parameters},
        }  # fmt: skip
        user = {"username": "postgres"}
        settings = {
            "scope": SCOPE,
            "name": node.name,
            "restapi": {"listen": f"{HOST}:{node.rest_port}", "connect_address": f"{HOST}:{node.rest_port}"},
            "etcd3": {"host": f"{HOST}:{self._etcd.port}"},
            "bootstrap": {
                "dcs": dcs,
                "initdb": [{"encoding": "UTF8"}, {"locale-provider": "builtin"}, {"builtin-locale": "C.UTF-8"},
                           {"locale": "C"}, "data-checksums"],
            },
            "postgresql": {
                "listen": f"{HOST}:{node.port}",
                "connect_address": f"{HOST}:{node.port}",
                "data_dir": str(node.data),
                "bin_dir": str(self._toolchain.postgres_bin),
                "pgpass": str(node.folder / "pgpass"),
                "pg_hba": [f"host all all {HOST}/32 trust", f"host replication all {HOST}/32 trust"],
                "authentication": {"superuser": user, "replication": user, "rewind": user},
            },
        }  # fmt: skip
        path.write_text(json.dumps(settings, indent=1))
        own(node.folder)
        own(path)


async def answer(url: str) -> tuple[int, str]:
    """Status and text of what a server says, 0 where it says nothing."""
    timeout = aiohttp.ClientTimeout(total=2)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as http, http.get(url) as found:
            return found.status, await found.text()
    except (aiohttp.ClientError, TimeoutError, OSError):
        return 0, ""


def _postgres_in(folder: Path) -> list[int]:
    """The processes that work in a data folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if (entry / "cwd").readlink() == folder:
                    found.append(int(entry.name))
    return found
