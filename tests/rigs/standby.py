"""A PostgreSQL of one's own with a streaming standby beside it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from deploy.local.postgres import PostgresServer
from deploy.local.process import run_as_server
from deploy.local.settings import LocalSettings
from deploy.local.toolchain import Toolchain

SETTINGS = {"shared_buffers": "32MB", "max_wal_size": "128MB", "max_connections": "40", "wal_level": "replica"}


@dataclass
class Pair:
    """A primary and its standby."""

    primary: PostgresServer
    standby: PostgresServer

    def dsn(self, *servers: PostgresServer, database: str = "postgres", user: str = "postgres", attrs: str = "") -> str:
        """The address of several servers in this order."""
        hosts = ",".join(f"{server.host}:{server.port}" for server in servers)
        return f"postgresql://{user}@{hosts}/{database}" + (f"?target_session_attrs={attrs}" if attrs else "")

    async def promote(self) -> None:
        """Make the standby a primary, and wait until it is one."""
        connection = await asyncpg.connect(self.standby.dsn("postgres"))
        try:
            assert await connection.fetchval("SELECT pg_promote(true, 30)")
        finally:
            await connection.close()

    async def caught_up(self) -> None:
        """Wait until the standby has replayed what the primary has written by now."""
        primary = await asyncpg.connect(self.primary.dsn("postgres"))
        standby = await asyncpg.connect(self.standby.dsn("postgres"))
        try:
            written = await primary.fetchval("SELECT pg_current_wal_lsn()::text")
            async with asyncio.timeout(30):
                while not await standby.fetchval("SELECT pg_last_wal_replay_lsn() >= $1::text::pg_lsn", written):
                    await asyncio.sleep(0.02)
        finally:
            await primary.close()
            await standby.close()


@contextlib.asynccontextmanager
async def pair(toolchain: Toolchain, folder: Path) -> AsyncIterator[Pair]:
    """Both, streaming; they end with the block."""
    cache = LocalSettings().cache
    primary = PostgresServer(toolchain, folder / "primary", cache=cache, durable=False, settings=SETTINGS)
    standby = PostgresServer(toolchain, folder / "standby", cache=cache, durable=False, settings=SETTINGS)
    await primary.start()
    try:
        source = f"host={primary.host} port={primary.port} user=postgres"
        command = [toolchain.postgres_bin / "pg_basebackup", "-D", standby.folder, "-d", source, "-R", "-X", "stream"]
        await asyncio.to_thread(run_as_server, [*command, "-c", "fast", "--no-sync"], timeout_s=120)
        await standby.start()
        yield Pair(primary, standby)
    finally:
        await standby.kill()
        await primary.kill()
