"""What a report reads: meters, and what the roll-ups say of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from pydantic import Json

from store.sql import Database, slow_statement, statement

LONG_S = 600.0
"""Of a large fleet over a month, some statements take long."""


@dataclass(frozen=True, slots=True)
class ReportMeter:
    """A meter that may have a part in a report, with the labels and facts of its device."""

    meter_id: int
    meter: str
    device: str | None
    point: str | None
    removed_at: datetime | None
    labels: Json[Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class ReportSeries:
    """A register; of those that `counts` has a meter's energy is the sum, of those `billed` what is paid for."""

    series_id: int
    meter_id: int
    obis: str
    unit: str
    direction: str | None
    counts: bool
    billed: bool


@dataclass(frozen=True, slots=True)
class ReportEnergy:
    """What a register rose between two times; `partial` where readings begin or end within them."""

    series_id: int
    value: Decimal | None
    from_at: datetime
    until_at: datetime
    estimated: bool
    partial: bool
    flags: str


@dataclass(frozen=True, slots=True)
class ReportPower:
    """The highest power that a meter showed, in kW, and the interval in which it did."""

    meter_id: int
    obis: str
    value: float
    at: datetime


@dataclass(frozen=True, slots=True)
class ReportHeard:
    """When the first reading in a time came, in how many of its hours there are any, and whether any came before."""

    meter_id: int
    first_at: datetime | None
    hours: int
    before: bool


@dataclass(frozen=True, slots=True)
class ReportGaps:
    """Gaps of a meter: how many, readings that were due in them, and how long they are within the time."""

    meter_id: int
    gaps: int
    missing: int
    gap_s: float


@dataclass(frozen=True, slots=True)
class ReportChannel:
    """A channel of notifications, its address sealed; `shown` is what people may see of it."""

    name: str
    shown: str
    master: str
    sealed: bytes


@dataclass(frozen=True, slots=True)
class ReportAsked:
    """When a job was asked for, and the store's zone."""

    created_at: datetime
    zone: str


@statement
async def report_asked_at(database: Database, job: int) -> ReportAsked:
    """When a job was asked for."""


@statement
async def report_channel(database: Database, name: str) -> ReportChannel | None:
    """A channel."""


@statement
async def report_group(database: Database, name: str) -> str | None:
    """The selector of a group of parameters."""


@slow_statement(LONG_S)
async def report_meters(
    database: Database, meters: Sequence[str] | None, since: datetime, until: datetime, most: int
) -> list[ReportMeter]:
    """Meters that were there in a time, all or these, by device and key."""


@statement
async def report_series(database: Database, meter_ids: Sequence[int]) -> list[ReportSeries]:
    """The registers of meters."""


@slow_statement(LONG_S)
async def report_energy(
    database: Database, series_ids: Sequence[int], since: datetime, until: datetime
) -> list[ReportEnergy]:
    """What registers rose in a time; `instead` makes its days months, of which it then is made."""


@slow_statement(LONG_S)
async def report_power(
    database: Database, meter_ids: Sequence[int], since: datetime, until: datetime
) -> list[ReportPower]:
    """The highest power of meters by the hour; `instead` makes it quarters."""


@slow_statement(LONG_S)
async def report_heard(
    database: Database, meter_ids: Sequence[int], since: datetime, until: datetime
) -> list[ReportHeard]:
    """When meters gave readings."""


@slow_statement(LONG_S)
async def report_gaps(database: Database, since: datetime, until: datetime) -> list[ReportGaps]:
    """The gaps of all meters that have any in a time."""
