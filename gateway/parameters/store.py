"""Layers of parameters in the store, by scope, and what becomes of them on devices."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gateway.desired.store import StoredLayer
from store.sql import Database, statement


class DesiredVersion(NamedTuple):
    """A device by name, with the version of its desired configuration."""

    device: str
    version: int


@dataclass(frozen=True, slots=True)
class Unsupported:
    """A parameter that is left out for devices whose software does not know it, the first of them by name."""

    parameter: str
    count: int
    devices: tuple[str, ...]


@statement
async def layer_versions(database: Database, scope: str, below: int, limit: int) -> list[StoredLayer]:
    """Versions of a scope's layer under a number, the newest first."""


@statement
async def open_stage(database: Database, scope: str) -> int | None:
    """The staged change of a scope that is running or paused."""


@statement
async def desired_versions(database: Database, devices: Sequence[str]) -> list[DesiredVersion]:
    """The desired versions of those of these devices that have one."""


@statement
async def unsupported_by_parameter(
    database: Database, parameters: Sequence[str], device_ids: Sequence[int] | None, named: int
) -> list[Unsupported]:
    """Which of these parameters are left out, of these devices or of all; so many devices of each are named."""
