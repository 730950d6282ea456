"""The commands of `wattline source` about payloads: a mapping drafted or tried, and payloads that are kept."""

import base64
import json
from pathlib import Path
from typing import Any, Final

import click

from broker.wording import counted
from cli.client.sources import SourceClient
from cli.requests import as_json_option, ask, author_option
from cli.tables import console, shown, table
from gateway.wording import when

MOST_SAMPLE_BYTES: Final = 150_000
STATES: Final = ("waiting", "unmapped", "mapped")
_content = click.option("--content-type", default="", help="What the sender says that it is.")
_topic = click.option("--topic", help="The MQTT topic, where it came by one.")


@click.command("draft")
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


@click.command("try")
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
        document["mapping"] = bytes_of(mapping).decode("utf-8", "replace")
    found = ask(client, lambda api: api.attempt(name, document))
    if as_json:
        click.echo(json.dumps(found))
    else:
        _print_tried(found)
    if found["gives_nothing"]:
        raise SystemExit(1)


@click.command("payloads")
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


@click.command("retry")
@click.argument("name")
@click.option("--id", "number", type=click.IntRange(min=1), help="This one; left out, all that were not wholly mapped.")
@author_option
@click.pass_obj
def retry(client: SourceClient, name: str, number: int | None, author: str) -> None:
    """Have payloads of source NAME tried again."""
    count = ask(client, lambda api: api.settle(name, number, author, drop=False))
    click.echo(f"{counted(count, 'payload')} of {name} wait to be tried again")


@click.command("drop")
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


def bytes_of(file: Path) -> bytes:
    """What a file holds. Raises ClickException where it can't be read."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise click.ClickException(f"{file}: {error.strerror or error}") from error


def _sample(file: Path, content_type: str, topic: str | None) -> dict[str, Any]:
    body = bytes_of(file)
    if len(body) > MOST_SAMPLE_BYTES:
        raise click.ClickException(f"{file}: {len(body)} bytes; a sample has at most {MOST_SAMPLE_BYTES}")
    document = {"base64": base64.b64encode(body).decode(), "content_type": content_type}
    return document | ({"topic": topic} if topic else {})


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


COMMANDS: Final = (draft, try_, payloads, retry, drop)
