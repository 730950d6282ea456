"""The commands `wattline config ...`: parameters of devices, groups and the fleet."""

import json
from dataclasses import asdict
from functools import partial
from typing import Any

import click

from broker.contract.parameters import parameter_help
from cli.client.parameters import ParameterClient, Target
from cli.config.groups import group_commands
from cli.config.history import COMMANDS as HISTORY
from cli.config.stages import begin, in_steps, stage_options, stages
from cli.config.texts import own_version
from cli.config.texts import text as _text
from cli.config.wait import make_change
from cli.config.watch import watch
from cli.connection import anywhere, api_options
from cli.options import (
    ask,
    author_option,
    fleet_option,
    group_option,
    json_option,
    once,
    reason_option,
    target_of,
    wait_option,
    who,
)
from gateway.desired.state_text import at_length
from gateway.validation import KNOWN, SETTABLE


@click.group()
@api_options()
@click.pass_context
def config(ctx: click.Context, url: str, token: str | None) -> None:
    """Parameters of devices, groups and the fleet: get, set, compare, bring back, give in steps, watch."""
    ctx.obj = ParameterClient(url, token)


@config.command("get")
@click.argument("device", required=False)
@click.argument("parameter", required=False)
@fleet_option
@group_option
@json_option
@click.pass_obj
def get(
    client: ParameterClient, device: str | None, parameter: str | None, fleet: bool, group: str | None, as_json: bool
) -> None:
    """Show the parameters of DEVICE, or one PARAMETER of it; with --fleet or --group only PARAMETER is given."""
    if (fleet or group is not None) and device is not None and parameter is None:
        device, parameter = None, device
    target = target_of(device, group, fleet=fleet)
    if parameter is not None:
        _known(parameter)
    document = ask(client, lambda api: api.parameters(target))
    if parameter is not None:
        value = document["effective"][parameter]
        click.echo(json.dumps({parameter: value}) if as_json else _text(value))
    elif as_json:
        click.echo(json.dumps(document))
    else:
        _show(document)


@config.command("parameters")
@click.argument("parameter", required=False)
@json_option
def parameters(parameter: str | None, as_json: bool) -> None:
    """Say what each parameter does, its bounds and its default; asks no gateway."""
    if parameter is not None:
        _known(parameter)
    shown = [one for one in parameter_help().values() if parameter in (None, one.name)]
    if as_json:
        click.echo(json.dumps([asdict(one) for one in shown]))
        return
    for one in shown:
        click.echo(f"{one.name}  ({one.limits}; default {one.default_text})")
        click.echo(click.wrap_text(one.about, width=100, initial_indent="    ", subsequent_indent="    "))


@config.command("set")
@click.argument("words", metavar="[DEVICE] PARAMETER=VALUE...", nargs=-1)
@fleet_option
@group_option
@reason_option
@author_option
@wait_option
@stage_options
@json_option
@click.pass_obj
def set_(
    client: ParameterClient,
    /,
    words: tuple[str, ...],
    fleet: bool,
    group: str | None,
    reason: str | None,
    author: str,
    wait_s: float,
    as_json: bool,
    **staged: Any,
) -> None:
    """Set parameters; `wattline config parameters` says what each does.

    `PARAMETER=null` takes the value away, so that the layers below decide. Lists are JSON or have commas.
    """
    target, changes = _words(words, fleet, group)
    if in_steps(staged):
        begin(client, target, {"parameters": changes}, who(author, reason), staged, as_json=as_json)
        return
    change = partial(ParameterClient.change, target=target, changes=changes, who=who(author, reason))
    make_change(client, target, change, wait_s, changes, as_json=as_json)


for command in (*HISTORY, group_commands, stages, watch):
    config.add_command(command)
anywhere(config)


def _words(words: tuple[str, ...], fleet: bool, group: str | None) -> tuple[Target, dict[str, Any]]:
    """Whose parameters, and what to set. Raises UsageError."""
    if not words:
        raise click.UsageError("nothing to set: give PARAMETER=VALUE")
    many = fleet or group is not None
    if many and "=" not in words[0] and words[0] not in SETTABLE:
        target_of(words[0], group, fleet=fleet)
    device, pairs = (None, words) if many else (words[0], words[1:])
    if device is not None and "=" in device:
        raise click.UsageError("name a DEVICE first, or say --fleet or --group NAME")
    if not pairs:
        raise click.UsageError("nothing to set: give PARAMETER=VALUE")
    changes = dict(_pair(word) for word in pairs)
    once("parameter", [word.partition("=")[0] for word in pairs])
    return target_of(device, group, fleet=fleet), changes


def _show(document: dict[str, Any]) -> None:
    sources = {name: layer["scope"] for layer in document["layers"] for name in layer["parameters"]}
    staged = {layer["scope"]: layer["stage"] for layer in document["layers"] if layer["stage"]}
    report = document.get("reported")
    names = document["effective"]
    width = max(len(name) for name in names)
    for name, value in names.items():
        source = sources.get(name, "default")
        line = f"{name:<{width}}  {_text(value):<12}  {source}"
        if source in staged:
            line += f"  (staged change {staged[source]})"
        if name in document["not_supported"]:
            line += "  (left out: its software does not know it)"
        elif report is not None and name in KNOWN and report["effective"].get(name) != value:
            line += f"  (device has {_text(report['effective'].get(name))})"
        click.echo(line.rstrip())
    if "version" in document:
        told = at_length(document["config_state"], report)
        click.echo(f"configuration version {document['version']}, {own_version(document)}; device: {told}")
    else:
        click.echo(own_version(document))


def _pair(word: str) -> tuple[str, Any]:
    name, equals, text = word.partition("=")
    if not equals:
        raise click.UsageError(f"{word!r} is no PARAMETER=VALUE")
    _known(name)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = text
    if parameter_help()[name].kind == "array" and value is not None and not isinstance(value, list):
        value = [part for part in text.split(",") if part]
    return name, value


def _known(name: str) -> None:
    if name not in SETTABLE:
        raise click.ClickException(
            f"unknown parameter {name!r}; known are: {', '.join(SETTABLE)} (wattline config parameters: what each does)"
        )
