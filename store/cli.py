"""The command `wattline migrate`."""

import asyncio
import sys
from collections.abc import Callable
from typing import Any

import click

from broker.errors import PermanentError
from broker.runtime.environment import require_known
from store.migrate import migrate as run_migrations
from store.migrate import waiting
from store.migration_summary import remarks
from store.settings import StoreSettings


def _setting_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """An option for each setting of the store; one that is not given stays as it was."""
    for name, field in reversed(StoreSettings.model_fields.items()):
        default = ",".join(field.default) if isinstance(field.default, tuple) else field.default
        command = click.option(
            f"--{name.replace('_', '-')}",
            envvar=f"WATTLINE_STORE_{name.upper()}",
            show_envvar=True,
            metavar="SETTING",
            help=f"Saved in the database: {field.description} (at first: {default or 'none'}).",
        )(command)
    return command


@click.command()
@click.option(
    "--dsn",
    envvar="WATTLINE_STORE_DSN",
    show_envvar=True,
    required=True,
    help="The database, as postgresql://user:password@host:port/name; as an argument `ps` shows the password.",
)
@click.option(
    "--finish", is_flag=True, help="Also take away what only an older version needs: once every service is of this one."
)
@_setting_options
def migrate(dsn: str, *, finish: bool, **options: str | None) -> None:
    """Bring the database's tables, views, roles and settings up to date; run it again at will.

    Services of the version before go on working meanwhile, and after it; update them then.
    """
    given = {name: value for name, value in options.items() if value is not None}
    try:
        require_known("WATTLINE_STORE_", {"DSN", *(name.upper() for name in StoreSettings.model_fields)})
        done = asyncio.run(run_migrations(dsn, settings=given, finish=finish))
        for what in done:
            click.echo(f"applied {what}")
        click.echo("the database is up to date" if done else "nothing to do: the database is up to date")
        for name in asyncio.run(waiting(dsn)):
            click.echo(f"note: {name} waits until every service is of this version: then `wattline migrate --finish`")
        for remark in asyncio.run(remarks(dsn)):
            click.echo(f"note: {remark}")
    except PermanentError as error:
        sys.exit(f"wattline migrate: {error}")
