"""Desired configurations in the store: built from layers and meters, with a version that rises only on a change."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from broker.contract.messages import Desired
from gateway.desired.capabilities import note_unsupported
from gateway.desired.software import SoftwareChange, renewed, store_software
from gateway.desired.spec_catalogue import SpecCatalogue
from gateway.desired.state import load_states
from gateway.desired.store import configured_devices, note_rollout_meters, set_desired, set_meter_specs
from gateway.jobs.queueing import assigned_specs, queue_for
from gateway.principals import SYSTEM
from store.sql import Connection

PORTION = 500
"""Devices whose configuration is made at once."""


@dataclass(slots=True)
class Rebuilt:
    """What came of it: devices whose configuration changed, by name, and what changed of their software."""

    configured: list[str] = field(default_factory=list)
    software: list[SoftwareChange] = field(default_factory=list)


async def rebuild(
    connection: Connection, device_ids: Sequence[int] | None, catalogue: SpecCatalogue, *, author: str = SYSTEM
) -> Rebuilt:
    """Bring desired configurations and software up to date.

    With None, of all registered devices, in portions that bound memory.
    """
    if device_ids is None:
        device_ids = await configured_devices(connection)
    made = Rebuilt()
    for start in range(0, len(device_ids), PORTION):
        fresh, software = [], []
        states = await load_states(connection, device_ids[start : start + PORTION])
        for state in states:
            now = datetime.now(UTC)
            desired, change = state.renewed(catalogue, author, now), renewed(state, author, now)
            if desired is not None:
                fresh.append((state.id, desired))
                made.configured.append(state.name)
            if change is not None:
                software.append(change)
            # matching takes its time: others of this process must get theirs
            await asyncio.sleep(0)
        await store_desired(connection, fresh)
        await store_software(connection, software)
        await note_unsupported(connection, states)
        made.software += software
    return made


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
        document = sealed.model_dump(mode="json", exclude_none=True, by_alias=True)
        rows.append((device_id, sealed.version, sealed.hash or "", document, sealed.author, at))
        specs |= {key: meter.spec for key, meter in sealed.meters.items()}
        versions |= dict.fromkeys(sealed.meters, sealed.version)
    given = {key: ref for key, ref in specs.items() if ref is not None}
    before = await assigned_specs(connection, given)
    # before the rest, as it reads what the meters have until now
    await note_rollout_meters(connection, list(specs), list(specs.values()), list(versions.values()))
    await set_desired(connection, rows)
    await set_meter_specs(connection, list(given), list(given.values()))
    await queue_for(connection, {key: spec for key, spec in given.items() if before.get(key) != spec})
