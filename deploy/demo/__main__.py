"""`make demo`: run it, report, and exit 0 only if each published reading is stored once and the gap healed."""

import asyncio
import json
import logging
import signal
import sys
from pathlib import Path

import click

from broker.errors import WattlineError
from broker.runtime.options import FiniteRange
from broker.runtime.service import configure_logging
from deploy.demo.report import Report
from deploy.demo.runner import run_demo


@click.command()
@click.option("--for", "for_s", type=FiniteRange(min=5), help="Seconds to run; without it until Ctrl-C.")
@click.option("--report", type=click.Path(dir_okay=False, writable=True, path_type=Path), help="JSON report to write.")
@click.option("--unknown", is_flag=True, help="A fourth Pi, whose meter is in no catalogue.")
@click.option("--picture", type=click.Path(dir_okay=False, path_type=Path), hidden=True, help="SVG for README.")
def main(for_s: float | None, report: Path | None, unknown: bool, picture: Path | None) -> None:
    """Run the whole of Wattline on this machine with simulated Pis."""
    for option, path in (("--report", report), ("--picture", picture)):
        if path is not None:
            _require_writable(option, path)
    configure_logging("warning")
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    try:
        result = asyncio.run(_main(for_s, picture, unknown=unknown))
    except WattlineError as error:
        sys.exit(f"wattline demo: {error}")
    except ExceptionGroup as group:
        matched, rest = group.split(WattlineError)
        if matched is None or rest is not None:
            raise
        sys.exit(f"wattline demo: {_first(matched)}")
    text = json.dumps(result.document(), indent=2) + "\n"
    click.echo(text, nl=False)
    if report is not None:
        try:
            report.write_text(text)
        except OSError as error:
            sys.exit(f"wattline demo: can't write the report to {report}: {error.strerror}")
        click.echo(f"· the report is in {report}", err=True)
    if result.failure:
        sys.exit(f"wattline demo: {result.failure}")
    click.echo(f"· each of the {result.readings_published} readings published is stored exactly once", err=True)


def _first(error: BaseException) -> BaseException:
    """What went wrong, below however many groups."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _require_writable(option: str, path: Path) -> None:
    """Find out before the run, not after it, that a file can't be written; leaves no file behind."""
    try:
        fresh = not path.exists()
        with path.open("ab"):
            if fresh:
                path.unlink()
    except OSError as error:
        reason = f"can't write {path}: {error.strerror}; name a file in a folder of yours"
        raise click.BadParameter(reason, param_hint=option) from error


async def _main(for_s: float | None, picture: Path | None, *, unknown: bool) -> Report:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    return await run_demo(stop, for_s, picture, unknown=unknown)


if __name__ == "__main__":
    main()
