"""The `wattline` command: a subcommand for each job, loaded only when it is called."""

import importlib
from typing import Any

import click
from click.shell_completion import CompletionItem

COMMANDS: dict[str, tuple[str, str, str]] = {
    "decode": ("meters.decode_cli:decode", "", "Say what captured bytes of a meter mean."),
    "config": ("gateway.config_cli:config", "server", "Get and set parameters of devices or of the fleet."),
    "point": ("gateway.point_cli:point", "server", "List and rename points of delivery."),
    "spec": ("gateway.spec_cli:spec", "server", "List, show, validate, publish and roll out specs."),
    "quarantine": ("gateway.quarantine_cli:quarantine", "server", "List, show and retry what could not be taken."),
    "job": ("gateway.job_cli:job", "server", "List, show, watch and cancel background jobs."),
    "export": ("gateway.export_cli:export", "server", "Write readings or roll-ups to a CSV or Parquet file."),
    "audit": ("gateway.audit_cli:audit", "server", "Prove that nothing is missing, or name what is."),
    "token": ("gateway.token_cli:token", "server", "Make, list and revoke tokens of the API and the console."),
    "migrate": ("store.cli:migrate", "server", "Bring the database to the newest schema."),
    "broker": ("broker.cli:broker", "", "Write Mosquitto's config, ACL and users."),
    "ingestor": ("ingestor.__main__:main", "server", "Run the ingestor: topics into TimescaleDB."),
    "worker": ("ingestor.worker:main", "server", "Run the worker: kept frames decoded again into history."),
    "gateway": ("gateway.__main__:main", "server", "Run the config service and its HTTP API."),
    "device": ("deploy.device_command:device", "", "Run the agent on a Raspberry Pi; list, show and label devices."),
    "grafana": ("grafana.cli:grafana", "server", "Provision Grafana's dashboards, data source and alerts."),
    "completion": (
        "deploy.completion:completion",
        "",
        "Print what makes bash, zsh or fish complete `wattline`.",
    ),
    "simulate": ("device.simulator.__main__:main", "device", "Run a simulated meter on a pty."),
}
"""Name: where the click command stands, the extra that it needs, and one line of help."""
ASKING = ("config", "point", "spec", "quarantine", "job", "export", "audit", "token", "device")
"""The commands that ask a gateway."""


ALONE: dict[str, tuple[str, str]] = {"device": ("device.__main__:main", "device")}
"""What a command is without any word behind it, where its subcommands load more than that should carry: an agent needs
no client of the API, which would double its memory. Name: where it stands, the extra that it needs."""


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
        return self._loaded(cmd_name, place, extra)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the subcommand that a command line names."""
        if len(args) == 1 and args[0] in ALONE:
            return args[0], self._loaded(args[0], *ALONE[args[0]]), []
        return super().resolve_command(ctx, args)

    @staticmethod
    def _loaded(cmd_name: str, place: str, extra: str) -> click.Command:
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

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete names without importing what stands behind them, which may not be installed."""
        found = [
            CompletionItem(name, help=line) for name, (_, _, line) in COMMANDS.items() if name.startswith(incomplete)
        ]
        # click's own of a plain command: the options
        return found + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the subcommands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, _, line) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="wattline", prog_name="wattline")
@click.option("--url", help="For the commands that ask a gateway: where it serves its API.")
@click.option("--token", help="For the commands that ask a gateway: the API's bearer token.")
@click.pass_context
def main(ctx: click.Context, url: str | None, token: str | None) -> None:
    """Wattline: electricity readings from a meter's serial line to Grafana, and parameters back to the device."""
    if url is None and token is None:
        return
    if ctx.invoked_subcommand not in ASKING:
        raise click.UsageError(f"--url and --token are for the commands that ask a gateway: {', '.join(ASKING)}")
    from gateway.api_options import note  # noqa: PLC0415 - a device has no server's libraries

    note(ctx, "url", url)
    note(ctx, "token", token)


if __name__ == "__main__":
    main()
