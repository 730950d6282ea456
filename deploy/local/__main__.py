"""`python -m deploy.local provide|check|run`: the local stack by hand."""

import asyncio
import signal
import sys
from pathlib import Path

import click

from broker.errors import WattlineError
from deploy.local.settings import LocalSettings
from deploy.local.stack import LocalStack
from deploy.local.toolchain import look, provide


@click.group()
def main() -> None:
    r"""Real Mosquitto and PostgreSQL 17 with TimescaleDB on this machine.

    \b
    Environment (all optional):
      WATTLINE_LOCAL_MOSQUITTO     the Mosquitto program to use
      WATTLINE_LOCAL_POSTGRES_BIN  the folder with postgres and initdb
      WATTLINE_LOCAL_SYSTEM=0      pass over what is installed on this machine
      WATTLINE_LOCAL_MIRROR        the Debian mirror to provide from
      WATTLINE_LOCAL_CACHE         where the provided programs are kept
      WATTLINE_LOCAL_RUNS          where data folders of runs are made
    """


@main.command("provide")
def provide_command() -> None:
    """Find the servers' programs, or download them into the cache."""
    toolchain = provide(LocalSettings(), _say)
    click.echo(f"mosquitto   {toolchain.mosquitto}")
    click.echo(f"postgresql  {toolchain.postgres_bin}")


@main.command("check")
def check_command() -> None:
    """Say what the environment and the system have; exit code 1 where something is missing."""
    found = look(LocalSettings())
    click.echo(f"mosquitto   {found.mosquitto or 'missing'}")
    click.echo(f"postgresql  {found.postgres_bin or 'missing'}")
    for reason in found.reasons:
        click.echo(f"passed over: {reason}")
    if not (found.mosquitto and found.postgres_bin):
        click.echo("what is missing will be provided at the first run, where this machine is of the Debian family")
        sys.exit(1)


@main.command("run")
@click.option("--folder", type=click.Path(path_type=Path), help="Where to keep the data; gone at the end if not given.")
@click.option("--fast", is_flag=True, help="Trade safety in a power cut for speed.")
def run_command(folder: Path | None, *, fast: bool) -> None:
    """Run both servers until Ctrl-C."""
    asyncio.run(_run(folder, durable=not fast))


async def _run(folder: Path | None, *, durable: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    async with LocalStack.start(folder, keep=folder is not None, durable=durable, progress=_say) as stack:
        versions = await stack.versions()
        click.echo(f"folder      {stack.folder}")
        click.echo(f"mosquitto   {stack.mosquitto.host}:{stack.mosquitto.port} ({versions['mosquitto']})")
        for user, password in stack.mosquitto.credentials.items():
            click.echo(f"  user      {user} {password}")
        click.echo(
            f"postgresql  {stack.postgres.dsn()} ({versions['postgresql']}, "
            f"TimescaleDB {versions['timescaledb']} {versions['timescaledb_edition']})"
        )
        click.echo("Ctrl-C ends it")
        await stop.wait()
    click.echo("ended")


def _say(line: str) -> None:
    click.echo(line, err=True)


if __name__ == "__main__":
    try:
        main()
    except WattlineError as error:
        sys.exit(f"error: {error}")
