"""The commands `wattline notify ...`: who is told what, by which channel, and what became of it."""

import json
import sys
from functools import partial
from typing import IO, Any

import click
import yaml

from cli.client.notify import NotifyClient
from cli.connection import anywhere, api_options
from cli.requests import as_json_option, ask, author_option
from cli.tables import console, shown, table
from gateway.wording import when

_text = click.File("r", encoding="utf-8-sig")


@click.group()
@api_options()
@click.pass_context
def notify(ctx: click.Context, url: str, token: str | None) -> None:
    """Tell others what happens: channels, rules, and messages on their way."""
    ctx.obj = NotifyClient(url, token)


@notify.command("test")
@click.argument("channel")
@author_option
@as_json_option
@click.pass_obj
def test(client: NotifyClient, channel: str, author: str, as_json: bool) -> None:
    """Send a message to CHANNEL now, and say what the other side answered. Status 1 unless it was taken."""
    found = ask(client, lambda api: api.test(channel, author))
    if as_json:
        click.echo(json.dumps(found))
    elif found["state"] == "waiting":
        click.echo(f"{channel}: no worker has sent it within 30 s; does `wattline worker` run?")
    else:
        click.echo(f"{channel}: {'taken' if found['state'] == 'sent' else 'not taken'}: {shown(found['answer'] or '')}")
    sys.exit(0 if found["state"] == "sent" else 1)


@notify.group()
def channel() -> None:
    """Set, list and remove channels: where messages go."""


@channel.command("set")
@click.argument("name")
@click.option("--url-file", type=_text, help="A file with the URL, - for standard input; else you are asked.")
@click.option("--secret-file", type=_text, help="Of a webhook: a file with its secret (whsec_...); else one is made.")
@author_option
@as_json_option
@click.pass_obj
def set_channel(
    client: NotifyClient,
    name: str,
    url_file: IO[str] | None,
    secret_file: IO[str] | None,
    author: str,
    as_json: bool,
) -> None:
    """Make channel NAME lead to a URL: https://..., mailtos://..., ntfys://..., tgram://..., slack://..., workflows://...

    The URL has secrets in it: it is sealed, and never shown again. docs/NOTIFICATIONS.md has one of each kind.
    """
    if url_file is None and not sys.stdin.isatty():
        raise click.UsageError("nobody can be asked here: give --url-file FILE, or - for standard input")
    url = click.prompt("URL", hide_input=True) if url_file is None else url_file.read().strip()
    values = {"url": url} | ({} if secret_file is None else {"secret": secret_file.read().strip()})
    found = ask(client, lambda api: api.set_channel(name, values, author))
    if as_json:
        click.echo(json.dumps(found))
        return
    click.echo(f"{name}: {shown(found['shown'])}; `wattline notify test {name}` tries it")
    if found["secret"]:
        click.echo(f"its secret, shown this once: {found['secret']}")


@channel.command("list")
@as_json_option
@click.pass_obj
def channels(client: NotifyClient, as_json: bool) -> None:
    """Show all channels, and how their messages stand."""
    found = ask(client, lambda api: api.channels())
    if as_json:
        click.echo(json.dumps(found))
        return
    made = table("channel", "leads to", "waiting", "dead", "failures", "last answer", "at")
    for one in found:
        cells = (one["name"], one["shown"], str(one["waiting"]), str(one["dead"]), str(one["failures"]))
        made.add_row(*(shown(cell) for cell in (*cells, one["answer"] or "", when(one["answered_at"]))))
    console().print(made if found else "no channel; `wattline notify channel set NAME` makes one")


@channel.command("remove")
@click.argument("name")
@author_option
@click.pass_obj
def remove_channel(client: NotifyClient, name: str, author: str) -> None:
    """Remove channel NAME, which no rule may tell any more, with its messages."""
    ask(client, lambda api: api.remove_channel(name, author))
    click.echo(f"{name} is removed")


@notify.group()
def rule() -> None:
    """Set, list, show and remove rules: what is told, and when."""


