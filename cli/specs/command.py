"""The commands `wattline spec ...`: what specs there are, and the life of one."""

import json
import sys
from pathlib import Path
from typing import Any, Final

import click

from broker.wording import counted
from cli.client.specs import SpecClient
from cli.connection import anywhere, api_options
from cli.job_tables import print_job
from cli.requests import Ref, as_json_option, ask, author_option, canary_option, limit_option, reason_option, told
from cli.specs.rollouts import COMMANDS
from cli.tables import print_comparison, print_report, print_spec, print_specs, print_unknown
from cli.times import Time
from gateway.specs.check import examine
from gateway.specs.reports import report
from meters.specs.bounds import MAX_DOCUMENT_BYTES
from meters.specs.catalogue import catalogue

STATES: Final = ("draft", "canary", "published", "deprecated", "withdrawn")


@click.group()
@api_options()
@click.pass_context
def spec(ctx: click.Context, url: str, token: str | None) -> None:
    """List, show, validate, add, publish, roll out and deprecate specs."""
    ctx.obj = SpecClient(url, token)


for command in COMMANDS:
    spec.add_command(command)


@spec.command("list")
@click.option("--state", type=click.Choice(STATES), help="Only those in this state.")
@as_json_option
@click.pass_obj
def list_(client: SpecClient, state: str | None, as_json: bool) -> None:
    """Show all specs, their state, and how many meters each reads."""
    found = ask(client, lambda api: api.specs(**({"state": state} if state else {})))
    if as_json:
        click.echo(json.dumps(found))
    else:
        print_specs(found)


@spec.command("show")
@click.argument("ref", type=Ref())
@click.option("--yaml", "as_yaml", is_flag=True, help="Its text, to edit as the next version.")
@as_json_option
@click.pass_obj
def show(client: SpecClient, ref: tuple[str, int], as_yaml: bool, as_json: bool) -> None:
    """Show one spec."""
    if as_yaml:
        click.echo(ask(client, lambda api: api.spec_yaml(*ref)), nl=False)
        return
    document = ask(client, lambda api: api.spec(*ref))
    if as_json:
        click.echo(json.dumps(document))
    else:
        print_spec(document)


@spec.command("validate")
@click.argument("file")
@click.option("--offline", is_flag=True, help="Against the shipped catalogue, without a gateway.")
@as_json_option
@click.pass_obj
def validate(client: SpecClient, file: str, offline: bool, as_json: bool) -> None:
    """Judge a spec in FILE (- is stdin): each wrong field, each golden that differs, each tie. Status 1 if any."""
    text = read(file)
    if offline:
        found = report(examine(text, catalogue(), origin=file)).model_dump(mode="json")
    else:
        found = ask(client, lambda api: api.validate(text))
    if as_json:
        click.echo(json.dumps(found))
    else:
        print_report(found)
    if not found["valid"]:
        raise SystemExit(1)


@spec.command("add")
@click.argument("file")
@click.option("--publish", is_flag=True, help="Publish it at once.")
@canary_option
@limit_option
@author_option
@reason_option
@as_json_option
@click.pass_obj
def add(
    client: SpecClient,
    file: str,
    publish: bool,
    canary: str | None,
    limits: tuple[tuple[str, str], ...],
    author: str,
    reason: str | None,
    as_json: bool,
) -> None:
    """Store the spec in FILE (- is stdin) as a draft; with --publish, publish it, with --canary for some first."""
    if canary is not None and not publish:
        raise click.UsageError("--canary needs --publish: a draft is given to nobody")
    text = read(file)
    query = {"publish": "true"} if publish else {}
    query |= first_for(canary, limits)
    told(ask(client, lambda api: api.save(text, author=author, reason=reason, **query)), as_json=as_json)


@spec.command("publish")
@click.argument("ref", type=Ref())
@canary_option
@limit_option
@author_option
@reason_option
@as_json_option
@click.pass_obj
def publish(
    client: SpecClient,
    ref: tuple[str, int],
    canary: str | None,
    limits: tuple[tuple[str, str], ...],
    author: str,
    reason: str | None,
    as_json: bool,
) -> None:
    """Publish the draft NAME@VERSION for ever; the meters that it fits get it at once, with --canary some of them."""
    query = first_for(canary, limits)
    told(ask(client, lambda api: api.move(*ref, "publish", query, author=author, reason=reason)), as_json=as_json)


@spec.command("deprecate")
@click.argument("ref", type=Ref())
@author_option
@reason_option
@as_json_option
@click.pass_obj
def deprecate(client: SpecClient, ref: tuple[str, int], author: str, reason: str | None, as_json: bool) -> None:
    """Give NAME@VERSION to no meter anew; those that have it keep it until a successor."""
    told(ask(client, lambda api: api.move(*ref, "deprecate", {}, author=author, reason=reason)), as_json=as_json)


