"""The command `wattline export`."""

import asyncio
import os
import sys
from pathlib import Path
from typing import BinaryIO

import aiohttp
import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn
from yarl import URL

from broker.wording import counted
from cli.client.http import RequestRefusedError, ServiceUnreachableError, document_of, refusal
from cli.connection import api_options
from cli.times import Time

STDOUT = Path("-")
SILENT_S = 120.0
"""A gateway that sends nothing for so long is given up."""


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path))
@click.option(
    "--from",
    "since",
    type=Time(),
    metavar="TIME",
    help="First time: RFC 3339, a date, -7d, -24h, today, yesterday (UTC); 24 hours before --to without it.",
)
@click.option("--to", "until", type=Time(), metavar="TIME", help="Time after the last, as --from; now without it.")
@click.option("--force", is_flag=True, help="Overwrite FILE where it exists.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "parquet"]),
    help="By the file's name without it, .csv or .parquet; csv for standard output.",
)
@click.option("--step", type=click.Choice(["raw", "15m", "1h", "1d", "1mo"]), default="raw", show_default=True,
              help="Readings as they are, or by interval.")  # fmt: skip
@click.option("--consumption", is_flag=True, help="What registers consumed in each interval, in place of roll-ups.")
@click.option("--device", "devices", multiple=True, help="Only this device; may be given again.")
@click.option("--meter", "meters", multiple=True, help="Only this meter; may be given again.")
@click.option("--obis", "codes", multiple=True, help="Only this OBIS code; may be given again.")
@api_options()
def export(
    file: Path, since: str | None, until: str | None, force: bool, form: str | None, step: str, consumption: bool,
    devices: tuple[str, ...], meters: tuple[str, ...], codes: tuple[str, ...], url: str, token: str | None,
) -> None:  # fmt: skip
    """Write readings, roll-ups or consumption to FILE (- for standard output)."""
    chosen = form or ("csv" if file == STDOUT else file.suffix.lower().removeprefix("."))
    if chosen not in ("csv", "parquet"):
        raise click.UsageError(f"{file}: a name that ends in .csv or .parquet says the format; else give --format")
    _free(file, force=force)
    lists = {"device": devices, "meter": meters, "obis": codes}
    query = {"format": chosen, "step": step} | {name: ",".join(given) for name, given in lists.items() if given}
    query |= {name: given for name, given in (("from", since), ("to", until)) if given}
    if consumption:
        query["what"] = "consumption"
    address = (URL(url) / "api" / "v1" / "export").with_query(query)
    try:
        asyncio.run(_fetch(address, token, file, counts_rows=chosen == "csv", force=force))
    except RequestRefusedError as error:
        raise click.ClickException("\n".join(error.lines) or error.detail) from error
    except ServiceUnreachableError as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"{file}: {error.strerror or error}") from error


def _free(file: Path, *, force: bool) -> None:
    """Refuse to write over what is there, unless that is asked for. Raises ClickException."""
    if not force and file != STDOUT and (file.exists() or file.is_symlink()):
        raise click.ClickException(f"{file} exists and is left as it is: give --force to overwrite it, or another name")


async def _fetch(url: URL, token: str | None, file: Path, *, counts_rows: bool, force: bool) -> None:
    """Write the answer beside FILE and move it there once it is whole."""
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
                _free(file, force=force)
                whole = counted(rows, "row", thousands=True)
                whole = whole if counts_rows else await asyncio.to_thread(_size_of_parquet, growing)
                growing.replace(file)
                click.echo(f"{file}: {whole}", err=True)
            finally:
                growing.unlink(missing_ok=True)
    except (aiohttp.ClientError, TimeoutError) as error:
        reason = str(error) or "no answer in time"
        left = "what was written is not whole" if file == STDOUT else "nothing was kept"
        raise ServiceUnreachableError(f"the export from {url.origin()} broke off: {reason}; {left}") from error


def _size_of_parquet(file: Path) -> str:
    """Its rows, or its bytes on a laptop without pyarrow, which the file's own count of rows wants."""
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
                description=counted(done, "row", thousands=True) if counts_rows else "Parquet",
            )
        progress.update(task, completed=size, total=size)
    return done
