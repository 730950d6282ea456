"""When a rule may speak, and what it then says: one message of all that happened at once. Pure functions."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from store.notices import limits
from store.notices.kinds import KINDS
from store.notices.rules import Rule
from store.notices.template import MAX_TEXT, MAX_TITLE, filled

SHOWN: Final = 50
"""Subjects of one message that are named; the others are counted."""
MAX_DETAIL: Final = 300
SOURCE: Final = "/wattline"
Phase = Literal["begun", "over", "still"]
_SAYS: Final[dict[str, str]] = {"begun": "", "over": "Over: ", "still": "Still: "}


@dataclass(frozen=True, slots=True)
class Found:
    """One thing that happened, or lasts."""

    subject: str
    device: str | None
    meter: str | None
    severity: str
    since: datetime
    value: float | None
    detail: str


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a rule: the CloudEvent, and the same in words."""

    id: uuid.UUID
    event: dict[str, Any]
    title: str
    text: str


def may_speak(rule: Rule, zone: str, now: datetime, told_at: datetime | None, oldest_at: datetime) -> bool:
    """Whether a rule speaks now of what it has found since `oldest_at`: out of quiet hours, not too often, gathered."""
    if is_quiet(rule, zone, now):
        return False
    if now < oldest_at + timedelta(seconds=rule.gather_s):
        return False
    return told_at is None or now >= told_at + timedelta(minutes=rule.interval_min)


def is_quiet(rule: Rule, zone: str, now: datetime) -> bool:
    """Whether these are its quiet hours, which may lie over midnight; the same time twice is all day."""
    hours = rule.quiet_hours
    if hours is None:
        return False
    begin, end = hours
    clock = now.astimezone(ZoneInfo(rule.zone or zone)).time()
    return begin <= clock < end if begin < end else clock >= begin or clock < end


def message(
    name: str, rule: Rule, phase: Phase, found: Sequence[Found], count: int, more: int, now: datetime
) -> Message:
    """What is said of `count` things of which `found` are the first, and of `more` that were counted only."""
    identity, first, kind = uuid.uuid4(), found[0], KINDS[rule.about]
    named, total = _named(rule, phase, found[:5]), count + more
    says = limits.says(rule, [one.value for one in found[:SHOWN]]) or kind.says
    data = {
        "rule": name,
        "kind": rule.about,
        "state": phase,
        "severity": first.severity,
        "says": says,
        "count": total,
        "items": [_item(rule, one) for one in found[:SHOWN]],
    }
    event = {
        "specversion": "1.0",
        "id": str(identity),
        "source": SOURCE,
        "type": f"wattline.{rule.about}" + ("" if phase == "begun" else f".{phase}"),
        "time": (first.since if total == 1 and phase == "begun" else now).isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "data": data,
    }
    if total == 1:
        event["subject"] = first.meter or first.device or first.subject
    crossed = limits.crossed(rule, first.value)
    values = {
        **data, **_limit(crossed), "limit": f"{crossed.limit:g}" if crossed else "",
        "says": _SAYS[phase] + says, "device": first.device, "meter": first.meter,
        "since": f"{first.since:%Y-%m-%d %H:%M:%SZ}", "value": None if first.value is None else f"{first.value:g}",
        "detail": first.detail, "subjects": named + (f" and {total - 5} more" if total > 5 else ""),
    }  # fmt: skip
    return Message(identity, event, filled(rule.title, values, MAX_TITLE), filled(rule.text, values, MAX_TEXT))


def test_message(channel: str, now: datetime) -> Message:
    """What `wattline notify test` sends."""
    identity, says = uuid.uuid4(), f"This is a test of channel {channel}."
    event = {
        "specversion": "1.0", "id": str(identity), "source": SOURCE, "type": "wattline.test", "subject": channel,
        "time": now.isoformat().replace("+00:00", "Z"), "datacontenttype": "application/json", "data": {"says": says},
    }  # fmt: skip
    return Message(identity, event, "Wattline: test", says)


def _named(rule: Rule, phase: Phase, found: Sequence[Found]) -> str:
    """Whom it is about; of a value that is over its limit no more, the last beyond it would mislead."""
    names = ((one.meter or one.device or one.subject, one.value) for one in found)
    return ", ".join(name if phase == "over" else limits.with_value(name, rule, value) for name, value in names)


def _limit(crossed: limits.Crossed | None) -> dict[str, Any]:
    if crossed is None:
        return {}
    said = {"obis": crossed.obis, "unit": crossed.unit, "side": crossed.side, "limit": crossed.limit}
    return {name: one for name, one in said.items() if one != ""}


def _item(rule: Rule, one: Found) -> dict[str, Any]:
    item: dict[str, Any] = {
        "device": one.device,
        "meter": one.meter,
        "since": one.since.isoformat(),
        "value": one.value,
        **_limit(limits.crossed(rule, one.value)),
    }
    told = {name: value for name, value in item.items() if value is not None}
    return told | ({"detail": one.detail[:MAX_DETAIL]} if one.detail else {})
