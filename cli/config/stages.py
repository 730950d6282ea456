"""Staged changes on the command line: `wattline config set --stage ...` and `wattline config stages`."""

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from broker.runtime.options import FiniteRange
from broker.wording import counted
from cli.client.parameters import ParameterClient, Target
from cli.options import ask, author_option, json_option, reason_option, who
from cli.tables import console, shown, table
from gateway.parameters.stages.plan import steps_of

F = TypeVar("F", bound=Callable[..., Any])
STATES = ("running", "paused", "done", "rolled_back", "aborted")
VERBS = ("pause", "resume", "abort")


def stage_options(command: F) -> F:
    """The options by which a change goes to a share of its scope first."""
    for option in (
        click.option("--max-failed", type=FiniteRange(0, 100), default=0.0, metavar="PERCENT",
                     help="More failures of those that have the change roll it back."),
        click.option("--timeout", "timeout_s", type=FiniteRange(0.1, 7 * 86400), default=600.0, metavar="SECONDS",
                     help="How long a device's report is waited for in each step."),
        click.option("--settle", "settle_s", type=FiniteRange(0, 86400), default=60.0, metavar="SECONDS",
                     help="How long a device must do well before the next step."),
        click.option("--stage", multiple=True, metavar="STEPS",
                     help="Go in steps, as 10%,50%,100%; a step may also be labels (site=warsaw), repeatable."),
    ):  # fmt: skip
        command = option(command)
    return command


def in_steps(options: Mapping[str, Any]) -> bool:
    """Whether --stage was given. Raises UsageError where only what belongs to it was: that would change all at once."""
    if options["stage"]:
        return True
    context = click.get_current_context()
    for name, option in (("settle_s", "--settle"), ("timeout_s", "--timeout"), ("max_failed", "--max-failed")):
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"{option} is for a change in steps: give --stage too, for example --stage 10%,100%")
    return False


def begin(
    client: ParameterClient,
    target: Target,
    change: dict[str, Any],
    author: Mapping[str, str],
    options: Mapping[str, Any],
    *,
    as_json: bool,
) -> None:
    """Begin a staged change and say where to look."""
    if target.device is not None:
        raise click.UsageError("--stage is for --fleet and --group: one device has no share")
    body = {
        **change,
        "steps": steps_of(options["stage"]),
        "settle_s": options["settle_s"],
        "timeout_s": options["timeout_s"],
        "max_failed_percent": options["max_failed"],
    }
    found = ask(client, lambda api: api.stage(target, body, author))
    if as_json:
        click.echo(json.dumps(found))
        return
    steps = ", ".join(found["steps"])
    have = f"{counted(found['devices'], 'device')} {'has' if found['devices'] == 1 else 'have'} it"
    click.echo(f"staged change {found['id']} of {target}: {have}; steps {steps}")
    click.echo(f"see: wattline config stages {found['id']}")


@click.command("stages")
@click.argument("number", type=click.IntRange(1), required=False)
@click.argument("verb", type=click.Choice(VERBS), required=False)
@click.option("--state", type=click.Choice(STATES), help="Only those in this state.")
@reason_option
@author_option
@json_option
@click.pass_obj
def stages(
    client: ParameterClient,
    number: int | None,
    verb: str | None,
    state: str | None,
    reason: str | None,
    author: str,
    as_json: bool,
) -> None:
    """Show staged changes; with NUMBER one with its devices; with pause, resume or abort do that to it."""
    if number is None:
        found: Any = ask(client, lambda api: api.stages(state))
    elif verb is None:
        found = ask(client, lambda api: api.one_stage(number))
    else:
        found = ask(client, lambda api: api.act(number, verb, who(author, reason)))
    if as_json:
        click.echo(json.dumps(found))
    elif number is None:
        _list(found)
    elif verb is None:
        _list([found])
        _devices(found["members"])
    else:
        click.echo(f"staged change {number} is {found['state']}")


def _list(found: list[dict[str, Any]]) -> None:
    made = table("id", "scope", "state", "step", "devices", "healthy", "failed", "changes", "who", "why",
                 right=("id", "devices", "healthy", "failed"))  # fmt: skip
    for one in found:
        step = f"{one['step']} of {len(one['steps'])} ({one['steps'][one['step'] - 1]})"
        changes, why = ", ".join(one["changes"]), one["why"] or one["reason"]
        cells = (one["id"], one["scope"], one["state"], step, one["devices"], one["healthy"], one["failed"])
        made.add_row(*(shown(cell) for cell in (*cells, changes, one["author"], why)))
    console().print(made if found else "no staged changes")


def _devices(members: list[dict[str, Any]]) -> None:
    columns = ("device", "step", "version", "software", "state", "why")
    made = table(*columns, right=("step", "version", "software"))
    for one in members:
        made.add_row(*(shown(one[name]) for name in columns))
    console().print(made)
