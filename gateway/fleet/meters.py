"""What the registry knows of a meter, and which spec fits it. Pure functions."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice

from pydantic import Json

from broker.contract.messages import MeterConfig, MeterSeen
from meters.specs.identify import Identity
from meters.specs.match import best
from meters.specs.spec import Spec
from meters.telegram import Wire

ADDRESSES = "@addresses"
"""Where meter.facts keeps the addresses beside the facts; no fact of the contract starts with @."""
IDENTIFYING = ("identification", "version", "firmware", "product", "manufacturer")
"""Facts that a meter changes only when it is reprogrammed: then what was known of it before no longer counts."""
CHANGED_AT = "telegram_changed_at"
"""The fact by which a device says that a meter's telegram has changed for good."""
MAX_ADDRESSES = 4096
MAX_FACTS = 64
MAX_CHARACTERS = 32 * 1024
"""Of a meter's facts, and of its addresses: they add up over registrations, and each reads and writes them all."""


@dataclass(frozen=True, slots=True)
class StoredMeter:
    """A meter; `parent` is the key of the one that it stands behind. One that nobody described has no protocol."""

    id: int
    key: str
    device_id: int | None
    parent: str | None
    manufacturer: str | None
    product: str | None
    serial: str | None
    firmware: str | None
    protocol: str | None
    port: str | None
    facts: Json[dict[str, object]]
    removed_at: datetime | None


@dataclass(frozen=True, slots=True)
class KnownMeter:
    """A meter with all that its device ever reported of it; `parent` is the key of the meter that it stands behind."""

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

    def stored_facts(self) -> dict[str, object]:
        """The document of column meter.facts."""
        return {**self.facts, ADDRESSES: list(self.addresses)}

    def identity(self) -> Identity | None:
        """The same as meters.specs.match wants it; None where the protocol is none that we read."""
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


def facts_of(stored: Mapping[str, object]) -> dict[str, str]:
    """The facts of column meter.facts."""
    return {name: str(value) for name, value in stored.items() if not name.startswith("@")}


def addresses_of(stored: Mapping[str, object]) -> tuple[str, ...]:
    """The addresses that column meter.facts keeps beside the facts."""
    found = stored.get(ADDRESSES)
    return tuple(str(address) for address in found) if isinstance(found, list) else ()


def from_reported(reported: MeterSeen) -> KnownMeter:
    """What one registration says of a meter."""
    return KnownMeter(
        key=reported.key,
        protocol=reported.protocol,
        port=reported.port,
        manufacturer=reported.manufacturer,
        product=reported.product,
        serial=reported.serial,
        firmware=reported.firmware,
        parent=reported.parent,
        facts=facts_of(reported.facts),
        addresses=tuple(dict.fromkeys(reported.addresses)),
    )


def from_stored(meter: StoredMeter) -> KnownMeter:
    """A meter as the registry keeps it."""
    return KnownMeter(
        key=meter.key,
        protocol=meter.protocol or "",
        port=meter.port or "",
        manufacturer=meter.manufacturer,
        product=meter.product,
        serial=meter.serial,
        firmware=meter.firmware,
        parent=meter.parent,
        facts=facts_of(meter.facts),
        addresses=addresses_of(meter.facts),
    )


def is_placed_anew(stored: StoredMeter, shown: KnownMeter, device_id: int) -> bool:
    """Whether a meter comes back, or from another device, or to another port, channel or meter to stand behind."""
    before = (stored.removed_at, stored.device_id, stored.port, stored.parent, facts_of(stored.facts).get("channel"))
    return before != (None, device_id, shown.port, shown.parent, shown.facts.get("channel"))


def merged(known: KnownMeter | None, reported: KnownMeter) -> KnownMeter:
    """Add what a registration says to what was known before.

    Facts arrive gradually and a device forgets them when it restarts, so they add up; but a meter that now calls
    itself otherwise (new firmware, reprogrammed), or whose telegram is another one now, starts afresh.
    """
    anew = reported.facts.get(CHANGED_AT) not in (None, known.facts.get(CHANGED_AT) if known else None)
    if known is None or not known.protocol or known.protocol != reported.protocol or anew or _changed(known, reported):
        known = reported
    return replace(
        reported,
        manufacturer=reported.manufacturer or known.manufacturer,
        product=reported.product or known.product,
        serial=reported.serial or known.serial,
        firmware=reported.firmware or known.firmware,
        parent=reported.parent or known.parent,
        facts=_bounded_facts({**known.facts, **reported.facts}, reported.facts),
        addresses=_bounded(dict.fromkeys((*known.addresses, *reported.addresses)), MAX_ADDRESSES),
    )


def _bounded_facts(facts: Mapping[str, str], newest: Mapping[str, str]) -> dict[str, str]:
    """As many as are kept, those that were told now first."""
    order = [*newest, *(name for name in facts if name not in newest)]
    names = set(_bounded((f"{name}={facts[name]}" for name in order), MAX_FACTS))
    return {name: text for name, text in facts.items() if f"{name}={text}" in names}


def _bounded(texts: Iterable[str], most: int) -> tuple[str, ...]:
    """The first of them, as far as number and characters go."""
    kept, left = list[str](), MAX_CHARACTERS
    for text in islice(texts, most):
        left -= len(text)
        if left < 0:
            break
        kept.append(text)
    return tuple(kept)


def _changed(known: KnownMeter, reported: KnownMeter) -> bool:
    before, now = _identifying(known), _identifying(reported)
    return any(before[name] != now[name] for name in before.keys() & now.keys())


def _identifying(meter: KnownMeter) -> dict[str, str]:
    named = {
        **meter.facts,
        "manufacturer": meter.manufacturer or meter.facts.get("manufacturer"),
        "product": meter.product or meter.facts.get("product"),
        "firmware": meter.firmware or meter.facts.get("firmware"),
    }
    return {name: value for name in IDENTIFYING if (value := named.get(name))}


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
