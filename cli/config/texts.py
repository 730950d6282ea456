"""What `wattline config` says of parameters and of their changes."""

import json
from typing import Any

import click

from broker.wording import counted
from cli.client.parameters import Target


def told_change(document: dict[str, Any], target: Target, *, as_json: bool) -> None:
    """What a change did."""
    if as_json:
        click.echo(json.dumps(document))
    elif target.device is None:
        click.echo(f"{target}: {own_version(document)}; {counted(len(document['changed']), 'device')} changed")
    else:
        click.echo(f"{target.device}: {own_version(document)}; configuration version {document['version']}")
    for one in document["not_supported"] if target.device is None else ():
        names = ", ".join(one["devices"]) + (", ..." if one["count"] > len(one["devices"]) else "")
        whom = counted(one["count"], "device")
        click.echo(f"{one['parameter']} is left out for {whom} with software that lacks it: {names}", err=True)


def own_version(document: dict[str, Any]) -> str:
    """The version of what a device, a group or the fleet sets of its own: the one that history and rollback count."""
    return f"own parameters version {document['layers'][-1]['version']}"


def text(value: Any) -> str:
    """A parameter's value as a person writes it."""
    return value if isinstance(value, str) and value else json.dumps(value)
