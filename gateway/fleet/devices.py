"""Devices by the id that people give."""

from gateway.faults import unknown
from gateway.fleet.store.devices import KnownDevice, find_device
from store.sql import Database


async def require_device(database: Database, name: str) -> KnownDevice:
    """A device. Raises Refusal: unknown."""
    found = await find_device(database, name)
    if found is None:
        raise unknown("device", name)
    return found


async def check_device(database: Database, name: str | None) -> None:
    """See that a device that somebody names is there; None names all of them. Raises Refusal: unknown."""
    if name is not None:
        await require_device(database, name)
