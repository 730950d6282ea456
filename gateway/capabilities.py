"""What a device's software knows of parameters: the rest is left out for it, and told once."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gateway.events import record_event
from gateway.layers import KNOWN, Layer, Problem
from gateway.sql import load

if TYPE_CHECKING:
    from gateway.database import Connection
    from gateway.desired import DeviceState


def known_parameters(names: str | None) -> frozenset[str] | None:
    """The parameters that a registration names, given as JSON; None where it names none, as it then may know all."""
    found: Any = json.loads(names) if names else None
    return frozenset(str(name) for name in found) if isinstance(found, list) and found else None


def unsupported(knows: frozenset[str] | None) -> tuple[str, ...]:
    """The parameters of ours that software which knows these does not."""
    return () if knows is None else tuple(name for name in KNOWN if name not in knows)


def refusals(state: "DeviceState", layer: Layer) -> list[Problem]:
    """What speaks against giving a device this layer of its own: parameters that its software does not know."""
    absent = state.unsupported()
    known = ", ".join(name for name in KNOWN if name not in absent)
    why = f"the software of {state.name} does not know it"
    return [
        Problem(name, why, f"update its software, or leave it out; it knows: {known or 'none'}")
        for name, value in layer.parameters.items()
        if name in absent and state.own.parameters.get(name) != value
    ]


async def note_unsupported(connection: "Connection", states: Sequence["DeviceState"]) -> None:
    """Keep which parameters are left out for these devices; an event tells of those that newly are."""
    ids = [state.id for state in states]
    before = {row["device_id"]: set(row["parameters"]) for row in await connection.fetch(load("unsupported_of"), ids)}
    for state in states:
        now, noted = set(state.left_out()), before.get(state.id, set())
        if now == noted:
            continue
        await connection.execute(load("note_unsupported"), state.id, sorted(now))
        if fresh := sorted(now - noted):
            detail = {"parameters": fresh, "reason": "its software does not know them"}
            await record_event(
                connection, "parameter_not_supported", device=state.name, severity="warning", detail=detail
            )
