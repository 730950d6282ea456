"""A mapping and the topics of a source, drafted from what a device announces: proposed, never in force by itself."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

import yaml

from broker.contract.obis import Obis, lookup
from broker.contract.outlets import is_ours
from broker.errors import ContractError
from intake.bridge.discovery.announcement import DeviceFacts, Entity
from intake.bridge.discovery.quantities import quantity_of
from intake.bridge.discovery.templates import pick
from intake.bridge.filters import checked
from meters.mappings.load import load_mapping

MOST_TOPICS: Final = 64
_NO_KEY: Final = re.compile(r"[^!-z|~]+")
_NO_NAME: Final = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Draft:
    """What is proposed. `left_out` says of each entity that is no part of it why."""

    name: str
    topics: tuple[str, ...]
    document: str
    meters: tuple[str, ...] = ()
    left_out: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Point:
    topic: str
    obis: str
    path: str
    factor: Decimal


def drafted(device: DeviceFacts, entities: Iterable[Entity], root: str) -> Draft | None:
    """The draft of a device's source; None where nothing that it announces is a reading."""
    points: dict[str, _Point] = {}
    left_out: dict[str, str] = {}
    # of two of one quantity the one with the plainer name
    for entity in sorted(entities, key=lambda one: (len(one.unique_id), one.unique_id)):
        found = _point(entity, root)
        if isinstance(found, str):
            left_out[entity.unique_id] = found
        elif found.obis in points:
            left_out[entity.unique_id] = f"another one is {found.obis} already"
        elif len({point.topic for point in points.values()} | {found.topic}) > MOST_TOPICS:
            left_out[entity.unique_id] = f"more than {MOST_TOPICS} topics"
        else:
            points[found.obis] = found
    if not points:
        return None
    topics = tuple(sorted({point.topic for point in points.values()}))
    meter = meter_key(device)
    document = _document(device, meter, topics, points)
    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110)
    load_mapping(text, origin="draft", trusted=True)
    return Draft(source_name(device), topics, text, (meter,), left_out)


def source_name(device: DeviceFacts) -> str:
    """A name for the source of a device, as sources have it: lower case letters, digits, hyphens."""
    text = _NO_NAME.sub("-", (device.name or device.key).lower()).strip("-")
    return text[:48].strip("-") or "device"


def meter_key(device: DeviceFacts) -> str:
    """The key of a device's meter: its maker, and its serial number or what else tells it from others."""
    maker = _NO_NAME.sub("", device.manufacturer.lower()).upper()[:16] or "HA"
    return f"{maker}:{_NO_KEY.sub('_', device.serial or device.key)[:64].strip('_') or 'device'}"


def _point(entity: Entity, root: str) -> _Point | str:
    quantity = quantity_of(entity)
    if isinstance(quantity, str):
        return quantity
    picked = pick(entity.value_template)
    if picked is None:
        return f"its template computes: {entity.value_template}"[:200]
    if is_ours(entity.state_topic):
        return "its topic is our own outlet's"
    try:
        topic = checked(entity.state_topic, root)
    except ContractError as error:
        return str(error)
    if any(sign in topic for sign in "+#{}"):
        return "its topic has a sign that stands for others in a filter"
    factor = Decimal(f"{quantity.factor * picked.factor:.12g}")
    return _Point(topic, quantity.obis, picked.path or "value", factor)


def _document(device: DeviceFacts, meter: str, topics: Sequence[str], points: dict[str, _Point]) -> dict[str, Any]:
    patterns, conditions = _patterns(topics)
    facts = {
        "manufacturer": _plain(device.manufacturer), "product": _plain(device.model), "serial": _plain(device.serial),
        "firmware": _plain(device.software),
    }  # fmt: skip
    return {
        "wattline_mapping": 1,
        "title": (_plain(device.name) or device.key)[:80],
        "notes": ["Drafted from the device's Home Assistant discovery; readings are of the time of receipt."],
        "format": {"type": "json"},
        "topic": patterns,
        "meter": meter,
        "facts": {name: text for name, text in facts.items() if text},
        "values": {obis: _rule(point, conditions[point.topic]) for obis, point in sorted(points.items())},
    }


def _rule(point: _Point, condition: str) -> dict[str, Any]:
    quantity = lookup(Obis.parse(point.obis))
    rule: dict[str, Any] = {"path": point.path, "optional": True}
    if quantity is not None and quantity.unit:
        rule["unit"] = quantity.unit
    if point.factor != 1:
        rule["scale"] = f"{point.factor:f}"
    if condition:
        rule["when"] = condition
    return rule


def _patterns(topics: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Patterns with names for the levels in which topics of one length differ, and what holds of each topic."""
    if len(topics) == 1:
        return [topics[0]], {topics[0]: ""}
    patterns, conditions = [], {}
    lengths = sorted({topic.count("/") for topic in topics})
    for length in lengths:
        split = [topic.split("/") for topic in topics if topic.count("/") == length]
        named = [place for place in range(length + 1) if len({levels[place] for levels in split}) > 1] or [length]
        names = {place: f"t{length}_{place}" for place in named}
        patterns.append("/".join(f"{{{names[n]}}}" if n in names else level for n, level in enumerate(split[0])))
        for levels in split:
            holds = [f"_topic.{name} == {_quoted(levels[place])}" for place, name in names.items()]
            conditions["/".join(levels)] = " && ".join(holds)
    return patterns, conditions


def _quoted(text: str) -> str:
    """A raw string of JMESPath."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _plain(text: str) -> str:
    return text.replace("{", "(").replace("}", ")").strip()[:128]
