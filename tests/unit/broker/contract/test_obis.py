"""OBIS codes: text forms, catalogue and canonical units."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.contract.obis import Kind, Obis, canonical, lookup, name_of, spell
from broker.errors import ContractError

GROUP = st.integers(0, 255)


@given(st.builds(Obis, GROUP, GROUP, GROUP, GROUP, GROUP, GROUP))
def test_text_and_octets_round_trip(code: Obis) -> None:
    """Every code reads back from its text and from its octets."""
    assert Obis.parse(str(code)) == code
    assert Obis.from_bytes(bytes((code.a, code.b, code.c, code.d, code.e, code.f))) == code


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("1-0:1.8.0", "1-0:1.8.0"),
        ("1-0:1.8.0*255", "1-0:1.8.0"),
        ("1-0:21.7.0.255", "1-0:21.7.0"),
        ("1.8.0", "1-0:1.8.0"),
        ("1.8.0*02", "1-0:1.8.0*2"),
        ("1.8.0&02", "1-0:1.8.0*2"),
        ("129-129:199.130.3*255", "129-129:199.130.3"),
    ],
)
def test_forms_of_the_wire(text: str, written: str) -> None:
    """All forms that meters write become one; F is left out only where it is 255."""
    assert str(Obis.parse(text)) == written


@pytest.mark.parametrize(
    "text", ["", "1", "6.26", "F.F", "1-0:1.8", "256-0:1.8.0", "1-0:1.8.0*256", "1.8.0 ", "\uff11.8.0", "1-0:1.8.0\n"]
)
def test_what_is_no_code_is_refused(text: str) -> None:
    """Other text is refused by name of the field."""
    with pytest.raises(ContractError) as caught:
        Obis.parse(text)
    assert caught.value.field == "obis"


def test_five_octets_are_refused() -> None:
    """A code has six octets."""
    with pytest.raises(ContractError):
        Obis.from_bytes(b"\x01\x00\x01\x08\x00")


def test_all_six_groups_count() -> None:
    """Codes that differ in one group alone are different."""
    base = Obis(1, 0, 1, 8, 0, 255)
    others = {Obis(*(group + (place == at) for place, group in enumerate((1, 0, 1, 8, 0, 254)))) for at in range(6)}
    assert len(others - {base}) == 5
    assert Obis(1, 0, 1, 8, 0) == base
    assert Obis(1, 0, 1, 8, 0) < Obis(1, 0, 2, 8, 0)


@pytest.mark.parametrize(
    ("text", "unit", "kind"),
    [
        ("1-0:1.8.0", "kWh", Kind.REGISTER),
        ("1-0:2.8.2", "kWh", Kind.REGISTER),
        ("1-0:3.8.0", "kvarh", Kind.REGISTER),
        ("1-0:9.8.0", "kVAh", Kind.REGISTER),
        ("1-0:21.8.0", "kWh", Kind.REGISTER),
        ("1-0:1.29.0", "kWh", Kind.INTERVAL),
        ("1-0:1.5.0", "kW", Kind.INTERVAL),
        ("1-0:1.6.0", "kW", Kind.MAXIMUM),
        ("1-0:16.7.0", "kW", Kind.INSTANTANEOUS),
        ("1-0:61.7.0", "kW", Kind.INSTANTANEOUS),
        ("1-0:23.7.0", "kvar", Kind.INSTANTANEOUS),
        ("1-0:32.7.0", "V", Kind.INSTANTANEOUS),
        ("1-0:71.7.0", "A", Kind.INSTANTANEOUS),
        ("1-0:13.7.0", "", Kind.INSTANTANEOUS),
        ("1-0:14.7.0", "Hz", Kind.INSTANTANEOUS),
        ("1-0:81.7.4", "°", Kind.INSTANTANEOUS),
        ("1-0:91.7.0", "A", Kind.INSTANTANEOUS),
        ("1-0:32.32.0", "", Kind.COUNTER),
        ("1-0:52.36.0", "", Kind.COUNTER),
        ("0-0:96.7.21", "", Kind.COUNTER),
        ("0-0:96.14.0", "", Kind.STATUS),
        ("0-0:17.0.0", None, Kind.STATUS),
        ("0-2:24.2.1", None, Kind.REGISTER),
        ("0-1:24.4.0", "", Kind.STATUS),
        ("7-0:3.0.0", "m³", Kind.REGISTER),
        ("6-0:1.0.0", None, Kind.REGISTER),
    ],
)
def test_catalogue(text: str, unit: str | None, kind: Kind) -> None:
    """The catalogue names the unit and the kind of the standard's codes by rule."""
    quantity = lookup(Obis.parse(text))
    assert quantity is not None
    assert (quantity.unit, quantity.kind) == (unit, kind)


