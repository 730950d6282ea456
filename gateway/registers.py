"""What a meter showed as it came to a point or left it, entered by who read it there."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from broker.messages import At, Message, MeterKey, ObisCode
from gateway.database import Connection
from gateway.problem import ApiError, wrong
from gateway.sql import load

Figure = Annotated[float, Field(ge=0, le=1e15, allow_inf_nan=False)]


class RegisterRead(Message):
    """A register as somebody read it; `value` null: as the readings say."""

    meter: MeterKey
    kind: Literal["opening", "closing"]
    obis: ObisCode
    value: Figure | None
    at: At | None = None
    """When it was read; without it when the meter came or went."""


async def enter(connection: Connection, point_id: int, read: RegisterRead, author: str) -> None:
    """Keep it in place of the nearest reading, within a transaction. Raises ApiError.

    Of several stays of the meter at the point the newest counts.
    """
    found = await connection.fetch(load("stay_to_read"), point_id, read.meter)
    if not found:
        raise wrong("meter", f"{read.meter!r} never stood at this point", "GET /points/{point} lists its meters")
    stay = next((row for row in found if row["obis"] == read.obis), None)
    if stay is None:
        raise wrong("obis", f"{read.meter} has no register {read.obis}", f"it has {_known(found)}")
    if read.value is None:
        await connection.execute(load("withdraw_register"), stay["id"], read.kind, read.obis, author)
    else:
        at = _time(stay, read)
        beside = await connection.fetchrow(load("reading_beside"), stay["id"], stay["series_id"], read.kind, at)
        if beside is not None:
            _check_value(read, read.value, beside)
        await connection.execute(
            load("enter_register"), stay["id"], read.kind, read.obis, stay["unit"], read.value, at, author
        )
    await connection.execute(load("refresh_swaps"), [point_id])


def _known(found: Sequence[Any]) -> str:
    return ", ".join(row["obis"] for row in found if row["obis"]) or "none yet: its first reading makes them known"


def _time(stay: Any, read: RegisterRead) -> datetime:
    """When it was read, within the meter's time there."""
    came, left = stay["installed_at"], stay["removed_at"]
    if read.kind == "opening":
        at: datetime = read.at or came
        if at >= (left or stay["now"]):
            raise wrong("at", f"{at.isoformat()} is not before it left", "say when it came")
        return at
    if left is None:
        raise ApiError(409, f"{read.meter} still stands there: it has left when another meter is seen in its place")
    at = read.at or left
    if not came <= at <= stay["now"]:
        raise wrong(
            "at", f"{at.isoformat()} is not between its coming, {came.isoformat()}, and now", "say when it left"
        )
    return at


def _check_value(read: RegisterRead, value: float, beside: Any) -> None:
    """A register only rises: towards the closing one, and from the opening one on."""
    if value < beside["value"] if read.kind == "closing" else value > beside["value"]:
        than = "less than the reading before it" if read.kind == "closing" else "more than the reading after it"
        raise wrong(
            "value", f"{value:g} is {than}, {beside['value']:g} at {beside['time'].isoformat()}", "read it again"
        )
