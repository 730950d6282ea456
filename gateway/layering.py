"""Which layers lie under a device's own: the fleet's and its groups', each with what is staged for the device."""

import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.database import Connection
from gateway.groups import Group, containing, load_groups
from gateway.layers import FLEET, Layer
from gateway.sql import load


@dataclass(frozen=True, slots=True)
class Laid:
    """A layer where it lies; `stage` is the staged change that it belongs to, None where it is the scope's own."""

    scope: str
    layer: Layer
    stage: int | None = None


@dataclass(frozen=True, slots=True)
class Layering:
    """All that says which layers lie under the own layer of some devices."""

    groups: tuple[Group, ...]
    layers: Mapping[str, Layer]
    staged: Mapping[int, Mapping[str, Laid]]
    """By device id and scope."""

    def below(self, device_id: int, labels: Mapping[str, str]) -> tuple[Laid, ...]:
        """The layers under a device's own, the lowest first."""
        scopes = (FLEET, *(group.scope for group in containing(self.groups, labels)))
        staged = self.staged.get(device_id, {})
        return tuple(staged.get(scope) or Laid(scope, self.layers.get(scope, Layer())) for scope in scopes)


async def load_layering(connection: Connection, device_ids: Sequence[int]) -> Layering:
    """Read groups, their layers and the fleet's, and what is staged for these devices."""
    groups = await load_groups(connection)
    scopes = [FLEET, *(group.scope for group in groups)]
    layers = {row["scope"]: read_layer(row["document"]) for row in await layer_rows(connection, scopes)}
    staged: dict[int, dict[str, Laid]] = defaultdict(dict)
    for row in await connection.fetch(load("staged_layers"), list(device_ids)):
        laid = Laid(row["scope"], read_layer(row["document"]), row["id"])
        for device_id in row["devices"]:
            staged[device_id][laid.scope] = laid
    return Layering(groups, layers, staged)


async def layer_rows(connection: Connection, scopes: Collection[str]) -> list[Any]:
    """The newest version of each of these scopes' layers, where there is one."""
    return list(await connection.fetch(load("latest_layers"), list(scopes)))


async def latest_layer(connection: Connection, scope: str) -> Layer:
    """What a scope says now; an empty layer where it never said anything."""
    rows = await layer_rows(connection, [scope])
    return read_layer(rows[0]["document"] if rows else None)


def read_layer(document: str | None) -> Layer:
    """A stored document as a layer; what a newer Wattline may have added is passed over."""
    return Layer() if document is None else Layer.model_validate_json(document, extra="ignore")


async def add_layer(connection: Connection, scope: str, layer: Layer, *, author: str, reason: str | None) -> int:
    """Enter a new version of a scope's layer; returns the version."""
    version: int = await connection.fetchval(load("add_layer"), scope, json.dumps(layer.document()), author, reason)
    return version
