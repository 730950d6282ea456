"""`wattline device`: alone it runs the agent on a Pi, with a subcommand it asks a gateway about devices."""

import click

from cli.client.commands import CommandClient
from cli.connection import anywhere, api_options
from cli.device_commands import command as give
from cli.devices import COMMANDS, DeviceClient


class DeviceCommandsClient(DeviceClient, CommandClient):
    """All that the commands ask of a gateway."""


class _Group(click.Group):
    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The agent's settings, which commands that ask a gateway have no need of."""
        from broker.runtime.settings_help import settings_help  # noqa: PLC0415 - for --help alone
        from device.settings import DeviceSettings  # noqa: PLC0415 - as above

        self.epilog = settings_help(DeviceSettings)
        super().format_epilog(ctx, formatter)


@click.group(cls=_Group, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@api_options("For the commands: where the gateway serves its API.", "For the commands: the API's bearer token.")
@click.pass_context
def device(ctx: click.Context, url: str, token: str | None) -> None:
    """Run the agent (without a command): serial ports in, readings out, until SIGTERM or SIGINT.

    The commands are for an engineer's desk: they list, show, label and command devices over the gateway's API.
    """
    if ctx.invoked_subcommand is not None:
        ctx.obj = DeviceCommandsClient(url, token)
        return
    try:
        from device.__main__ import main  # noqa: PLC0415 - an engineer's desk has no serial library
    except ModuleNotFoundError as error:
        raise click.ClickException(f"device needs the library {error.name}: install wattline[device]") from error
    ctx.invoke(main)


for command in (*COMMANDS, give):
    device.add_command(command)
anywhere(device)
