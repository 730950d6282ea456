"""Bringing up to date what is no table: functions and views, and what depends on edition and settings."""

import hashlib
import re
from datetime import UTC, datetime, timedelta
from importlib import resources
from typing import NamedTuple
from zoneinfo import ZoneInfo

import asyncpg
import structlog

from broker.errors import PermanentError
from store.settings import FOREVER, StoreSettings, merged
from store.sql import Connection, statement

log = structlog.get_logger()

EDITIONS = {"apache": "apache", "timescale": "community"}
"""Folder by the server's setting timescaledb.license."""
EDITION_TIMEOUT_S = 12 * 3600.0
"""Roll-ups of years are taken over from one edition to the other, or to another zone, in one statement."""
_PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}")


class EditionError(PermanentError):
    """Why a database can't be served by the edition that runs."""


class SavedSetting(NamedTuple):
    """A setting of the store."""

    name: str
    value: str


@statement
async def saved_settings(connection: Connection) -> list[SavedSetting]:
    """What `wattline migrate` was given before."""


@statement
async def save_setting(connection: Connection, name: str, value: str) -> None:
    """Keep a setting."""


@statement
async def timescaledb_license(connection: Connection) -> str:
    """Which edition the server runs: apache or timescale."""


@statement
async def applied_edition(connection: Connection) -> str | None:
    """The checksum of the SQL that was applied last."""


@statement
async def record_edition(connection: Connection, checksum: str) -> None:
    """Keep the checksum of the SQL that is applied."""


@statement
async def hash_partitions(connection: Connection) -> int | None:
    """In how many parts readings lie by series; None where they never were parted."""


@statement
async def attached_tablespaces(connection: Connection) -> list[str]:
    """Where new chunks of readings go; none for the default tablespace."""


def rendered(edition: str, settings: StoreSettings) -> dict[str, str]:
    """The SQL by path, in order: functions and views of all editions, then what this one adds and replaces."""
    values = _values(settings)
    texts = _texts("functions") | _texts("editions", edition)
    return {path: _PLACEHOLDER.sub(lambda match: values[match[1]], text) for path, text in texts.items()}


def _texts(*path: str) -> dict[str, str]:
    folder = resources.files("store").joinpath(*path)
    names = sorted(file.name for file in folder.iterdir() if file.name.endswith(".sql"))
    return {"/".join((*path, name)): (folder / name).read_text("utf-8") for name in names}


def _values(settings: StoreSettings) -> dict[str, str]:
    # all of these were validated, and none can hold a quote
    suffix = re.sub(r"[^a-z0-9]+", "_", settings.zone.lower().replace("+", "_plus_"))[:40]
    intervals = {
        name: "NULL::interval" if value == FOREVER else f"'{value}'::interval"
        for name, value in settings.stored().items()
        if name.startswith("keep_") or name == "compress_after"
    }
    return intervals | {
        "zone": f"'{settings.zone}'",
        "agg_1d": f"agg_1d_{suffix}",
        "agg_1mo": f"agg_1mo_{suffix}",
        "day_source": "rollup_1h" if _has_whole_hours(settings.zone) else "rollup_15m",
    }


def _has_whole_hours(zone: str) -> bool:
    """Whether every local midnight lies between two of the hours that are rolled up."""
    weeks = (datetime(1990, 1, 1, tzinfo=UTC) + timedelta(weeks=number) for number in range(60 * 52))
    offsets = {week.astimezone(ZoneInfo(zone)).utcoffset() for week in weeks}
    return all(offset is not None and offset % timedelta(hours=1) == timedelta() for offset in offsets)


async def apply_edition(connection: Connection, given: dict[str, str]) -> list[str]:
    """Save the settings and make the database what they and its edition ask for; returns what was done.

    The settings have passed `check_settings`; what is so already is left alone. Raises EditionError where the edition
    lacks what the database has.
    """
    saved = dict(await saved_settings(connection))
    settings = merged(saved, given)
    edition = EDITIONS[await timescaledb_license(connection)]
    await _require_compatible(connection, edition)
    done = []
    async with connection.transaction():
        for name, value in settings.stored().items():
            if saved.get(name) != value:
                await save_setting(connection, name, value)
                if name in saved or name in given:
                    done.append(f"{name} = {value or 'none'}{_without_effect(edition, name)}")
        done += await _partition(connection, settings)
        done += await _place(connection, settings)
        rezoned = saved.get("zone", settings.zone) != settings.zone
        if rezoned and edition == "community" and await connection.fetchval("SELECT to_regclass('rolled_1d')"):
            # what it takes over from Apache has the days and months of before
            await connection.execute("SELECT rollup_rezone()")
        done += await _apply(connection, edition, settings)
        if rezoned and edition == "apache":
            await connection.execute("SELECT rollup_rezone()")
    return done


def _without_effect(edition: str, name: str) -> str:
    if edition != "apache" or name != "compress_after":
        return ""
    return " (saved without effect: TimescaleDB Apache does not compress; it holds once the server runs Community)"


async def _apply(connection: Connection, edition: str, settings: StoreSettings) -> list[str]:
    files = rendered(edition, settings)
    checksum = hashlib.sha256(repr((edition, sorted(files.items()))).encode()).hexdigest()
    if await applied_edition(connection) == checksum:
        return []
    # a function may call one that a later file makes
    await connection.execute("SET LOCAL check_function_bodies = off")
    for path, sql in files.items():
        try:
            await connection.execute(sql, timeout=EDITION_TIMEOUT_S)
        except asyncpg.InsufficientPrivilegeError:
            raise
        except asyncpg.PostgresError as error:
            raise EditionError(f"{path} failed and was undone: {error}") from error
    await record_edition(connection, checksum)
    return [f"features of TimescaleDB {edition.capitalize()}"]


async def _require_compatible(connection: Connection, edition: str) -> None:
    if edition == "apache" and await connection.fetchval(
        "SELECT count(*) FROM timescaledb_information.continuous_aggregates"
    ):
        raise EditionError(
            "this database holds continuous aggregates and compressed chunks, which the Apache edition can't read: "
            "set timescaledb.license = 'timescale' on a server with the Community edition"
        )


async def _partition(connection: Connection, settings: StoreSettings) -> list[str]:
    """Parts by hash of the series. TimescaleDB takes a first hash dimension on an empty table only."""
    wanted = settings.hash_partitions
    found = await hash_partitions(connection)
    if wanted == (found or 1):
        return []
    if found is not None:
        await connection.execute("SELECT set_number_partitions('reading', $1::integer, 'series_id')", wanted)
    else:
        await connection.execute("SELECT drop_chunks('reading', older_than => 'infinity'::timestamptz)")
        await connection.execute("SELECT add_dimension('reading', by_hash('series_id', $1::integer))", wanted)
    return [f"readings in {wanted} parts by series"]


async def _place(connection: Connection, settings: StoreSettings) -> list[str]:
    """Spread the chunks of readings over tablespaces; chunks that exist stay where they are."""
    attached = await attached_tablespaces(connection)
    for name in attached:
        if name not in settings.tablespaces:
            await connection.execute("SELECT detach_tablespace($1::text::name, 'reading', if_attached => true)", name)
    for name in settings.tablespaces:
        if name not in attached:
            await connection.execute("SELECT attach_tablespace($1::text::name, 'reading')", name)
    if set(attached) == set(settings.tablespaces):
        return []
    return [f"new chunks of readings go to {', '.join(settings.tablespaces) or 'the default tablespace'}"]
