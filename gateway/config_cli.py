"""The commands `wattline config get` and `wattline config set`."""

import asyncio
import getpass
import json
from collections.abc import Awaitable, Callable
from typing import Any

import click
from yarl import URL

from broker.messages import Parameters
from broker.options import FiniteRange
from gateway.config_client import ConfigClient, RequestRefusedError, ServiceUnreachableError
from gateway.layers import KNOWN

DEFAULT_URL = "http://127.0.0.1:8080"
WAIT_S = 30.0


def _url(_ctx: click.Context, _param: click.Parameter, value: str) -> str:
    try:
        url = URL(value)
        good = url.scheme in ("http", "https") and bool(url.host) and url.port is not None and 1 <= url.port <= 65535
    except ValueError:
        good = False
    if not good:
        raise click.BadParameter(f"{value!r} is no address; write http://host:port with a port from 1 to 65535")
    return value


def _user() -> str:
    try:
        return getpass.getuser()[:64]
    except (KeyError, OSError):
        return "cli"


@click.group()
@click.option("--url", envvar="WATTLINE_URL", default=DEFAULT_URL, show_default=True, show_envvar=True, callback=_url,
              help="Where the gateway serves its API.")  # fmt: skip
@click.option("--token", envvar="WATTLINE_TOKEN", show_envvar=True, help="The API's bearer token.")
@click.pass_context
def config(ctx: click.Context, url: str, token: str | None) -> None:
    """Get and set parameters of devices or of the fleet."""
    ctx.obj = ConfigClient(url, token)


@config.command("get")
@click.argument("device", required=False)
@click.argument("parameter", required=False)
@click.option("--fleet", is_flag=True, help="The fleet's parameters instead of a device's.")
@click.option("--json", "as_json", is_flag=True, help="JSON in place of a table.")
@click.pass_obj
def get(client: ConfigClient, device: str | None, parameter: str | None, fleet: bool, as_json: bool) -> None:
    """Show the parameters of DEVICE, or one PARAMETER of it; with --fleet only PARAMETER is given."""
    if fleet and device is not None:
        if parameter is not None:
            raise click.UsageError("give DEVICE or --fleet, not both")
        device, parameter = None, device
    if not fleet and device is None:
        raise click.UsageError("name a DEVICE, or say --fleet")
    if parameter is not None:
        _known(parameter)
    document = _ask(client, lambda api: api.parameters(device))
    if parameter is not None:
        value = document["effective"][parameter]
        click.echo(json.dumps({parameter: value}) if as_json else _text(value))
    elif as_json:
        click.echo(json.dumps(document))
    else:
        _show(document)


@config.command("set")
@click.argument("words", metavar="[DEVICE] PARAMETER=VALUE...", nargs=-1, required=True)
@click.option("--fleet", is_flag=True, help="Change the whole fleet instead of one device.")
@click.option("--reason", help="Why, for the history.")
@click.option("--author", default=_user, help="Who, for the history; by default your login.")
@click.option("--wait", "wait_s", type=FiniteRange(0, 60), is_flag=False, flag_value=WAIT_S, default=0.0,
              help="Wait for the device's report, for so many seconds (30 where none are given).")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="JSON in place of a sentence.")
@click.pass_obj
def set_(
    client: ConfigClient,
    words: tuple[str, ...],
    fleet: bool,
    reason: str | None,
    author: str,
    wait_s: float,
    as_json: bool,
) -> None:
    """Set parameters; `PARAMETER=null` gives one back to the layers below, lists are JSON or have commas."""
    if fleet and "=" not in words[0] and words[0] not in KNOWN:
        raise click.UsageError("give DEVICE or --fleet, not both")
    device, pairs = (None, words) if fleet else (words[0], words[1:])
    if device is not None and "=" in device:
        raise click.UsageError("name a DEVICE first, or say --fleet")
    if not pairs:
        raise click.UsageError("nothing to set: give PARAMETER=VALUE")
    changes = dict(_pair(word) for word in pairs)
    document = _ask(client, lambda api: api.change(device, changes, author=author, reason=reason, wait_s=wait_s))
    if as_json:
        click.echo(json.dumps(document))
    elif device is None:
        click.echo(f"fleet: {len(document['changed'])} devices changed")
    else:
        click.echo(f"{device}: version {document['version']}")
    _tell_report(document, device, wait_s, as_json=as_json)


def _tell_report(document: dict[str, Any], device: str | None, wait_s: float, *, as_json: bool) -> None:
    """What the devices made of it; ends with status 3 where they refused or did not report in time."""
    if not wait_s:
        return
    if device is None:
        if document["pending"]:
            click.echo(f"no report in {wait_s:g} s from: {', '.join(document['pending'])}", err=True)
            raise SystemExit(3)
        return
    report = document["reported"]
    if report is None or report["version"] < document["version"]:
        click.echo(f"{device} has not reported version {document['version']} in {wait_s:g} s", err=True)
        raise SystemExit(3)
    if report["state"] != "applied":
        why = "; ".join(f"{one['field']}: {one['reason']}" for one in report["reasons"])
        click.echo(f"{device} {report['state']} version {report['version']}: {why}", err=True)
        raise SystemExit(3)
    if not as_json:
        click.echo(f"{device} applied version {report['version']}")


def _show(document: dict[str, Any]) -> None:
    sources = {name: layer["scope"] for layer in document["layers"] for name in layer["parameters"]}
    report = document.get("reported")
    names = document["effective"]
    width = max(len(name) for name in names)
    for name, value in names.items():
        line = f"{name:<{width}}  {_text(value):<12}  {sources.get(name, 'default')}"
        if report is not None and report["effective"].get(name) != value:
            line += f"  (device has {_text(report['effective'].get(name))})"
        click.echo(line.rstrip())
    if "version" in document:
        told = f"{report['state']} {report['version']}" if report else "nothing reported yet"
        click.echo(f"version {document['version']}; device: {told}")


def _pair(word: str) -> tuple[str, Any]:
    name, equals, text = word.partition("=")
    if not equals:
        raise click.UsageError(f"{word!r} is no PARAMETER=VALUE")
    _known(name)
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    if (
        Parameters.model_json_schema()["properties"][name]["type"] == "array"
        and value is not None
        and not isinstance(value, list)
    ):
        value = [part for part in text.split(",") if part]
    return name, value


def _known(name: str) -> None:
    if name not in KNOWN:
        raise click.ClickException(f"unknown parameter {name!r}; known are: {', '.join(KNOWN)}")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _ask(client: ConfigClient, call: Callable[[ConfigClient], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
    async def ask() -> dict[str, Any]:
        async with client as api:
            return await call(api)

    try:
        return asyncio.run(ask())
    except RequestRefusedError as error:
        raise click.ClickException("\n".join(error.lines) or error.detail) from error
    except ServiceUnreachableError as error:
        raise click.ClickException(str(error)) from error
