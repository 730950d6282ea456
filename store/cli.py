"""The command `wattline migrate`."""

import asyncio
import sys
from collections.abc import Callable
from typing import Any

import click

from broker.environment import require_known
from broker.errors import PermanentError
from store.migrate import migrate as run_migrations
from store.remarks import remarks
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
    help="The database, as postgresql://user:password@host:port/name.",
)
@_setting_options
def migrate(dsn: str, **options: str | None) -> None:
    """Bring the database's tables, views, roles and settings up to date; run it again at will."""
    given = {name: value for name, value in options.items() if value is not None}
    try:
        require_known("WATTLINE_STORE_", {"DSN", *(name.upper() for name in StoreSettings.model_fields)})
        done = asyncio.run(run_migrations(dsn, settings=given))
        for what in done:
            click.echo(f"applied {what}")
        click.echo("the database is up to date" if done else "nothing to do: the database is up to date")
        for remark in asyncio.run(remarks(dsn)):
            click.echo(f"note: {remark}")
    except PermanentError as error:
        sys.exit(f"wattline migrate: {error}")
