"""The `wattline` command: a subcommand for each job, loaded only when it is called."""

import importlib
from typing import Any

import click

COMMANDS: dict[str, tuple[str, str, str]] = {
    "decode": ("meters.decode_cli:decode", "", "Say what captured bytes of a meter mean."),
    "config": ("gateway.config_cli:config", "server", "Get and set parameters of devices or of the fleet."),
    "spec": ("gateway.spec_cli:spec", "server", "List, show, validate, publish and deprecate specs."),
    "export": ("gateway.export_cli:export", "server", "Write readings or roll-ups to a CSV or Parquet file."),
    "migrate": ("store.cli:migrate", "server", "Bring the database to the newest schema."),
    "broker": ("broker.cli:broker", "", "Write Mosquitto's config, ACL and users."),
    "ingestor": ("ingestor.__main__:main", "server", "Run the ingestor: topics into TimescaleDB."),
    "gateway": ("gateway.__main__:main", "server", "Run the config service and its HTTP API."),
    "device": ("device.__main__:main", "device", "Run the agent on a Raspberry Pi."),
    "grafana": ("grafana.cli:grafana", "server", "Provision Grafana's dashboards, data source and alerts."),
    "simulate": ("device.simulator.__main__:main", "device", "Run a simulated meter on a pty."),
}
"""Name: where the click command stands, the extra that it needs, and one line of help."""


class LazyGroup(click.Group):
    """A group that imports a subcommand when it is called, so that a device needs no server's libraries."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """The subcommands in the order in which a person meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one subcommand; says which extra is missing where its libraries are not installed."""
        if cmd_name not in COMMANDS:
            ctx.fail(f"no command {cmd_name!r}; choose from: {', '.join(COMMANDS)}")
        place, extra, _ = COMMANDS[cmd_name]
        module, _, name = place.partition(":")
        try:
            command: Any = getattr(importlib.import_module(module), name)
        except ModuleNotFoundError as error:
            if not extra:
                raise
            raise click.ClickException(
                f"{cmd_name} needs the library {error.name}: install wattline[{extra}]"
            ) from error
        if not isinstance(command, click.Command):
            raise TypeError(f"{place} is no click command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the subcommands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, _, line) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="wattline", prog_name="wattline")
def main() -> None:
    """Wattline: electricity readings from a meter's serial line to Grafana, and parameters back to the device."""


if __name__ == "__main__":
    main()
