"""The commands of `wattline spec` for versions that a part of the fleet has first."""

import json
from typing import Any, Final

import click

from cli.client.specs import SpecClient
from cli.requests import Ref, as_json_option, ask, author_option, limit_option, reason_option, told
from cli.specs.rollout_tables import print_rollout, print_rollouts


@click.command("rollout")
@click.argument("ref", type=Ref())
@click.option("--to", metavar="AUDIENCE", help="Give it to these instead: pi-1,pi-2 or site=warsaw or 50%.")
@limit_option
@author_option
@reason_option
@as_json_option
@click.pass_obj
def rollout(
    client: SpecClient,
    ref: tuple[str, int],
    to: str | None,
    limits: tuple[tuple[str, str], ...],
    author: str,
    reason: str | None,
    as_json: bool,
) -> None:
    """Show how the canary NAME@VERSION fares; with --to give it to more, fewer or others."""
    if to is None and not limits:
        found = ask(client, lambda api: api.rollout(*ref))
        if as_json:
            click.echo(json.dumps(found))
        else:
            print_rollout(found)
        return
    query = {**dict(limits), **({"to": to} if to is not None else {})}
    told(ask(client, lambda api: api.move(*ref, "rollout", query, author=author, reason=reason)), as_json=as_json)


@click.command("release")
@click.argument("ref", type=Ref())
@author_option
@reason_option
@as_json_option
@click.pass_obj
def release(client: SpecClient, ref: tuple[str, int], author: str, reason: str | None, as_json: bool) -> None:
    """Put the canary NAME@VERSION in the running for all meters."""
    told(ask(client, lambda api: api.move(*ref, "release", {}, author=author, reason=reason)), as_json=as_json)


@click.command("withdraw")
@click.argument("ref", type=Ref())
@author_option
@click.option("--reason", required=True, help="Why, for the history.")
@as_json_option
@click.pass_obj
def withdraw(client: SpecClient, ref: tuple[str, int], author: str, reason: str, as_json: bool) -> None:
    """Let NAME@VERSION read nobody: its meters get what they had before, at once."""
    told(ask(client, lambda api: api.move(*ref, "withdraw", {}, author=author, reason=reason)), as_json=as_json)


@click.command("rollouts")
@click.option("--state", type=click.Choice(("canary", "released", "withdrawn")), help="Only those in this state.")
@as_json_option
@click.pass_obj
def rollouts(client: SpecClient, state: str | None, as_json: bool) -> None:
    """Show versions that are or were for a part of the fleet: who has them, and how they fare against before."""

    async def asked(api: SpecClient) -> list[dict[str, Any]]:
        return await api.rollouts(**({"state": state} if state else {}))

    found = ask(client, asked)
    if as_json:
        click.echo(json.dumps(found))
    else:
        print_rollouts(found)


COMMANDS: Final = (rollout, release, withdraw, rollouts)
