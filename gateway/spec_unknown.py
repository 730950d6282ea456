"""Unknown products: meters without a spec of their own, in groups that one spec could read. Pure functions."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from gateway.meters import ADDRESSES
from meters.draft_seen import family_text

MAX_METERS: Final = 10_000
"""Unknown meters that are looked at, by key."""
MAX_NAMED: Final = 10
"""Meters that a group names."""


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

    def take(self, row: Any) -> None:
        """Count one meter, a row of unknown_meters.sql."""
        self.meters.append(row["meter"])
        self.ids.append(row["meter_id"])
        self.frames += row["frames"]
        if row["device"] is not None:
            self.devices.add(row["device"])
        if row["spec"] is not None:
            self.specs.add(row["spec"])
        times = [at for at in (self.since, row["installed_at"], row["first_frame_at"]) if at is not None]
        self.since = min(times, default=None)
        last = [at for at in (self.last_frame_at, row["last_frame_at"]) if at is not None]
        self.last_frame_at = max(last, default=None)


def grouped(rows: Iterable[Any]) -> list[Unknown]:
    """The groups, those of most meters first."""
    groups: dict[str, Unknown] = {}
    for row in rows:
        protocol, manufacturer, family = row["protocol"] or "unknown", row["manufacturer"] or "", _family(row)
        name = hashlib.sha256(f"{protocol}\0{manufacturer}\0{family}".encode()).hexdigest()[:12]
        groups.setdefault(name, Unknown(name, protocol, manufacturer, family)).take(row)
    return sorted(groups.values(), key=lambda one: (-len(one.meters), -one.frames, one.group))


def _family(row: Any) -> str:
    """What meters of one product share: its name, its identification less serials, else which quantities it sends."""
    facts: dict[str, Any] = json.loads(row["facts"])
    identification = facts.get("identification")
    if row["product"]:
        return str(row["product"])
    if identification and (text := family_text(str(identification), [row["serial"] or ""])).strip("*?"):
        return text
    # tariffs and billing periods come and go with the meter's contract
    quantities = sorted({str(address).partition("*")[0].rpartition(".")[0] for address in facts.get(ADDRESSES, ())})
    return f"sends {', '.join(quantities)}" if quantities else "not identified"
