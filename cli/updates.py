"""The commands `wattline update ...`: which release devices run, given to them in steps."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

import click

from broker.runtime.options import FiniteRange
from broker.wording import counted
from cli.client.parameters import Target
from cli.client.updates import UpdateClient
from cli.connection import anywhere, api_options
from cli.options import author_option, json_option, reason_option, who
from cli.requests import ask
from cli.tables import console, shown, table
from gateway.parameters.stages.plan import MAX_STEPS, steps_of
from gateway.wording import when

F = TypeVar("F", bound=Callable[..., Any])
OWN: Final = ("software_release", "software_source", "software_probation_s", "software_memory_limit_mib")
"""What `publish` may have given a device of its own."""
SHARE_LEAST: Final = 100 / MAX_STEPS
WORDS: Final = {"unreported": "not reported yet", "never_reported": "no updater", "rolled_back": "rolled back"}

group_option = click.option("--group", metavar="NAME", help="A group instead of the whole fleet.")


@click.group()
@api_options()
@click.pass_context
def update(ctx: click.Context, url: str, token: str | None) -> None:
    """Publish a release to the fleet, a group or a device; see who runs what; pause, resume, go back."""
    ctx.obj = UpdateClient(url, token)


def step_options(command: F) -> F:
    """How a release is given to a scope."""
    for option in (
        click.option("--max-failed", type=FiniteRange(0, 100), default=0.0, metavar="PERCENT",
                     help="More failures of those that have the release stop it and take it back."),
        click.option("--timeout", "timeout_s", type=FiniteRange(0.1, 7 * 86400), default=3600.0, metavar="SECONDS",
                     help="How long a device may take to fetch it, or be away, in each step (3600)."),
        click.option("--settle", "settle_s", type=FiniteRange(0, 86400), default=60.0, metavar="SECONDS",
                     help="How long readings must go on after a device has confirmed it (60)."),
        click.option("--share", type=FiniteRange(SHARE_LEAST, 100), default=10.0, metavar="PERCENT",
                     help="No more of the scope than that is at work on it at once (10)."),
        click.option("--first", multiple=True, metavar="STEP",
                     help="Who gets it before all others: devices (pi-1,pi-2) or labels (site=lab); repeatable."),
    ):  # fmt: skip
        command = option(command)
    return command


@update.command("publish")
@click.argument("release")
@click.option("--source", metavar="URL", help="The public folder of signed releases; else what the layers say.")
@group_option
@click.option("--device", metavar="NAME", help="One device, at once, instead of the whole fleet.")
@click.option(
    "--probation",
    "probation_s",
    type=FiniteRange(10, 86400),
    metavar="SECONDS",
    help="How long it has to prove itself on a device.",
)
@click.option("--memory-limit", "memory_limit_mib", type=click.IntRange(32, 4096), metavar="MIB",
              help="Memory that its agent may hold meanwhile.")  # fmt: skip
@step_options
@reason_option
@author_option
@json_option
@click.pass_obj
def publish(
    client: UpdateClient,
    /,
    release: str,
    source: str | None,
    group: str | None,
    device: str | None,
    probation_s: float | None,
    memory_limit_mib: int | None,
    reason: str | None,
    author: str,
    as_json: bool,
    **terms: Any,
) -> None:
    """Have the fleet, a group or a device run RELEASE, a part at a time; a bad one stops by itself."""
    given = {"release": release, "source": source, "probation_s": probation_s, "memory_limit_mib": memory_limit_mib}
    wanted = {f"software_{name}": value for name, value in given.items() if value is not None}
    if device is None:
        _begin(client, Target(group=group), wanted, terms, who(author, reason), as_json=as_json)
        return
    if group is not None:
        raise click.UsageError("give --group or --device, not both")
    ask(client, lambda api: api.change(Target(device), wanted, who(author, reason)))
    found = ask(client, lambda api: api.device_software(device))
    click.echo(json.dumps(found) if as_json else f"{device}: {_sentence(found)}")


@update.command("status")
@group_option
@json_option
@click.pass_obj
def status(client: UpdateClient, group: str | None, as_json: bool) -> None:
    """Show which releases run where, the update that is under way, and who is not where it should be."""
    target = Target(group=group)
    counts = ask(client, lambda api: api.releases(group))
    number = ask(client, lambda api: api.open_stage(target))
    stage = None if number is None else ask(client, lambda api: api.one_stage(number))
    devices = ask(client, lambda api: api.software(group))
    if as_json:
        click.echo(json.dumps({"releases": counts, "stage": stage, "devices": devices}))
        return
    _print_counts(counts)
    if stage is not None:
        click.echo(f"staged change {stage['id']} of {target} is {stage['state']}: step {stage['step']} of "
                   f"{len(stage['steps'])}, {counted(stage['devices'], 'device')} with it, {stage['failed']} failed"
                   + (f"; {stage['why']}" if stage["why"] else ""))  # fmt: skip
    _print_devices([one for one in devices if one["state"] not in ("confirmed", None)])


@update.command("show")
@click.argument("device")
@json_option
@click.pass_obj
def show(client: UpdateClient, device: str, as_json: bool) -> None:
    """Show what DEVICE runs, what it is to run, and what became of the releases before."""
    found = ask(client, lambda api: api.device_software(device))
    if as_json:
        click.echo(json.dumps(found))
        return
    click.echo(f"{device}: {_sentence(found)}")
    if found["history"]:
        made = table("at", "release", "state", "MB", "s", "why", right=("MB", "s"))
        for one in found["history"]:
            figures = (f"{one['octets'] / 1e6:.1f}", f"{one['seconds']:.0f}")
            cells = (when(one["received_at"]), one["release"], _word(one["state"]), *figures, _why(one))
            made.add_row(*(shown(cell) for cell in cells))
        console().print(made)


@update.command("retry")
@click.argument("device")
@reason_option
@author_option
@json_option
@click.pass_obj
def retry(client: UpdateClient, device: str, reason: str | None, author: str, as_json: bool) -> None:
    """Have DEVICE try the release again that its updater refused or went back from."""
    found = ask(client, lambda api: api.retry(device, who(author, reason)))
    click.echo(json.dumps(found) if as_json else f"{device}: {_sentence(found)}")


@update.command("clear")
@click.argument("device")
@reason_option
@author_option
@json_option
@click.pass_obj
def clear(client: UpdateClient, device: str, reason: str | None, author: str, as_json: bool) -> None:
    """Take back what `publish --device` gave DEVICE: it is to run what its group or the fleet says, if anything."""
    ask(client, lambda api: api.change(Target(device), dict.fromkeys(OWN), who(author, reason)))
    found = ask(client, lambda api: api.device_software(device))
    click.echo(json.dumps(found) if as_json else f"{device}: {_sentence(found)}")


def _acting(verb: str, does: str) -> click.Command:
    """A command that pauses or resumes the update of a scope that is under way."""

    @click.command(verb, help=does)
    @group_option
    @reason_option
    @author_option
    @json_option
    @click.pass_obj
    def act(client: UpdateClient, group: str | None, reason: str | None, author: str, as_json: bool) -> None:
        target = Target(group=group)
        number = ask(client, lambda api: api.open_stage(target))
        if number is None:
            raise click.ClickException(f"no update of {target} is under way: see `wattline update status`")
        found = ask(client, lambda api: api.act(number, verb, who(author, reason)))
        click.echo(json.dumps(found) if as_json else f"staged change {number} is {found['state']}")

    return act


@update.command("rollback")
@group_option
@step_options
@reason_option
@author_option
@json_option
@click.pass_obj
def rollback(
    client: UpdateClient, /, group: str | None, reason: str | None, author: str, as_json: bool, **terms: Any
) -> None:
    """Take back the update that is under way; where none is, publish the release before the present one in steps."""
    target = Target(group=group)
    number = ask(client, lambda api: api.open_stage(target))
    if number is not None:
        found = ask(client, lambda api: api.act(number, "abort", who(author, reason)))
        click.echo(json.dumps(found) if as_json else f"staged change {number} is taken back")
        return
    before = ask(client, lambda api: api.release_before(target))
    if before is None:
        raise click.ClickException(f"{target} has named no other release before: publish one")
    _begin(client, target, before, terms, who(author, reason), as_json=as_json)


for command in (
    _acting("pause", "Let no more devices have the release that is under way; those that have it keep it."),
    _acting("resume", "Go on with the update that is paused; who failed or was away gets another chance."),
):
    update.add_command(command)
anywhere(update)


def shares(first: Sequence[str], share: float) -> list[str]:
    """The steps of an update: who comes first, then so many percent more each time."""
    count = int(100 / share + 0.999)
    return [*steps_of(first), *(f"{min(100.0, share * number):.4g}%" for number in range(1, count + 1))]


def _begin(
    client: UpdateClient,
    target: Target,
    wanted: Mapping[str, Any],
    terms: Mapping[str, Any],
    author: Mapping[str, str],
    *,
    as_json: bool,
) -> None:
    limits = {"settle_s": terms["settle_s"], "timeout_s": terms["timeout_s"], "max_failed_percent": terms["max_failed"]}
    body = {"parameters": dict(wanted), "steps": shares(terms["first"], terms["share"]), **limits}
    found = ask(client, lambda api: api.stage(target, body, author))
    if as_json:
        click.echo(json.dumps(found))
        return
    have = f"{counted(found['devices'], 'device')} {'has' if found['devices'] == 1 else 'have'} it first"
    click.echo(f"release {wanted['software_release']} for {target}, staged change {found['id']}: {have}")
    click.echo(f"see: wattline update status{f' --group {target.group}' if target.group else ''}")


def _print_counts(counts: Sequence[Mapping[str, Any]]) -> None:
    made = table("runs", "to run", "state", "devices", right=("devices",))
    for one in counts:
        cells = (one["running"] or "not known", one["desired"] or "as it is", _word(one["state"]), one["devices"])
        made.add_row(*(shown(cell) for cell in cells))
    console().print(made if counts else "no devices")


def _print_devices(devices: Sequence[Mapping[str, Any]]) -> None:
    if not devices:
        return
    made = table("device", "runs", "to run", "state", "why")
    for one in devices:
        made.add_row(*(shown(cell) for cell in (one["device"], one["running"], one["desired"], _word(one["state"]),
                                                _why(one))))  # fmt: skip
    console().print(made)


def _sentence(one: Mapping[str, Any]) -> str:
    runs = f"runs {one['running']}" if one["running"] else "nobody said what it runs"
    if one["desired"] is None:
        return f"{runs}; no release is desired"
    why = _why(one)
    return f"{runs}; is to run {one['desired']}: {_word(one['state'])}{f' ({why})' if why else ''}"


def _word(state: str | None) -> str:
    return WORDS.get(state or "", state or "")


def _why(one: Mapping[str, Any]) -> str:
    return "; ".join(f"{reason['field']}: {reason['reason']}" for reason in one["reasons"])
