"""The local stack: one Mosquitto and one PostgreSQL in a run's own folder, gone when the run ends."""

import asyncio
import re
import subprocess
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from broker.contract.topics import Topics
from deploy.local.certificates import broker_certificate
from deploy.local.mosquitto import MosquittoServer
from deploy.local.postgres import PostgresServer
from deploy.local.runs import run_folder
from deploy.local.settings import LocalSettings
from deploy.local.toolchain import Toolchain, provide

_VERSIONS = Path(__file__).with_name("versions.sql")


def _silent(_: str) -> None:
    """Say nothing."""


@dataclass(frozen=True, slots=True)
class LocalStack:
    """Running servers and where their data is. Enter `LocalStack.start()` to have one; leaving it ends them."""

    folder: Path
    toolchain: Toolchain
    mosquitto: MosquittoServer
    postgres: PostgresServer

    @classmethod
    @asynccontextmanager
    async def start(
        cls,
        folder: Path | None = None,
        *,
        keep: bool = False,
        durable: bool = True,
        topics: Topics | None = None,
        users: Mapping[str, str] | None = None,
        database: str | None = "wattline",
        progress: Callable[[str], None] = _silent,
        settings: LocalSettings | None = None,
        tls: bool = False,
    ) -> AsyncIterator["LocalStack"]:
        """Provide the programs, start both servers, and make an empty `database` unless it is None.

        With `tls` devices come in by certificates on the broker's `device_port`, and the folder has their authority.
        `keep` leaves the data where it is at the end, and a `folder` with data is taken up again. Call it in the
        main thread: the servers die with the thread that started them. Raises ToolchainError or ServerError.
        """
        chosen = settings or LocalSettings()
        toolchain = await asyncio.to_thread(provide, chosen, progress)
        async with AsyncExitStack() as exits:
            place = exits.enter_context(run_folder(chosen.runs, folder, keep=keep))
            files = broker_certificate(place) if tls else None
            mosquitto = MosquittoServer(toolchain, place / "mosquitto", topics=topics, users=users, tls=files)
            postgres = PostgresServer(toolchain, place / "postgres", cache=chosen.cache, durable=durable)
            fresh = not postgres.folder.exists()
            for server in (postgres, mosquitto):
                exits.push_async_callback(server.stop)
                await server.start()
            if fresh and database is not None:
                await postgres.create_database(database)
            yield cls(place, toolchain, mosquitto, postgres)

    async def versions(self) -> dict[str, str]:
        """`mosquitto`, `postgresql`, `timescaledb` and `timescaledb_edition` (`apache` or `community`)."""
        connection = await asyncpg.connect(self.postgres.dsn("postgres"), timeout=15)
        try:
            row = await connection.fetchrow(_VERSIONS.read_text())
        finally:
            await connection.close(timeout=15)
        mosquitto = await asyncio.to_thread(_mosquitto_version, self.toolchain.mosquitto)
        return {"mosquitto": mosquitto, **{name: str(value) for name, value in (row or {}).items()}}


def _mosquitto_version(program: Path) -> str:
    answer = subprocess.run([program, "-h"], capture_output=True, text=True, check=False, timeout=20).stdout
    match = re.search(r"mosquitto version (\S+)", answer)
    return match[1] if match else "unknown"
