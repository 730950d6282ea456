"""The command `wattline migrate`."""

import asyncio
import sys

import click

from broker.errors import PermanentError
from store.migrate import migrate as run_migrations


@click.command()
@click.option(
    "--dsn",
    envvar="WATTLINE_STORE_DSN",
    show_envvar=True,
    required=True,
    help="The database, as postgresql://user:password@host:port/name.",
)
def migrate(dsn: str) -> None:
    """Bring the database's tables, views and roles up to date; run it again at will."""
    try:
        applied = asyncio.run(run_migrations(dsn))
    except PermanentError as error:
        sys.exit(f"wattline migrate: {error}")
    for name in applied:
        click.echo(f"applied {name}")
    click.echo("the database is up to date" if applied else "nothing to do: the database is up to date")
