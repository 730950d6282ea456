"""The `wattline` command: a subcommand for each job, loaded only when it is called."""

import importlib.util
from typing import Any, Final

import click
from click.shell_completion import CompletionItem

from cli.commands import ALONE, ASKING, COMMANDS

_MARKS: Final = {"server": "asyncpg", "device": "serial"}
"""A library by which an extra is known to be there: a service loads its own no sooner than its settings are read."""


class _LibraryMissingError(click.ClickException):
    """A command's libraries are not installed here."""


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
        name, rest = args[0], args[1:]
        if not rest and name in ALONE:
            return name, self._loaded(name, *ALONE[name]), []
        try:
            return super().resolve_command(ctx, args)
        except _LibraryMissingError:
            # `wattline device --help` on a Pi is the agent's
            if name in ALONE and all(word.startswith("-") for word in rest):
                return name, self._loaded(name, *ALONE[name]), rest
            raise

    @staticmethod
    def _loaded(cmd_name: str, place: str, extra: str) -> click.Command:
        module, _, name = place.partition(":")
        try:
            command: Any = getattr(importlib.import_module(module), name)
        except ModuleNotFoundError as error:
            if not extra:
                raise
            raise _LibraryMissingError(
                f"{cmd_name} needs the library {error.name}: install wattline[{extra}]"
            ) from error
        if extra and module.endswith("__main__") and importlib.util.find_spec(_MARKS[extra]) is None:
            raise _LibraryMissingError(f"{cmd_name} needs the library {_MARKS[extra]}: install wattline[{extra}]")
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
@click.option(
    "--token",
    help="For the commands that ask a gateway: the API's bearer token; in WATTLINE_TOKEN `ps` shows it to nobody.",
)
@click.pass_context
def main(ctx: click.Context, url: str | None, token: str | None) -> None:
    """Wattline: electricity readings from a meter's serial line to Grafana, and parameters back to the device."""
    if url is None and token is None:
        return
    if ctx.invoked_subcommand not in ASKING:
        raise click.UsageError(f"--url and --token are for the commands that ask a gateway: {', '.join(ASKING)}")
    try:
        from cli.connection import note  # a device has no client of the API
    except ModuleNotFoundError as error:
        raise _LibraryMissingError(f"--url needs the library {error.name}: install wattline[cli]") from error

    note(ctx, "url", url)
    note(ctx, "token", token)


if __name__ == "__main__":
    main()
