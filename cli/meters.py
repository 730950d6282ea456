"""The commands `wattline meter ...`: which there are, their keys, and whose one is that several devices register."""

import json
import sys
from typing import IO

import click

from cli.client.meters import MeterClient
from cli.connection import anywhere, api_options
from cli.requests import as_json_option, ask, author_option, reason_option
from cli.tables import console, shown, table
from cli.times import Time
from gateway.wording import when

_file = click.File("r", encoding="utf-8-sig")


def _secret(file: IO[str]) -> str:
    """What a file holds, without blanks around. Raises BadParameter where that is no text; nothing of it is shown."""
    try:
        return file.read().strip()
    except UnicodeDecodeError:
        raise click.BadParameter(
            f"{file.name} is no text in UTF-8: write 32 hex digits, not the key's octets"
        ) from None


STATES = {
    "given": "its device has it",
    "waiting": "its device gets it as soon as the broker has taken it",
    "withheld": "its device is not given it: `wattline meter key release` says that it may",
    "too_many": "its device has keys of 256 meters and takes no more: move meters to another device",
    "not_opened": "no master key of the gateway's opens it: set it again",
    "no_certificate": "its device logs in by a password and is not given it: the platform decodes its frames",
}


@click.group()
@api_options()
@click.pass_context
def meter(ctx: click.Context, url: str, token: str | None) -> None:
    """List meters; set their keys; show which devices claim a meter of another's, and decide."""
    ctx.obj = MeterClient(url, token)


@meter.command("list")
@click.option("--device", help="Only those of this device; a source's is source-NAME.")
@click.option("--removed", is_flag=True, help="Also meters that have been removed.")
@as_json_option
@click.pass_obj
def meters(client: MeterClient, device: str | None, removed: bool, as_json: bool) -> None:
    """Show meters by key, those of sources of third parties, too."""
    found = ask(client, lambda api: api.meters(device, removed=removed))
    if as_json:
        click.echo(json.dumps(found))
        return
    columns = ("meter", "device", "manufacturer", "product", "serial", "spec")
    made = table(*columns)
    for one in found:
        made.add_row(*(shown(one[column]) for column in columns))
    console().print(made if found else "no meters")


@meter.command("claims")
@click.argument("key", required=False)
@click.option("--device", help="Only by this device.")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True, help="The newest so many.")
@as_json_option
@click.pass_obj
def claims(client: MeterClient, key: str | None, device: str | None, limit: int, as_json: bool) -> None:
    """Show claims on meters (or on KEY) that stand at another device's port, the newest first."""
    found = ask(client, lambda api: api.claims(meter=key, device=device, limit=str(limit)))
    if as_json:
        click.echo(json.dumps(found))
        return
    made = table("meter", "stands at", "claimed by", "since", "state")
    for one in found:
        cells = (one["meter"], one["owner"] or "", one["device"], when(one["claimed_at"]), one["state"])
        made.add_row(*(shown(cell) for cell in cells))
    console().print(made if found else "no device claims a meter of another's")


@meter.command("move")
@click.argument("key")
@click.option("--to", "device", required=True, help="The device that registers it too.")
@click.option("--since", type=Time(), help="From when on it stood there: RFC 3339, a date (UTC), or -2h.")
@author_option
@reason_option
@as_json_option
@click.pass_obj
def move(
    client: MeterClient,
    key: str,
    device: str,
    since: str | None,
    author: str,
    reason: str | None,
    as_json: bool,
) -> None:
    """Give meter KEY to the device that claims it, without waiting for the other one to be silent.

    What the device has sent of it since then is taken out of quarantine by itself.
    """
    query = {"device": device, "since": since, "author": author, "reason": reason}
    found = ask(client, lambda api: api.decide(key, "move", **query))
    said = f"{found['meter']} went from {found['owner']} to {found['device']}, as of {when(found['at'] or '')}"
    click.echo(json.dumps(found) if as_json else said)


