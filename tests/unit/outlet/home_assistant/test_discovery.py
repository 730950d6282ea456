"""What Home Assistant is told of meters, held against its own lists (tests/data/home-assistant.json)."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.readings.registry import as_registered
from device.simulator.p1_meter import SimulatedP1Meter
from meters.specs.identify import Identifier, sub_meters
from meters.telegram import Frame
from meters.wires.readers import AnyFramer, parse
from outlet.fleet.snapshot import Meter, Snapshot
from outlet.fleet.store import NewestReading, StandingMeter
from outlet.home_assistant.discovery import Naming, attributes, device_document, entities, meter_document, meter_name
from outlet.home_assistant.entities import entity_of
from outlet.home_assistant.registers import CONFIRMATIONS, shown_of

THEIRS: Final[dict[str, Any]] = json.loads((Path(__file__).parents[3] / "data/home-assistant.json").read_text())
NOW: Final = datetime(2026, 11, 30, 12, tzinfo=UTC)
NAMING: Final = Naming("homeassistant", "wattline/ha", "wattline", "9.9.9")
FACTS: Final = StandingMeter(
    1, "LGZ:12345678", "Landis+Gyr", "E350", "12345678", "V1", "lgz-e350@3", NOW, None, "pi-1", online=True,
    software="9.9.9", hardware="Raspberry Pi 5", point="pi-1/ttyUSB0", renamed=False,
)  # fmt: skip
CODES: Final = {
    "1-0:1.8.0": "kWh", "1-0:1.8.1": "kWh", "1-0:2.8.0": "kWh", "1-0:3.8.0": "kvarh", "1-0:16.8.0": "kWh",
    "1-0:9.8.0": "kVAh", "1-0:16.7.0": "kW", "1-0:3.7.0": "kvar", "1-0:9.7.0": "kVA", "1-0:32.7.0": "V",
    "1-0:31.7.0": "A", "1-0:14.7.0": "Hz", "1-0:13.7.0": "", "1-0:1.6.0": "kW", "1-0:1.5.0": "kW",
    "1-0:81.7.4": "°", "0-0:96.7.21": "", "0-0:96.14.0": "", "7-0:3.0.0": "m³", "8-0:1.0.0": "m³", "6-0:1.0.0": "GJ",
    "6-0:8.0.0": "kW", "6-0:9.0.0": "m³/h", "6-0:10.0.0": "°C", "6-0:12.0.0": "K", "0-1:24.2.1": "m³",
    "0-2:24.2.1": "GJ",
}  # fmt: skip
"""One of each kind that meters have, with its unit."""


def reading(obis: str, unit: str, value: float = 1.0, at: datetime = NOW, series: int = 1) -> NewestReading:
    return NewestReading(series, 1, obis, unit, "register", at, value, at - timedelta(seconds=10), [value])


def with_all() -> Meter:
    return Meter(FACTS, {code: reading(code, unit) for code, unit in CODES.items()})


def test_every_sensor_fits_home_assistants_own_lists() -> None:
    """Device class, unit and state class go together by its tables, and no key is there that its schema lacks."""
    document = meter_document(with_all(), NAMING)
    assert set(document) <= set(THEIRS["discovery_keys"])
    assert set(document["device"]) <= set(THEIRS["device_keys"])
    assert set(document["origin"]) <= set(THEIRS["origin_keys"])
    assert len(document["components"]) == len(CODES)
    for component in document["components"].values():
        assert set(component) <= set(THEIRS["sensor_keys"])
        theirs = THEIRS["device_classes"].get(component.get("device_class"))
        state_class = component.get("state_class")
        assert state_class is None or state_class in THEIRS["state_classes"]
        if theirs is not None:
            assert component.get("unit_of_measurement") in theirs["units"], component
            assert state_class in theirs["state_classes"], component
        else:
            assert component.get("device_class") is None
    assert len({one["unique_id"] for one in document["components"].values()}) == len(CODES)
    assert len({one["name"] for one in document["components"].values()}) == len(CODES)


@pytest.mark.parametrize(
    ("code", "unit", "device_class", "state_class"),
    [
        ("1-0:1.8.0", "kWh", "energy", "total_increasing"),
        ("1-0:2.8.2", "kWh", "energy", "total_increasing"),
        ("1-0:16.8.0", "kWh", "energy", "total"),
        ("1-0:16.7.0", "kW", "power", "measurement"),
        ("7-0:3.0.0", "m³", "gas", "total_increasing"),
        ("8-0:1.0.0", "m³", "water", "total_increasing"),
        ("6-0:1.0.0", "MWh", "energy", "total_increasing"),
        ("0-1:24.2.1", "m³", "volume", "total_increasing"),
    ],
)
def test_what_a_code_is_to_the_energy_dashboard(code: str, unit: str, device_class: str, state_class: str) -> None:
    """Registers that rise are total_increasing, net ones total, powers measurements."""
    entity = entity_of(code, unit)
    assert entity is not None
    assert (entity.device_class, entity.state_class) == (device_class, state_class)


def test_the_gas_meter_of_a_telegram_is_gas() -> None:
    """What the simulated P1 meter says of its channel (0-1:24.1.0) comes with the registration, as a fact."""
    (event,) = AnyFramer().feed(SimulatedP1Meter(serial="E0044007133156018", seed=1).telegram())
    assert isinstance(event, Frame)
    heard = parse(event)
    _, gas = as_registered("ttyUSB0", "ISK:1", Identifier().add(heard), sub_meters(heard))
    (entity,) = entities(
        Meter(
            replace(FACTS, key=gas.key, device_type=gas.facts["device_type"]),
            {"0-1:24.2.1": reading("0-1:24.2.1", "m³")},
        )
    )
    assert (entity.name, entity.device_class, entity.state_class) == ("Gas volume", "gas", "total_increasing")


@pytest.mark.parametrize(
    ("said", "device_class", "name"),
    [
        ("003", "gas", "Gas volume"), ("7", "water", "Water volume"), ("004", "volume", "Sub-meter register"),
        ("", "volume", "Sub-meter register"), ("gas?", "volume", "Sub-meter register"),
        (None, "volume", "Sub-meter register"),
    ],
)  # fmt: skip
def test_a_sub_meter_is_gas_or_water_by_its_device_type(said: str | None, device_class: str, name: str) -> None:
    """The M-Bus device type: 3 gas, 7 water (EN 13757-3)."""
    codes = {"0-2:24.2.1": reading("0-2:24.2.1", "m³")}
    (entity,) = entities(Meter(replace(FACTS, device_type=said), codes))
    assert (entity.device_class, entity.name) == (device_class, name)


@pytest.mark.parametrize("code", ["1-0:1.8.0*01", "1-0:1.29.0", "0-0:96.1.0", "nonsense"])
def test_what_home_assistant_has_no_use_for_is_left_out(code: str) -> None:
    """Past billing periods, energy of intervals (the register has it), texts, what can't be read."""
    assert entity_of(code, "kWh") is None


