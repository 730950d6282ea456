"""What a meter showed as it came to a point or left it, entered by who read it there."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from pydantic import Field

from broker.contract.messages import At, Message, MeterKey, ObisCode
from gateway.faults import conflict, invalid
from gateway.fleet.store.registers import (
    ReadingBeside,
    RegisterKind,
    StayRegister,
    enter_register,
    reading_beside,
    refresh_swaps,
    stay_to_read,
    withdraw_register,
)
from store.sql import Connection

Figure = Annotated[float, Field(ge=0, le=1e15, allow_inf_nan=False)]


class RegisterRead(Message):
    """A register as somebody read it; `value` null: as the readings say."""

    meter: MeterKey
    kind: RegisterKind
    obis: ObisCode
    value: Figure | None
    at: At | None = None
    """When it was read; without it when the meter came or went."""


async def enter(connection: Connection, point_id: int, read: RegisterRead, author: str) -> None:
    """Keep it in place of the nearest reading, within a transaction. Raises Refusal.

    Of several stays of the meter at the point the newest counts.
    """
    found = await stay_to_read(connection, point_id, read.meter)
    if not found:
        raise invalid("meter", f"{read.meter!r} never stood at this point", "GET /points/{point} lists its meters")
    stay = next((one for one in found if one.obis == read.obis), None)
    if stay is None or stay.series_id is None or stay.unit is None:
        raise invalid("obis", f"{read.meter} has no register {read.obis}", f"it has {_known(found)}")
    if read.value is None:
        await withdraw_register(connection, stay.id, read.kind, read.obis, author)
    else:
        at = time_read(stay, read)
        beside = await reading_beside(connection, stay.id, stay.series_id, read.kind, at)
        if beside is not None:
            check_value(read, read.value, beside)
        await enter_register(connection, stay.id, read.kind, read.obis, stay.unit, read.value, at, author)
    await refresh_swaps(connection, [point_id])


def _known(found: Sequence[StayRegister]) -> str:
    return ", ".join(one.obis for one in found if one.obis) or "none yet: its first reading makes them known"


def time_read(stay: StayRegister, read: RegisterRead) -> datetime:
    """When it was read, within the meter's time there. Raises Refusal: invalid, and conflict while it stands there."""
    came, left = stay.installed_at, stay.removed_at
    if read.kind == "opening":
        at = read.at or came
        if at >= (left or stay.now):
            end = "it left" if left else "now"
            raise invalid("at", f"{at.isoformat()} is not before {end}", "say when it came")
        return at
    if left is None:
        raise conflict(f"{read.meter} still stands there: it has left when another meter is seen in its place")
    at = read.at or left
    if not came <= at <= stay.now:
        raise invalid(
            "at", f"{at.isoformat()} is not between its coming, {came.isoformat()}, and now", "say when it left"
        )
    return at


def check_value(read: RegisterRead, value: float, beside: ReadingBeside) -> None:
    """See that the register only rises: towards the closing one, and from the opening one on. Raises Refusal."""
    if value < beside.value if read.kind == "closing" else value > beside.value:
        than = "less than the reading before it" if read.kind == "closing" else "more than the reading after it"
        raise invalid("value", f"{value:g} is {than}, {beside.value:g} at {beside.time.isoformat()}", "read it again")
