"""The commands `wattline device list|show|label`, which ask a gateway about devices."""

import json
from collections.abc import Iterable
from typing import Any, Final

import click
from yarl import URL

from broker.wording import counted
from cli.client.http import ConfigClient
from cli.options import once
from cli.requests import as_json_option, ask, author_option, reason_option
from cli.tables import console, shown, table
from gateway.desired.state_text import at_length, attendance, in_short
from gateway.wording import when


class DeviceClient(ConfigClient):
    """Devices over the HTTP API; enter it with `async with`."""

    async def devices(self, **query: str) -> list[dict[str, Any]]:
        """Devices by name, over all pages."""
        found: list[dict[str, Any]] = []
        cursor: dict[str, str] = {}
        while True:
            page = await self._call("GET", self._at("devices").with_query({**query, **cursor, "limit": "1000"}))
            found += page["items"]
            if page["next"] is None:
                return found
            cursor = {"cursor": page["next"]}

    async def device(self, name: str) -> dict[str, Any]:
        """All that is known of one."""
        return await self._call("GET", self._at("devices", name))

    async def labels(self, name: str) -> dict[str, Any]:
        """Its labels and facts."""
        return await self._call("GET", self._labels(name))

    async def label(
        self, name: str, changes: dict[str, Any], *, author: str, reason: str | None, replace: bool
    ) -> dict[str, Any]:
        """Set labels, None takes one away; with `replace` it has no others."""
        query = {"author": author} | ({"reason": reason} if reason else {})
        return await self._call("PUT" if replace else "PATCH", self._labels(name).with_query(query), changes)

    async def credentials(self, name: str) -> dict[str, Any]:
        """What it logs in at the broker by."""
        return await self._call("GET", self._at("devices", name, "credentials"))

    async def revoke(self, name: str, *, author: str, reason: str | None) -> dict[str, Any]:
        """End all of its logins."""
        query = {"author": author} | ({"reason": reason} if reason else {})
        return await self._call("POST", self._at("devices", name, "credentials:revoke").with_query(query))

    async def rotate(self, name: str, *, author: str) -> dict[str, Any]:
        """Give it a new password."""
        return await self._call("POST", self._at("devices", name, "credentials:rotate").with_query(author=author))

    def _labels(self, name: str) -> URL:
        return self._at("devices", name, "labels")


@click.command("list")
@click.option("--selector", "-l", help="Only those with these labels, as site=warsaw,model!=pi3.")
@click.option("--online/--offline", default=None, help="Only those that are online, or that are not.")
@as_json_option
@click.pass_obj
def list_(client: DeviceClient, selector: str | None, online: bool | None, as_json: bool) -> None:
    """Show devices: whether they are there, their meters, configuration and labels."""
    query = {"selector": selector} if selector else {}
    query |= {} if online is None else {"online": str(online).lower()}
    found = ask(client, lambda api: api.devices(**query))
    if as_json:
        click.echo(json.dumps(found))
        return
    made = table("device", "online", "meters", "config", "last seen", "software", "labels", right=("meters",))
    for one in found:
        seen = when(one["last_seen_at"])
        cells = (one["device"], attendance(one), one["meter_count"], in_short(one), seen, one["software"])
        made.add_row(*(shown(cell) for cell in (*cells, _pairs(one["labels"]))))
    console().print(made if found else "no devices")


@click.command("show")
@click.argument("device")
@as_json_option
@click.pass_obj
def show(client: DeviceClient, device: str, as_json: bool) -> None:
    """Show one device: labels, facts, meters and the specs that read them."""

    async def both(api: DeviceClient) -> tuple[dict[str, Any], dict[str, Any]]:
        return await api.device(device), await api.labels(device)

    found, labels = ask(client, both)
    if as_json:
        click.echo(json.dumps({**found, "facts": labels["facts"]}))
        return
    out = console()
    facts = {
        "device": found["device"], "online": attendance(found), "config": in_short(found),
        "reported": at_length(found["config_state"], found["reported"]), "silent": ", ".join(found["silent"]),
        "last seen": when(found["last_seen_at"]), "outbox": _outbox(found.get("outbox")),
        "over quota": _over(found.get("quotas", ())),
        "labels": _pairs(labels["labels"]), "facts": _pairs(labels["facts"]),
    }  # fmt: skip
    for name, value in facts.items():
        out.print(shown(f"{name}: {value or ''}"), highlight=False)
    seen = {meter["key"]: meter for meter in (found["registration"] or {}).get("meters", ())}
    made = table("meter", "port", "protocol", "product", "spec", "installed")
    for one in found["meters"]:
        if one["removed_at"] is None:
            installed = when(one["installed_at"], seconds=False)
            cells = (one["meter"], one["port"], one["protocol"], _product(one, seen), one["spec"], installed)
            made.add_row(*(shown(cell) for cell in cells))
    out.print(made)


