"""Labels of devices, and groups by them."""

from dataclasses import dataclass
from datetime import datetime

from pydantic import Json

from store.sql import Database, statement


@dataclass(frozen=True, slots=True)
class DeviceLabels:
    """A device's labels, and what its registration says; `version` rises with each change, 0 where there was none."""

    device_id: int
    device: str
    version: int
    labels: Json[dict[str, str]]
    facts: Json[dict[str, str]]

    def all(self) -> dict[str, str]:
        """Labels and facts, as selectors see them."""
        return {**self.labels, **self.facts}


@dataclass(frozen=True, slots=True)
class StoredGroup:
    """A group with its selector as text."""

    name: str
    selector: str
    priority: int
    version: int
    author: str
    reason: str | None
    changed_at: datetime


@statement
async def device_labels(database: Database, device: str | None) -> list[DeviceLabels]:
    """The labels of a device, or of all by name."""


@statement
async def parameter_groups(database: Database, name: str | None) -> list[StoredGroup]:
    """The group of this name, or all."""


@statement
async def set_parameter_group(
    database: Database, name: str, selector: str, priority: int, author: str, reason: str | None
) -> None:
    """Make or change a group."""


@statement
async def remove_parameter_group(database: Database, name: str, author: str, reason: str | None) -> None:
    """Remove a group."""
