"""`make schema`: store/schema.sql, the tables that all migrations together make, for people to read and to compare."""

import asyncio
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

from deploy.local.postgres import PostgresServer
from deploy.local.runs import run_folder
from deploy.local.settings import LocalSettings
from deploy.local.toolchain import Toolchain, provide
from store.migrate import migrate

SCHEMA: Final = Path(__file__).resolve().parents[2] / "store" / "schema.sql"
HEAD: Final = """\
-- What all migrations together make, as pg_dump says it: `make schema` writes it, a test compares it. Nothing reads it.
-- On the Apache edition; functions and views stand in functions/ and editions/.
"""
_ELSEWHERE: Final = frozenset({"FUNCTION", "VIEW", "EXTENSION", "SCHEMA"})
_BLOCK: Final = re.compile(r"^-- Name: (?P<name>.+?); Type: (?P<type>[A-Z ]+); Schema: .*$\n--\n\n", re.MULTILINE)
_END: Final = "\n--\n-- PostgreSQL database dump complete"
_DUMP_S: Final = 60.0


def readable(dump: str) -> str:
    """A dump without what stands elsewhere, and without pg_dump's headings."""
    body = dump.partition(_END)[0]
    marks = list(_BLOCK.finditer(body))
    ends = [mark.start() for mark in marks[1:]] + [len(body)]
    blocks = [
        body[mark.end() : end].rstrip("-\n")
        for mark, end in zip(marks, ends, strict=True)
        if not _stands_elsewhere(mark["type"], mark["name"])
    ]
    return HEAD + "\n" + "\n\n".join(blocks) + "\n"


def _stands_elsewhere(kind: str, name: str) -> bool:
    described = name.split(maxsplit=1)[0] if kind in {"ACL", "COMMENT"} else kind
    return described in _ELSEWHERE


async def dumped(server: PostgresServer, toolchain: Toolchain, database: str) -> str:
    """What a database's public schema is made of."""
    program = toolchain.postgres_bin / "pg_dump"
    command = [str(program), "--schema-only", "--schema=public", "--no-owner", server.dsn(database)]

    def dump() -> str:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=_DUMP_S).stdout

    return readable(await asyncio.to_thread(dump))


async def _main() -> None:
    settings = LocalSettings()
    toolchain = await asyncio.to_thread(provide, settings, _say)
    with run_folder(settings.runs, None, keep=False) as folder:
        server = PostgresServer(toolchain, folder / "postgres", cache=settings.cache, durable=False)
        await server.start()
        try:
            await server.create_database("wattline")
            await migrate(server.dsn("wattline"))
            SCHEMA.write_text(await dumped(server, toolchain, "wattline"))
        finally:
            await server.stop()
    _say(f"{SCHEMA} is written")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    asyncio.run(_main())
