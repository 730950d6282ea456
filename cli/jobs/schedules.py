"""`wattline job schedule ...`: jobs that are asked for by the clock."""

import json
from typing import Any

import click

from cli.client.jobs import JobClient
from cli.requests import as_json_option, ask, author_option, document_of, reason_option
from cli.tables import console, shown, table
from gateway.wording import when

name_argument = click.argument("name")


@click.group()
def schedule() -> None:
    """Have jobs asked for by the clock, as an export of each month."""


@schedule.command("list")
@as_json_option
@click.pass_obj
def list_(client: JobClient, as_json: bool) -> None:
    """Show all schedules, and when each is due next."""
    _told(ask(client, lambda api: api.schedules()), as_json=as_json)


@schedule.command("set")
@name_argument
@click.argument("kind")
@click.argument("arguments", nargs=-1, metavar="[NAME=VALUE]...", callback=lambda _, __, given: document_of(given))
@click.option("--cron", required=True, help="Minute hour day-of-month month day-of-week: `15 3 * * *`.")
@click.option("--zone", default="UTC", show_default=True, help="By whose clock, as Europe/Warsaw.")
@click.option("--off", is_flag=True, help="It is kept, but never due.")
@author_option
@reason_option
@as_json_option
@click.pass_obj
def set_(
    client: JobClient, name: str, kind: str, arguments: dict[str, Any], cron: str, zone: str, off: bool, author: str,
    reason: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Make or change schedule NAME of jobs of KIND.

    A VALUE as $day, $month-1 or $hour-2 is a time before it is due: the midnight before, the month before's first.
    """
    body = {"kind": kind, "arguments": arguments, "cron": cron, "zone": zone, "enabled": not off}
    found = ask(client, lambda api: api.put_schedule(name, body, author=author, reason=reason))
    _told([found], as_json=as_json)


@schedule.command("remove")
@name_argument
@author_option
@reason_option
@as_json_option
@click.pass_obj
def remove(client: JobClient, name: str, author: str, reason: str | None, as_json: bool) -> None:
    """Remove schedule NAME; its jobs stay."""
    found = ask(client, lambda api: api.drop_schedule(name, author=author, reason=reason))
    _told([found], as_json=as_json)


def _told(found: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(found))
        return
    made = table("schedule", "kind", "cron", "zone", "next", "last", "job", "error", right=("job",))
    for one in found:
        last = when(one["last_at"]) if one["last_at"] else ""
        following = when(one["next_at"]) if one["enabled"] else "off"
        cells = (one["schedule"], one["kind"], one["cron"], one["zone"], following, last, one["last_job"] or "")
        made.add_row(*(shown(value) for value in (*cells, one["error"] or "")))
    console().print(made if found else "no schedules")
