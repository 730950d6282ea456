"""What an export reads; rows by the thousand, in the order of time and series."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal, NamedTuple

from store.sql import Reader, statement


class RawRow(NamedTuple):
    """A reading."""

    time: datetime
    series_id: int
    value: float
    source: str
    clock: str | None


class RollupRow(NamedTuple):
    """The readings of an interval."""

    time: datetime
    series_id: int
    first_at: datetime
    first_value: float
    last_at: datetime
    last_value: float
    min_value: float
    max_value: float
    mean_value: float
    readings: int


class ConsumptionRow(NamedTuple):
    """What a register consumed in an interval."""

    time: datetime
    series_id: int
    bucket_end: datetime
    value: Decimal | None
    estimated: bool | None
    flag: str | None


@dataclass(frozen=True, slots=True)
class SeriesName:
    """The names of a series."""

    series_id: int
    device: str | None
    meter: str
    obis: str
    unit: str


@dataclass(frozen=True, slots=True)
class Counted:
    """How many readings there are, on how many days of how many series."""

    readings: int
    days: int


@dataclass(frozen=True, slots=True)
class UnknownName:
    """A name that nothing has."""

    kind: Literal["device", "meter", "obis"]
    name: str


@statement
async def export_unknown(
    reader: Reader, devices: Sequence[str] | None, meters: Sequence[str] | None, obis: Sequence[str] | None
) -> UnknownName | None:
    """The first of these names that nothing has."""


@statement
async def export_series(
    reader: Reader, devices: Sequence[str] | None, meters: Sequence[str] | None, obis: Sequence[str] | None,
    registers: bool,
) -> list[SeriesName]:  # fmt: skip
    """The series of these, all where it is None; with `registers` only those of registers."""


@statement
async def export_count(reader: Reader, series_ids: Sequence[int], since: datetime, until: datetime) -> Counted:
    """About how many readings there are."""


@statement
async def export_raw(
    reader: Reader, series_ids: Sequence[int], since: datetime, until: datetime, after: datetime, after_series: int,
    limit: int,
) -> list[RawRow]:  # fmt: skip
    """Readings behind a place."""


@statement
async def export_rollup(
    reader: Reader, series_ids: Sequence[int], since: datetime, until: datetime, after: datetime, after_series: int,
    limit: int,
) -> list[RollupRow]:  # fmt: skip
    """Intervals of 15 minutes behind a place; `instead` makes it those of another step."""


@statement
async def export_consumption(
    reader: Reader, series_ids: Sequence[int], since: datetime, until: datetime
) -> list[ConsumptionRow]:
    """Intervals of 15 minutes that begin within a stretch of time; `instead` makes it those of another step."""
