"""`python -m deploy.local provide|check|run`: the local stack by hand."""

import asyncio
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

import click

from broker.errors import WattlineError
from broker.runtime.environment import read
from deploy.local.browser import provide_browser
from deploy.local.containers import provide_containers
from deploy.local.settings import LocalSettings
from deploy.local.stack import LocalStack
from deploy.local.toolchain import look, provide

_ENVIRONMENT = """\b
Environment (all optional):
  WATTLINE_LOCAL_MOSQUITTO     the Mosquitto program to use
  WATTLINE_LOCAL_POSTGRES_BIN  the folder with postgres and initdb
  WATTLINE_LOCAL_BROWSER       the Chromium for the console's tests
  WATTLINE_LOCAL_SYSTEM=0      pass over what is installed on this machine
  WATTLINE_LOCAL_MIRROR        the Debian mirror to provide from
  WATTLINE_LOCAL_CACHE         where the provided programs are kept
  WATTLINE_LOCAL_RUNS          where data folders of runs are made
"""


class _Commands(click.Group):
    """A group whose commands end with one line for what a person can mend."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except WattlineError as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=_Commands, epilog=_ENVIRONMENT, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Real Mosquitto and PostgreSQL 17 with TimescaleDB on this machine."""


@main.command("provide")
def provide_command() -> None:
    """Find the servers' programs, or download them into the cache."""
    toolchain = provide(read(LocalSettings), _say)
    click.echo(f"mosquitto   {toolchain.mosquitto}")
    click.echo(f"postgresql  {toolchain.postgres_bin}")


@main.command("browser")
def browser_command() -> None:
    """Find the browser of the console's tests, or download it into the cache."""
    click.echo(f"browser     {provide_browser(read(LocalSettings), _say)}")


@main.command("containers")
def containers_command() -> None:
    """Find what runs and keeps images, or install it."""
    tools = provide_containers(read(LocalSettings), _say)
    click.echo(f"podman      {tools.podman} with {tools.runc}")
    click.echo(f"skopeo      {tools.skopeo}")
    click.echo(f"emulator    {tools.emulator}")
    click.echo(f"registry    {tools.registry[-1]}")


@main.command("check")
def check_command() -> None:
    """Say what the environment and the system have; exit code 1 where something is missing."""
    found = look(read(LocalSettings))
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
    if folder is not None:
        _require_folder("--folder", folder)
    settings = read(LocalSettings)
    _require_folder("WATTLINE_LOCAL_RUNS", settings.runs)
    asyncio.run(_run(folder, settings, durable=not fast))


def _require_folder(name: str, folder: Path) -> None:
    """Make a folder where it is missing, and see that it can be written."""
    try:
        # whoever makes the folder of runs says who may pass through it
        folder.mkdir(parents=True, exist_ok=True, mode=0o711)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        reason = f"can't write the folder {folder}: {error.strerror}; name one of your own"
        raise click.BadParameter(reason, param_hint=name) from error


async def _run(folder: Path | None, settings: LocalSettings, *, durable: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    starting = LocalStack.start(folder, keep=folder is not None, durable=durable, progress=_say, settings=settings)
    async with starting as stack:
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
    main()
