"""What an announced entity measures."""

import pytest

from intake.bridge.discovery.announcement import Entity
from intake.bridge.discovery.quantities import Quantified, quantity_of


def entity(name: str, device_class: str, unit: str, state_class: str = "", *, last_reset: bool = False) -> Entity:
    """One with this name."""
    return Entity(name, name, "t", None, device_class, state_class, unit, last_reset)


@pytest.mark.parametrize(
    ("name", "device_class", "unit", "state_class", "obis", "factor"),
    [
        ("energy", "energy", "kWh", "total_increasing", "1-0:1.8.0", 1),
        ("Total import", "energy", "Wh", "total_increasing", "1-0:1.8.0", 0.001),
        ("produced_energy", "energy", "kWh", "total_increasing", "1-0:2.8.0", 1),
        ("tPO", "energy", "kWh", "total_increasing", "1-0:2.8.0", 1),
        ("YieldTotal", "energy", "kWh", "total_increasing", "1-0:2.8.0", 1),
        ("Energy tariff 2", "energy", "MWh", "total", "1-0:1.8.2", 1000),
        ("energy_returned_phase_b", "energy", "kWh", "total_increasing", "1-0:42.8.0", 1),
        ("power", "power", "W", "measurement", "1-0:16.7.0", 0.001),
        ("Power L3", "power", "W", "measurement", "1-0:76.7.0", 0.001),
        ("voltage_phase_b", "voltage", "V", "measurement", "1-0:52.7.0", 1),
        ("voltage", "voltage", "mV", "measurement", "1-0:32.7.0", 0.001),
        ("I3", "current", "A", "measurement", "1-0:71.7.0", 1),
        ("ac_frequency", "frequency", "Hz", "measurement", "1-0:14.7.0", 1),
        ("pf", "power_factor", "%", "measurement", "1-0:13.7.0", 0.01),
        ("gas", "gas", "m³", "total_increasing", "7-0:3.0.0", 1),
    ],
)
def test_code_and_factor(name: str, device_class: str, unit: str, state_class: str, obis: str, factor: float) -> None:
    """By class, unit and the words of the name."""
    assert quantity_of(entity(name, device_class, unit, state_class)) == Quantified(obis, pytest.approx(factor))


@pytest.mark.parametrize(
    ("name", "device_class", "unit", "state_class", "why"),
    [
        ("Energy today", "energy", "kWh", "total_increasing", "part of time"),
        ("energy", "energy", "kWh", "measurement", "no register"),
        ("temperature", "temperature", "°C", "measurement", "no quantity"),
        ("power", "power", "hp", "measurement", "unit 'hp'"),
        ("linkquality", "", "lqi", "measurement", "'none'"),
    ],
)
def test_what_is_no_reading_says_why(name: str, device_class: str, unit: str, state_class: str, why: str) -> None:
    """A counter of the day is no register: it would be read as a meter that falls each night."""
    found = quantity_of(entity(name, device_class, unit, state_class))
    assert isinstance(found, str)
    assert why in found


def test_a_value_with_a_reset_is_no_register() -> None:
    """Its state class is `total`, and it begins again."""
    assert isinstance(quantity_of(entity("energy", "energy", "kWh", "total", last_reset=True)), str)
