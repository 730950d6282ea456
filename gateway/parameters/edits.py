"""What a person asks to have changed in a scope's layer, and what comes of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.desired.change import Change
from gateway.desired.layering import latest_layer
from gateway.desired.layers import Layer
from gateway.parameters.history import version_of
from gateway.parameters.scopes import Scope, change_scope
from gateway.parameters.store import desired_versions


@dataclass(frozen=True, slots=True)
class Patch:
    """Set some parameters; None gives one back to the layers below."""

    parameters: Mapping[str, Any]

    def applied(self, own: Layer) -> Layer:
        """A scope's layer as this makes it."""
        return own.patched(self.parameters)


@dataclass(frozen=True, slots=True)
class Replacement:
    """Set these parameters, and no others; specs that are pinned stay so."""

    parameters: Mapping[str, Any]

    def applied(self, own: Layer) -> Layer:
        """A scope's layer as this makes it."""
        return own.model_copy(update={"parameters": {}}).patched(self.parameters)


@dataclass(frozen=True, slots=True)
class Rollback:
    """Make an earlier version the newest one; without a number the one before."""

    to: int | None


Edit = Patch | Replacement | Rollback


@dataclass(frozen=True, slots=True)
class Edited:
    """What an edit came to: the devices whose configuration changed, and the versions that are to be reported."""

    changed: Sequence[str]
    versions: Mapping[str, int]
    """By device."""


async def edited(change: Change, scope: Scope, edit: Edit) -> Layer:
    """A scope's layer as an edit makes it; nothing is stored.

    Raises Refusal: conflict or invalid for a version that can't be brought back.
    """
    if isinstance(edit, Rollback):
        return await version_of(change.connection, scope.key, edit.to, change.catalogue)
    return edit.applied(await latest_layer(change.connection, scope.key))


async def edit_scope(change: Change, scope: Scope, edit: Edit, *, author: str, reason: str | None) -> Edited:
    """Change a scope's layer, as `change_scope` does. Raises Refusal."""
    layer = await edited(change, scope, edit)
    changed = await change_scope(change, scope, layer, author=author, reason=reason)
    # of a device also where nothing changed: a repeat after a lost answer must wait until it is in step
    reporting = changed if scope.device is None else [scope.device]
    return Edited(changed, dict(await desired_versions(change.connection, reporting)))
