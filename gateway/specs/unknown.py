"""Unknown products: meters without a spec of their own, in groups that one spec could read. Pure functions."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from pydantic import Json

from gateway.fleet.meters import addresses_of
from meters.drafts.survey import family_text

MAX_METERS: Final = 10_000
"""Unknown meters that are looked at, by key."""
MAX_NAMED: Final = 10
"""Meters that a group names."""


@dataclass(frozen=True, slots=True)
class UnknownMeter:
    """A meter that no product's spec reads."""

    meter_id: int
    meter: str
    device: str | None
    protocol: str | None
    manufacturer: str | None
    product: str | None
    serial: str | None
    facts: Json[dict[str, object]]
    spec: str | None
    installed_at: datetime | None
    frames: int
    first_frame_at: datetime | None
    last_frame_at: datetime | None


@dataclass(slots=True)
class Unknown:
    """Meters of one protocol, manufacturer and product, or set of addresses where the wire names no product."""

    group: str
    protocol: str
    manufacturer: str
    family: str
    meters: list[str] = field(default_factory=list)
    ids: list[int] = field(default_factory=list)
    devices: set[str] = field(default_factory=set)
    specs: set[str] = field(default_factory=set)
    """Generic specs that read some of them."""
    frames: int = 0
    since: datetime | None = None
    last_frame_at: datetime | None = None

    def take(self, one: UnknownMeter) -> None:
        """Count one meter."""
        self.meters.append(one.meter)
        self.ids.append(one.meter_id)
        self.frames += one.frames
        if one.device is not None:
            self.devices.add(one.device)
        if one.spec is not None:
            self.specs.add(one.spec)
        times = [at for at in (self.since, one.installed_at, one.first_frame_at) if at is not None]
        self.since = min(times, default=None)
        last = [at for at in (self.last_frame_at, one.last_frame_at) if at is not None]
        self.last_frame_at = max(last, default=None)


def grouped(meters: Iterable[UnknownMeter]) -> list[Unknown]:
    """The groups, those of most meters first."""
    groups: dict[str, Unknown] = {}
    for one in meters:
        protocol, manufacturer, family = one.protocol or "unknown", one.manufacturer or "", _family(one)
        name = hashlib.sha256(f"{protocol}\0{manufacturer}\0{family}".encode()).hexdigest()[:12]
        groups.setdefault(name, Unknown(name, protocol, manufacturer, family)).take(one)
    return sorted(groups.values(), key=lambda group: (-len(group.meters), -group.frames, group.group))


def _family(meter: UnknownMeter) -> str:
    """What meters of one product share: its name, its identification less serials, else which quantities it sends."""
    identification = meter.facts.get("identification")
    if meter.product:
        return meter.product
    if identification and (text := family_text(str(identification), [meter.serial or ""])).strip("*?"):
        return text
    # tariffs and billing periods come and go with the meter's contract
    quantities = sorted({address.partition("*")[0].rpartition(".")[0] for address in addresses_of(meter.facts)})
    return f"sends {', '.join(quantities)}" if quantities else "not identified"
