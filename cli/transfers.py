"""Files that a gateway sends, whole or not at all, and files that are sent to it."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Any, BinaryIO

import aiohttp
import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn
from yarl import URL

from broker.wording import counted
from cli.client.http import RequestRefusedError, ServiceUnreachableError, document_of, refusal

STDOUT = Path("-")
SILENT_S = 120.0
"""A gateway that sends nothing for so long is given up."""
CHUNK_BYTES = 1 << 18


def transferred(transfer: Awaitable[Any], file: Path) -> Any:
    """Do it; refusals, an absent gateway and a full disk become sentences."""

    async def doing() -> Any:
        return await transfer

    try:
        return asyncio.run(doing())
    except RequestRefusedError as error:
        raise click.ClickException("\n".join(error.lines) or error.detail) from error
    except ServiceUnreachableError as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"{file}: {error.strerror or error}") from error


def free(file: Path, *, force: bool) -> None:
    """Refuse to write over what is there, unless that is asked for. Raises ClickException."""
    if not force and file != STDOUT and (file.exists() or file.is_symlink()):
        raise click.ClickException(f"{file} exists and is left as it is: give --force to overwrite it, or another name")


async def fetch(url: URL, token: str | None, file: Path, *, form: str, force: bool) -> None:
    """Write the answer beside FILE and move it there once it is whole; `form` is csv, parquet, or another."""
    counts_rows = form == "csv"
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=15, sock_read=SILENT_S)
    try:
        async with aiohttp.ClientSession(headers=headers, timeout=timeout) as http, http.get(url) as answer:
            if answer.status != 200:
                raise refusal(answer.status, await document_of(answer), url, token_sent=bool(token))
            if file == STDOUT:
                await _copy(answer, sys.stdout.buffer, counts_rows=counts_rows)
                return
            # of this run alone: two exports of one name never mix
            growing = file.with_name(f"{file.name}.{os.getpid()}.part")
            try:
                with growing.open("wb") as out:
                    rows = await _copy(answer, out, counts_rows=counts_rows)
                    out.flush()
                    os.fsync(out.fileno())
                free(file, force=force)
                whole = counted(rows, "row", thousands=True)
                whole = whole if counts_rows else await asyncio.to_thread(_size, growing, form)
                growing.replace(file)
                click.echo(f"{file}: {whole}", err=True)
            finally:
                growing.unlink(missing_ok=True)
    except (aiohttp.ClientError, TimeoutError) as error:
        reason = str(error) or "no answer in time"
        left = "what was written is not whole" if file == STDOUT else "nothing was kept"
        raise ServiceUnreachableError(f"the file from {url.origin()} broke off: {reason}; {left}") from error


def _size(file: Path, form: str) -> str:
    """The rows of Parquet, or its bytes on a laptop without pyarrow, which the file's own count of rows wants."""
    if form != "parquet":
        return counted(file.stat().st_size, "byte", thousands=True)
    try:
        from pyarrow.parquet import read_metadata  # noqa: PLC0415 - a laptop has no pyarrow
    except ModuleNotFoundError:
        return counted(file.stat().st_size, "byte", thousands=True)
    return counted(int(read_metadata(file).num_rows), "row", thousands=True)


async def _copy(answer: aiohttp.ClientResponse, out: BinaryIO, *, counts_rows: bool) -> int:
    """Copy the body; CSV shows rows against what the gateway expects, Parquet only its bytes. Returns the rows seen."""
    rows = int(answer.headers.get("Wattline-Rows", "0"))
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=None)
        done = lines = size = 0
        async for part in answer.content.iter_chunked(1 << 16):
            out.write(part)
            size += len(part)
            lines += part.count(b"\n")
            done = max(lines - 1, 0) if counts_rows else 0  # the first line names the columns
            # the bar counts bytes: those of all rows, as far as these tell
            total = size * max(rows, done) / done if counts_rows and done else None
            progress.update(
                task,
                completed=size,
                total=total,
                description=counted(done, "row", thousands=True) if counts_rows else "",
            )
        progress.update(task, completed=size, total=size)
    return done


async def send(url: URL, token: str | None, file: Path) -> dict[str, Any]:
    """Send a file as it is, with a bar; returns the answer."""
    headers = {"Content-Type": "application/octet-stream"} | ({"Authorization": f"Bearer {token}"} if token else {})
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=15, sock_read=SILENT_S)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeElapsedColumn())
    size = await asyncio.to_thread(os.path.getsize, file)
    try:
        with file.open("rb") as source, Progress(*columns, console=Console(stderr=True)) as progress:
            task = progress.add_task(file.name, total=size)

            async def chunks() -> AsyncIterator[bytes]:
                while chunk := await asyncio.to_thread(source.read, CHUNK_BYTES):
                    yield chunk
                    progress.advance(task, len(chunk))

            async with (
                aiohttp.ClientSession(headers=headers, timeout=timeout) as http,
                http.post(url, data=chunks()) as answer,
            ):
                document = await document_of(answer)
                if answer.status != 200 or document is None:
                    raise refusal(answer.status, document, url, token_sent=bool(token))
                return document
    except (aiohttp.ClientError, TimeoutError) as error:
        reason = str(error) or "no answer in time"
        raise ServiceUnreachableError(f"sending to {url.origin()} broke off: {reason}; nothing was kept") from error
