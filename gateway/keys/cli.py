"""`wattline master-key`: make the key by which keys of meters are sealed, and exchange it for another one."""

import asyncio
from pathlib import Path

import asyncpg
import click

from broker.errors import PermanentError
from broker.wording import counted
from gateway.keys.store import put_secret, reseal_key, sealed_keys, sealed_secrets
from store.meter_keys import MasterKeys, new_master_keys
from store.source_settings import open_secret, seal_secret

file_option = click.option(
    "--file", "path", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The master key's file."
)


@click.group("master-key")
def master_key() -> None:
    """Make the key by which keys of meters are sealed, and exchange it."""


@master_key.command("make")
@file_option
def make(path: Path) -> None:
    """Write a new master key to FILE, of mode 0600; one that is there stays."""
    if path.exists():
        raise click.ClickException(
            f"{path} is there already and stays as it is; `wattline master-key rotate` exchanges it"
        )
    try:
        new_master_keys().write(path)
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror}; name a folder that this account may write") from error
    click.echo(f"wrote {path}: back it up, without it no key of a meter can be read again")


@master_key.command("rotate")
@file_option
@click.option(
    "--dsn", envvar="WATTLINE_STORE_DSN", show_envvar=True, required=True,
    help="PostgreSQL as the database's owner or wattline_gateway; in the variable `ps` does not show it.",
)  # fmt: skip
@click.option("--forget", is_flag=True, help="Then take the old ones out of FILE, once all services have the new one.")
def rotate(path: Path, dsn: str, forget: bool) -> None:
    """Seal all keys of meters, and secrets of sources, by another master key.

    The new one stands in FILE before anything is sealed by it, the old ones below it: whatever fails, nothing is lost.
    Services that were given a copy of FILE at their start (systemd's credentials) are started again between this and
    `--forget`.
    """
    try:
        before = MasterKeys.load(path)
        if forget:
            asyncio.run(_reseal(dsn, before))
            before.alone().write(path)
            click.echo(f"{path} has the newest master key alone")
            return
        renewed = before.renewed()
        renewed.write(path)
        sealed = asyncio.run(_reseal(dsn, renewed))
    except (PermanentError, OSError, asyncpg.PostgresError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{counted(sealed, 'key')} sealed by {renewed.newest}; restart gateways and workers, then --forget")


async def _reseal(dsn: str, master: MasterKeys) -> int:
    """Seal by the newest key what is not, all of it or nothing; how many. Raises PermanentError, asyncpg's errors."""
    connection = await asyncpg.connect(dsn)
    try:
        async with connection.transaction():
            found = [one for one in await sealed_keys(connection, None) if one.master != master.newest]
            for one in found:
                values = master.open(one.meter, one.master, one.sealed)
                sealed = master.seal(one.meter, values)
                await reseal_key(connection, one.meter_id, sealed, master.newest, master.fingerprint(values))
            secrets = [one for one in await sealed_secrets(connection) if one.master != master.newest]
            for secret in secrets:
                opened = open_secret(master, secret.name, secret.master, secret.secret)
                await put_secret(connection, secret.name, seal_secret(master, secret.name, opened), master.newest)
    finally:
        await connection.close()
    return len(found) + len(secrets)
