"""Which layers lie under a device's own: the fleet's and its groups', each with what is staged for the device."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.desired.layers import FLEET, Layer
from gateway.desired.store import insert_layer, latest_layers, staged_layers
from gateway.fleet.groups import Group, containing, load_groups
from store.sql import Connection


@dataclass(frozen=True, slots=True)
class PlacedLayer:
    """A layer where it lies; `stage` is the staged change that it belongs to, None where it is the scope's own."""

    scope: str
    layer: Layer
    stage: int | None = None


@dataclass(frozen=True, slots=True)
class Layering:
    """All that says which layers lie under the own layer of some devices."""

    groups: tuple[Group, ...]
    layers: Mapping[str, Layer]
    staged: Mapping[int, Mapping[str, PlacedLayer]]
    """By device id and scope."""

    def below(self, device_id: int, labels: Mapping[str, str]) -> tuple[PlacedLayer, ...]:
        """The layers under a device's own, the lowest first."""
        scopes = (FLEET, *(group.scope for group in containing(self.groups, labels)))
        staged = self.staged.get(device_id, {})
        return tuple(staged.get(scope) or PlacedLayer(scope, self.layers.get(scope, Layer())) for scope in scopes)


async def load_layering(connection: Connection, device_ids: Sequence[int]) -> Layering:
    """Read groups, their layers and the fleet's, and what is staged for these devices."""
    groups = await load_groups(connection)
    scopes = [FLEET, *(group.scope for group in groups)]
    layers = {one.scope: one.layer for one in await latest_layers(connection, scopes)}
    staged: dict[int, dict[str, PlacedLayer]] = defaultdict(dict)
    for one in await staged_layers(connection, device_ids):
        placed = PlacedLayer(one.scope, one.layer, one.id)
        for device_id in one.devices:
            staged[device_id][placed.scope] = placed
    return Layering(groups, layers, staged)


async def latest_layer(connection: Connection, scope: str) -> Layer:
    """What a scope says now; an empty layer where it never said anything."""
    found = await latest_layers(connection, [scope])
    return found[0].layer if found else Layer()


async def add_layer(connection: Connection, scope: str, layer: Layer, *, author: str, reason: str | None) -> int:
    """Enter a new version of a scope's layer; returns the version."""
    return await insert_layer(connection, scope, layer.document(), author, reason)