def test_topics_and_ids_are_such_as_discovery_allows() -> None:
    """Its own pattern; keys that differ in what it forbids have ids that differ."""
    idents = [NAMING.meter_id(key) for key in ("A:1", "A_1", "A/1", "ä+#", "x" * 96)]
    assert len(set(idents)) == 5
    for ident in (*idents, NAMING.device_id("pi.1")):
        assert re.fullmatch(THEIRS["topic"], NAMING.config(ident).removeprefix("homeassistant/"))
        assert NAMING.ident_of(NAMING.config(ident)) == ident
    assert NAMING.ident_of("homeassistant/device/zigbee2mqtt_1/config") is None
    assert NAMING.ident_of("homeassistant/sensor/wattline_meter_x/config") is None


def test_a_meter_is_a_device_behind_its_pi_and_unavailable_where_either_is() -> None:
    """Manufacturer, product, serial, firmware; the Pi's document has the id that the meter's names."""
    document = meter_document(with_all(), NAMING)
    assert document["device"] == {
        "identifiers": [NAMING.meter_id("LGZ:12345678")], "name": "E350 12345678", "manufacturer": "Landis+Gyr",
        "model": "E350", "serial_number": "12345678", "sw_version": "V1", "via_device": NAMING.device_id("pi-1"),
    }  # fmt: skip
    assert device_document(FACTS, NAMING)["device"]["identifiers"] == [document["device"]["via_device"]]
    topics = [one["topic"] for one in document["availability"]]
    assert topics == [NAMING.status, NAMING.available(NAMING.meter_id("LGZ:12345678"))]
    assert document["availability_mode"] == "all"
    assert attributes(FACTS)["point"] == "pi-1/ttyUSB0"


