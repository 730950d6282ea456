"""What `wattline migrate` looks at before it changes anything: whether the settings can hold on this server."""

import asyncpg

from store.edition import hash_partitions, saved_settings
from store.settings import SettingError, StoreSettings, merged
from store.sql import Connection, statement


@statement
async def tablespace_names(connection: Connection) -> list[str]:
    """All that the server has."""


async def check_settings(connection: Connection, given: dict[str, str]) -> None:
    """Those given now with those saved before, on a database that may be empty still. Raises SettingError."""
    saved = {}
    if await connection.fetchval("SELECT to_regclass('store_setting') IS NOT NULL"):
        saved = dict(await saved_settings(connection))
    settings = merged(saved, given)
    await _check_zone(connection, settings)
    await _check_tablespaces(connection, settings)
    await _check_partitions(connection, settings)


async def _check_zone(connection: Connection, settings: StoreSettings) -> None:
    try:
        await connection.fetchval("SELECT now() AT TIME ZONE $1", settings.zone)
    except asyncpg.InvalidParameterValueError as error:
        raise SettingError(
            "zone", f"the database's server does not know {settings.zone}", "update its tzdata, or take another name"
        ) from error


async def _check_tablespaces(connection: Connection, settings: StoreSettings) -> None:
    if not settings.tablespaces:
        return
    known = await tablespace_names(connection)
    missing = [name for name in settings.tablespaces if name not in known]
    if missing:
        fix = f"run CREATE TABLESPACE {missing[0]} LOCATION '/path' first"
        raise SettingError("tablespaces", f"the server has no tablespace {missing[0]}", fix)


async def _check_partitions(connection: Connection, settings: StoreSettings) -> None:
    """TimescaleDB takes a first hash dimension on an empty table only."""
    if settings.hash_partitions == 1 or not await connection.fetchval("SELECT to_regclass('reading') IS NOT NULL"):
        return
    if await hash_partitions(connection) is None and await connection.fetchval("SELECT EXISTS (SELECT FROM reading)"):
        raise SettingError(
            "hash_partitions", "readings are stored already", "partitions can only be set before the first reading"
        )
