"""Desired configurations in the store: built from layers and meters, with a version that rises only on a change."""

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from broker.messages import Desired, MeterConfig, Parameters
from gateway.database import Connection
from gateway.layers import FLEET, Layer, compose
from gateway.meters import KnownMeter, assign, from_row
from gateway.shelf import Shelf
from gateway.sql import load
from store.pool import Pool

MAX_VERSION = 2**52
"""Higher versions would leave no room to rise (the contract ends at 2**53)."""
SYSTEM = "system"
HELD = ("applied", "reverted")
"""Reports of a version that the device has, or had, in force."""
PORTION = 500
"""Devices whose configuration is made at once."""


@dataclass(frozen=True, slots=True)
class DeviceState:
    """All that the desired configuration of one device is made from, and what it is now."""

    id: int
    name: str
    fleet: Layer
    own: Layer
    meters: tuple[KnownMeter, ...]
    desired: Desired | None
    floor: int
    """The highest version that the device is known to have had in force, 0 if none; it takes none below it."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Its labels and what its registration says, `device` (its name) among them."""
    before: Mapping[str, str] = field(default_factory=dict)
    """What its meters had before the canary that they have, by key."""

    def next_version(self) -> int:
        """The version that a change gets."""
        return max(self.desired.version if self.desired else 0, self.floor) + 1

    def parameters(self) -> Parameters:
        """The parameters that hold now."""
        return compose((self.fleet, self.own))

    def assigned(self, shelf: Shelf) -> dict[str, MeterConfig]:
        """The spec of each meter."""
        candidates = shelf.candidates(self.labels if shelf.canaries else None)
        pins = {key: pin for key, pin in self.own.meters.items() if pin.spec not in shelf.withdrawn}
        return assign(candidates, self.meters, pins, shelf.kept(self.desired, self.before))


@asynccontextmanager
async def configuring(pool: Pool) -> AsyncIterator[Connection]:
    """A transaction that alone may write configuration; it waits for others to end."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(load("take_config_lock"))
        yield connection


async def load_states(connection: Connection, device_ids: Sequence[int]) -> list[DeviceState]:
    """The states of some devices."""
    ids = list(device_ids)
    meters: dict[int, list[KnownMeter]] = defaultdict(list)
    for row in await connection.fetch(load("meters_of_devices"), ids):
        meters[row["device_id"]].append(from_row(row, json.loads(row["facts"])))
    fleet = await latest_layer(connection, FLEET)
    before: dict[int, dict[str, str]] = defaultdict(dict)
    for row in await connection.fetch(load("rollout_before"), ids):
        before[row["device_id"]][row["key"]] = row["before"]
    rows = await connection.fetch(load("device_states"), ids)
    return [_state(row, fleet, tuple(meters[row["id"]]), before[row["id"]]) for row in rows]


async def latest_layer(connection: Connection, scope: str) -> Layer:
    """What a scope says now; an empty layer where it never said anything."""
    row = await connection.fetchrow(load("latest_layer"), scope)
    return read_layer(row["document"] if row else None)


def read_layer(document: str | None) -> Layer:
    """A stored document as a layer; what a newer Wattline may have added is passed over."""
    return Layer() if document is None else Layer.model_validate_json(document, extra="ignore")


async def add_layer(connection: Connection, scope: str, layer: Layer, *, author: str, reason: str | None) -> int:
    """Enter a new version of a scope's layer; returns the version."""
    version: int = await connection.fetchval(load("add_layer"), scope, json.dumps(layer.document()), author, reason)
    return version


async def rebuild(
    connection: Connection, device_ids: Sequence[int] | None, shelf: Shelf, *, author: str = SYSTEM
) -> list[str]:
    """Bring desired configurations up to date; returns the names of the devices whose content changed.

    With None, of all registered devices, in portions that bound memory.
    """
    if device_ids is None:
        device_ids = [row["id"] for row in await connection.fetch(load("configured_devices"))]
    changed: list[str] = []
    for start in range(0, len(device_ids), PORTION):
        fresh = []
        for state in await load_states(connection, device_ids[start : start + PORTION]):
            desired = _renewed(state, state.assigned(shelf), author)
            if desired is not None:
                fresh.append((state.id, desired))
                changed.append(state.name)
            # matching takes its time: others of this process must get theirs
            await asyncio.sleep(0)
        await store_desired(connection, fresh)
    return changed


def _renewed(state: DeviceState, meters: dict[str, MeterConfig], author: str) -> Desired | None:
    """The next version, or None where the content is what it was and the device is not ahead."""
    now, parameters = state.desired, state.parameters()
    if now is not None and state.floor <= now.version and (now.parameters, now.meters) == (parameters, meters):
        return None
    return Desired(
        version=state.next_version(), author=author, at=datetime.now(UTC), parameters=parameters, meters=meters
    )


async def store_desired(connection: Connection, fresh: Sequence[tuple[int, Desired]]) -> None:
    """Make these the desired configurations of devices, sealed with their hash, and remember them."""
    rows = []
    specs: dict[str, str | None] = {}
    versions: dict[str, int] = {}
    for device_id, desired in fresh:
        sealed = desired.sealed()
        at = sealed.at or datetime.now(UTC)
        rows.append((device_id, sealed.version, sealed.hash, sealed.payload().decode(), sealed.author, at))
        specs |= {key: meter.spec for key, meter in sealed.meters.items()}
        versions |= dict.fromkeys(sealed.meters, sealed.version)
    # before the rest, as it looks at what the meters have until now
    await connection.execute(load("note_rollout_meters"), list(specs), list(specs.values()), list(versions.values()))
    await connection.executemany(load("set_desired"), rows)
    given = {key: ref for key, ref in specs.items() if ref is not None}
    await connection.execute(load("set_meter_specs"), list(given), list(given.values()))


def _state(row: Any, fleet: Layer, meters: tuple[KnownMeter, ...], before: Mapping[str, str]) -> DeviceState:
    reported: int = row["reported_version"] or 0
    return DeviceState(
        id=row["id"],
        name=row["name"],
        fleet=fleet,
        own=read_layer(row["layer"]),
        meters=meters,
        desired=Desired.model_validate_json(row["desired"], extra="ignore") if row["desired"] else None,
        floor=reported if row["reported_state"] in HELD and reported <= MAX_VERSION else 0,
        labels=json.loads(row["labels"]),
        before=before,
    )


async def change_layer(
    connection: Connection,
    scope: str,
    layer: Layer,
    *,
    author: str,
    reason: str | None,
    device_id: int | None,
    shelf: Shelf,
) -> list[str]:
    """Give a scope a new layer and rebuild what it touches; returns the names of the devices that it changed."""
    if layer != await latest_layer(connection, scope):
        await add_layer(connection, scope, layer, author=author, reason=reason)
    return await rebuild(connection, None if device_id is None else [device_id], shelf, author=author)