def _over(quotas: Iterable[dict[str, Any]]) -> str:
    """The quotas of which something was cut, as `events 2026-11-29 (7 cut, 5000 a day allowed)`."""
    return ", ".join(
        f"{one['quota']} {one['day']} ({one['cut']} cut"
        + (f", {one['allowed']} a day allowed)" if one["allowed"] is not None else ")")
        for one in quotas
        if one["cut"]
    )


@click.command("label")
@click.argument("device")
@click.argument("words", metavar="[NAME=VALUE...]", nargs=-1)
@click.option("--replace", is_flag=True, help="Take all its other labels away.")
@author_option
@reason_option
@as_json_option
@click.pass_obj
def label(
    client: DeviceClient,
    device: str,
    words: tuple[str, ...],
    replace: bool,
    author: str,
    reason: str | None,
    as_json: bool,
) -> None:
    """Give DEVICE labels; NAME= takes one away. Without any, show those that it has."""
    changes = dict(_label(word, replace=replace) for word in words)
    once("label", [word.partition("=")[0] for word in words])
    if not words and not replace:
        found = ask(client, lambda api: api.labels(device))
    else:
        found = ask(client, lambda api: api.label(device, changes, author=author, reason=reason, replace=replace))
    if as_json:
        click.echo(json.dumps(found))
    else:
        click.echo(f"{found['device']}: {_pairs(found['labels']) or 'no labels'}")


@click.command("credentials")
@click.argument("device")
@as_json_option
@click.pass_obj
def credentials(client: DeviceClient, device: str, as_json: bool) -> None:
    """Show what DEVICE logs in at the broker by, certificate or password, and what was revoked of it."""
    _show_credentials(ask(client, lambda api: api.credentials(device)), as_json=as_json)


@click.command("revoke")
@click.argument("device")
@author_option
@reason_option
@as_json_option
@click.pass_obj
def revoke(client: DeviceClient, device: str, author: str, reason: str | None, as_json: bool) -> None:
    """End all logins of DEVICE at the broker: it is cut off within seconds, and let in no more.

    A Pi that came by a claim asks anew some minutes later, and waits: `wattline enrol list`, `approve`, `refuse`.
    A device with a password is let in again by `wattline device rotate`.
    """
    found = ask(client, lambda api: api.revoke(device, author=author, reason=reason))
    _show_credentials(found, as_json=as_json)


@click.command("rotate")
@click.argument("device")
@author_option
@as_json_option
@click.pass_obj
def rotate(client: DeviceClient, device: str, author: str, as_json: bool) -> None:
    """Give DEVICE a new password at the broker and print it, this once; the one of before ends at once.

    It lets in a device again whose password was revoked. A device that came by a claim has a certificate in place of a
    password, and is refused here: revoke it, and `wattline enrol approve` lets it in again.
    """
    found = ask(client, lambda api: api.rotate(device, author=author))
    click.echo(json.dumps(found) if as_json else found["password"])


COMMANDS: Final = (list_, show, label, credentials, revoke, rotate)


def _show_credentials(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(found))
        return
    made = table("identity", "kind", "granted", "by", "revoked", "by", "reason")
    for one in found["items"]:
        cells = (one["identity"], one["kind"], when(one["granted_at"]), one["granted_by"])
        made.add_row(*(shown(cell) for cell in (*cells, when(one["revoked_at"]), one["revoked_by"], one["reason"])))
    console().print(made if found["items"] else f"{found['device']} has no login that the platform knows of")


def _outbox(told: dict[str, Any] | None) -> str:
    """What it said that waits; a gateway of before has no word of it."""
    if told is None:
        return "not told"
    waits = [
        f"{counted(told[name], 'message')} {what}, the oldest for {told[f'{name}_for_s']:.0f} s"
        for name, what in (("waiting", "to be sent"), ("unconfirmed", "waiting for the store's receipt"))
        if told[name]
    ]
    return f"{'; '.join(waits) or 'nothing waits for longer than a minute'} (told {when(told['told_at'])})"


def _label(word: str, *, replace: bool) -> tuple[str, str | None]:
    name, equals, value = word.partition("=")
    if not equals or (replace and not value):
        raise click.UsageError(f"{word!r} is no NAME=VALUE")
    return name, value or None


def _product(meter: dict[str, Any], seen: dict[str, dict[str, Any]]) -> str:
    """What is known of it: its product, else what it calls itself, with the manufacturer where that does not say it."""
    called = seen.get(meter["meter"], {}).get("facts", {}).get("identification", "")
    what, maker = meter["product"] or called, meter["manufacturer"] or ""
    return what if maker and what.startswith(maker) else f"{maker} {what}".strip()


def _pairs(labels: dict[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in labels.items())
