"""The commands `wattline point ...`: which meter stands at which point of delivery, and what the points are called."""

import json
from typing import Any, TypeVar

import click

from cli.client.http import ConfigClient
from cli.connection import anywhere, api_options
from cli.options import login as _user
from cli.requests import ask
from cli.times import Time
from gateway.wording import when

T = TypeVar("T")
COLUMNS = (("id", "ID"), ("name", "POINT"), ("meter", "METER"), ("since", "SINCE"), ("previous_meter", "BEFORE"))
as_json_option = click.option("--json", "as_json", is_flag=True, help="JSON in place of a table.")


class PointClient(ConfigClient):
    """Reads and renames points of delivery at one gateway; enter it with `async with`."""

    async def points(self, device: str | None) -> list[dict[str, Any]]:
        """All points, or those of a device, over all pages."""
        found: list[dict[str, Any]] = []
        query = {"limit": "1000"} | ({"device": device} if device else {})
        while True:
            page = await self._call("GET", self._at("points").with_query(query))
            found += page["items"]
            if page["next"] is None:
                return found
            query["cursor"] = page["next"]

    async def rename(self, point: int, name: str, author: str) -> dict[str, Any]:
        """Give a point another name; answers the point."""
        url = self._at("points", point).with_query(author=author)
        return await self._call("PATCH", url, {"name": name})

    async def read(self, point: int, register: dict[str, Any], author: str) -> dict[str, Any]:
        """Enter a register that somebody read; answers the point with its stays."""
        url = (self._base / "points" / str(point) / "registers").with_query(author=author)
        return await self._call("PUT", url, register)


@click.group()
@api_options()
@click.pass_context
def point(ctx: click.Context, url: str, token: str | None) -> None:
    """List and rename points of delivery."""
    ctx.obj = PointClient(url, token)


@point.command("list")
@click.argument("device", required=False)
@as_json_option
@click.pass_obj
def list_(client: PointClient, device: str | None, as_json: bool) -> None:
    """Show all points, or those of DEVICE: the meter there now, since when, and the one before it."""
    points = ask(client, lambda api: api.points(device))
    if as_json:
        click.echo(json.dumps(points))
        return
    if not points:
        click.echo("no points yet: a point comes with the first registration that shows a meter", err=True)
        return
    rows = [[title for _, title in COLUMNS], *([_cell(name, one[name]) for name, _ in COLUMNS] for one in points)]
    widths = [max(len(row[n]) for row in rows) for n in range(len(COLUMNS))]
    for row in rows:
        click.echo("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())


@point.command("rename")
@click.argument("which", metavar="POINT")
@click.argument("name")
@click.option("--author", default=_user, help="For whom, beside your token's name; by default your login.")
@as_json_option
@click.pass_obj
def rename(client: PointClient, which: str, name: str, author: str, as_json: bool) -> None:
    """Call POINT (its id, or its present name) NAME."""

    async def renamed(api: PointClient) -> dict[str, Any]:
        return await api.rename(await _number(api, which), name, author)

    answer = ask(client, renamed)
    click.echo(json.dumps(answer) if as_json else f"point {answer['id']} is called {answer['name']}")


@point.command("read")
@click.argument("which", metavar="POINT")
@click.argument("meter")
@click.argument("kind", type=click.Choice(["opening", "closing"]))
@click.argument("obis")
@click.argument("value", type=float, required=False)
@click.option("--at", type=Time(), metavar="TIME",
              help="When it was read: RFC 3339, a date (UTC), -2h; else when the meter came or went.")  # fmt: skip
@click.option("--withdraw", is_flag=True, help="In place of VALUE: back to what the readings say.")
@click.option("--author", default=_user, help="Who read it; by default your login.")
@as_json_option
@click.pass_obj
def read(
    client: PointClient, which: str, meter: str, kind: str, obis: str, value: float | None, at: str | None,
    withdraw: bool, author: str, as_json: bool,
) -> None:  # fmt: skip
    """Enter register OBIS as METER showed it when it came to POINT (opening) or left it (closing)."""
    if withdraw == (value is not None):
        raise click.UsageError("give VALUE, or --withdraw in its place")
    register = {"meter": meter, "kind": kind, "obis": obis, "value": value} | ({"at": at} if at else {})

    async def entered(api: PointClient) -> dict[str, Any]:
        return await api.read(await _number(api, which), register, author)

    answer = ask(client, entered)
    said = "as the readings say" if withdraw else f"{value:.15g}, as {author} read it"
    click.echo(json.dumps(answer) if as_json else f"{answer['name']}: {kind} register {obis} of {meter} is {said}")


async def _number(api: PointClient, which: str) -> int:
    """The id of a point by its name or id."""
    found = {one["name"]: one["id"] for one in await api.points(None)}
    number = found.get(which, int(which) if which.isascii() and which.isdigit() else None)
    if number is None:
        raise click.ClickException(f"no point is called {which!r}: `wattline point list` shows them")
    return int(number)


def _cell(name: str, value: Any) -> str:
    text = when(value) if name == "since" else value
    return "-" if text in (None, "") else str(text)


anywhere(point)
