"""Registrations in the store: the device, its meters, what was installed and what left. A repeat changes nothing."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from broker.messages import Registration
from gateway.database import Connection
from gateway.events import record_event
from gateway.meters import KnownMeter, from_row, from_seen, merged
from gateway.points import Visit, settle
from gateway.sql import load
from gateway.twins import look, withdraw_swaps


@dataclass(frozen=True, slots=True)
class Registered:
    """What a registration did; `touched` are the ids of devices whose configuration may change by it."""

    first: bool
    installed: tuple[str, ...]
    removed: tuple[str, ...]
    touched: frozenset[int]
    duplicated: bool = False


async def register(connection: Connection, device: str, registration: Registration, at: datetime) -> Registered:
    """Enter a registration, received at `at` (UTC), inside the caller's transaction."""
    known = await connection.fetchrow(load("find_device"), device)
    device_id: int = await connection.fetchval(load("ensure_device"), device)
    first = known is None or known["registration"] is None
    twins = await look(connection, device, device_id, registration, at)
    if twins.other is not None:
        await withdraw_swaps(connection, device, device_id, registration, twins.other)
    await connection.execute(load("note_registration"), device_id, registration.payload().decode(), at)
    rows = {
        row["key"]: row
        for row in await connection.fetch(load("meters_by_key"), [meter.key for meter in registration.meters])
    }
    # a meter that is shown twice is one: the first counts
    shown = {meter.key: meter for meter in reversed(registration.meters)}
    seen = [_merge(rows.get(key), from_seen(shown[key])) for key in reversed(shown)]
    # a meter must have its row before the meters behind it can point to it
    for meter in sorted(seen, key=lambda meter: meter.parent is not None):
        await _upsert(connection, device_id, meter, at)
    keys = [meter.key for meter in seen]
    ports = sorted({meter.port for meter in seen if meter.parent is None})
    # while two agents use one id, what one does not see may well stand at the other's port
    gone = [] if twins.doubled else await connection.fetch(load("remove_meters"), device_id, keys, ports, at)
    since = {key: meter.since for key, meter in shown.items() if meter.since is not None}
    visit = Visit(device_id, registration.boot, at, since)
    await settle(connection, visit, seen, [row["key"] for row in gone])
    moved_from = {row["device_id"] for row in rows.values() if row["device_id"] not in (None, device_id)}
    outcome = Registered(
        first=first,
        installed=tuple(meter.key for meter in seen if _is_new(rows.get(meter.key), device_id)),
        removed=tuple(row["key"] for row in gone),
        touched=frozenset({device_id, *moved_from}),
        duplicated=twins.doubled,
    )
    await _tell(connection, device, registration, outcome)
    return outcome


def _merge(row: Any, seen: KnownMeter) -> KnownMeter:
    return merged(None if row is None else from_row(row, json.loads(row["facts"])), seen)


def _is_new(row: Any, device_id: int) -> bool:
    return row is None or row["removed_at"] is not None or row["device_id"] != device_id or row["protocol"] is None


async def _upsert(connection: Connection, device_id: int, meter: KnownMeter, at: datetime) -> None:
    await connection.execute(
        load("upsert_meter"),
        meter.key,
        device_id,
        meter.parent,
        meter.manufacturer,
        meter.product,
        meter.serial,
        meter.firmware,
        meter.protocol,
        meter.port,
        json.dumps(meter.stored_facts()),
        at,
    )


async def _tell(connection: Connection, device: str, registration: Registration, outcome: Registered) -> None:
    if outcome.first:
        detail = {"software": registration.software.version, "hardware": registration.hardware.model}
        await record_event(connection, "device_registered", device=device, detail=detail)
    for key in outcome.installed:
        await record_event(connection, "meter_installed", device=device, meter=key)
    for key in outcome.removed:
        await record_event(connection, "meter_removed", device=device, meter=key)
