"""Devices, and the boots by which two of one id are distinguished."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import Json

from store.sql import Database, statement


@dataclass(frozen=True, slots=True)
class KnownDevice:
    """A device and what it last said of itself; `registered` is whether it ever did."""

    id: int
    registered: bool


@dataclass(frozen=True, slots=True)
class Boot:
    """A start of an agent: its own times, when we last heard of it, and what it runs on."""

    boot: str
    first_at: datetime
    last_at: datetime
    last_registered_at: datetime
    hardware_serial: str | None
    hardware_model: str | None
    software: str | None


@dataclass(frozen=True, slots=True)
class Twin:
    """Two agents that use one id; `due` is whether an event is due."""

    due: bool
    alternations: int
    since: datetime


@dataclass(frozen=True, slots=True)
class FleetCounts:
    """Ids that two agents use, and meters that no product's spec reads."""

    duplicated: int
    unknown: int


@statement
async def find_device(database: Database, name: str) -> KnownDevice | None:
    """A device by its id."""


@statement
async def ensure_device(database: Database, name: str) -> int:
    """The number of a device, entered where it is new."""


@statement
async def note_registration(
    database: Database, device_id: int, registration: Json[Mapping[str, object]], at: datetime
) -> None:
    """Keep what a device says of itself; the same again changes nothing."""


@statement
async def boots_of_device(database: Database, device_id: int) -> list[Boot]:
    """Its boots, the one that registered last first."""


@statement
async def note_boot(
    database: Database, device_id: int, boot: str, at: datetime, received_at: datetime, hardware_serial: str | None,
    hardware_model: str | None, software: str, kept: int,
) -> None:  # fmt: skip
    """Enter a boot that registers, at its own time; so many of the newest are kept."""


@statement
async def note_twin(
    database: Database, device_id: int, at: datetime, boots: Json[Sequence[Mapping[str, object]]]
) -> Twin:
    """Two agents took turns with an id."""


@statement
async def is_twin(database: Database, device_id: int, at: datetime) -> bool:
    """Whether two agents used an id within the hour before."""


@statement
async def fleet_counts(database: Database) -> FleetCounts:
    """What is counted of the whole fleet."""
