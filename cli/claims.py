"""The commands `wattline claim ...`: by which devices let themselves in."""

import json
from datetime import UTC, datetime
from typing import Any

import click

from cli.client.http import ConfigClient
from cli.connection import URL_HELP, anywhere, api_options
from cli.requests import as_json_option, ask
from cli.tables import console, shown, table
from gateway.wording import when


class ClaimClient(ConfigClient):
    """Makes, lists and revokes claims at one gateway; enter it with `async with`."""

    async def make(self, body: dict[str, Any]) -> dict[str, Any]:
        """A new claim with its token."""
        return await self._call("POST", self._at("claims"), body)

    async def claims(self, *, revoked: bool) -> list[dict[str, Any]]:
        """All claims, over all pages."""
        found: list[dict[str, Any]] = []
        query = {"limit": "1000", "revoked": str(revoked).lower()}
        while True:
            page = await self._call("GET", self._at("claims").with_query(query))
            found += page["items"]
            if page["next"] is None:
                return found
            query["cursor"] = page["next"]

    async def revoke(self, name: str) -> dict[str, Any]:
        """The claim as it ended."""
        return await self._call("DELETE", self._at("claims", name))


class Day(click.ParamType[datetime]):
    """A day or an instant; a day is its beginning in UTC."""

    name = "day"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Read it."""
        try:
            at = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is no day; write 2027-06-01, or 2027-06-01T12:00:00Z", param, ctx)
        return at if at.tzinfo else at.replace(tzinfo=UTC)


@click.group()
@api_options(URL_HELP, "A token with the role admin.")
@click.pass_context
def claim(ctx: click.Context, url: str, token: str | None) -> None:
    """Make, list and revoke claims: a name and a token in an image, by which its devices ask for their certificates."""
    ctx.obj = ClaimClient(url, token)


@claim.command("create")
@click.option("--name", help="What it is called; by default the site and some random digits.")
@click.option("--site", help="Where its devices stand; it becomes their label `site`.")
@click.option("--uses", type=click.IntRange(1, 1_000_000), required=True,
              help="How many logins it gives: one a device, and one more for each that is flashed anew.")  # fmt: skip
@click.option("--until", type=Day(), required=True, help="When it ends, as 2027-06-01, at 0:00 UTC.")
@click.option("--approval", type=click.Choice(["at-once", "by-person"]), default="at-once", show_default=True,
              help="Whether its devices are let in at once, or wait for `wattline enrol approve`.")  # fmt: skip
@as_json_option
@click.pass_obj
def create(
    client: ClaimClient, name: str | None, site: str | None, uses: int, until: datetime, approval: str, as_json: bool
) -> None:
    """Make a claim, and print the lines for a device's device.env: its token is shown this once."""
    body = {"uses": uses, "until": until.isoformat(), "approval": approval.replace("-", "_")}
    body |= {"name": name} if name else {}
    body |= {"site": site} if site else {}
    made = ask(client, lambda _: client.make(body))
    if as_json:
        click.echo(json.dumps(made))
        return
    click.echo(f"WATTLINE_DEVICE_ENROL__CLAIM={made['name']}\nWATTLINE_DEVICE_ENROL__TOKEN={made['token']}")


@claim.command("list")
@click.option("--revoked", is_flag=True, help="Also those that were revoked.")
@as_json_option
@click.pass_obj
def list_(client: ClaimClient, revoked: bool, as_json: bool) -> None:
    """Show claims, without their tokens."""
    found = ask(client, lambda _: client.claims(revoked=revoked))
    if as_json:
        click.echo(json.dumps(found))
        return
    made = table("name", "site", "used", "uses", "waiting", "until", "approval", "author", right=("used", "uses"))
    for one in found:
        ends = when(one["revoked_at"] or one["until"], seconds=False)
        until = f"revoked {ends}" if one["revoked_at"] else ends
        cells = (one["name"], one["site"], one["used"], one["uses"], one["waiting"], until)
        made.add_row(*(shown(cell) for cell in (*cells, one["approval"].replace("_", " "), one["author"])))
    console().print(made if found else "no claims")


@claim.command("revoke")
@click.argument("name")
@click.pass_obj
def revoke(client: ClaimClient, name: str) -> None:
    """Revoke the claim NAME: nobody more is let in. Devices that it let in stay (`wattline device revoke`)."""
    ask(client, lambda _: client.revoke(name))
    click.echo(f"{name} is revoked")


anywhere(claim)
