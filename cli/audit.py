"""The command `wattline audit`: proves that a range of the ledger is whole, or names what is missing."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from broker.wording import counted
from cli.client.ledger import Audit, LedgerClient
from cli.connection import api_options
from cli.ledger_proof import Gap
from cli.requests import as_json_option, ask
from cli.tables import console, shown, table
from cli.times import Time
from gateway.wording import when

MOST_SHOWN = 1000
_TIME = "RFC 3339, a date, -7d, -24h, today, yesterday (UTC)"


class NotFoundOutError(click.ClickException):
    """The gateway is away or refuses; status 1 would say that something is missing."""

    exit_code = 2


@click.command()
@click.option("--device", help="Only this device; all without it.")
@click.option(
    "--since", type=Time(), metavar="TIME", help=f"From when on: {_TIME}; 24 hours before --until without it."
)
@click.option("--until", type=Time(), metavar="TIME", help="Until when, as --since; now without it.")
@as_json_option
@api_options()
def audit(device: str | None, since: str | None, until: str | None, as_json: bool, url: str, token: str | None) -> None:
    """Prove that what devices sent is stored, by the numbers of all messages received in a range of time.

    Status 0: nothing is missing. 1: it is named what is missing. 2: it could not be found out.
    """
    end = datetime.now(UTC) if until is None else datetime.fromisoformat(until)
    start = end - timedelta(days=1) if since is None else datetime.fromisoformat(since)
    if start >= end:
        raise click.UsageError(f"--since {start.isoformat()} is not before --until {end.isoformat()}")
    try:
        found = ask(LedgerClient(url, token), lambda api: api.audit(start, end, device))
    except click.ClickException as error:
        raise NotFoundOutError(error.message) from error
    if as_json:
        click.echo(json.dumps(_document(found)))
    else:
        _print(found)
    if not found.whole:
        raise SystemExit(1)


def _document(found: Audit) -> dict[str, Any]:
    return {
        "since": found.since.isoformat(),
        "until": found.until.isoformat(),
        "whole": found.whole,
        "devices": len(found.devices),
        "messages": found.messages,
        "came_at_another_time": found.late,
        "missing": [
            {
                "device": gap.device,
                "boot": gap.boot,
                "low": gap.low,
                "high": gap.high,
                "numbers": gap.numbers,
                "after_at": gap.after_at.isoformat() if gap.after_at else None,
                "before_at": gap.before_at.isoformat(),
                "expected": expected,
            }
            for gap, expected in found.missing
        ],
    }


def _print(found: Audit) -> None:
    devices = counted(len(found.devices), "device", thousands=True)
    messages = counted(found.messages, "message", thousands=True)
    spell = f"from {when(found.since.isoformat())} to {when(found.until.isoformat())}"
    out = console()
    if found.whole:
        heard = f"{messages} of {devices}, none missing" if found.messages else "no message came: nothing to prove"
        out.print(shown(f"whole: {heard}, {spell}"), highlight=False)
        return
    numbers = sum(gap.numbers for gap, _ in found.missing)
    lost = counted(numbers, "message", thousands=True)
    out.print(shown(f"missing: {lost} beside {messages} of {devices}, {spell}"), highlight=False)
    made = table("device", "boot", "numbers", "count", "after", "before", "", right=("count",))
    for gap, expected in found.missing[:MOST_SHOWN]:
        word = "may still come" if expected else "lost"
        after = when(gap.after_at.isoformat()) if gap.after_at else "its beginning"
        cells = (gap.device, gap.boot, _named(gap), f"{gap.numbers:,}", after, when(gap.before_at.isoformat()), word)
        made.add_row(*(shown(cell) for cell in cells))
    out.print(made)
    if len(found.missing) > MOST_SHOWN:
        out.print(f"and {len(found.missing) - MOST_SHOWN} more: --json names all", highlight=False)


def _named(gap: Gap) -> str:
    return str(gap.low) if gap.low == gap.high else f"{gap.low}-{gap.high}"
