"""The commands `wattline source ...`: third parties whose payloads become readings, and how."""

import json
from pathlib import Path
from typing import IO, Any

import click

from broker.wording import counted
from cli.client.sources import SourceClient
from cli.connection import anywhere, api_options
from cli.requests import as_json_option, ask, author_option, document_of, reason_option
from cli.sources.payloads import COMMANDS, bytes_of
from cli.sources.proposals import COMMANDS as PROPOSALS
from cli.tables import console, shown, table
from gateway.wording import when

_set = click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="NAME=VALUE",
    help="A setting, as auth=bearer or max_bytes=65536; repeatable.",
)


@click.group()
@api_options()
@click.pass_context
def source(ctx: click.Context, url: str, token: str | None) -> None:
    """Make sources of third parties' payloads, and say what their payloads mean."""
    ctx.obj = SourceClient(url, token)


for command in (*COMMANDS, *PROPOSALS):
    source.add_command(command)


@source.command("list")
@as_json_option
@click.pass_obj
def list_(client: SourceClient, as_json: bool) -> None:
    """Show all sources and how they stand."""
    found = ask(client, lambda api: api.sources())
    if as_json:
        click.echo(json.dumps(found))
        return
    if not found:
        click.echo("no sources yet: `wattline source create NAME` makes one", err=True)
        return
    made = table("source", "kind", "mapping", "state", "meters", "waiting", "unmapped", "heard",
                 right=("meters", "waiting", "unmapped"))  # fmt: skip
    for one in found:
        mapping = f"version {one['version']}" if one["version"] else "none yet"
        row = (one["name"], one["kind"], mapping, "on" if one["enabled"] else "off", one["meters"], one["waiting"])
        heard = when(one["last_seen_at"]) if one["last_seen_at"] else "never"
        made.add_row(*(shown(value) for value in (*row, one["unmapped"], heard)))
    console().print(made)


@source.command("show")
@click.argument("name")
@click.option("--mapping", "as_mapping", is_flag=True, help="Its mapping in force, to edit as the next version.")
@click.option("--version", type=click.IntRange(min=1), help="With --mapping: this version.")
@as_json_option
@click.pass_obj
def show(client: SourceClient, name: str, as_mapping: bool, version: int | None, as_json: bool) -> None:
    """Show a source's settings and state, or its mapping."""
    if as_mapping:
        found = ask(client, lambda api: api.mapping(name, version))
        click.echo(json.dumps(found) if as_json else found["document"], nl=as_json)
        return
    one = ask(client, lambda api: api.source(name))
    if as_json:
        click.echo(json.dumps(one))
        return
    _print_source(one)


@source.command("create")
@click.argument("name")
@click.option("--kind", type=click.Choice(["hook", "mqtt", "file"]), default="hook", show_default=True,
              help="By HTTP, by foreign MQTT topics, or as files.")  # fmt: skip
@_set
@author_option
@as_json_option
@click.pass_obj
def create(
    client: SourceClient, name: str, kind: str, changes: tuple[str, ...], author: str, as_json: bool
) -> None:  # fmt: skip
    """Make source NAME: lower case, digits and -."""
    one = ask(client, lambda api: api.create(name, kind, document_of(changes), author))
    if as_json:
        click.echo(json.dumps(one))
        return
    click.echo(f"{name} is made; next {_next(one)}")


@source.command("set")
@click.argument("name")
@click.argument("changes", nargs=-1, required=True, metavar="NAME=VALUE...")
@author_option
@as_json_option
@click.pass_obj
def set_(client: SourceClient, name: str, changes: tuple[str, ...], author: str, as_json: bool) -> None:
    """Change settings of source NAME; the others stay."""
    one = ask(client, lambda api: api.set(name, document_of(changes), author))
    if as_json:
        click.echo(json.dumps(one))
    else:
        _print_source(one)


@source.command("secret")
@click.argument("name")
@click.option(
    "--file", "file", type=click.File("r", encoding="utf-8-sig"), help="With the secret; left out, one is made."
)
@click.option("--grace", "grace_s", type=click.FloatRange(0, 30 * 86_400), default=0.0, metavar="SECONDS",
              help="For how long the one before is good beside it.")  # fmt: skip
@author_option
@click.pass_obj
def secret(client: SourceClient, name: str, file: IO[str] | None, grace_s: float, author: str) -> None:
    """Set what source NAME signs with, and print it: it is shown this once."""
    try:
        given = file.read().strip() if file is not None else ""
    except UnicodeDecodeError:
        raise click.BadParameter("it is no text in UTF-8", param_hint="--file") from None
    click.echo(ask(client, lambda api: api.secret(name, given, grace_s, author)))


@source.command("map")
@click.argument("name")
@click.argument("file", type=click.Path(dir_okay=False, exists=True, path_type=Path))
@reason_option
@author_option
@as_json_option
@click.pass_obj
def map_(
    client: SourceClient, name: str, file: Path, reason: str | None, author: str, as_json: bool
) -> None:  # fmt: skip
    """Give source NAME the mapping in FILE as its next version; its goldens must hold."""
    done = ask(client, lambda api: api.map(name, bytes_of(file), author, reason))
    if as_json:
        click.echo(json.dumps(done))
    elif done["known"]:
        click.echo(f"{name} has this mapping already, as version {done['version']}")
    else:
        proven = counted(done["goldens"], "golden")
        click.echo(f"{name} maps by version {done['version']}, proven by {proven}; unmapped payloads are tried again")


@source.command("enable")
@click.argument("name")
@author_option
@click.pass_obj
def enable(client: SourceClient, name: str, author: str) -> None:
    """Turn source NAME on again."""
    ask(client, lambda api: api.enable(name, True, author))
    click.echo(f"{name} is on")


@source.command("disable")
@click.argument("name")
@author_option
@click.pass_obj
def disable(client: SourceClient, name: str, author: str) -> None:
    """Turn source NAME off: what it sends is refused, and what waits, waits."""
    ask(client, lambda api: api.enable(name, False, author))
    click.echo(f"{name} is off; `wattline source enable {name}` turns it on")


def _next(one: dict[str, Any]) -> str:
    """What a source that was just made wants next."""
    by_map = f"`wattline source map {one['name']} FILE`"
    if one["kind"] == "mqtt" or one["settings"]["auth"] == "mtls":
        return by_map
    by_secret = f"`wattline source secret {one['name']}`"
    if one["kind"] == "file":
        return f"{by_map}, and {by_secret} where its files come by HTTP"
    return f"{by_secret} and {by_map}"


def _print_source(one: dict[str, Any]) -> None:
    made = table("what", "value")
    rows = {name: one[name] for name in ("name", "kind", "device", "meters", "waiting", "unmapped")}
    rows["mapping"] = f"version {one['version']}" if one["version"] else "none yet"
    rows["state"] = "on" if one["enabled"] else "off"
    rows["secret"] = "set" if one["has_secret"] else "none yet"
    if one.get("fault"):  # a gateway of before says nothing of it
        rows["fault"] = one["fault"]
    if one.get("unproved_posts"):
        posts = counted(one["unproved_posts"], "post")
        rows["unproved"] = f"{posts} within a day, as told {when(one['unproved_at'])}: {one['unproved']}"
    for name, value in {**rows, **one["settings"]}.items():
        made.add_row(shown(name), shown(value))
    console().print(made)


anywhere(source)
