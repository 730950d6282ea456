"""`wattline updater`: the updater's commands."""

import device.light_imports  # noqa: F401, I001 - before all others

import click
from pydantic import ValidationError

from broker.contract.software import SoftwareDesired
from broker.errors import WattlineError
from broker.runtime.service import load, run_service
from broker.runtime.settings_help import settings_help
from device.updater.fallback import WELL, note_end
from device.updater.journal import FILE
from device.updater.progress import readable
from device.updater.service import open_installation, run
from device.updater.settings import UpdaterSettings
from device.updater.slots import Slots
from device.updater.sources import signed_sources


@click.group(
    invoke_without_command=True,
    epilog=settings_help(UpdaterSettings),
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.pass_context
def main(ctx: click.Context) -> None:
    """Run the updater (without a command): what the platform desires is fetched, checked, tried, and undone if bad."""
    if ctx.invoked_subcommand is None:
        run_service("updater", load(UpdaterSettings), run)


@main.command("install")
@click.argument("release")
@click.option("--source", required=True, help="The folder of signed releases, as https://releases.example/wattline.")
def install_command(release: str, source: str) -> None:
    """Make the first slot of RELEASE, and the links that agent and updater are started from."""
    settings = load(UpdaterSettings)
    try:
        SoftwareDesired(version=1, release=release, source=source)
    except ValidationError as error:
        wrong = error.errors()[0]
        raise click.BadParameter(f"{wrong['loc'][0]}: {wrong['msg']}") from error
    try:
        made = open_installation(settings).first(source, release)
    except (WattlineError, OSError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{made.release} stands in {settings.root}/current; start wattline-device and wattline-updater")


@main.command("check")
def check_command() -> None:
    """Say whether this updater can go on here, by its settings and what another left; changes nothing."""
    settings = load(UpdaterSettings)
    try:
        signed_sources(settings)
        readable(settings.state_folder / FILE)
    except (WattlineError, OSError) as error:
        raise click.ClickException(str(error)) from error


@main.command("ended", hidden=True)
@click.option("--result", envvar="SERVICE_RESULT", default=WELL, help="How it ended, in systemd's words.")
def ended_command(result: str) -> None:
    """Note, for the unit, that the updater has ended: if it does not keep running, the one before it goes on."""
    settings = load(UpdaterSettings)
    try:
        # what this one could not start by either is no fault of the newer one
        signed_sources(settings)
        if note_end(Slots(settings.root), settings.state_folder, result):
            click.echo("the updater before it goes on")
    except (WattlineError, OSError) as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
