"""Two live devices of one id: recognised by boots that alternate, told, and kept from undoing one another's meters."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from broker.messages import Registration
from gateway.database import Connection
from gateway.events import record_event
from gateway.sql import load

BOOTS_KEPT = 16
"""A start that has not registered for so many others is forgotten."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What a registration says of its device's id: `other` is the boot that took turns with it just now."""

    doubled: bool
    other: str | None = None


async def look(
    connection: Connection, device: str, device_id: int, registration: Registration, at: datetime
) -> Standing:
    """Enter the boot of a registration received at `at`; whether two agents use this id at present.

    A restart brings a new boot once (A, B). An older boot that registers again after a later one (A, B, A) can only be
    another agent that is still alive: a registration is made when it is sent, so what an outbox or the broker held
    back can't look like it, and one that the broker gives again carries a time that is known already.
    """
    rows = await connection.fetch(load("boots_of_device"), device_id)
    newest = rows[0] if rows else None
    mine = next((row for row in rows if row["boot"] == registration.boot), None)
    if mine is not None and registration.at <= mine["last_at"]:
        return Standing(await _is_doubled(connection, device_id, at))
    hardware = registration.hardware
    await connection.execute(
        load("note_boot"),
        device_id,
        registration.boot,
        registration.at,
        at,
        hardware.serial,
        hardware.model,
        registration.software.version,
        BOOTS_KEPT,
    )
    if mine is None or newest is None or newest["boot"] == registration.boot:
        return Standing(await _is_doubled(connection, device_id, at))
    boots = [_described(newest), _described(mine)]
    told = await connection.fetchrow(load("note_twin"), device_id, at, json.dumps(boots))
    if told is not None and told["due"]:
        detail = {
            "boots": boots,
            "fix": "two agents use this id: give one of them another WATTLINE_DEVICE_DEVICE_ID",
        }
        await record_event(connection, "device_duplicated", device=device, severity="error", detail=detail)
    return Standing(doubled=True, other=newest["boot"])


async def withdraw_swaps(
    connection: Connection, device: str, device_id: int, registration: Registration, other: str
) -> None:
    """Take back swaps that were none: the other agent's meters seemed to follow those of this one at its ports.

    Each meter that only the other one sees moves to a point of its own; this one's meter has never left.
    """
    keys = [meter.key for meter in registration.meters]
    slots: dict[str, int] = {}
    for row in await connection.fetch(load("false_swaps"), device_id, keys, other):
        port = row["port"]
        if port not in slots:
            spots = await connection.fetch(load("points_of_ports"), device_id, [port])
            slots[port] = 1 + max(spot["slot"] for spot in spots)
        point = await connection.fetchval(load("ensure_point"), device_id, port, row["channel"], slots[port])
        await connection.execute(load("move_stay"), row["new_id"], point)
        await connection.execute(load("reopen_stay"), row["old_id"])
        detail = {"old": row["old_meter"], "new": row["new_meter"], "reason": "two agents use the device's id"}
        await record_event(
            connection, "meter_swap_withdrawn", device=device, meter=row["old_meter"], severity="warning", detail=detail
        )


async def _is_doubled(connection: Connection, device_id: int, at: datetime) -> bool:
    return bool(await connection.fetchval(load("is_twin"), device_id, at))


def _described(row: Any) -> dict[str, Any]:
    return {
        "boot": row["boot"],
        "hardware_serial": row["hardware_serial"],
        "hardware_model": row["hardware_model"],
        "software": row["software"],
        "started_at": row["first_at"].isoformat(),
        "registered_at": row["last_registered_at"].isoformat(),
    }
