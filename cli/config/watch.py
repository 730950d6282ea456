"""The command `wattline config watch`: how desired and reported configurations follow one another."""

import asyncio
import json
import time
from datetime import UTC, datetime
from typing import Any

import click

from broker.runtime.options import FiniteRange
from cli.client.http import ServiceUnreachableError
from cli.client.parameters import ParameterClient, Target
from cli.options import ask, json_option
from cli.tables import shown
from gateway.desired.state_text import WORDS, listed

FIELDS = ("desired_version", "reported_version", "reported_state", "config_state", "silent", "online")


@click.command("watch")
@click.argument("devices", nargs=-1)
@click.option("--interval", "interval_s", type=FiniteRange(0.1, 3600), default=1.0, show_default=True,
              help="Seconds between two looks.")  # fmt: skip
@click.option("--for", "for_s", type=FiniteRange(0.1, 86400 * 30), help="End after so many seconds.")
@json_option
@click.pass_obj
def watch(
    client: ParameterClient, devices: tuple[str, ...], interval_s: float, for_s: float | None, as_json: bool
) -> None:
    """Show how the configuration of DEVICES stands (of all without any), and each change of it as it comes."""
    try:
        ask(client, lambda api: _follow(api, frozenset(devices), interval_s, for_s, as_json=as_json))
    except KeyboardInterrupt:
        return


async def _follow(
    api: ParameterClient, devices: frozenset[str], interval_s: float, for_s: float | None, *, as_json: bool
) -> None:
    """Look for ever or so long; a gateway that goes away is waited for once it has answered."""
    known: dict[str, tuple[Any, ...]] = {}
    end = None if for_s is None else time.monotonic() + for_s
    for name in devices:
        # says of a device that there is none
        await api.parameters(Target(name))
    answered: bool | None = None
    while True:
        try:
            found, answered = await api.devices(), True
        except ServiceUnreachableError as error:
            if answered is None:
                raise
            if answered:
                click.echo(f"{error} (waiting for it)", err=True)
            found, answered = [], False
        for one in found:
            state = tuple(str(one[field]) for field in FIELDS)
            if (not devices or one["device"] in devices) and known.get(one["device"]) != state:
                known[one["device"]] = state
                click.echo(_line(one, as_json=as_json))
        if end is not None and time.monotonic() >= end:
            return
        await asyncio.sleep(interval_s)


def _line(one: dict[str, Any], *, as_json: bool) -> str:
    at = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    if as_json:
        return json.dumps({"at": at, "device": one["device"], **{field: one[field] for field in FIELDS}})
    told = "nothing" if one["reported_version"] is None else f"{one['reported_state']} {one['reported_version']}"
    step = WORDS.get(one["config_state"], "nothing desired")
    silent = f", silent: {listed(one['silent'])}" if one["silent"] else ""
    return f"{at}  {shown(one['device'])}: desired {one['desired_version'] or '-'}, reported {told}, {step}{silent}"
