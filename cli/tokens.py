"""The commands `wattline token ...`: who may use the API and the console."""

import json
from typing import Any

import click

from cli.client.http import ConfigClient
from cli.connection import URL_HELP, anywhere, api_options
from cli.requests import ask
from cli.tables import console, shown, table
from gateway.roles import Role
from gateway.wording import when


class TokenClient(ConfigClient):
    """Makes, lists and revokes tokens at one gateway; enter it with `async with`."""

    async def make(self, name: str, role: str, days: int | None) -> dict[str, Any]:
        """A new token with its secret."""
        body = {"name": name, "role": role} | ({"days": days} if days else {})
        return await self._call("POST", self._at("tokens"), body)

    async def tokens(self, *, revoked: bool) -> dict[str, Any]:
        """All tokens, over all pages."""
        found: list[dict[str, Any]] = []
        query = {"limit": "1000", "revoked": str(revoked).lower()}
        while True:
            page = await self._call("GET", self._at("tokens").with_query(query))
            found += page["items"]
            if page["next"] is None:
                return {"items": found}
            query["cursor"] = page["next"]

    async def revoke(self, name: str) -> dict[str, Any]:
        """The token as it ended."""
        return await self._call("DELETE", self._at("tokens", name))


@click.group()
@api_options(URL_HELP, "A token with the role admin.")
@click.pass_context
def token(ctx: click.Context, url: str, token: str | None) -> None:
    """Make, list and revoke tokens of the API and the console."""
    ctx.obj = TokenClient(url, token)


@token.command("create")
@click.argument("name")
@click.option("--role", type=click.Choice([str(one) for one in Role]), required=True,
              help="viewer reads, engineer changes, admin also makes tokens.")  # fmt: skip
@click.option(
    "--days", type=click.IntRange(1, 3660), help="How many days it is good for; without this option for ever."
)
@click.option("--json", "as_json", is_flag=True, help="JSON in place of the token alone.")
@click.pass_obj
def create(client: TokenClient, name: str, role: str, days: int | None, as_json: bool) -> None:
    """Make a token for NAME; it is printed this once."""
    made = ask(client, lambda _: client.make(name, role, days))
    click.echo(json.dumps(made) if as_json else made["token"])


@token.command("list")
@click.option("--revoked", is_flag=True, help="Also those that were revoked.")
@click.option("--json", "as_json", is_flag=True, help="JSON in place of a table.")
@click.pass_obj
def list_(client: TokenClient, revoked: bool, as_json: bool) -> None:
    """Show all tokens, without their secrets."""
    found = ask(client, lambda _: client.tokens(revoked=revoked))["items"]
    if as_json:
        click.echo(json.dumps(found))
        return
    times = ("created_at", "expires_at", "last_used_at", *(("revoked_at",) if revoked else ()))
    made = table("name", "role", "author", *(name.removesuffix("_at").replace("_", " ") for name in times))
    for one in found:
        ends = (when(one[name], seconds=False) for name in times)
        made.add_row(*(shown(cell) for cell in (one["name"], one["role"], one["author"], *ends)))
    console().print(made if found else "no tokens")


@token.command("revoke")
@click.argument("name")
@click.pass_obj
def revoke(client: TokenClient, name: str) -> None:
    """Revoke the token of NAME: within seconds no gateway takes it any more."""
    ask(client, lambda _: client.revoke(name))
    click.echo(f"{name} is revoked")


anywhere(token)
