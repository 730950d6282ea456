"""The commands `wattline config group list|show|set|remove`."""

import json

import click

from broker.wording import counted
from cli.client.parameters import ParameterClient
from cli.options import ask, author_option, json_option, reason_option, who
from cli.tables import console, shown, table


@click.group("group")
def group_commands() -> None:
    """Groups of devices by labels, which parameters can be given to."""


@group_commands.command("list")
@json_option
@click.pass_obj
def list_(client: ParameterClient, as_json: bool) -> None:
    """Show all groups."""
    found = ask(client, lambda api: api.groups())
    if as_json:
        click.echo(json.dumps(found))
        return
    made = table("group", "selector", "priority", "who", "why", right=("priority",))
    for one in sorted(found, key=lambda one: (-one["priority"], one["group"])):
        made.add_row(*(shown(one[name]) for name in ("group", "selector", "priority", "author", "reason")))
    console().print(made if found else "no groups")


@group_commands.command("show")
@click.argument("name")
@json_option
@click.pass_obj
def show(client: ParameterClient, name: str, as_json: bool) -> None:
    """Show a group and its devices."""
    found = ask(client, lambda api: api.group(name))
    if as_json:
        click.echo(json.dumps(found))
        return
    click.echo(f"{name}: {found['selector']}, priority {found['priority']}, {counted(found['devices'], 'device')}")
    for device in found["members"]:
        click.echo(f"  {device}")


@group_commands.command("set")
@click.argument("name")
@click.argument("selector")
@click.option("--priority", type=int, default=100, show_default=True,
              help="Of groups that overlap the higher one wins, at a tie the later name.")  # fmt: skip
@reason_option
@author_option
@json_option
@click.pass_obj
def set_(
    client: ParameterClient, name: str, selector: str, priority: int, reason: str | None, author: str, as_json: bool
) -> None:
    """Make or change the group NAME of the devices that SELECTOR chooses, as site=warsaw,model!=pi3."""
    body = {"selector": selector, "priority": priority}
    found = ask(client, lambda api: api.set_group(name, body, who(author, reason)))
    if as_json:
        click.echo(json.dumps(found))
    else:
        click.echo(f"{name}: {counted(found['devices'], 'device')}, {len(found['changed'])} changed")


@group_commands.command("remove")
@click.argument("name")
@reason_option
@author_option
@json_option
@click.pass_obj
def remove(client: ParameterClient, name: str, reason: str | None, author: str, as_json: bool) -> None:
    """Remove the group NAME with its parameters; their history stays."""
    found = ask(client, lambda api: api.remove_group(name, who(author, reason)))
    click.echo(
        json.dumps(found) if as_json else f"{name} is removed, {counted(len(found['changed']), 'device')} changed"
    )
