"""The commands `wattline source proposals|accept|refuse|catalogue`: sources that nobody need type in."""

import json
from typing import Any, Final

import click

from cli.client.sources import SourceClient
from cli.requests import as_json_option, ask, author_option
from cli.tables import console, shown, table

_number = click.argument("number", type=click.IntRange(min=1))


@click.command("proposals")
@click.option("--id", "number", type=click.IntRange(min=1), help="This one, with its mapping.")
@click.option("--all", "every", is_flag=True, help="Those that were decided about, too.")
@as_json_option
@click.pass_obj
def proposals(client: SourceClient, number: int | None, every: bool, as_json: bool) -> None:
    """Show sources that the bridge proposes of what foreign devices announce and publish."""
    if number is not None:
        one = ask(client, lambda api: api.proposal(number))
        click.echo(json.dumps(one) if as_json else _text(one))
        return
    found = ask(client, lambda api: api.proposals(None if every else "open"))
    if as_json:
        click.echo(json.dumps(found))
        return
    if not found:
        click.echo("nothing is proposed: the bridge has heard no device that is new", err=True)
        return
    made = table("id", "name", "by", "broker", "meters", "left out", "state", right=("id", "left out"))
    for one in found:
        meters = one["detail"].get("meters", [])
        named = ", ".join(meters[:3]) + (f" and {len(meters) - 3} more" if len(meters) > 3 else "")
        row = (one["id"], one["name"], one["origin"], one["broker"], named, len(one["detail"].get("left_out", {})))
        made.add_row(*(shown(value) for value in (*row, one["state"])))
    console().print(made)


@click.command("accept")
@_number
@click.option("--name", help="Another name for the source than the one proposed.")
@author_option
@as_json_option
@click.pass_obj
def accept(client: SourceClient, number: int, name: str | None, author: str, as_json: bool) -> None:
    """Make the source of proposal NUMBER, with its mapping; readings come with the next message."""
    one = ask(client, lambda api: api.accept(number, name, author))
    click.echo(
        json.dumps(one) if as_json else f"source {one['source']} is made; `wattline source show {one['source']}`"
    )


@click.command("refuse")
@_number
@author_option
@click.pass_obj
def refuse(client: SourceClient, number: int, author: str) -> None:
    """Have proposal NUMBER proposed no more; it can still be accepted."""
    one = ask(client, lambda api: api.refuse(number, author))
    click.echo(f"{one['name']} is proposed no more")


@click.command("catalogue")
@click.argument("name", required=False)
@as_json_option
@click.pass_obj
def catalogue(client: SourceClient, name: str | None, as_json: bool) -> None:
    """Show the mappings that Wattline ships for other people's devices, or the one called NAME, to save as a file."""
    found = ask(client, lambda api: api.shipped_mappings())
    if name is not None:
        wanted = next((one for one in found if one["name"] == name), None)
        if wanted is None:
            raise click.ClickException(
                f"no mapping {name!r} is shipped; there are {', '.join(one['name'] for one in found)}"
            )
        click.echo(json.dumps(wanted) if as_json else wanted["document"], nl=as_json)
        return
    if as_json:
        click.echo(json.dumps(found))
        return
    made = table("name", "what", "topics")
    for one in found:
        made.add_row(*(shown(value) for value in (one["name"], one["title"], ", ".join(one["topics"]))))
    console().print(made)


def _text(one: dict[str, Any]) -> str:
    """A proposal's mapping, with what is to be known of it before."""
    detail = one["detail"]
    lines = [f"# {one['name']}, {one['state']}, at broker {one['broker']}, by {one['origin']}"]
    lines += [f"# topics: {', '.join(one['topics']) or 'those of the mapping'}"]
    lines += [f"# {name}: {value}" for name, value in detail.get("device", {}).items()]
    lines += [f"# left out: {name}: {why}" for name, why in detail.get("left_out", {}).items()]
    return "\n".join([*lines, one["document"]]).rstrip("\n")


COMMANDS: Final = (proposals, accept, refuse, catalogue)
"""Commands of the group `source`."""