@meter.command("refuse")
@click.argument("key")
@click.option("--to", "device", required=True, help="The device whose claim is refused.")
@author_option
@reason_option
@as_json_option
@click.pass_obj
def refuse(client: MeterClient, key: str, device: str, author: str, reason: str | None, as_json: bool) -> None:
    """Never give meter KEY to this device by itself, however silent the other one is."""
    found = ask(client, lambda api: api.decide(key, "refuse", device=device, author=author, reason=reason))
    said = f"{found['meter']} stays with {found['owner']}: {found['device']} gets it by `wattline meter move` only"
    click.echo(json.dumps(found) if as_json else said)


@meter.group()
def key() -> None:
    """Set, remove and list keys of meters whose telegrams are encrypted. None is ever shown again."""


@key.command("set")
@click.argument("meter")
@click.option(
    "--key-file", type=_file, help="A file with the encryption key, - for standard input; else you are asked."
)
@click.option("--authentication-file", type=_file, help="A file with the authentication key, where it is known.")
@click.option("--password-file", type=_file, help="A file with the password by which it is asked (LLS and the like).")
@author_option
@as_json_option
@click.pass_obj
def set_(
    client: MeterClient,
    meter: str,
    key_file: IO[str] | None,
    authentication_file: IO[str] | None,
    password_file: IO[str] | None,
    author: str,
    as_json: bool,
) -> None:
    """Set the keys of METER, as FLAG:serial, in the place of all that were set before.

    A key has 32 hex digits, blanks and colons between them count for nothing. What was kept of the meter is decoded by
    it, and the device at whose port it stands decodes from then on.
    """
    values = {
        kind: _secret(file)
        for kind, file in (
            ("encryption", key_file),
            ("authentication", authentication_file),
            ("password", password_file),
        )
        if file is not None
    }
    if not values and not sys.stdin.isatty():
        raise click.UsageError("nobody can be asked here: give --key-file FILE, or - for standard input")
    if not values:
        values["encryption"] = click.prompt("Encryption key", hide_input=True)
        if more := click.prompt(
            "Authentication key (empty: not known)", default="", show_default=False, hide_input=True
        ):
            values["authentication"] = more
    found = ask(client, lambda api: api.set_key(meter, author, values))
    said = f"{meter}: {', '.join(found['kinds'])} set, fingerprint {found['fingerprint']}; {STATES[found['state']]}"
    click.echo(json.dumps(found) if as_json else said)


@key.command("remove")
@click.argument("meter")
@author_option
@as_json_option
@click.pass_obj
def remove(client: MeterClient, meter: str, author: str, as_json: bool) -> None:
    """Forget the keys of METER; its device forgets them, too, and its telegrams are kept undecoded from then on."""
    found = ask(client, lambda api: api.remove_key(meter, author))
    click.echo(json.dumps(found) if as_json else f"{meter} has no key any more")


@key.command("release")
@click.argument("meter")
@author_option
@as_json_option
@click.pass_obj
def release(client: MeterClient, meter: str, author: str, as_json: bool) -> None:
    """Let the device have the keys of METER at whose port it stands now, where they were set for another one."""
    found = ask(client, lambda api: api.release_key(meter, author))
    click.echo(json.dumps(found) if as_json else f"{meter}: {found['device']} may have its keys")


@key.command("list")
@as_json_option
@click.pass_obj
def list_(client: MeterClient, as_json: bool) -> None:
    """Show which meters have keys, by whom, since when, and which want one."""
    found = ask(client, lambda api: api.keys())
    if as_json:
        click.echo(json.dumps(found))
        return
    made = table("meter", "device", "keys", "fingerprint", "set by", "since", "state")
    for one in found["items"]:
        told = (", ".join(one["kinds"]), one["fingerprint"], one["set_by"], when(one["set_at"]), one["state"])
        made.add_row(*(shown(cell) for cell in (one["meter"], one["device"] or "", *told)))
    for one in found["wanted"]:
        known = any(item["meter"] == one["meter"] for item in found["items"])
        if not known:
            made.add_row(*(shown(cell) for cell in (one["meter"], one["device"] or "", "", "", "", "", "needs key")))
    console().print(made if found["items"] or found["wanted"] else "no meter has a key, and none wants one")


anywhere(meter)
