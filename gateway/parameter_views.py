"""Parameters of a scope as the API shows them: what holds, from which layers, and what is left out for whom."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from gateway.api_models import (
    DeviceParameters,
    FleetParameters,
    GroupParameters,
    LayerView,
    NotSupported,
    ScopeParameters,
)
from gateway.api_route import Answer
from gateway.database import Connection
from gateway.desired import load_states
from gateway.groups import members_of
from gateway.layering import Laid, layer_rows, read_layer
from gateway.layers import FLEET, Layer, compose, device_scope
from gateway.scopes import Scope
from gateway.sql import load
from gateway.views import drift, in_step, report_view
from gateway.wording import when

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
    row: Any = await connection.fetchrow(load("device_detail"), device)
    state = (await load_states(connection, [device_id]))[0]
    layers = await layer_views(connection, (*state.below, Laid(device_scope(device), state.own)))
    report = report_view(row)
    document = None if state.desired is None else state.desired.model_dump(mode="json")
    found = DeviceParameters(
        device=device,
        version=row["desired_version"],
        effective=state.parameters(),
        layers=layers,
        groups=tuple(laid.scope.partition(":")[2] for laid in state.below if laid.scope != FLEET),
        not_supported=state.left_out(),
        reported=report,
        in_step=in_step(row),
        config_state=row["config_state"],
        drift=drift(document, report),
    )
    marks = [f"{one.scope}@{one.version}/{one.stage or 0}" for one in layers]
    digest = hashlib.sha256(" ".join(marks).encode()).hexdigest()[:16]
    return Answer(found, etag=f'"{row["desired_version"] or 0}-{digest}"')


async def _many(connection: Connection, scope: Scope, changed: Sequence[str], pending: Sequence[str]) -> Answer:
    keys = [FLEET] if scope.group is None else [FLEET, scope.key]
    rows = {row["scope"]: row for row in await layer_rows(connection, keys)}
    layers = await layer_views(
        connection, [Laid(key, read_layer(rows[key]["document"]) if key in rows else Layer()) for key in keys]
    )
    own = layers[-1]
    shared = {
        "effective": compose([Layer(parameters=one.parameters) for one in layers]),
        "layers": layers,
        "not_supported": await _left_out(connection, scope, own),
        "stage": await connection.fetchval(load("open_stage_of"), scope.key),
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


async def layer_views(connection: Connection, laid: Sequence[Laid]) -> tuple[LayerView, ...]:
    """Layers with who made their scopes' newest version; of a staged one the content is the staged one."""
    rows = {row["scope"]: row for row in await layer_rows(connection, [one.scope for one in laid])}
    return tuple(_layer_view(one, rows.get(one.scope)) for one in laid)


def _layer_view(laid: Laid, row: Any) -> LayerView:
    told = {name: None if row is None else row[name] for name in ("author", "reason", "created_at")}
    return LayerView.model_validate(
        {
            "scope": laid.scope,
            "version": 0 if row is None else row["version"],
            "hash": laid.layer.digest(),
            "stage": laid.stage,
            "parameters": laid.layer.parameters,
            **told,
        }
    )


async def _left_out(connection: Connection, scope: Scope, own: LayerView) -> tuple[NotSupported, ...]:
    members = None if scope.group is None else [one for one, _ in await members_of(connection, scope.group)]
    rows = await connection.fetch(load("unsupported_by_parameter"), list(own.parameters), members, NAMED)
    return tuple(
        NotSupported(parameter=row["parameter"], count=row["count"], devices=tuple(row["devices"])) for row in rows
    )
