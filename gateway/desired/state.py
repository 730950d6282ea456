"""All that the desired configuration of a device is made from."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

from broker.contract.messages import MOST_METERS, VERSION_CEILING, VERSION_MAX, Desired, MeterConfig, Parameters
from broker.contract.software import SoftwareDesired
from gateway.desired.layering import Layering, PlacedLayer, load_layering
from gateway.desired.layers import EffectiveParameters, Layer, compose, effective, merged_values
from gateway.desired.spec_catalogue import SpecCatalogue
from gateway.desired.store import StoredState, device_states, meters_of_devices, rollout_before
from gateway.faults import Fault, conflict
from gateway.fleet.meters import KnownMeter, assign, from_stored
from gateway.validation import KNOWN
from store.sql import Connection


def known_parameters(names: object) -> frozenset[str] | None:
    """The parameters that a registration names; None where it names none, as it then may know all."""
    return frozenset(str(name) for name in names) if isinstance(names, list) and names else None


def unsupported(knows: frozenset[str] | None) -> tuple[str, ...]:
    """The parameters of ours that software which knows these does not."""
    return () if knows is None else tuple(name for name in KNOWN if name not in knows)


def floor_of(reported: int) -> int:
    """The version above which the next one must lie; one at the ceiling is nobody's but a joker's."""
    return reported if reported < VERSION_CEILING else 0


def version_above(*versions: int) -> int:
    """The next version; a device that has driven its own to the end gets no more, and harms nobody else by it."""
    return min(max(versions) + 1, VERSION_MAX)


HAD_IN_FORCE = ("applied", "reverted")
"""Reports of a version that the device has, or had, in force."""


@dataclass(frozen=True, slots=True)
class DeviceState:
    """All that the desired configuration of one device is made from, and what it is now."""

    id: int
    name: str
    below: tuple[PlacedLayer, ...]
    """The layers under its own, the lowest first: the fleet's, then its groups'."""
    own: Layer
    meters: tuple[KnownMeter, ...]
    desired: Desired | None
    floor: int
    """The highest version that the device is known to have had in force, 0 if none; it takes none below it."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Its labels and what its registration says, `device` (its name) among them."""
    before: Mapping[str, str] = field(default_factory=dict)
    """What its meters had before the canary that they have, by key."""
    knows: frozenset[str] | None = None
    """The parameters that its software knows, None where it does not say."""
    software: SoftwareDesired | None = None
    """Which software it is to run now."""
    software_version: int = 0
    """The version of that, also where nothing is desired any more; 0 where nothing ever was."""
    software_floor: int = 0
    """The version that its updater spoke of last, which takes none below it; 0 if none."""

    def next_version(self) -> int:
        """The version that a change gets."""
        return version_above(self.desired.version if self.desired else 0, self.floor)

    def layers(self) -> tuple[Layer, ...]:
        """All of its layers, the lowest first."""
        return (*(placed.layer for placed in self.below), self.own)

    def unsupported(self) -> tuple[str, ...]:
        """The parameters that its software does not know."""
        return unsupported(self.knows)

    def left_out(self) -> tuple[str, ...]:
        """Parameters that some layer sets and that its software does not know."""
        stated = merged_values(self.layers())
        return tuple(name for name in self.unsupported() if name in stated)

    def parameters(self) -> Parameters:
        """The parameters that hold now."""
        return compose(self.layers(), self.unsupported())

    def effective(self) -> EffectiveParameters:
        """The same with those for its updater."""
        return effective(self.layers(), self.unsupported())

    def assigned(self, catalogue: SpecCatalogue) -> dict[str, MeterConfig]:
        """The spec of each meter; of more than a configuration can name none of those behind."""
        candidates = catalogue.candidates(self.labels if catalogue.canaries else None)
        pins = {key: pin for key, pin in self.own.meters.items() if pin.spec not in catalogue.withdrawn}
        chosen = assign(candidates, self.meters, pins, catalogue.kept(self.desired, self.before))
        return dict(islice(chosen.items(), MOST_METERS))

    def renewed(self, catalogue: SpecCatalogue, author: str, at: datetime) -> Desired | None:
        """Its configuration as the next version, None where the content is what it was and the device is not ahead."""
        now = self.desired
        fresh = Desired(
            version=self.next_version(),
            author=author,
            at=at,
            parameters=self.parameters(),
            meters=self.assigned(catalogue),
            not_supported=self.unsupported() or None,
        )
        same = now is not None and now.model_copy(update={"version": fresh.version}).digest() == fresh.digest()
        return None if now is not None and same and self.floor <= now.version else fresh


async def load_states(connection: Connection, device_ids: Sequence[int]) -> list[DeviceState]:
    """The states of some devices."""
    meters: dict[int, list[KnownMeter]] = defaultdict(list)
    for meter in await meters_of_devices(connection, device_ids):
        if meter.device_id is not None:
            meters[meter.device_id].append(from_stored(meter))
    layering = await load_layering(connection, device_ids)
    before: dict[int, dict[str, str]] = defaultdict(dict)
    for canary in await rollout_before(connection, device_ids):
        before[canary.device_id][canary.key] = canary.before
    stored = await device_states(connection, device_ids)
    return [device_state(one, layering, tuple(meters[one.id]), before[one.id]) for one in stored]


async def load_state(connection: Connection, device_id: int) -> DeviceState:
    """The state of a device. Raises Refusal: a conflict where it stands for a third party's source."""
    states = await load_states(connection, [device_id])
    if not states:
        fault = Fault("device", "stands for a third party's source", "GET /api/v1/sources lists them, with settings")
        raise conflict("a source has no parameters", [fault])
    return states[0]


def device_state(
    stored: StoredState, layering: Layering, meters: tuple[KnownMeter, ...], before: Mapping[str, str]
) -> DeviceState:
    """What is known of a device, with its groups' layers and its meters put together."""
    reported = stored.reported_version or 0
    return DeviceState(
        id=stored.id,
        name=stored.name,
        below=layering.below(stored.id, stored.labels),
        own=stored.layer or Layer(),
        meters=meters,
        desired=stored.desired,
        floor=floor_of(reported) if stored.reported_state in HAD_IN_FORCE else 0,
        labels=stored.labels,
        before=before,
        knows=known_parameters(stored.knows),
        software=stored.software,
        software_version=stored.software_version or 0,
        software_floor=floor_of(stored.software_reported or 0),
    )
