"""Two live devices of one id: recognised by boots that alternate, and kept from undoing one another's meters."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from broker.contract.messages import Registration
from gateway.events import record_event
from gateway.fleet.store.devices import Boot, boots_of_device, is_twin, note_boot, note_twin
from gateway.fleet.store.points import ensure_points, false_swaps, move_stay, points_of_ports, reopen_stay
from store.sql import Connection

A_DAY = timedelta(days=1)
"""In which machines that take turns are two; a card may be moved, and moved back later."""
BOOTS_KEPT = 16
"""A start that has not registered for so many others is forgotten."""


@dataclass(frozen=True, slots=True)
class TwinState:
    """What a registration says of its device's id: `other` is the boot that took turns with it just now."""

    doubled: bool
    other: str | None = None


def is_repeat(known: Sequence[Boot], boot: str, at: datetime) -> bool:
    """Whether a registration that a boot made then is known: the broker gives it again, or an outbox held it back."""
    return any(one.boot == boot and at <= one.last_at for one in known)


def alternating(known: Sequence[Boot], boot: str) -> tuple[Boot, ...]:
    """The boot that registered last and this one, which registers again after it; nothing where that is no sign.

    `known` are the boots of the device, the one that registered last first. A restart brings a new boot once (A, B). An
    older boot that registers again after a later one (A, B, A) can only be another agent that is still alive: a
    registration is made when it is sent, and is_repeat() knows one that comes twice.
    """
    mine = [one for one in known[1:] if one.boot == boot]
    return (known[0], *mine) if mine else ()


def alternating_hardware(known: Sequence[Boot], this: Boot) -> tuple[Boot, ...]:
    """The last boot on another machine and this new one; nothing where a card was merely moved.

    `known` as for alternating(). One that is moved comes with a new boot and another serial number once (S1, S2). That
    the first machine comes back within a day of when it was last heard (S1, S2, S1) are two that restart in turn.
    """
    if this.hardware_serial is None or any(one.boot == this.boot for one in known):
        return ()
    last, *before = [one for one in known if one.hardware_serial is not None] or [this]
    since = this.last_registered_at - A_DAY
    mine = [one for one in before if one.hardware_serial == this.hardware_serial and one.last_registered_at >= since]
    return (last, this) if mine and last.hardware_serial != this.hardware_serial else ()


async def observe_boot(
    connection: Connection, device: str, device_id: int, registration: Registration, at: datetime
) -> TwinState:
    """Enter the boot of a registration received at `at`; whether two agents use this id at present."""
    known = await boots_of_device(connection, device_id)
    if is_repeat(known, registration.boot, registration.at):
        return TwinState(await is_twin(connection, device_id, at))
    hardware = registration.hardware
    await note_boot(
        connection, device_id, registration.boot, registration.at, at, hardware.serial, hardware.model,
        registration.software.version, BOOTS_KEPT,
    )  # fmt: skip
    this = Boot(
        registration.boot, registration.at, registration.at, at, hardware.serial, hardware.model,
        registration.software.version,
    )  # fmt: skip
    twins = alternating(known, registration.boot) or alternating_hardware(known, this)
    if not twins:
        return TwinState(await is_twin(connection, device_id, at))
    boots = [_described(one) for one in twins]
    if (await note_twin(connection, device_id, at, boots)).due:
        detail = {
            "boots": boots,
            "fix": "two agents use this id: give one of them another WATTLINE_DEVICE_DEVICE_ID (or a card was moved"
            " to another machine and back within a day)",
        }
        await record_event(connection, "device_duplicated", device=device, severity="error", detail=detail)
    return TwinState(doubled=True, other=twins[0].boot)


async def withdraw_swaps(
    connection: Connection, device: str, device_id: int, registration: Registration, other: str
) -> None:
    """Take back swaps that were none: the other agent's meters seemed to follow those of this one at its ports.

    Each meter that only the other one sees moves to a point of its own; this one's meter has never left.
    """
    keys = [meter.key for meter in registration.meters]
    slots: dict[str, int] = {}
    for swap in await false_swaps(connection, device_id, keys, other):
        if swap.port not in slots:
            slots[swap.port] = 1 + max(one.slot for one in await points_of_ports(connection, device_id, [swap.port]))
        (point,) = await ensure_points(connection, device_id, [swap.port], [swap.channel], [slots[swap.port]])
        await move_stay(connection, swap.new_id, point.id)
        await reopen_stay(connection, swap.old_id)
        detail = {"old": swap.old_meter, "new": swap.new_meter, "reason": "two agents use the device's id"}
        await record_event(
            connection, "meter_swap_withdrawn", device=device, meter=swap.old_meter, severity="warning", detail=detail
        )


def _described(boot: Boot) -> dict[str, str | None]:
    return {
        "boot": boot.boot,
        "hardware_serial": boot.hardware_serial,
        "hardware_model": boot.hardware_model,
        "software": boot.software,
        "started_at": boot.first_at.isoformat(),
        "registered_at": boot.last_registered_at.isoformat(),
    }
