"""Layers, published specs and desired configurations in the store."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import Json

from broker.contract.messages import Desired
from broker.contract.software import SoftwareDesired
from gateway.desired.layers import Layer
from gateway.fleet.meters import StoredMeter
from store.sql import Database, statement


@dataclass(frozen=True, slots=True)
class StoredLayer:
    """A version of a scope's layer."""

    scope: str
    version: int
    layer: Json[Layer]
    author: str
    reason: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class StagedLayer:
    """What devices have in place of a scope's own layer while a staged change of it is open."""

    id: int
    scope: str
    layer: Json[Layer]
    devices: list[int]


@dataclass(frozen=True, slots=True)
class StoredState:
    """A device with its own layer, and what was desired of it and reported by it last."""

    id: int
    name: str
    desired: Json[Desired] | None
    reported_version: int | None
    reported_state: str | None
    layer: Json[Layer] | None
    labels: Json[dict[str, str]]
    knows: Json[object] | None
    """The parameters that its software names, as it said it."""
    software: Json[SoftwareDesired] | None
    software_version: int | None
    software_reported: int | None
    """The version that its updater spoke of last."""


@dataclass(frozen=True, slots=True)
class BeforeCanary:
    """What a meter had before the canary that it has."""

    device_id: int
    key: str
    before: str


@dataclass(frozen=True, slots=True)
class SpecRow:
    """A published spec."""

    name: str
    version: int
    document: Json[dict[str, object]]
    sha256: str


@dataclass(frozen=True, slots=True)
class SpecDigest:
    """Which spec is published, and its content's digest."""

    name: str
    version: int
    sha256: str


@dataclass(frozen=True, slots=True)
class RolloutState:
    """A spec version, `name@version`, that is not for all: a canary, or withdrawn."""

    ref: str
    state: str
    audience: str


@dataclass(frozen=True, slots=True)
class ReportedVersion:
    """What a device reported last."""

    name: str
    version: int


@dataclass(frozen=True, slots=True)
class Republished:
    """A configuration that is published again; `announced` is whether it did not wait for that already."""

    name: str
    announced: bool


@dataclass(frozen=True, slots=True)
class Unsupported:
    """Parameters that are left out for a device."""

    device_id: int
    parameters: list[str]


@statement
async def take_config_lock(database: Database) -> None:
    """Let nobody else write configuration until the transaction ends."""


@statement
async def configured_devices(database: Database) -> list[int]:
    """The devices that have a configuration, or are to have one."""


@statement
async def device_states(database: Database, device_ids: Sequence[int]) -> list[StoredState]:
    """What the configurations of these devices are made from, their meters and other scopes' layers apart."""


@statement
async def meters_of_devices(database: Database, device_ids: Sequence[int]) -> list[StoredMeter]:
    """Their meters in place, by device and key."""


@statement
async def rollout_before(database: Database, device_ids: Sequence[int]) -> list[BeforeCanary]:
    """What their meters had before a canary."""


@statement
async def latest_layers(database: Database, scopes: Sequence[str]) -> list[StoredLayer]:
    """The newest version of each of these scopes' layers, where there is one."""


@statement
async def staged_layers(database: Database, device_ids: Sequence[int]) -> list[StagedLayer]:
    """What is staged for these devices."""


@statement
async def insert_layer(
    database: Database, scope: str, layer: Json[Mapping[str, object]], author: str, reason: str | None
) -> int:
    """Enter a scope's next version; returns it."""


@statement
async def set_desired(
    database: Database, rows: Sequence[tuple[int, int, str, Json[Mapping[str, object]], str, datetime]]
) -> None:
    """Make these the desired configurations of devices: number, version, hash, document, author, time."""


@statement
async def set_software(
    database: Database, rows: Sequence[tuple[int, int, Json[Mapping[str, object]] | None, str]]
) -> None:
    """Make this the software that devices are to run: device, version, document or None for nothing, author."""


@statement
async def set_meter_specs(database: Database, keys: Sequence[str], specs: Sequence[str]) -> None:
    """Note the spec in use of each meter and of those behind it."""


@statement
async def note_rollout_meters(
    database: Database, keys: Sequence[str], specs: Sequence[str | None], versions: Sequence[int]
) -> None:
    """Note which meters get a canary by these desired versions, and which lose one."""


@statement
async def republish(database: Database, devices: Sequence[str]) -> list[Republished]:
    """Have the configurations of these devices published again."""


@statement
async def republish_software(database: Database, devices: Sequence[str]) -> list[Republished]:
    """Have it published again which software these devices are to run."""


@statement
async def reported_versions(database: Database, devices: Sequence[str]) -> list[ReportedVersion]:
    """What these devices reported last, of those that ever did."""


@statement
async def unsupported_of(database: Database, device_ids: Sequence[int]) -> list[Unsupported]:
    """What is noted of these devices."""


@statement
async def set_unsupported(database: Database, device_id: int, parameters: Sequence[str]) -> None:
    """Note which parameters are left out for a device."""


@statement
async def set_device_labels(
    database: Database, device_id: int, labels: Json[Mapping[str, str]], author: str, reason: str | None
) -> None:
    """Give a device these labels."""


@statement
async def catalogue_revision(database: Database) -> int:
    """A number that rises with each change of the published specs."""


@statement
async def all_specs(database: Database, known: Sequence[str]) -> list[SpecRow]:
    """Published specs but those that are known, by `name@version`."""


@statement
async def deprecated_specs(database: Database) -> list[str]:
    """Deprecated specs, by `name@version`."""


@statement
async def rollout_states(database: Database) -> list[RolloutState]:
    """Spec versions that are not for all."""


@statement
async def publish_specs(
    database: Database, rows: Sequence[tuple[str, int, Json[Mapping[str, object]], str, str, bool, str]]
) -> None:
    """Enter specs: name, version, document, source, digest, whether it is generic, author."""


@statement
async def published_digest(database: Database, name: str, version: int) -> str | None:
    """The digest of a published spec."""


@statement
async def published_digests(database: Database) -> list[SpecDigest]:
    """The digests of all published specs."""
