"""`wattline device`: the agent's command."""

import device.plain_logs  # noqa: F401, I001 - before all others

import click

from broker.runtime.service import load, run_service
from broker.runtime.settings_help import settings_help
from device.service import run
from device.settings import DeviceSettings


@click.command(epilog=settings_help(DeviceSettings), context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Run the agent: serial ports in, decoded readings out, through an outbox on disk, until SIGTERM or SIGINT."""
    run_service("device", load(DeviceSettings), run)


if __name__ == "__main__":
    main()
