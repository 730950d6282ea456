"""Desired configurations in the store: built from layers and meters, with a version that rises only on a change."""

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from broker.messages import VERSION_CEILING, Desired, MeterConfig, Parameters
from gateway.capabilities import known_parameters, note_unsupported, unsupported
from gateway.database import Connection
from gateway.jobs import assigned_specs, queue_for
from gateway.layering import Laid, Layering, load_layering, read_layer
from gateway.layers import Layer, compose, merged_values
from gateway.meters import KnownMeter, assign, from_row
from gateway.shelf import Shelf
from gateway.sql import load
from store.pool import Pool

MAX_VERSION = 2**53 - 2**20
"""The highest that a person may state: it leaves the gateway room to rise before VERSION_CEILING."""
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
    below: tuple[Laid, ...]
    """The layers under its own, the lowest first: the fleet's, then its groups'."""
    own: Layer
    meters: tuple[KnownMeter, ...]
    desired: Desired | None
    floor: int
    """The highest version that the device is known to have had in force, 0 if none; it takes none below it."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Its labels and what its registration says, `device` (its name) among them."""
    before: Mapping[str, str] = field(default_factory=dict)
    """What its meters had before the canary that they have, by key."""
    knows: frozenset[str] | None = None
    """The parameters that its software knows, None where it does not say."""

    def next_version(self) -> int:
        """The version that a change gets."""
        return max(self.desired.version if self.desired else 0, self.floor) + 1

    def layers(self) -> tuple[Layer, ...]:
        """All of its layers, the lowest first."""
        return (*(laid.layer for laid in self.below), self.own)

    def unsupported(self) -> tuple[str, ...]:
        """The parameters that its software does not know."""
        return unsupported(self.knows)

    def left_out(self) -> tuple[str, ...]:
        """Parameters that some layer sets and that its software does not know."""
        stated = merged_values(self.layers())
        return tuple(name for name in self.unsupported() if name in stated)

    def parameters(self) -> Parameters:
        """The parameters that hold now."""
        return compose(self.layers(), self.unsupported())

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
    layering = await load_layering(connection, ids)
    before: dict[int, dict[str, str]] = defaultdict(dict)
    for row in await connection.fetch(load("rollout_before"), ids):
        before[row["device_id"]][row["key"]] = row["before"]
    rows = await connection.fetch(load("device_states"), ids)
    return [_state(row, layering, tuple(meters[row["id"]]), before[row["id"]]) for row in rows]


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
        states = await load_states(connection, device_ids[start : start + PORTION])
        for state in states:
            desired = _renewed(state, state.assigned(shelf), author)
            if desired is not None:
                fresh.append((state.id, desired))
                changed.append(state.name)
            # matching takes its time: others of this process must get theirs
            await asyncio.sleep(0)
        await store_desired(connection, fresh)
        await note_unsupported(connection, states)
    return changed


def _renewed(state: DeviceState, meters: dict[str, MeterConfig], author: str) -> Desired | None:
    """The next version, or None where the content is what it was and the device is not ahead."""
    now = state.desired
    fresh = Desired(
        version=state.next_version(),
        author=author,
        at=datetime.now(UTC),
        parameters=state.parameters(),
        meters=meters,
        not_supported=state.unsupported() or None,
    )
    same = now is not None and now.model_copy(update={"version": fresh.version}).digest() == fresh.digest()
    return None if now is not None and same and state.floor <= now.version else fresh


async def store_desired(connection: Connection, fresh: Sequence[tuple[int, Desired]]) -> None:
    """Make these the desired configurations of devices, sealed with their hash, and remember them.

    Meters that get another spec by it, and of which frames are kept, are queued to have those decoded by it.
    """
    rows = []
    specs: dict[str, str | None] = {}
    versions: dict[str, int] = {}
    for device_id, desired in fresh:
        sealed = desired.sealed()
        at = sealed.at or datetime.now(UTC)
        rows.append((device_id, sealed.version, sealed.hash, sealed.payload().decode(), sealed.author, at))
        specs |= {key: meter.spec for key, meter in sealed.meters.items()}
        versions |= dict.fromkeys(sealed.meters, sealed.version)
    given = {key: ref for key, ref in specs.items() if ref is not None}
    before = await assigned_specs(connection, given)
    # before the rest, as it looks at what the meters have until now
    await connection.execute(load("note_rollout_meters"), list(specs), list(specs.values()), list(versions.values()))
    await connection.executemany(load("set_desired"), rows)
    await connection.execute(load("set_meter_specs"), list(given), list(given.values()))
    await queue_for(connection, {key: spec for key, spec in given.items() if before.get(key) != spec})


def _state(row: Any, layering: Layering, meters: tuple[KnownMeter, ...], before: Mapping[str, str]) -> DeviceState:
    reported: int = row["reported_version"] or 0
    labels = json.loads(row["labels"])
    return DeviceState(
        id=row["id"],
        name=row["name"],
        below=layering.below(row["id"], labels),
        own=read_layer(row["layer"]),
        meters=meters,
        desired=Desired.model_validate_json(row["desired"], extra="ignore") if row["desired"] else None,
        floor=reported if row["reported_state"] in HELD and reported < VERSION_CEILING else 0,
        labels=labels,
        before=before,
        knows=known_parameters(row["knows"]),
    )
