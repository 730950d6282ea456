"""Discovery messages as devices publish them."""

import json
from datetime import UTC, datetime

import pytest

from broker.errors import ContractError
from intake.bridge.discovery.announcement import DeviceFacts, Place, entities, place_of
from outlet.fleet.snapshot import Meter
from outlet.fleet.store import NewestReading, StandingMeter
from outlet.home_assistant.discovery import Naming, meter_document

ESPHOME = {
    "dev_cla": "energy", "unit_of_meas": "kWh", "stat_cla": "total_increasing", "name": "Import total",
    "stat_t": "house-meter/sensor/import_total/state", "avty_t": "house-meter/status", "uniq_id": "ESPsensorimport",
    "dev": {"ids": "3c6105aabbcc", "name": "house-meter", "sw": "esphome v2025.9", "mdl": "esp32", "mf": "Espressif"},
}  # fmt: skip


def test_the_topic_names_the_announcement() -> None:
    """With a node's level and without; other prefixes and forms are none."""
    assert place_of("homeassistant/sensor/plug/energy/config") == Place("sensor", "energy", "plug")
    assert place_of("homeassistant/sensor/plug_energy/config") == Place("sensor", "plug_energy")
    assert place_of("ha/device/x/config", "ha") == Place("device", "x")
    assert place_of("homeassistant/sensor/plug/state") is None
    assert place_of("homeassistant/sensor/a/b/c/config") is None
    assert place_of("other/sensor/x/config") is None
    assert place_of("homeassistant/sensor/plug/energy/config").key == "sensor/plug/energy"  # type: ignore[union-attr]


def test_what_our_outlet_announces_is_nothing_foreign() -> None:
    """By the origin that its documents name, whatever its prefix, topics and ids are set to."""
    facts = StandingMeter(
        1, "TST:1", None, "E350", None, None, None, None, None, None, online=None, software=None, hardware=None,
        point=None, renamed=False,
    )  # fmt: skip
    newest = NewestReading(1, 1, "1-0:1.8.0", "kWh", "register", datetime(2026, 11, 30, tzinfo=UTC), 5.0, None, [5.0])
    ours = meter_document(Meter(facts, {newest.obis: newest}), Naming("homeassistant", "else/where", "site-7", "1"))
    assert ours["components"]
    assert entities(Place("device", "x"), json.dumps(ours).encode()) == []
    others = ours | {"origin": {"name": "bla2mqtt"}}
    assert len(entities(Place("device", "x"), json.dumps(others).encode())) == 1


def test_short_keys_are_written_out() -> None:
    """ESPHome's announcement of a register."""
    (one,) = entities(Place("sensor", "import_total", "house-meter"), json.dumps(ESPHOME).encode())
    assert one.state_topic == "house-meter/sensor/import_total/state"
    assert (one.device_class, one.state_class, one.unit) == ("energy", "total_increasing", "kWh")
    assert one.device == DeviceFacts(("3c6105aabbcc",), "house-meter", "Espressif", "esp32", "esphome v2025.9")
    assert one.value_template is None


def test_the_base_topic_stands_for_the_tilde() -> None:
    """At the beginning of a topic, and at its end; in no other value."""
    document = {"~": "tele/plug", "stat_t": "~/SENSOR", "name": "~", "val_tpl": "{{ value_json.ENERGY.Total }}"}
    (one,) = entities(Place("sensor", "x"), json.dumps(document).encode())
    assert one.state_topic == "tele/plug/SENSOR"
    assert one.name == "~"
    document = {"~": "SENSOR", "stat_t": "tele/plug/~"}
    assert entities(Place("sensor", "x"), json.dumps(document).encode())[0].state_topic == "tele/plug/SENSOR"


def test_a_device_announces_its_sensors_at_once() -> None:
    """Device-based discovery: components share the topic that stands beside them, and keep their own."""
    document = {
        "dev": {"ids": ["ea334450945afc"], "name": "Kitchen", "mf": "Bla", "sn": "ea3344"},
        "o": {"name": "bla2mqtt", "sw": "2.1"},
        "~": "bla",
        "cmps": {
            "one": {"p": "sensor", "dev_cla": "power", "unit_of_meas": "W", "uniq_id": "p1"},
            "two": {"p": "sensor", "stat_t": "~/energy", "uniq_id": "e1"},
            "three": {"p": "switch", "cmd_t": "bla/set"},
            "gone": {"p": "sensor"},
        },
        "state_topic": "sensorBedroom/state",
    }  # fmt: skip
    found = entities(Place("device", "kitchen"), json.dumps(document).encode())
    assert [(one.unique_id, one.state_topic) for one in found] == [
        ("p1", "sensorBedroom/state"),
        ("e1", "bla/energy"),
        ("gone", "sensorBedroom/state"),
    ]
    assert {one.device.serial for one in found} == {"ea3344"}


def test_an_empty_message_takes_back() -> None:
    """And an announcement of another kind says nothing of readings."""
    assert entities(Place("sensor", "x"), b"") == []
    assert entities(Place("switch", "x"), b"whatever") == []


@pytest.mark.parametrize(
    ("component", "payload", "field"),
    [
        ("sensor", b"{", "payload"),
        ("sensor", b"[1]", "payload"),
        ("sensor", b"\xff\xfe", "payload"),
        ("sensor", b"[" * 60_000, "payload"),
        ("sensor", b'{"x":"' + b"x" * 70_000 + b'"}', "payload"),
        ("device", b'{"dev":{"ids":"x"}}', "components"),
    ],
)
def test_what_is_no_such_document_is_refused(component: str, payload: bytes, field: str) -> None:
    """With the field's name; a bridge goes on after it."""
    with pytest.raises(ContractError) as refused:
        entities(Place(component, "x"), payload)
    assert refused.value.field == field


def test_odd_values_are_left_out() -> None:
    """A device that is no object, identifiers that are numbers, a name that is null."""
    document = {"stat_t": "a/b", "name": None, "dev": ["x"], "val_tpl": 7, "unit_of_meas": True}
    (one,) = entities(Place("sensor", "obj"), json.dumps(document).encode())
    assert (one.name, one.device, one.value_template, one.unit) == ("obj", DeviceFacts(), None, "")
