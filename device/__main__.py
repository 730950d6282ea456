"""`wattline device`: the agent's command."""

import device.light_imports  # noqa: F401, I001 - before all others

import click

from broker.runtime.service import load, run_service
from device.settings import DeviceSettings


class _Command(click.Command):
    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Reads the settings' source, which an agent that runs has no need of."""
        from broker.runtime.settings_help import settings_help

        self.epilog = settings_help(DeviceSettings)
        super().format_epilog(ctx, formatter)


@click.command(cls=_Command, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Run the agent: serial ports in, decoded readings out, through an outbox on disk, until SIGTERM or SIGINT."""
    settings = load(DeviceSettings)
    from device.service import run

    run_service("device", settings, run)


if __name__ == "__main__":
    main()
