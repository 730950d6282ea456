"""The commands `wattline quarantine ...`: what could not be taken and why, and the way back once that is mended."""

import json
from collections.abc import Callable
from typing import Any, TypeVar

import click
from rich.table import Table

from cli.client.quarantine import QuarantineClient
from cli.connection import anywhere, api_options
from cli.job_tables import print_job
from cli.requests import as_json_option, ask, author_option, reason_option
from cli.tables import console, shown, table
from cli.times import Time
from gateway.wording import when

F = TypeVar("F", bound=Callable[..., Any])
NAMES = ("id", "received_at", "reason", "detail", "device", "meter", "topic", "bytes", "resolved_at")


def _chosen(command: F) -> F:
    """The options that say which payloads."""
    for option in (
        click.option("--until", type=Time(), help="Only those received before."),
        click.option("--since", type=Time(), help="Only those received from then on: RFC 3339, a date (UTC), or -7d."),
        click.option("--device", help="Only of this device."),
        click.option("--cause", help="Only those refused for this, such as implausible_time or meter_limit."),
    ):
        command = option(command)
    return command


@click.group()
@api_options()
@click.pass_context
def quarantine(ctx: click.Context, url: str, token: str | None) -> None:
    """List, show and retry payloads that could not be taken."""
    ctx.obj = QuarantineClient(url, token)


@quarantine.command("list")
@_chosen
@click.option("--resolved", is_flag=True, help="Those too that a retry has stored.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="The newest so many.")
@as_json_option
@click.pass_obj
def list_(client: QuarantineClient, /, limit: int, resolved: bool, as_json: bool, **chosen: str | None) -> None:
    """Show payloads in quarantine, the newest first."""
    found = ask(client, lambda api: api.newest(limit, resolved="true" if resolved else None, **chosen))
    if as_json:
        click.echo(json.dumps(found))
        return
    made = table("id", "received", "reason", "device", "bytes", "detail", right=("id", "bytes"))
    for one in found:
        received = when(one["received_at"])
        cells = (one["id"], received, one["reason"], one["device"] or "", one["bytes"], one["detail"] or "")
        made.add_row(*(shown(cell) for cell in cells))
    console().print(made if found else "nothing in quarantine")


@quarantine.command("show")
@click.argument("number", type=click.IntRange(1, 2**53), metavar="ID")
@as_json_option
@click.pass_obj
def show(client: QuarantineClient, number: int, as_json: bool) -> None:
    """Show one payload with what it holds."""
    found = ask(client, lambda api: api.one(number))
    if as_json:
        click.echo(json.dumps(found))
        return
    made = Table(box=None, pad_edge=False, show_header=False)
    made.add_column(no_wrap=True)
    made.add_column(overflow="fold")
    for name in NAMES:
        if found[name] is not None:
            made.add_row(name, when(found[name]) if name.endswith("_at") else shown(found[name]))
    made.add_row("payload", shown(found["data"] if found["text"] is None else found["text"]))
    console().print(made, highlight=False)


@quarantine.command("retry")
@_chosen
@click.option("--id", "number", type=click.IntRange(1, 2**53), help="Only this one.")
@author_option
@reason_option
@as_json_option
@click.pass_obj
def retry(client: QuarantineClient, /, number: int | None, as_json: bool, **asked: str | None) -> None:
    """Take payloads again, as a job: `wattline job watch` shows it. What still can't be taken stays in quarantine."""
    found = ask(client, lambda api: api.retry(id=None if number is None else str(number), **asked))
    if as_json:
        click.echo(json.dumps(found))
    else:
        print_job(found)


anywhere(quarantine)
