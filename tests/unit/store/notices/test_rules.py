"""Rules as documents: what they take, and what they refuse with the field and the fix."""

from datetime import UTC, datetime, timedelta
from typing import Any

import jsonschema
import pytest
from pydantic import ValidationError

from store.notices.kinds import KINDS
from store.notices.messages import SHOWN, Found, is_quiet, may_speak, message
from store.notices.messages import test_message as made_test
from store.notices.rules import Rule
from store.notices.template import MAX_TEXT, filled
from tests.rigs.notices import cloudevents_schema

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


def rule(**changes: Any) -> Rule:
    return Rule(**{"about": "offline", "channel": "ops", **changes})


def found(number: int = 1, **changes: Any) -> Found:
    values: dict[str, Any] = {
        "subject": f"pi-{number}", "device": f"pi-{number}", "meter": None, "severity": "error", "since": NOW,
        "value": None, "detail": "",
    }  # fmt: skip
    return Found(**{**values, **changes})


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"about": "onfire"}, "no kind 'onfire'"),
        ({"about": "event"}, "events"),
        ({"events": ["clock_off"]}, "belongs to the kind `event`"),
        ({"about": "threshold", "obis": "1-0:16.7.0"}, "needs `obis` and `above` or `below`"),
        ({"above": 3.0}, "no other kind"),
        ({"about": "threshold", "obis": "power", "above": 1.0}, "pattern"),
        ({"about": "threshold", "obis": "1-0:16.7.0", "above": float("nan")}, "finite"),
        ({"about": "consumption"}, "above_kwh"),
        ({"about": "consumption", "above_cost": 3.0}, "belong together"),
        ({"quiet": "22-6"}, "22:00-06:00"),
        ({"quiet": "24:00-06:00"}, "22:00-06:00"),
        ({"zone": "Mars/Olympus"}, "IANA"),
        ({"text": "{device.__class__}"}, "unknown"),
        ({"text": "{device"}, "unknown"),
        ({"title": "x" * 2001}, "2000"),
        ({"colour": "red"}, "Extra"),
    ],
)
def test_what_a_rule_refuses_is_named(changes: dict[str, Any], says: str) -> None:
    """A rule that could never tell anything, or not what was meant, is none."""
    with pytest.raises(ValidationError, match=says):
        rule(**changes)


def test_events_are_taken_by_name_and_severity() -> None:
    """A kind's own events whatever their severity; any others by patterns, from a severity on."""
    own = rule(about="event", events=["clock_*", "port_lost"], severity="warning")
    assert own.takes("clock_off", "warning")
    assert own.takes("port_lost", "error")
    assert not own.takes("clock_off", "info")
    assert not own.takes("clocks", "error")
    assert own.takes("port_lost", "of_tomorrow"), "better told than not"
    assert rule(about="swap").takes("meter_swapped", "info")
    assert not rule(about="swap").takes("config_reverted", "error")


def test_devices_are_chosen_by_labels_and_facts_and_meters_by_key() -> None:
    """All that are named must fit; a device without the label is not meant."""
    berlin = rule(labels={"site": "berlin-*", "hardware": "*4*"}, meters=["LGZ:*"])
    assert berlin.holds({"site": "berlin-1", "hardware": "Pi 4"}, "LGZ:1")
    assert not berlin.holds({"site": "berlin-1"}, "LGZ:1")
    assert not berlin.holds({"site": "bonn", "hardware": "Pi 4"}, "LGZ:1")
    assert not berlin.holds({"site": "berlin-1", "hardware": "Pi 4"}, None)
    assert rule().holds(None, None)


@pytest.mark.parametrize(
    ("quiet", "zone", "hour", "expected"),
    [
        ("22:00-06:00", "UTC", 23, True),
        ("22:00-06:00", "UTC", 5, True),
        ("22:00-06:00", "UTC", 6, False),
        ("22:00-06:00", "Europe/Berlin", 21, True),
        ("12:00-13:00", "UTC", 12, True),
        ("12:00-13:00", "UTC", 13, False),
        ("00:00-00:00", "UTC", 3, True),
        (None, "UTC", 3, False),
    ],
)
def test_quiet_hours_go_by_the_clock_of_a_zone_and_over_midnight(
    quiet: str | None, zone: str, hour: int, expected: bool
) -> None:
    """Of the rule's zone, else the store's."""
    at = NOW.replace(hour=hour)
    assert is_quiet(rule(quiet=quiet, zone=zone), "Asia/Tokyo", at) is expected
    assert is_quiet(rule(quiet=quiet), zone, at) is expected


def test_a_rule_gathers_and_then_rests() -> None:
    """What comes at once is gathered from the first on; after a message it rests for its interval."""
    one = rule(gather_s=30, interval_min=5)
    assert not may_speak(one, "UTC", NOW, None, NOW - timedelta(seconds=29))
    assert may_speak(one, "UTC", NOW, None, NOW - timedelta(seconds=30))
    assert not may_speak(one, "UTC", NOW, NOW - timedelta(minutes=4), NOW - timedelta(minutes=1))
    assert may_speak(one, "UTC", NOW, NOW - timedelta(minutes=5), NOW - timedelta(minutes=1))


def test_a_storm_is_one_message_with_a_count() -> None:
    """The first are named, all are counted, also those that were only counted before."""
    said = message("r", rule(), "begun", [found(number) for number in range(SHOWN)], 500, 20, NOW)
    assert said.event["data"]["count"] == 520
    assert len(said.event["data"]["items"]) == SHOWN
    assert "subject" not in said.event
    assert said.title == "Wattline: A device has been offline for a time. pi-0, pi-1, pi-2, pi-3, pi-4 and 515 more"
    assert said.text.startswith("error: A device has been offline for a time. 520 at once: pi-0")


@pytest.mark.parametrize("phase", ["begun", "over", "still"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_message_is_a_cloudevent(kind: str, phase: Any) -> None:
    """By the specification's schema, and with the attributes that it asks for beyond it."""
    needed: dict[str, dict[str, Any]] = {
        "event": {"events": ["x"]},
        "threshold": {"obis": "1-0:16.7.0", "below": 1.0},
        "consumption": {"above_kwh": 3.0},
    }
    said = message("r", rule(about=kind, **needed.get(kind, {})), phase, [found(meter="LGZ:1")], 1, 0, NOW)
    schema = cloudevents_schema()
    jsonschema.Draft7Validator(schema, format_checker=jsonschema.FormatChecker()).validate(said.event)
    assert said.event["specversion"] == "1.0"
    assert said.event["subject"] == "LGZ:1"
    assert said.event["type"] == f"wattline.{kind}" + ("" if phase == "begun" else f".{phase}")
    jsonschema.validate(made_test("ops", NOW).event, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**said.event, "id": ""}, schema)


def test_what_a_device_says_is_no_template_and_has_a_bound() -> None:
    """Neither braces nor control characters of it reach anybody, and no message is longer than a channel takes."""
    said = message("r", rule(text="{device}: {detail}"), "begun", [found(detail="{rule}\r\nBcc: x\0")], 1, 0, NOW)
    assert said.text == "pi-1: {rule} Bcc: x"
    long = message("r", rule(text="{detail}"), "begun", [found(detail="x" * 10_000)], 1, 0, NOW)
    assert len(long.text) == MAX_TEXT
    assert len(str(long.event)) < 2000
    assert filled("{count}", {"count": 0}, 10) == "0"