@spec.command("compare")
@click.argument("ref", type=Ref())
@click.option("--against", type=click.IntRange(1), help="The other version; without it, the newest one before.")
@as_json_option
@click.pass_obj
def compare(client: SpecClient, ref: tuple[str, int], against: int | None, as_json: bool) -> None:
    """Run NAME@VERSION and the version before it over frames of real meters, and list where the readings differ."""
    found = ask(client, lambda api: api.compare(*ref, against))
    if as_json:
        click.echo(json.dumps(found))
    else:
        print_comparison(found)


@spec.command("redecode")
@click.argument("ref", type=Ref())
@click.option("--meter", metavar="KEY", help="This meter's frames, whichever spec it has; else of all that have this.")
@click.option("--since", type=Time(),
              help="Only frames that the device took from then on: RFC 3339, a date (UTC), or -7d.")  # fmt: skip
@author_option
@reason_option
@as_json_option
@click.pass_obj
def redecode(
    client: SpecClient,
    ref: tuple[str, int],
    meter: str | None,
    since: str | None,
    author: str,
    reason: str | None,
    as_json: bool,
) -> None:
    """Decode kept frames by NAME@VERSION into history, as a job; readings that are there stay as they are."""
    found = ask(client, lambda api: api.redecode(*ref, meter=meter, since=since, author=author, reason=reason))
    if as_json:
        click.echo(json.dumps(found))
    else:
        print_job(found)


@spec.command("unknown")
@as_json_option
@click.pass_obj
def unknown(client: SpecClient, as_json: bool) -> None:
    """Show meters that no product's spec reads, in groups that one spec could read, and ports that are not read."""
    found = ask(client, lambda api: api.unknown_page())
    if as_json:
        click.echo(json.dumps(found["items"]))
    else:
        print_unknown(found["items"], found["ports"])


@spec.command("draft")
@click.option("--from-frames", "selector", metavar="[METER|GROUP]", is_flag=False, flag_value="", required=True,
              help="The kept frames of a meter by key, or of a group; alone, of the only unknown group.")  # fmt: skip
@click.option("--name", help="Name it at once.")
@click.option("--unit", "given", multiple=True, metavar="CODE=UNIT",
              help="The unit of a code without one on the wire, by the display; may be repeated.")  # fmt: skip
@as_json_option
@click.pass_obj
def draft(client: SpecClient, selector: str, name: str | None, given: tuple[str, ...], as_json: bool) -> None:
    """Propose a spec from raw frames, as YAML to edit, name, and add."""
    units = dict(unit_of(text) for text in given)

    async def drafted(api: SpecClient) -> dict[str, Any]:
        groups = [] if ":" in selector else [one["group"] for one in await api.unknown()]
        if selector in groups or (not selector and len(groups) == 1):
            return await api.draft(group=selector or groups[0], units=units)
        if not selector:
            found = counted(len(groups), "unknown group") if groups else "no product is unknown"
            raise click.ClickException(f"{found}: name one, or a meter; wattline spec unknown lists them")
        return await api.draft(meter=selector, units=units)

    found = ask(client, drafted)
    text = found["text"] if name is None else str(found["text"]).replace("name: ''", f"name: {name}", 1)
    click.echo(json.dumps({**found, "text": text}) if as_json else text, nl=as_json)
    for address, unit in found["guessed_units"].items():
        click.echo(
            f"no unit is on the wire for {address}: {unit} is a guess; compare with the display, and say another by"
            f" --unit {address}=UNIT",
            err=True,
        )


def first_for(canary: str | None, limits: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """The query of a publication for a part of the fleet."""
    if limits and canary is None:
        raise click.UsageError("--limit needs --canary: only a canary is judged")
    return {} if canary is None else {"canary": canary, **dict(limits)}


def unit_of(text: str) -> tuple[str, str]:
    """CODE=UNIT on the command line."""
    code, _, unit = text.partition("=")
    if not code or not unit:
        raise click.BadParameter(f"{text!r}: write CODE=UNIT, for example 1-0:16.7.0=W", param_hint="--unit")
    return code, unit


def read(file: str) -> bytes:
    """A spec's text; one byte more than it may have is enough for the refusal."""
    try:
        if file == "-":
            return sys.stdin.buffer.read(MAX_DOCUMENT_BYTES + 1)
        with Path(file).open("rb") as opened:
            return opened.read(MAX_DOCUMENT_BYTES + 1)
    except OSError as error:
        raise click.ClickException(f"{file}: {error.strerror or error}") from error


anywhere(spec)