@rule.command("set")
@click.argument("name")
@click.option("--file", "file", type=_text, help="The rule as YAML or JSON, - for standard input.")
@click.option("--about", help="What it is about, such as offline; with --channel, in the place of a file.")
@click.option("--channel", help="Where it tells it.")
@author_option
@as_json_option
@click.pass_obj
def set_rule(
    client: NotifyClient,
    name: str,
    file: IO[str] | None,
    about: str | None,
    channel: str | None,
    author: str,
    as_json: bool,
) -> None:
    """Make rule NAME, or replace it whole. What it can say stands in docs/NOTIFICATIONS.md."""
    document = {} if file is None else _read(file)
    document |= {key: value for key, value in (("about", about), ("channel", channel)) if value is not None}
    if not document:
        raise click.UsageError("give --file FILE, or --about and --channel")
    found = ask(client, lambda api: api.set_rule(name, document, author))
    kept = found["rule"]
    click.echo(json.dumps(found) if as_json else f"{name}: {kept['about']} is told to {kept['channel']}")
    if found["note"]:
        click.echo(f"{name}: {shown(found['note'])}", err=True)


def _read(file: IO[str]) -> dict[str, Any]:
    try:
        found = yaml.safe_load(file)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise click.BadParameter(f"{file.name} is no YAML: {' '.join(str(error).split())[:200]}") from None
    if not isinstance(found, dict):
        raise click.BadParameter(f"{file.name} is no mapping; write `about: offline` and `channel: NAME`")
    return found


@rule.command("list")
@as_json_option
@click.pass_obj
def rules(client: NotifyClient, as_json: bool) -> None:
    """Show all rules."""
    found = ask(client, lambda api: api.rules())
    if as_json:
        click.echo(json.dumps(found))
        return
    made = table("rule", "about", "channel", "enabled", "found", "told", "by")
    for one in found:
        kept = one["rule"]
        enabled = "yes" if kept.get("enabled", True) else "no"
        cells = (one["name"], kept["about"], kept["channel"], enabled, str(one["found"]))
        made.add_row(*(shown(cell) for cell in (*cells, when(one["told_at"]), one["author"])))
    console().print(made if found else "no rule; `wattline notify rule set NAME` makes one")


@rule.command("show")
@click.argument("name")
@as_json_option
@click.pass_obj
def show_rule(client: NotifyClient, name: str, as_json: bool) -> None:
    """Show rule NAME as YAML, as `rule set --file` takes it."""
    found = ask(client, lambda api: api.rule(name))
    click.echo(
        json.dumps(found) if as_json else yaml.safe_dump(found["rule"], sort_keys=False, allow_unicode=True), nl=as_json
    )


@rule.command("remove")
@click.argument("name")
@author_option
@click.pass_obj
def remove_rule(client: NotifyClient, name: str, author: str) -> None:
    """Remove rule NAME; messages that it has made go out."""
    ask(client, lambda api: api.remove_rule(name, author))
    click.echo(f"{name} is removed")


@notify.command("messages")
@click.option("--state", type=click.Choice(("waiting", "sent", "dead")), help="Only those in this state.")
@click.option("--channel", help="Only to this channel.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="The newest so many.")
@as_json_option
@click.pass_obj
def messages(client: NotifyClient, state: str | None, channel: str | None, limit: int, as_json: bool) -> None:
    """Show messages, the newest first; dead ones were given up."""
    found = ask(client, lambda api: api.messages(state=state, channel=channel, limit=str(limit)))
    if as_json:
        click.echo(json.dumps(found))
        return
    made = table("message", "made", "rule", "channel", "state", "tries", "title", "answer")
    for one in found:
        cells = (one["id"], when(one["made_at"]), one["rule"] or "(test)", one["channel"], one["state"])
        made.add_row(*(shown(cell) for cell in (*cells, str(one["tries"]), one["title"], one["answer"] or "")))
    console().print(made if found else "no messages")


@notify.command("replay")
@click.argument("message", required=False)
@click.option("--dead", is_flag=True, help="All dead ones (of --channel), up to a thousand.")
@click.option("--channel", help="With --dead: only to this channel.")
@author_option
@click.pass_obj
def replay(client: NotifyClient, message: str | None, dead: bool, channel: str | None, author: str) -> None:
    """Send a dead MESSAGE again, by the same id; whoever has it already knows it by that."""
    if (message is None) != dead:
        raise click.UsageError("name one message, or give --dead")
    chosen = [message] if message is not None else [
        one["id"] for one in ask(client, lambda api: api.messages(state="dead", channel=channel, limit="1000"))
    ]  # fmt: skip
    for number in chosen:
        ask(client, partial(NotifyClient.replay, number=number, author=author))
    click.echo(f"{len(chosen)} sent again" if chosen else "none is dead")


anywhere(notify)
