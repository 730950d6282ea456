"""One discovery message: which entities a device announces, each with its topic, template, class and unit."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from broker.contract.outlets import ORIGIN
from broker.errors import ContractError
from intake.bridge.discovery.abbreviations import written_out

MOST_BYTES: Final = 64 * 1024
MOST_ENTITIES: Final = 200
MOST_TEXT: Final = 256
_LEVEL: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")


@dataclass(frozen=True, slots=True)
class Place:
    """A discovery topic taken apart: `PREFIX/COMPONENT/[NODE/]OBJECT/config`."""

    component: str
    object_id: str
    node_id: str = ""

    @property
    def key(self) -> str:
        """What tells this announcement from all others; the next message of the key replaces it."""
        return "/".join(part for part in (self.component, self.node_id, self.object_id) if part)


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """What is said of the device; '' where nothing is."""

    identifiers: tuple[str, ...] = ()
    name: str = ""
    manufacturer: str = ""
    model: str = ""
    software: str = ""
    serial: str = ""

    @property
    def key(self) -> str:
        """What tells the device from others."""
        return self.identifiers[0] if self.identifiers else self.serial or self.name


@dataclass(frozen=True, slots=True)
class Entity:
    """One value that a device publishes."""

    unique_id: str
    name: str
    state_topic: str
    value_template: str | None
    device_class: str
    state_class: str
    unit: str
    last_reset: bool = False
    device: DeviceFacts = field(default_factory=DeviceFacts)


def place_of(topic: str, prefix: str = "homeassistant") -> Place | None:
    """Where a discovery message belongs; None for a topic that is none."""
    levels = topic.removeprefix(f"{prefix}/").split("/") if topic.startswith(f"{prefix}/") else []
    if len(levels) not in (3, 4) or levels[-1] != "config" or not all(_LEVEL.fullmatch(one) for one in levels):
        return None
    return Place(levels[0], levels[-2], levels[1] if len(levels) == 4 else "")


def entities(place: Place, payload: bytes) -> list[Entity]:
    """The sensors that a message announces; none where it is empty (taken back), another kind's, or our outlet's.

    A message of the kind `device` carries its sensors as components, which share what stands beside them. Raises
    ContractError for what is no such document.
    """
    if not payload.strip() or place.component not in ("sensor", "device"):
        return []
    if len(payload) > MOST_BYTES:
        raise ContractError(f"{len(payload)} bytes", field="payload", fix=f"{MOST_BYTES} bytes at most")
    document = written_out(_object(payload))
    origin = document.get("origin")
    if isinstance(origin, Mapping) and origin.get("name") == ORIGIN:
        return []
    facts = _device(document.get("device"))
    if place.component == "sensor":
        found = _entity(document, {}, place.object_id, facts)
        return [found] if found is not None else []
    parts = document.get("components")
    if not isinstance(parts, Mapping) or len(parts) > MOST_ENTITIES:
        raise ContractError("no components", field="components", fix=f"an object of 1 to {MOST_ENTITIES} components")
    return list(_components(parts, document, facts))


def _object(payload: bytes) -> dict[str, Any]:
    try:
        document = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise ContractError("no JSON", field="payload", fix="a JSON object") from error
    if not isinstance(document, dict):
        raise ContractError("no object", field="payload", fix="a JSON object")
    return document


def _components(parts: Mapping[str, Any], root: Mapping[str, Any], facts: DeviceFacts) -> Iterator[Entity]:
    shared = {"~": root["~"]} if "~" in root else {}
    for name, part in parts.items():
        if not isinstance(part, Mapping):
            continue
        document = written_out(shared | dict(part))
        if document.get("platform") == "sensor":
            found = _entity(document, root, name[:MOST_TEXT], facts)
            if found is not None:
                yield found


def _entity(document: Mapping[str, Any], shared: Mapping[str, Any], name: str, facts: DeviceFacts) -> Entity | None:
    topic = _text(document, "state_topic") or _text(shared, "state_topic")
    if not topic:
        return None
    template = document.get("value_template", shared.get("value_template"))
    resets = any(key in document for key in ("last_reset_topic", "last_reset_value_template"))
    return Entity(
        unique_id=_text(document, "unique_id") or name,
        name=_text(document, "name") or name,
        state_topic=topic,
        value_template=template[:1000] if isinstance(template, str) else None,
        device_class=_text(document, "device_class"),
        state_class=_text(document, "state_class"),
        unit=_text(document, "unit_of_measurement"),
        last_reset=resets,
        device=facts,
    )


def _device(said: object) -> DeviceFacts:
    if not isinstance(said, Mapping):
        return DeviceFacts()
    identifiers = said.get("identifiers", ())
    several = identifiers if isinstance(identifiers, list) else [identifiers]
    named = tuple(str(one)[:128] for one in several if isinstance(one, str | int) and str(one))
    return DeviceFacts(
        named[:8],
        *(_text(said, key) for key in ("name", "manufacturer", "model", "sw_version", "serial_number")),
    )


def _text(document: Mapping[str, Any], key: str) -> str:
    value = document.get(key)
    return str(value)[:MOST_TEXT] if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
