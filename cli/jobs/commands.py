"""The commands `wattline job ...`: what is under way beside the requests, and how far it is."""

import asyncio
import contextlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click
from rich.live import Live
from rich.text import Text

from cli.client.jobs import JobClient
from cli.connection import anywhere, api_options
from cli.job_tables import line, print_job, print_jobs, print_kinds
from cli.jobs.schedules import schedule
from cli.requests import as_json_option, ask, author_option, document_of, reason_option
from cli.tables import console, shown
from cli.times import instant
from cli.transfers import fetch as download
from cli.transfers import free, send, transferred

STATES: Final = ("queued", "running", "done", "failed", "cancelled")
ENDED: Final = STATES[2:]
WATCH_S: Final = 0.5
number_argument = click.argument("number", type=click.IntRange(1, 2**53), metavar="JOB")


@click.group()
@api_options()
@click.pass_context
def job(ctx: click.Context, url: str, token: str | None) -> None:
    """Ask for jobs, list, show, watch, cancel and retry them: work that is too long for a request."""
    ctx.obj = JobClient(url, token)


@job.command("list")
@click.option("--state", type=click.Choice(STATES), help="Only those in this state.")
@click.option("--spec", help="Only of this spec: a name, or name@version.")
@click.option("--kind", help="Only of this kind.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="The newest so many.")
@as_json_option
@click.pass_obj
def list_(client: JobClient, state: str | None, spec: str | None, kind: str | None, limit: int, as_json: bool) -> None:
    """Show jobs, the newest first."""
    found = ask(client, lambda api: api.jobs(limit, state=state, spec=spec, kind=kind))
    if as_json:
        click.echo(json.dumps(found))
    else:
        print_jobs(found)


@job.command("show")
@number_argument
@as_json_option
@click.pass_obj
def show(client: JobClient, number: int, as_json: bool) -> None:
    """Show one job."""
    _told(ask(client, lambda api: api.job(number)), as_json=as_json)


@job.command("watch")
@number_argument
@as_json_option
@click.pass_obj
def watch(client: JobClient, number: int, as_json: bool) -> None:
    """Show a job's progress until it has ended; with --json a line for each change. Status 1 unless it is done."""
    found = ask(client, lambda api: _followed(api, number, as_json=as_json))
    if not as_json:
        print_job(found)
    if found["state"] != "done":
        raise SystemExit(1)


@job.command("cancel")
@number_argument
@author_option
@reason_option
@as_json_option
@click.pass_obj
def cancel(client: JobClient, number: int, author: str, reason: str | None, as_json: bool) -> None:
    """End a job; what it has stored stays."""
    _told(ask(client, lambda api: api.cancel(number, author=author, reason=reason)), as_json=as_json)


@job.command("retry")
@number_argument
@author_option
@reason_option
@as_json_option
@click.pass_obj
def retry(client: JobClient, number: int, author: str, reason: str | None, as_json: bool) -> None:
    """Try a job again that failed or was cancelled; it goes on where it stood."""
    _told(ask(client, lambda api: api.retry(number, author=author, reason=reason)), as_json=as_json)


@job.command("run")
@click.argument("kind")
@click.argument("arguments", nargs=-1, metavar="[NAME=VALUE]...", callback=lambda _, __, given: _timed(given))
@click.option("--priority", type=click.IntRange(-100, 100), help="Those of a higher one are taken first.")
@author_option
@reason_option
@as_json_option
@click.pass_obj
def run(
    client: JobClient, kind: str, arguments: dict[str, Any], priority: int | None, author: str, reason: str | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Ask for a job of KIND, as `wattline job run recompute meter=LGZ:1 since=2026-01-01T00:00Z until=...`.

    A VALUE is JSON where it reads as such (true, 5, ["a"]), else text; since and until may be -7d, today
    or 2026-11-23. `wattline job kinds` says what each wants.
    """
    _asked(ask(client, lambda api: api.run(kind, arguments, priority, author=author, reason=reason)), as_json=as_json)


@job.command("fetch")
@number_argument
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--force", is_flag=True, help="Overwrite FILE where it exists.")
@click.pass_obj
def fetch(client: JobClient, number: int, file: Path, force: bool) -> None:
    """Write the file that a job made, such as an export, to FILE (- for standard output)."""
    free(file, force=force)
    url, token = client.file_of(number)
    transferred(download(url, token, file, form=file.suffix.lower().removeprefix("."), force=force), file)


@job.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--source", required=True, help="The source whose mapping says what its records mean.")
@click.option("--version", type=click.IntRange(1), help="Of the mapping; the one in force without it.")
@author_option
@reason_option
@as_json_option
@click.pass_obj
def import_(
    client: JobClient, file: Path, source: str, version: int | None, author: str, reason: str | None, as_json: bool
) -> None:
    """Send FILE, CSV or NDJSON, and have it taken into history by a source's mapping; answers the job."""
    if ask(client, lambda api: api.source(source))["version"] is None:
        # before years of readings are sent for nothing
        raise click.ClickException(
            f"{source} has no mapping: `wattline source draft {file} > {source}.yaml` proposes one, "
            f"`wattline source map {source} {source}.yaml` gives it"
        )
    url, token = client.files(file.name)
    sent = transferred(send(url.update_query({"author": author}), token, file), file)
    asked = {"file": sent["file"], "source": source} | ({} if version is None else {"version": version})
    _asked(ask(client, lambda api: api.run("import", asked, None, author=author, reason=reason)), as_json=as_json)


@job.command("kinds")
@as_json_option
@click.pass_obj
def kinds(client: JobClient, as_json: bool) -> None:
    """Show the kinds of jobs, and what each is asked for."""
    found = ask(client, lambda api: api.kinds())
    if as_json:
        click.echo(json.dumps(found))
    else:
        print_kinds(found)


async def _followed(api: JobClient, number: int, *, as_json: bool) -> dict[str, Any]:
    """The job once it has ended; its progress is shown meanwhile."""
    out, told = console(), None
    # without a terminal there is no line to draw over and over: its end is told then
    with Live(console=out, auto_refresh=False, transient=True) as live:
        while True:
            found = await api.job(number)
            if as_json and found != told:
                click.echo(json.dumps(found))
            elif out.is_terminal:
                live.update(Text.from_markup(shown(f"job {number} {found['state']:9} {line(found)}")), refresh=True)
            told = found
            if found["state"] in ENDED:
                return found
            await asyncio.sleep(WATCH_S)


def _timed(given: tuple[str, ...]) -> dict[str, Any]:
    """The arguments; times as a person types them are the instants that they name now."""
    document = document_of(given)
    for name in ("since", "until"):
        if isinstance(document.get(name), str):
            # what is no time the gateway refuses, with the field
            with contextlib.suppress(ValueError):
                document[name] = instant(document[name], datetime.now(UTC)).isoformat()
    return document


def _asked(found: dict[str, Any], *, as_json: bool) -> None:
    _told(found, as_json=as_json)
    if not as_json:
        file = f", `wattline job fetch {found['job']} FILE` gives its file then" if found["kind"] == "export" else ""
        click.echo(f"`wattline job watch {found['job']}` follows it to its end{file}", err=True)


def _told(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(found))
    else:
        print_job(found)


job.add_command(schedule)
anywhere(job)
