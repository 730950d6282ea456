"""Versions of a scope's layer: what each changed, how two differ, and an earlier one to bring back."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final

from gateway.desired.layers import Difference, Layer, differences
from gateway.desired.spec_catalogue import SpecCatalogue
from gateway.desired.store import StoredLayer
from gateway.faults import Fault, conflict, invalid, invalid_fields
from gateway.parameters.store import layer_versions
from store.sql import Database

NEWEST: Final = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a layer, and what it changed in the one before."""

    stored: StoredLayer
    changes: tuple[Difference, ...]


def with_changes(found: Sequence[StoredLayer]) -> list[Version]:
    """Versions, the newest first, with what each changed; before the last of them there was nothing. Pure."""
    before = (one.layer for one in found[1:])
    return [
        Version(one, differences(layer or Layer(), one.layer)) for one, layer in zip_longest(found, before)
    ]  # fmt: skip


async def versions(database: Database, scope: str, below: int, limit: int) -> tuple[list[Version], bool]:
    """Versions under a number, the newest first, and whether there are more."""
    found = await layer_versions(database, scope, below, limit + 1)
    return with_changes(found)[:limit], len(found) > limit


async def newest_version(database: Database, scope: str) -> int:
    """The number of a scope's newest version, 0 where it has none."""
    found = await layer_versions(database, scope, NEWEST, 1)
    return found[0].version if found else 0


async def layer_at(database: Database, scope: str, version: int, *, field: str) -> Layer:
    """The layer of one version; 0 is the empty one. Raises Refusal: invalid for one that is not there."""
    if version == 0:
        return Layer()
    found = await layer_versions(database, scope, version + 1, 1)
    if not found or found[0].version != version:
        raise invalid(field, f"{scope} has no version {version}", f"0 to {await newest_version(database, scope)}")
    return found[0].layer


async def version_of(database: Database, scope: str, version: int | None, catalogue: SpecCatalogue) -> Layer:
    """The layer to roll back to; without a number the one before the newest.

    Raises Refusal: conflict where there is nothing before, invalid for a version that is not there or pins what is no
    more.
    """
    newest = await newest_version(database, scope)
    if version is None and newest == 0:
        fault = Fault("to", f"{scope} has no version", "set parameters first")
        raise conflict(f"{fault.reason}; {fault.fix}", [fault])
    layer = await layer_at(database, scope, newest - 1 if version is None else version, field="to")
    faults = faults_of_pins(layer, await layer_at(database, scope, newest, field="to"), catalogue)
    if faults:
        raise invalid_fields(faults)
    return layer


def faults_of_pins(layer: Layer, now: Layer, catalogue: SpecCatalogue) -> list[Fault]:
    """Pins of a layer that can't be made any more, as their specs are given to no meter anew. Pure."""
    return [
        Fault(f"meters.{key}.spec", f"{pin.spec} can't be pinned anew", "roll back to another version")
        for key, pin in layer.meters.items()
        if pin != now.meters.get(key)
        and (pin.spec not in catalogue.specs or pin.spec in catalogue.deprecated | catalogue.withdrawn)
    ]