@pytest.mark.parametrize(
    "text", ["0-0:96.1.1", "0-0:1.0.0", "1-0:0.0.9", "0-0:96.13.0", "129-129:199.130.3", "1-0:99.97.0"]
)
def test_ids_texts_and_clocks_are_no_quantities(text: str) -> None:
    """What is no number has no quantity."""
    assert lookup(Obis.parse(text)) is None


def test_names_tell_tariff_phase_and_billing_period() -> None:
    """A name says what tells one code from the next."""
    quantities = [lookup(Obis.parse(text)) for text in ("1-0:1.8.0", "1-0:1.8.1", "1-0:1.8.1*2", "1-0:21.8.0")]
    assert [quantity.name for quantity in quantities if quantity] == [
        "Energy, import",
        "Energy, import, tariff 1",
        "Energy, import, tariff 1, billing period 2",
        "Energy L1, import",
    ]


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("1-0:1.7.0", "Power, import"),
        ("1-0:16.7.0", "Power, net"),
        ("1-0:42.7.0", "Power L2, export"),
        ("1-0:2.8.2", "Energy, export, tariff 2"),
        ("1-0:3.8.0", "Reactive energy, import"),
        ("1-0:9.7.0", "Apparent power, import"),
        ("1-0:32.7.0", "Voltage L1"),
        ("1-0:71.7.0", "Current L3"),
        ("1-0:81.7.15", "Phase angle, current L2 to voltage L2"),
        ("1-0:1.16.0", "Maximum power, import, averaging period 2"),
        ("0-0:96.7.21", "Power failures"),
        ("7-0:3.0.0", "Gas volume"),
        ("1-0:99.97.0", ""),
        ("no code", ""),
    ],
)
def test_names_are_plain_english(code: str, name: str) -> None:
    """As an engineer says it: active is left out, the phase stands with the quantity; what has no name has none."""
    assert name_of(code) == name


@pytest.mark.parametrize(
    ("text", "value", "unit", "result"),
    [
        ("1-0:1.8.0", "12345678.9", "Wh", ("12345.6789", "kWh")),
        ("1-0:1.8.0", "1.5", "MWh", ("1500", "kWh")),
        ("1-0:16.7.0", "-356.24", "W", ("-0.35624", "kW")),
        ("1-0:32.7.0", "230.1", "V", ("230.1", "V")),
        ("1-0:31.7.0", "250", "mA", ("0.25", "A")),
        ("1-0:1.8.0", "7", None, ("7", "kWh")),
        ("0-1:24.2.1", "12.5", "m3", ("12.5", "m³")),
        ("0-1:24.2.1", "240860", "MJ", ("240.86", "GJ")),
        ("0-1:24.2.1", "12", "kWh", ("12", "kWh")),
        ("0-0:17.0.0", "16", "A", ("16", "A")),
        ("6-0:1.0.0", "1.5", "GJ", ("1.5", "GJ")),
        (
            "1-0:1.8.0",
            "12345678901234567890123456789012345.678",
            "Wh",
            ("12345678901234567890123456789012.345678", "kWh"),
        ),
    ],
)
def test_canonical_units(text: str, value: str, unit: str | None, result: tuple[str, str]) -> None:
    """Values come into the canonical unit exactly, whatever the number of digits."""
    amount, named = canonical(Obis.parse(text), Decimal(value), unit)
    assert (amount - Decimal(result[0])).is_zero()
    assert named == result[1]


def test_a_wrong_dimension_is_refused() -> None:
    """Energy in volts is refused by name of the code."""
    with pytest.raises(ContractError) as caught:
        canonical(Obis.parse("1-0:1.8.0"), Decimal(1), "V")
    assert caught.value.field == "1-0:1.8.0"


@pytest.mark.parametrize(
    ("wire", "ours"),
    [
        ("m3", "m³"),
        ("KWH", "kWh"),
        ("kVArh", "kvarh"),
        ("C", "°C"),
        ("m3ph", "m³/h"),
        ("MWh", "MWh"),
        ("furlong", "furlong"),
    ],
)
def test_spelling(wire: str, ours: str) -> None:
    """Units of the wire are spelled one way; unknown ones stay."""
    assert spell(wire) == ours
