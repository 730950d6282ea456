"""The commands `wattline enrol ...`: devices that wait to be let in."""

import json
from typing import Any

import click

from cli.client.http import ConfigClient
from cli.connection import anywhere, api_options
from cli.requests import as_json_option, ask, reason_option
from cli.tables import console, shown, table
from gateway.wording import when

STATES = ("waiting", "issued", "refused")


class EnrolmentClient(ConfigClient):
    """Lists and decides enrolments at one gateway; enter it with `async with`."""

    async def enrolments(self, **query: str) -> list[dict[str, Any]]:
        """Enrolments, the newest first, over all pages."""
        found: list[dict[str, Any]] = []
        cursor: dict[str, str] = {}
        while True:
            page = await self._call("GET", self._at("enrolments").with_query({**query, **cursor, "limit": "1000"}))
            found += page["items"]
            if page["next"] is None:
                return found
            cursor = {"cursor": page["next"]}

    async def decide(self, number: int, verb: str, query: dict[str, str]) -> dict[str, Any]:
        """Approve or refuse one."""
        return await self._call("POST", self._at("enrolments", number, verb=verb).with_query(query))


@click.group()
@api_options()
@click.pass_context
def enrol(ctx: click.Context, url: str, token: str | None) -> None:
    """List devices that wait to be let in, let them in, or refuse them."""
    ctx.obj = EnrolmentClient(url, token)


@enrol.command("list")
@click.option("--state", type=click.Choice(STATES), default="waiting", show_default=True)
@click.option("--all", "every", is_flag=True, help="All that ever asked, whatever became of them.")
@click.option("--device", help="Only requests of this device id.")
@as_json_option
@click.pass_obj
def list_(client: EnrolmentClient, state: str, every: bool, device: str | None, as_json: bool) -> None:
    """Show which devices asked for a certificate, on which hardware, by which claim, and why they wait."""
    query = ({} if every else {"state": state}) | ({"device": device} if device else {})
    found = ask(client, lambda api: api.enrolments(**query))
    if as_json:
        click.echo(json.dumps(found))
        return
    made = table("number", "device", "hardware", "claim", "state", "reason", "asked", "from", "key", right=("number",))
    for one in found:
        state = f"{one['state']} as {one['identity']}" if one["identity"] else one["state"]
        cells = (one["id"], one["device"], one["hardware"], one["claim"], state, one["reason"])
        asked = (when(one["last_asked_at"], seconds=False), one["address"], one["spki_sha256"][:12])
        made.add_row(*(shown(cell) for cell in (*cells, *asked)))
    console().print(made if found else "nobody waits" if not every and state == "waiting" else "no enrolments")


@enrol.command("approve")
@click.argument("numbers", metavar="NUMBER...", type=click.IntRange(1), nargs=-1, required=True)
@click.pass_obj
def approve(client: EnrolmentClient, numbers: tuple[int, ...]) -> None:
    """Let devices in, by the numbers of `wattline enrol list`; one that is refused does not keep out the others."""
    refused = []
    for number in numbers:
        try:
            done = ask(client, lambda api, number=number: api.decide(number, "approve", {}))  # type: ignore[misc]
        except click.ClickException as error:
            refused.append(f"{number}: {error.format_message()}")
            continue
        click.echo(f"{done['device']} may log in as {done['identity']}; it is given its certificate when it asks again")
    if refused:
        raise click.ClickException("\n".join(refused))


@enrol.command("refuse")
@click.argument("number", type=click.IntRange(1))
@reason_option
@click.pass_obj
def refuse(client: EnrolmentClient, number: int, reason: str | None) -> None:
    """Refuse what a device asks for. The same key is refused from then on; with another one it may ask anew."""
    done = ask(client, lambda api: api.decide(number, "refuse", {"reason": reason} if reason else {}))
    click.echo(f"{done['device']} on {done['hardware']} is refused")


anywhere(enrol)
