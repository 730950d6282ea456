"""What the API answers about parameters, and the queries that it takes."""

from typing import Any

from pydantic import Field

from broker.contract.messages import At
from gateway.api.devices.models import ConfigState, Drift, ReportView
from gateway.desired.layers import EffectiveParameters
from gateway.models import MAX_WAIT_S, ApiModel, ReasonQuery

MAX_VERSION = 2**31 - 1
"""Of a layer's versions: what the database counts them in."""


class ChangeQuery(ReasonQuery):
    """Who changes parameters, why, and how long to wait for the device's report."""

    wait_s: float = Field(default=0, ge=0, le=MAX_WAIT_S, description="Wait so long for the report.")


class LayerView(ApiModel):
    """What one scope sets of its own; with `stage` it is of a staged change that has not become a version yet."""

    scope: str
    version: int
    hash: str
    stage: int | None = None
    parameters: dict[str, Any]
    author: str | None
    reason: str | None
    created_at: At | None


class DeviceParameters(ApiModel):
    """A device's parameters: what holds, from which layers, and what the device made of it."""

    device: str
    version: int | None = Field(description="Version of the desired configuration.")
    effective: EffectiveParameters
    layers: tuple[LayerView, ...] = Field(description="The lowest first; a later one overrides.")
    groups: tuple[str, ...] = Field(description="The groups that it belongs to, in the order of their layers.")
    not_supported: tuple[str, ...] = Field(
        description="Parameters that a layer sets and that are left out, as its software does not know them."
    )
    reported: ReportView | None
    in_step: bool | None
    config_state: ConfigState | None = Field(description="How it stands, as for a device.")
    drift: tuple[Drift, ...]


class NotSupported(ApiModel):
    """A parameter that the scope sets and that is left out for some of its devices; the first 100 are named."""

    parameter: str
    count: int
    devices: tuple[str, ...]


class ScopeParameters(ApiModel):
    """Parameters of many devices; after a change also whom it changed, and who has not reported it yet."""

    effective: EffectiveParameters
    layers: tuple[LayerView, ...]
    not_supported: tuple[NotSupported, ...]
    stage: int | None = Field(default=None, description="The staged change that is open.")
    changed: tuple[str, ...] = ()
    pending: tuple[str, ...] = ()


class FleetParameters(ScopeParameters):
    """The fleet's parameters."""


class GroupParameters(ScopeParameters):
    """A group's parameters: what a device has that is in no other group, and where it comes from."""

    group: str
    selector: str
    priority: int
