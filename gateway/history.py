"""Versions of a scope's layer: what each changed, how two differ, and an earlier one to bring back."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway.database import Connection
from gateway.layering import read_layer
from gateway.layers import Difference, Layer, Problem, differences
from gateway.problem import ApiError, wrongs
from gateway.shelf import Shelf
from gateway.sql import load

NEWEST = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a layer, and what it changed in the one before."""

    number: int
    layer: Layer
    author: str
    reason: str | None
    created_at: datetime
    changes: tuple[Difference, ...]


async def versions(connection: Connection, scope: str, below: int, limit: int) -> tuple[list[Version], bool]:
    """Versions under a number, the newest first, and whether there are more."""
    rows = await connection.fetch(load("layer_versions"), scope, below, limit + 1)
    layers = [read_layer(row["document"]) for row in rows]
    found = [
        Version(
            number=row["version"],
            layer=layer,
            author=row["author"],
            reason=row["reason"],
            created_at=row["created_at"],
            changes=differences(layers[place + 1] if place + 1 < len(layers) else Layer(), layer),
        )
        for place, (row, layer) in enumerate(zip(rows[:limit], layers, strict=False))
    ]
    return found, len(rows) > limit


async def newest_version(connection: Connection, scope: str) -> int:
    """The number of a scope's newest version, 0 where it has none."""
    rows = await connection.fetch(load("layer_versions"), scope, NEWEST, 1)
    return rows[0]["version"] if rows else 0


async def layer_at(connection: Connection, scope: str, version: int, *, field: str) -> Layer:
    """The layer of one version; 0 is the empty one. Raises ApiError 422 for one that is not there."""
    if version == 0:
        return Layer()
    rows: Sequence[Any] = await connection.fetch(load("layer_versions"), scope, version + 1, 1)
    if not rows or rows[0]["version"] != version:
        newest = await newest_version(connection, scope)
        raise wrongs([Problem(field, f"{scope} has no version {version}", f"0 to {newest}")])
    return read_layer(rows[0]["document"])


async def version_of(connection: Connection, scope: str, version: int | None, shelf: Shelf) -> Layer:
    """The layer to roll back to; without a number the one before the newest.

    Raises ApiError 409 where there is nothing before, 422 for a version that is not there or pins what is no more.
    """
    newest = await newest_version(connection, scope)
    if version is None and newest == 0:
        fault = Problem("to", f"{scope} has no version", "set parameters first")
        raise ApiError(409, f"{fault.reason}; {fault.fix}", [fault])
    layer = await layer_at(connection, scope, newest - 1 if version is None else version, field="to")
    now = await layer_at(connection, scope, newest, field="to")
    faults = [
        Problem(f"meters.{key}.spec", f"{pin.spec} can't be pinned anew", "roll back to another version")
        for key, pin in layer.meters.items()
        if pin != now.meters.get(key)
        and (pin.spec not in shelf.specs or pin.spec in shelf.deprecated | shelf.withdrawn)
    ]
    if faults:
        raise wrongs(faults)
    return layer
