"""The command `wattline device command`: give devices a command and follow it to its end."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any, Final

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from broker.contract.commands import COMMANDS, MAX_TIMEOUT_S
from cli.client.commands import CommandClient
from cli.options import once
from cli.requests import as_json_option, ask, author_option, reason_option
from cli.tables import console, shown, table
from cli.times import Time, instant

LOOK_S: Final = 0.5
NOT_DONE: Final = 3
"""The exit status where a device refused, failed or did not reply in time."""
_HELP: Final = "\n\n\b\nCommands:\n" + "\n".join(f"  {name:<15} {kind.summary}" for name, kind in COMMANDS.items())


def _arguments(_ctx: click.Context, _param: click.Parameter, words: tuple[str, ...]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"{word!r} is no NAME=VALUE")
        try:
            found[name] = json.loads(text)
        except (ValueError, RecursionError):
            found[name] = text
    once("argument", [word.partition("=")[0] for word in words])
    return found


@click.command("command", help="Give a device, or all that a SELECTOR chooses, a command and wait for what comes of it."
               " TARGET is pi-1, or pi-1,pi-2, or labels such as site=warsaw." + _HELP)  # fmt: skip
@click.argument("target")
@click.argument("command", type=click.Choice(list(COMMANDS)), metavar="COMMAND")
@click.argument("arguments", metavar="[NAME=VALUE...]", nargs=-1, callback=_arguments)
@click.option("--from", "since", type=Time(), help="read_profile: the beginning of the span, such as -7d.")
@click.option("--to", "until", type=Time(), help="read_profile: its end; now without it.")
@click.option("--timeout", "timeout_s", type=click.IntRange(1, MAX_TIMEOUT_S),
              help="Seconds after which it is not begun any more; by default what fits the command.")  # fmt: skip
@click.option("--no-wait", is_flag=True, help="Do not wait for replies.")
@author_option
@reason_option
@as_json_option
@click.pass_obj
def command(
    client: CommandClient,
    target: str,
    command: str,
    arguments: dict[str, Any],
    since: str | None,
    until: str | None,
    timeout_s: int | None,
    no_wait: bool,
    author: str,
    reason: str | None,
    as_json: bool,
) -> None:
    """See help."""
    if since is not None:
        until = until or instant("now", datetime.now(UTC)).isoformat()
    arguments |= {name: at for name, at in (("from", since), ("to", until)) if at is not None}
    query = {"author": author} | ({"reason": reason} if reason else {})
    query |= {"timeout_s": str(timeout_s)} if timeout_s else {}
    one = not set(target) & set(",=!%*")

    async def run(api: CommandClient) -> list[dict[str, Any]]:
        if one:
            given = await api.give(target, command, arguments, query)
            return [given if no_wait else await _followed(api, given)]
        given = await api.give_many(target, command, arguments, query)
        if not no_wait:
            await _progress(api, given)
        return await api.commands(given["batch"])

    found = ask(client, run)
    if as_json:
        click.echo(json.dumps(found[0] if one else found))
    elif one:
        _show(found[0])
    else:
        _show_all(found)
    if not no_wait and any(each["state"] != "replied" for each in found):
        raise SystemExit(NOT_DONE)


async def _followed(api: CommandClient, given: dict[str, Any]) -> dict[str, Any]:
    there = "" if given["online"] else ", which is not online"
    with Console(stderr=True).status(shown(f"{given['command']}: waiting for {given['device']}{there}")):
        while given["state"] == "sent":
            given = await api.command(given["id"])
    return given


async def _progress(api: CommandClient, given: dict[str, Any]) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
               TextColumn("{task.fields[states]}"))  # fmt: skip
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(shown(given["command"]), total=given["devices"], states="")
        counts: dict[str, int] = given["counts"]
        while True:
            done = {state: number for state, number in counts.items() if number and state != "sent"}
            states = ", ".join(f"{number} {state}" for state, number in done.items())
            progress.update(task, completed=sum(done.values()), states=states)
            if not counts["sent"]:
                return
            await asyncio.sleep(LOOK_S)
            counts = await api.counts(given["batch"])


def _show(one: dict[str, Any]) -> None:
    out = console()
    number = f", command {one['id']}" if one["state"] == "sent" else ""
    out.print(shown(f"{one['device']}: {one['command']} {one['state']}{number}"), highlight=False)
    for refusal in one["refusals"]:
        out.print(shown(f"  {refusal['field']}: {refusal['reason']}"), highlight=False)
    if one["error"] and not one["refusals"]:
        out.print(shown(f"  {one['error']}"), highlight=False)
    for name, value in (one["result"] or {}).items():
        text = value if isinstance(value, str) else json.dumps(value)
        out.print(shown(f"  {name}: {text}"), highlight=False)


def _show_all(found: list[dict[str, Any]]) -> None:
    sent = any(one["state"] == "sent" for one in found)
    made = table("device", "state", "online", "result", *(("command",) if sent else ()))
    for one in found:
        online = {True: "yes", False: "no", None: "never seen"}[one["online"]]
        result = one["error"] or (json.dumps(one["result"]) if one["result"] else "")
        number = (one["id"],) if sent else ()
        made.add_row(*(shown(cell) for cell in (one["device"], one["state"], online, result, *number)))
    console().print(made)
