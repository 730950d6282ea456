"""A migrated database as a data folder to copy, so that a stack stands within seconds."""

import contextlib
import subprocess
from collections.abc import Mapping
from pathlib import Path

from deploy.local.postgres import PostgresServer
from deploy.local.settings import LocalSettings
from deploy.local.toolchain import Toolchain
from store.migrate import migrate

SETTINGS = {"shared_buffers": "64MB", "max_wal_size": "256MB", "max_connections": "80"}


async def make_template(toolchain: Toolchain, folder: Path, settings: LocalSettings) -> Path:
    """Make the folder: migrated, stopped, open to the addresses of our links."""
    server = PostgresServer(toolchain, folder, cache=settings.cache, durable=False, settings=SETTINGS)
    await server.start()
    try:
        await server.create_database("wattline")
        await migrate(server.dsn("wattline"))
    finally:
        await server.stop()
    with (folder / "pg_hba.conf").open("a") as rules:
        rules.write("host all all 127.0.0.0/8 trust\n")
    return folder


def copied(
    toolchain: Toolchain, template: Path, folder: Path, settings: LocalSettings, changes: Mapping[str, str]
) -> PostgresServer:
    """A server on a copy of the template, not yet started; `changes` are settings of postgresql.conf."""
    command = ["cp", "-a", "--reflink=auto", f"{template}/.", str(folder)]
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    subprocess.run(command, check=True, timeout=120)
    with (folder / "postgresql.conf").open("a") as file:
        file.writelines(f"{name} = '{value}'\n" for name, value in changes.items())
    return PostgresServer(toolchain, folder, cache=settings.cache, durable=False, settings=SETTINGS)
