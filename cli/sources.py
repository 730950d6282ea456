"""The commands `wattline source ...`: third parties whose payloads become readings, and how."""

import base64
import json
from pathlib import Path
from typing import IO, Any, Final

import click

from broker.wording import counted
from cli.client.sources import SourceClient
from cli.connection import anywhere, api_options
from cli.proposals import COMMANDS
from cli.requests import as_json_option, ask, author_option, reason_option
from cli.tables import console, shown, table
from gateway.wording import when

MOST_SAMPLE_BYTES: Final = 150_000
STATES: Final = ("waiting", "unmapped", "mapped")
_set = click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="NAME=VALUE",
    help="A setting, as auth=bearer or max_bytes=65536; repeatable.",
)
_content = click.option("--content-type", default="", help="What the sender says that it is.")
_topic = click.option("--topic", help="The MQTT topic, where it came by one.")


@click.group()
@api_options()
@click.pass_context
def source(ctx: click.Context, url: str, token: str | None) -> None:
    """Make sources of third parties' payloads, and say what their payloads mean."""
    ctx.obj = SourceClient(url, token)


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
    one = ask(client, lambda api: api.create(name, kind, _changes(changes), author))
    if as_json:
        click.echo(json.dumps(one))
        return
    click.echo(f"{name} is made; next `wattline source secret {name}` and `wattline source map {name} FILE`")


@source.command("set")
@click.argument("name")
@click.argument("changes", nargs=-1, required=True, metavar="NAME=VALUE...")
@author_option
@as_json_option
@click.pass_obj
def set_(client: SourceClient, name: str, changes: tuple[str, ...], author: str, as_json: bool) -> None:
    """Change settings of source NAME; the others stay."""
    one = ask(client, lambda api: api.set(name, _changes(changes), author))
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
    done = ask(client, lambda api: api.map(name, _bytes(file), author, reason))
    if as_json:
        click.echo(json.dumps(done))
    elif done["known"]:
        click.echo(f"{name} has this mapping already, as version {done['version']}")
    else:
        proven = counted(done["goldens"], "golden")
        click.echo(f"{name} maps by version {done['version']}, proven by {proven}; unmapped payloads are tried again")


@source.command("draft")
@click.argument("file", type=click.Path(dir_okay=False, exists=True, path_type=Path))
@_content
@_topic
@click.pass_obj
def draft(client: SourceClient, file: Path, content_type: str, topic: str | None) -> None:
    """Propose a mapping from the payload in FILE; what is guessed is said beside it."""
    made = ask(client, lambda api: api.draft(_sample(file, content_type, topic)))
    for note in made["notes"]:
        click.echo(note, err=True)
    click.echo(made["document"], nl=False)


@source.command("try")
@click.argument("name")
@click.argument("file", type=click.Path(dir_okay=False, exists=True, path_type=Path), required=False)
@click.option("--id", "number", type=click.IntRange(min=1), help="A kept payload in place of FILE.")
@click.option("--mapping", type=click.Path(dir_okay=False, exists=True, path_type=Path),
              help="Another one than that in force.")  # fmt: skip
