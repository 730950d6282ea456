"""Parameters of a scope as the API shows them: what holds, from which layers, and what is left out for whom."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime

from gateway.api.devices.store import device_detail
from gateway.api.devices.views import drift, in_step, report_view
from gateway.api.parameters.models import (
    DeviceParameters,
    FleetParameters,
    GroupParameters,
    LayerView,
    NotSupported,
    ScopeParameters,
)
from gateway.api.route import Answer
from gateway.desired.layering import PlacedLayer
from gateway.desired.layers import FLEET, Layer, device_scope, effective
from gateway.desired.state import load_state
from gateway.desired.store import StoredLayer, latest_layers
from gateway.faults import unknown
from gateway.fleet.groups import members_of
from gateway.parameters.scopes import Scope
from gateway.parameters.store import open_stage, unsupported_by_parameter
from gateway.wording import when
from store.sql import Connection

NAMED = 100
"""Devices named for each parameter that is left out."""


async def view(
    connection: Connection, scope: Scope, changed: Sequence[str] = (), pending: Sequence[str] = ()
) -> Answer:
    """What holds in a scope, with an ETag that differs where any of it does."""
    if scope.device is not None and scope.device_id is not None:
        return await _device(connection, scope.device, scope.device_id)
    return await _many(connection, scope, changed, pending)


def newest_change(answer: Answer) -> str:
    """Who changed any of these layers last, when and why, in a sentence; '' where nobody ever has."""
    layers: Sequence[LayerView] = getattr(answer.document, "layers", ())
    made = [one for one in layers if one.created_at is not None]
    if not made:
        return ""
    last = max(made, key=lambda one: one.created_at or datetime.min.replace(tzinfo=UTC))
    why = f" ({last.reason})" if last.reason else ""
    return f"{last.author or 'somebody'} changed {last.scope} at {when(last.created_at)}{why}"


async def _device(connection: Connection, device: str, device_id: int) -> Answer:
    stored = await device_detail(connection, device)
    if stored is None:
        raise unknown("device", device)
    state = await load_state(connection, device_id)
    layers = await layer_views(connection, (*state.below, PlacedLayer(device_scope(device), state.own)))
    report = report_view(stored)
    document = None if state.desired is None else state.desired.model_dump(mode="json")
    found = DeviceParameters(
        device=device,
        version=stored.desired_version,
        effective=state.effective(),
        layers=layers,
        groups=tuple(placed.scope.partition(":")[2] for placed in state.below if placed.scope != FLEET),
        not_supported=state.left_out(),
        reported=report,
        in_step=in_step(stored),
        config_state=stored.config_state,
        drift=drift(document, report),
    )
    marks = [f"{one.scope}@{one.version}/{one.stage or 0}" for one in layers]
    digest = hashlib.sha256(" ".join(marks).encode()).hexdigest()[:16]
    return Answer(found, etag=f'"{stored.desired_version or 0}-{digest}"')


async def _many(connection: Connection, scope: Scope, changed: Sequence[str], pending: Sequence[str]) -> Answer:
    keys = [FLEET] if scope.group is None else [FLEET, scope.key]
    stored = {one.scope: one.layer for one in await latest_layers(connection, keys)}
    layers = await layer_views(connection, [PlacedLayer(key, stored.get(key, Layer())) for key in keys])
    own = layers[-1]
    shared = {
        "effective": effective([Layer(parameters=one.parameters) for one in layers]),
        "layers": layers,
        "not_supported": await _left_out(connection, scope, own),
        "stage": await open_stage(connection, scope.key),
        "changed": tuple(changed),
        "pending": tuple(pending),
    }
    found: ScopeParameters
    if scope.group is None:
        found = FleetParameters.model_validate(shared)
        return Answer(found, etag=f'"{own.version}"')
    group = scope.group
    found = GroupParameters.model_validate(
        {**shared, "group": group.name, "selector": str(group.selector), "priority": group.priority}
    )
    return Answer(found, etag=f'"{layers[0].version}.{own.version}.{group.version}"')


async def layer_views(connection: Connection, placed: Sequence[PlacedLayer]) -> tuple[LayerView, ...]:
    """Layers with who made their scopes' newest version; of a staged one the content is the staged one."""
    stored = {one.scope: one for one in await latest_layers(connection, [one.scope for one in placed])}
    return tuple(_layer_view(one, stored.get(one.scope)) for one in placed)


def _layer_view(placed: PlacedLayer, stored: StoredLayer | None) -> LayerView:
    who = {name: getattr(stored, name, None) for name in ("author", "reason", "created_at")}
    return LayerView.model_validate(
        {
            "scope": placed.scope,
            "version": stored.version if stored else 0,
            "hash": placed.layer.digest(),
            "stage": placed.stage,
            "parameters": placed.layer.parameters,
            **who,
        }
    )


async def _left_out(connection: Connection, scope: Scope, own: LayerView) -> tuple[NotSupported, ...]:
    members = None if scope.group is None else [one for one, _ in await members_of(connection, scope.group)]
    found = await unsupported_by_parameter(connection, list(own.parameters), members, NAMED)
    return tuple(NotSupported.model_validate(one, from_attributes=True) for one in found)
