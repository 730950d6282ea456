"""The commands `wattline config history|diff|rollback`."""

import json
from functools import partial
from typing import Any, Final

import click

from cli.client.parameters import ParameterClient
from cli.config.stages import begin, in_steps, stage_options
from cli.config.texts import text
from cli.config.wait import make_change
from cli.options import (
    ask,
    author_option,
    fleet_option,
    group_option,
    json_option,
    reason_option,
    target_of,
    wait_option,
    who,
)
from cli.tables import console, shown, table
from gateway.wording import when


@click.command("history")
@click.argument("device", required=False)
@fleet_option
@group_option
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="Most versions to show.")
@json_option
@click.pass_obj
def history(
    client: ParameterClient, device: str | None, fleet: bool, group: str | None, limit: int, as_json: bool
) -> None:
    """Show the versions of what DEVICE, a group or the fleet sets: what each changed, who made it, when and why."""
    target = target_of(device, group, fleet=fleet)
    page = ask(client, lambda api: api.history(target, limit))
    if as_json:
        click.echo(json.dumps(page))
        return
    made = table("own version", "when", "who", "why", "what changed", right=("own version",))
    for one in page["items"]:
        cells = (one["version"], when(one["created_at"]), one["author"], one["reason"], _changes(one))
        made.add_row(*(shown(cell) for cell in cells))
    console().print(made if page["items"] else f"{target} sets nothing of its own")


@click.command("diff")
@click.argument("device", required=False)
@fleet_option
@group_option
@click.option("--from", "start", type=click.IntRange(0), help="The version before the other without it.")
@click.option("--to", "end", type=click.IntRange(0), help="The newest without it.")
@json_option
@click.pass_obj
def diff(
    client: ParameterClient,
    device: str | None,
    fleet: bool,
    group: str | None,
    start: int | None,
    end: int | None,
    as_json: bool,
) -> None:
    """Show how two versions of what DEVICE, a group or the fleet sets differ."""
    target = target_of(device, group, fleet=fleet)
    found = ask(client, lambda api: api.diff(target, start, end))
    if as_json:
        click.echo(json.dumps(found))
        return
    if not found["changes"]:
        click.echo(f"versions {found['from']} and {found['to']} say the same")
        return
    made = table("parameter", f"version {found['from']}", f"version {found['to']}")
    for one in found["changes"]:
        made.add_row(*(shown(cell) for cell in (one["field"], _said(one["before"]), _said(one["after"]))))
    console().print(made)


@click.command("rollback")
@click.argument("device", required=False)
@fleet_option
@group_option
@click.option(
    "--to",
    type=click.IntRange(0),
    help="The version to bring back, as `config history` counts; without it the one before.",
)
@reason_option
@author_option
@wait_option
@stage_options
@json_option
@click.pass_obj
def rollback(
    client: ParameterClient,
    /,
    device: str | None,
    fleet: bool,
    group: str | None,
    to: int | None,
    reason: str | None,
    author: str,
    wait_s: float,
    as_json: bool,
    **staged: Any,
) -> None:
    """Make an earlier version of what DEVICE, a group or the fleet sets the newest one."""
    target = target_of(device, group, fleet=fleet)
    if in_steps(staged):
        if to is None:
            raise click.UsageError("say --to VERSION with --stage")
        begin(client, target, {"rollback_to": to}, who(author, reason), staged, as_json=as_json)
        return
    change = partial(ParameterClient.rollback, target=target, to=to, who=who(author, reason))
    make_change(client, target, change, wait_s, (), as_json=as_json)


COMMANDS: Final = (history, diff, rollback)


def _said(value: Any) -> str:
    return "-" if value is None else text(value)


def _changes(version: dict[str, Any]) -> str:
    return ", ".join(f"{one['field']}: {_said(one['before'])} -> {_said(one['after'])}" for one in version["changes"])
