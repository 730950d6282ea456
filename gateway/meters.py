"""What the registry knows of a meter, and which spec fits it. Pure functions."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from broker.messages import MeterConfig, MeterSeen
from meters.identify import Identity
from meters.match import best
from meters.spec import Spec
from meters.telegram import Wire

ADDRESSES = "@addresses"
"""Where meter.facts keeps the addresses beside the facts; no fact of the contract starts with @."""
TELLING = ("identification", "version", "firmware", "product", "manufacturer")
"""Facts that a meter changes only when it is reprogrammed: then what was known of it before no longer counts."""
CHANGED_AT = "telegram_changed_at"
"""The fact by which a device says that a meter's telegram has changed for good."""
MAX_ADDRESSES = 4096


@dataclass(frozen=True, slots=True)
class KnownMeter:
    """A meter with all that its device has ever told of it; `parent` is the key of the meter that it stands behind."""

    key: str
    protocol: str
    port: str
    manufacturer: str | None = None
    product: str | None = None
    serial: str | None = None
    firmware: str | None = None
    parent: str | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    addresses: tuple[str, ...] = ()

    def stored_facts(self) -> dict[str, Any]:
        """The document of column meter.facts."""
        return {**self.facts, ADDRESSES: list(self.addresses)}

    def identity(self) -> Identity | None:
        """The same as meters.match wants it; None where the protocol is none that we read."""
        try:
            protocol = Wire(self.protocol)
        except ValueError:
            return None
        return Identity(
            key=self.key,
            protocol=protocol,
            manufacturer=self.manufacturer or "",
            product=self.product or "",
            serial=self.serial or "",
            firmware=self.firmware or "",
            facts=dict(self.facts),
            addresses=self.addresses,
        )


def from_seen(seen: MeterSeen) -> KnownMeter:
    """What one registration says of a meter."""
    return KnownMeter(
        key=seen.key,
        protocol=seen.protocol,
        port=seen.port,
        manufacturer=seen.manufacturer,
        product=seen.product,
        serial=seen.serial,
        firmware=seen.firmware,
        parent=seen.parent,
        facts={name: value for name, value in seen.facts.items() if not name.startswith("@")},
        addresses=tuple(dict.fromkeys(seen.addresses)),
    )


def from_row(row: Any, facts: Mapping[str, Any]) -> KnownMeter:
    """A row of table meter (with `parent` as key) and its facts document."""
    return KnownMeter(
        key=row["key"],
        protocol=row["protocol"] or "",
        port=row["port"] or "",
        manufacturer=row["manufacturer"],
        product=row["product"],
        serial=row["serial"],
        firmware=row["firmware"],
        parent=row["parent"],
        facts={name: str(value) for name, value in facts.items() if not name.startswith("@")},
        addresses=tuple(str(address) for address in facts.get(ADDRESSES, ())),
    )


def merged(known: KnownMeter | None, seen: KnownMeter) -> KnownMeter:
    """Add what a registration says to what was known before.

    Facts arrive gradually and a device forgets them when it restarts, so they add up; but a meter that now calls
    itself otherwise (new firmware, reprogrammed), or whose telegram is another one now, starts afresh.
    """
    anew = seen.facts.get(CHANGED_AT) not in (None, known.facts.get(CHANGED_AT) if known else None)
    if known is None or not known.protocol or known.protocol != seen.protocol or anew or _changed(known, seen):
        return seen
    return replace(
        seen,
        manufacturer=seen.manufacturer or known.manufacturer,
        product=seen.product or known.product,
        serial=seen.serial or known.serial,
        firmware=seen.firmware or known.firmware,
        parent=seen.parent or known.parent,
        facts={**known.facts, **seen.facts},
        addresses=tuple(dict.fromkeys((*known.addresses, *seen.addresses)))[:MAX_ADDRESSES],
    )


def _changed(known: KnownMeter, seen: KnownMeter) -> bool:
    before, now = _telling(known), _telling(seen)
    return any(before[name] != now[name] for name in before.keys() & now.keys())


def _telling(meter: KnownMeter) -> dict[str, str]:
    named = {
        **meter.facts,
        "manufacturer": meter.manufacturer or meter.facts.get("manufacturer"),
        "product": meter.product or meter.facts.get("product"),
        "firmware": meter.firmware or meter.facts.get("firmware"),
    }
    return {name: value for name in TELLING if (value := named.get(name))}


def assign(
    specs: Iterable[Spec],
    meters: Iterable[KnownMeter],
    pins: Mapping[str, MeterConfig],
    kept: Mapping[str, Spec] | None = None,
) -> dict[str, MeterConfig]:
    """The spec of each meter: its pin, else the best match, else none.

    A deprecated spec that a meter has (`kept`, by key) is in the running for this meter alone, so that the meter keeps
    it until a newer version or a better match is published.
    Meters behind another one (P1 channels) are read by the spec of the meter that carries them and get no entry, nor
    do meters that no registration has described yet.
    """
    candidates = tuple(specs)
    chosen: dict[str, MeterConfig] = {}
    for meter in sorted(meters, key=lambda meter: meter.key):
        pin = pins.get(meter.key)
        if pin is not None and pin.spec is not None:
            chosen[meter.key] = pin
        elif meter.parent is None and meter.protocol:
            identity = meter.identity()
            own = (kept[meter.key],) if kept and meter.key in kept else ()
            match = best((*candidates, *own), identity) if identity else None
            chosen[meter.key] = MeterConfig(spec=match.spec.ref if match else None)
    return chosen