def test_a_point_that_a_person_named_names_the_meter() -> None:
    """Else product and serial do, else the key."""
    assert meter_name(replace(FACTS, point="Kitchen", renamed=True)) == "Kitchen"
    assert meter_name(FACTS) == "E350 12345678"
    assert meter_name(replace(FACTS, product=None)) == "LGZ:12345678"


def test_another_meter_at_the_same_point_is_another_device() -> None:
    """So its register is no energy: Home Assistant begins statistics of a new entity with its first value."""
    before = meter_document(with_all(), NAMING)
    after = meter_document(replace(with_all(), facts=replace(FACTS, id=2, key="LGZ:2", serial="2")), NAMING)
    ids = [{one["unique_id"] for one in document["components"].values()} for document in (before, after)]
    assert not ids[0] & ids[1]
    assert before["device"]["identifiers"] != after["device"]["identifiers"]


def test_a_register_that_falls_once_is_no_new_beginning() -> None:
    """Home Assistant would count the next good reading as energy from zero; three lower ones in a row are believed."""
    assert [shown_of([100.0]), shown_of([100, 0]), shown_of([100, 0, 101])] == [100, 100, 101]
    fallen = [100.0, *(1.0 + n for n in range(CONFIRMATIONS))]
    assert [shown_of(fallen[:n]) for n in range(1, len(fallen) + 1)] == [100] * CONFIRMATIONS + [CONFIRMATIONS]
    assert shown_of([*fallen, 0]) == CONFIRMATIONS, "and held again from there"


@given(st.lists(st.integers(0, 3), min_size=8, max_size=60))
def test_a_register_is_shown_alike_since_whenever_it_was_looked_at(steps: list[int]) -> None:
    """By the last eight readings as by all of them; and single errors, one after another good one, are never shown."""
    values, shown, total = list[float](), 0.0, 100.0
    for step in steps:
        total += step
        is_error = step == 0 and values and values[-1] != 0
        values.append(0.0 if is_error else total)
        newest = shown_of(values[-8:])
        assert newest == shown_of(values)
        assert newest >= shown
        shown = newest


def test_a_meter_is_silent_by_its_own_cadence() -> None:
    """After `silent_s`, or three of its own intervals where these are longer; a Pi that is away takes it along."""

    def speaks(age_s: float, every_s: float) -> bool:
        at = NOW - timedelta(seconds=age_s)
        one = NewestReading(1, 1, "7-0:3.0.0", "m³", "register", at, 1.0, at - timedelta(seconds=every_s), [1.0])
        return Meter(FACTS, {"7-0:3.0.0": one}).available(NOW, 300)

    assert [speaks(299, 10), speaks(301, 10), speaks(3 * 3600 - 1, 3600), speaks(3 * 3600 + 1, 3600)] == [
        True,
        False,
        True,
        False,
    ]
    assert not Meter(FACTS, {}).available(NOW, 300)
    awake = Meter(replace(FACTS, online=False), {"1-0:1.8.0": reading("1-0:1.8.0", "kWh")})
    assert not awake.available(NOW, 300)


def test_the_newest_unit_of_a_code_counts() -> None:
    """A spec may have had another unit before: two series of one code are one sensor."""
    old = reading("6-0:1.0.0", "MWh", 1.0, NOW - timedelta(days=1), series=1)
    new = reading("6-0:1.0.0", "kWh", 1000.0, NOW, series=2)
    for rows in ([old, new], [new, old]):
        snapshot = Snapshot.of(NOW, [FACTS], rows, left_out=False)
        assert snapshot.meters["LGZ:12345678"].readings["6-0:1.0.0"] == new
