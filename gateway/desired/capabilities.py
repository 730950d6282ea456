"""What a device's software knows of parameters: the rest is left out for it, with one event."""

from collections.abc import Sequence

from gateway.desired.layers import Layer
from gateway.desired.state import DeviceState
from gateway.desired.store import set_unsupported, unsupported_of
from gateway.events import record_event
from gateway.faults import Fault
from gateway.validation import KNOWN
from store.sql import Connection


def refusals(state: "DeviceState", layer: Layer) -> list[Fault]:
    """What speaks against giving a device this layer of its own: parameters that its software does not know."""
    absent = state.unsupported()
    known = ", ".join(name for name in KNOWN if name not in absent)
    why = f"the software of {state.name} does not know it"
    return [
        Fault(name, why, f"update its software, or leave it out; it knows: {known or 'none'}")
        for name, value in layer.parameters.items()
        if name in absent and state.own.parameters.get(name) != value
    ]


async def note_unsupported(connection: "Connection", states: Sequence["DeviceState"]) -> None:
    """Keep which parameters are left out for these devices; an event names those that newly are."""
    ids = [state.id for state in states]
    before = {one.device_id: set(one.parameters) for one in await unsupported_of(connection, ids)}
    for state in states:
        now, noted = set(state.left_out()), before.get(state.id, set())
        if now == noted:
            continue
        await set_unsupported(connection, state.id, sorted(now))
        if fresh := sorted(now - noted):
            detail = {"parameters": fresh, "reason": "its software does not know them"}
            await record_event(
                connection, "parameter_not_supported", device=state.name, severity="warning", detail=detail
            )
