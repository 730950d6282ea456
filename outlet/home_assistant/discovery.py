"""The discovery messages of Home Assistant: one retained document for each meter, and one for each Pi.

Device discovery (since Home Assistant 2024.11), which its documentation puts before one message a sensor: one message
appears, changes and goes as a whole, and is a tenth of the size. A device is a *meter* and not a point of delivery:
Home Assistant takes a fall of a `total_increasing` below nine tenths for a new beginning at zero, and so would count
the register with which the next meter comes as energy; `last_reset` begins at zero, too. So the new meter is a new
device, whose first value is where its own statistics begin, and the old one's history stays its own.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from broker.contract.outlets import ORIGIN
from outlet.fleet.snapshot import Meter
from outlet.fleet.store import StandingMeter
from outlet.home_assistant.entities import Entity, entity_of

_PLAIN: Final = re.compile(r"[^A-Za-z0-9-]+")


@dataclass(frozen=True, slots=True)
class Naming:
    """How ids and topics are made."""

    prefix: str
    topic: str
    name: str
    software: str

    @property
    def status(self) -> str:
        """Whether we are there: `online`, or by our last will `offline`."""
        return f"{self.topic}/{self.name}/status"

    @property
    def births(self) -> str:
        """Where Home Assistant says that it is there."""
        return f"{self.prefix}/status"

    @property
    def all_configs(self) -> str:
        """The filter of all discovery messages of devices, ours among them."""
        return f"{self.prefix}/device/+/config"

    def meter_id(self, key: str) -> str:
        """The id of a meter, of letters that discovery topics allow; keys that differ have ids that do."""
        return f"{self.name}_meter_{_slug(key)}"

    def device_id(self, device: str) -> str:
        """The id of a Pi."""
        return f"{self.name}_device_{_slug(device)}"

    def config(self, ident: str) -> str:
        """The discovery topic of an id."""
        return f"{self.prefix}/device/{ident}/config"

    def ident_of(self, topic: str) -> str | None:
        """The id of a discovery topic of ours, None for anybody else's."""
        ident = topic.removeprefix(f"{self.prefix}/device/").removesuffix("/config")
        ours = ident.startswith((f"{self.name}_meter_", f"{self.name}_device_"))
        return ident if ours and "/" not in ident and topic == self.config(ident) else None

    def state(self, ident: str) -> str:
        """Where values of a meter, or whether a Pi is there, are told."""
        return f"{self.topic}/{self.name}/{ident}/state"

    def available(self, ident: str) -> str:
        """Whether a meter's values are of the present."""
        return f"{self.topic}/{self.name}/{ident}/availability"

    def attributes(self, ident: str) -> str:
        """What changes rarely: key, place, spec."""
        return f"{self.topic}/{self.name}/{ident}/attributes"

    def topics_of(self, ident: str) -> tuple[str, ...]:
        """All retained topics of an id, in the order in which they are taken back."""
        return self.config(ident), self.available(ident), self.state(ident), self.attributes(ident)


def _slug(text: str) -> str:
    plain = _PLAIN.sub("_", text).strip("_")[:48]
    return f"{plain}_{hashlib.sha256(text.encode()).hexdigest()[:6]}"


def meter_name(facts: StandingMeter) -> str:
    """What people call it: its point, where somebody named that, else its product and serial."""
    if facts.renamed and facts.point:
        return facts.point
    return " ".join(part for part in (facts.product, facts.serial) if part) if facts.product else facts.key


def entities(meter: Meter) -> list[Entity]:
    """The sensors of a meter, by their codes; names that two of them share get the code behind them."""
    found = [entity_of(one.obis, one.unit, meter.facts.device_type) for one in meter.readings.values()]
    return _distinct(sorted((one for one in found if one is not None), key=lambda one: one.obis))


def _distinct(found: Iterable[Entity]) -> list[Entity]:
    all_of = list(found)
    names = [one.name for one in all_of]
    return [
        one
        if names.count(one.name) == 1
        else Entity(
            one.obis, f"{one.name} ({one.obis})", one.unit, one.device_class, one.state_class, one.precision,
            one.diagnostic,
        )
        for one in all_of
    ]  # fmt: skip


def meter_document(meter: Meter, naming: Naming) -> dict[str, Any]:
    """A meter's discovery message."""
    facts, ident = meter.facts, naming.meter_id(meter.facts.key)
    device = {
        "identifiers": [ident],
        "name": meter_name(facts),
        "manufacturer": facts.manufacturer,
        "model": facts.product,
        "serial_number": facts.serial,
        "sw_version": facts.firmware,
        "via_device": naming.device_id(facts.device) if facts.device else None,
    }
    return {
        "device": _known(device),
        "origin": {"name": ORIGIN, "sw_version": naming.software},
        "components": {_PLAIN.sub("_", one.obis): _sensor(one, ident, naming) for one in entities(meter)},
        "state_topic": naming.state(ident),
        "availability": [{"topic": naming.status}, {"topic": naming.available(ident)}],
        "availability_mode": "all",
        "qos": 1,
    }


def _sensor(entity: Entity, ident: str, naming: Naming) -> dict[str, Any]:
    return _known(
        {
            "platform": "sensor",
            "unique_id": f"{ident}_{_PLAIN.sub('_', entity.obis)}",
            "name": entity.name,
            "device_class": entity.device_class,
            "state_class": entity.state_class,
            "unit_of_measurement": entity.unit,
            "suggested_display_precision": entity.precision,
            "entity_category": "diagnostic" if entity.diagnostic else None,
            # `None`, which Home Assistant shows as unknown, where a code has fallen silent
            "value_template": f"{{{{ value_json.get('{entity.obis}') }}}}",
            "json_attributes_topic": naming.attributes(ident),
        }
    )


def device_document(facts: StandingMeter, naming: Naming) -> dict[str, Any]:
    """The discovery message of the Pi at which a meter stands."""
    device = facts.device or ""
    ident = naming.device_id(device)
    return {
        "device": _known(
            {
                "identifiers": [ident],
                "name": device,
                "manufacturer": "Wattline",
                "model": facts.hardware,
                "sw_version": facts.software,
            }
        ),
        "origin": {"name": ORIGIN, "sw_version": naming.software},
        "components": {
            "online": {
                "platform": "binary_sensor",
                "unique_id": f"{ident}_online",
                "name": "Online",
                "device_class": "connectivity",
                "entity_category": "diagnostic",
                "payload_on": "online",
                "payload_off": "offline",
            }
        },
        "state_topic": naming.state(ident),
        "availability": [{"topic": naming.status}],
        "qos": 1,
    }


def attributes(facts: StandingMeter) -> dict[str, Any]:
    """What stands beside each of a meter's values; nothing that changes with them, which would fill a recorder."""
    return _known(
        {
            "meter": facts.key,
            "point": facts.point,
            "device": facts.device,
            "behind": facts.parent,
            "spec": facts.spec,
            "installed_at": facts.installed_at.isoformat() if facts.installed_at else None,
        }
    )


def _known(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if value is not None}