@_content
@_topic
@as_json_option
@click.pass_obj
def try_(
    client: SourceClient, name: str, file: Path | None, number: int | None, mapping: Path | None, content_type: str,
    topic: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Show what a mapping makes of the payload in FILE. Nothing is stored. Status 1 where it gives nothing."""
    if (file is None) == (number is None):
        raise click.UsageError("give FILE, or --id in its place")
    document: dict[str, Any] = {"id": number} if file is None else _sample(file, content_type, topic)
    if mapping is not None:
        document["mapping"] = _bytes(mapping).decode("utf-8", "replace")
    found = ask(client, lambda api: api.attempt(name, document))
    if as_json:
        click.echo(json.dumps(found))
    else:
        _print_tried(found)
    if found["gives_nothing"]:
        raise SystemExit(1)


@source.command("payloads")
@click.argument("name")
@click.option("--state", type=click.Choice(STATES), help="Only those in this state.")
@click.option("--id", "number", type=click.IntRange(min=1), help="This one, with its body.")
@click.option("--most", type=click.IntRange(1, 1000), default=50, show_default=True, help="The newest so many.")
@as_json_option
@click.pass_obj
def payloads(
    client: SourceClient, name: str, state: str | None, number: int | None, most: int, as_json: bool
) -> None:  # fmt: skip
    """Show payloads of source NAME, the newest first."""
    if number is not None:
        one = ask(client, lambda api: api.payload(name, number))
        if as_json or one["base64"] is None:
            click.echo(json.dumps(one))
        else:
            click.echo(base64.b64decode(one["base64"]), nl=False)
        return
    found = ask(client, lambda api: api.payloads(name, state, most))
    if as_json:
        click.echo(json.dumps(found))
        return
    made = table("id", "received", "state", "bytes", "readings", "events", "reason", right=("id", "bytes", "readings"))
    for one in found:
        row = (one["id"], when(one["received_at"]), one["state"], one["bytes"], one["readings"], one["events"])
        made.add_row(*(shown(value) for value in (*row, one["reason"] or "")))
    console().print(made)


@source.command("retry")
@click.argument("name")
@click.option("--id", "number", type=click.IntRange(min=1), help="This one; left out, all that were not wholly mapped.")
@author_option
@click.pass_obj
def retry(client: SourceClient, name: str, number: int | None, author: str) -> None:
    """Have payloads of source NAME tried again."""
    count = ask(client, lambda api: api.settle(name, number, author, drop=False))
    click.echo(f"{counted(count, 'payload')} of {name} wait to be tried again")


@source.command("drop")
@click.argument("name")
@click.option("--id", "number", type=click.IntRange(min=1), help="This one.")
@click.option("--all", "every", is_flag=True, help="All that are unmapped.")
@author_option
@click.pass_obj
def drop(client: SourceClient, name: str, number: int | None, every: bool, author: str) -> None:
    """Forget unmapped payloads of source NAME."""
    if every == (number is not None):
        raise click.UsageError("give --id, or --all in its place")
    count = ask(client, lambda api: api.settle(name, number, author, drop=True))
    click.echo(f"{counted(count, 'payload')} of {name} forgotten")


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


def _changes(given: tuple[str, ...]) -> dict[str, Any]:
    """Settings by name; numbers as such. The gateway judges both."""
    found: dict[str, Any] = {}
    for one in given:
        name, equals, text = one.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"{one!r} is no setting; write NAME=VALUE, for example auth=bearer")
        try:
            found[name] = float(text) if "." in text else int(text)
        except ValueError:
            found[name] = text
    return found


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise click.ClickException(f"{file}: {error.strerror or error}") from error


def _sample(file: Path, content_type: str, topic: str | None) -> dict[str, Any]:
    body = _bytes(file)
    if len(body) > MOST_SAMPLE_BYTES:
        raise click.ClickException(f"{file}: {len(body)} bytes; a sample has at most {MOST_SAMPLE_BYTES}")
    document = {"base64": base64.b64encode(body).decode(), "content_type": content_type}
    return document | ({"topic": topic} if topic else {})


def _print_source(one: dict[str, Any]) -> None:
    made = table("what", "value")
    rows = {name: one[name] for name in ("name", "kind", "device", "meters", "waiting", "unmapped")}
    rows["mapping"] = f"version {one['version']}" if one["version"] else "none yet"
    rows["state"] = "on" if one["enabled"] else "off"
    rows["secret"] = "set" if one["has_secret"] else "none yet"
    for name, value in {**rows, **one["settings"]}.items():
        made.add_row(shown(name), shown(value))
    console().print(made)


def _print_tried(found: dict[str, Any]) -> None:
    made = table("meter", "at", "code", "value", right=("value",))
    for one in found["readings"]:
        for code, value in one["values"].items():
            made.add_row(*(shown(cell) for cell in (one["meter"], one["at"], code, f"{value:.15g}")))
    if found["readings"]:
        console().print(made)
    for one in found["events"]:
        click.echo(f"event {one['kind']} of {one['meter'] or 'the source'} at {one['at']}")
    for reason, records in found["ignored"].items():
        click.echo(f"{counted(records, 'record')} passed over: {reason}")
    for fault in found["faults"]:
        click.echo(fault, err=True)
    if found["gives_nothing"]:
        click.echo(f"it gives nothing: {found['reason']}", err=True)


for one_more in COMMANDS:
    source.add_command(one_more)
anywhere(source)
