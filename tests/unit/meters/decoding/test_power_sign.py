"""Meters whose power says its direction in a status bit, or loses its sign bit: DZG, Holley, and what nobody knows."""

from decimal import Decimal

import pytest

from broker.errors import ContractError
from meters.decoding.engine import decode
from meters.explain.cli import decode_stream
from meters.specs.catalogue import catalogue
from meters.specs.spec import Spec, load_spec
from meters.telegram import Record, Telegram, Wire
from meters.wires.encode.sml import SmlValue, encode_sml

TOTAL, L1, L2, L3 = "1-0:16.7.0", "1-0:36.7.0", "1-0:56.7.0", "1-0:76.7.0"
IMPORT, ALL_EXPORT, TOTAL_ONLY = 0x1C0104, 0x1C7904, 0x1C0904
L1_EXPORTS, L1_IMPORTS = 0x1C1104, 0x1C6904
"""Status words: the total draws while L1 feeds in; the total feeds in while L1 draws."""


def read(maker: str, status: int | None, *powers: SmlValue, register: str = "1-0:1.8.0") -> dict[str, float]:
    """The powers in W that the catalogue makes of a telegram of a maker's meter."""
    server_id = bytes.fromhex("0a01") + maker.encode() + bytes.fromhex("0000bc614e")
    named = SmlValue("1-0:96.50.1*1", maker.encode())
    counted = SmlValue(register, Decimal("1234.5"), "Wh", -1, 4, status)
    line, _ = decode_stream(encode_sml(server_id, [named, counted, *powers]), "auto", catalogue())
    return {code: round(value * 1000, 6) for code, value in line["values"].items() if ".7." in code}


def octets(address: str, text: str, scaler: int = -2) -> SmlValue:
    """A power as the octets of a signed integer say it, the way that a DZG meter sends them."""
    raw = bytes.fromhex(text)
    value = Decimal(int.from_bytes(raw, "big", signed=True)).scaleb(scaler)
    return SmlValue(address, value, "W", scaler, -len(raw))


def watts(address: str, value: int) -> SmlValue:
    return SmlValue(address, Decimal(value), "W", 0, -4)


@pytest.mark.parametrize("address", [TOTAL, L1, L2, L3])
@pytest.mark.parametrize(
    ("text", "drawn", "fed"),
    [
        ("8b28", 356.24, -299.12),
        ("c60c", 507, -148.36),
        ("ff", 2.55, -0.01),
        ("80", 1.28, -1.28),
        ("00c60c", 507, 507),
        ("fe9a84", -915.16, -915.16),
        ("0102", 2.58, 2.58),
    ],
)
def test_a_dzg_power_gets_its_lost_sign_bit_back(address: str, text: str, drawn: float, fed: float) -> None:
    """At every power while the status says import; what is rightly signed stays, and so do widths that lose no bit."""
    assert read("DZG", IMPORT, octets(address, text)) == {address: drawn}
    assert read("DZG", ALL_EXPORT, octets(address, text)) == {address: fed}
    assert read("DZG", TOTAL_ONLY, octets(address, text)) == {address: fed}


def test_a_dzg_phase_has_a_direction_of_its_own() -> None:
    """While L1 feeds in and the meter draws, and the other way round, each power has the sign of its own bit."""
    same = [octets(TOTAL, "c60c"), octets(L1, "c60c"), octets(L2, "c60c")]
    assert read("DZG", L1_EXPORTS, *same) == {TOTAL: 507, L1: -148.36, L2: 507}
    assert read("DZG", L1_IMPORTS, *same) == {TOTAL: -148.36, L1: 507, L2: -148.36}


@pytest.mark.parametrize("address", ["1-0:1.7.0", "1-0:2.7.0", "1-0:15.7.0", "1-0:21.7.0", "1-0:62.7.0"])
def test_a_dzg_power_of_one_direction_is_never_negative(address: str) -> None:
    """Whatever the status says, and without one."""
    for status in (IMPORT, ALL_EXPORT, None):
        assert read("DZG", status, octets(address, "c60c")) == {address: 507}


@pytest.mark.parametrize("register", ["1-0:1.8.1", "1-0:2.8.0"])
def test_the_status_may_stand_at_another_register(register: str) -> None:
    """Meters of two tariffs, and those that only feed in, have no 1.8.0."""
    assert read("DZG", IMPORT, octets(TOTAL, "c60c"), register=register) == {TOTAL: 507}
    assert read("HLY", ALL_EXPORT, watts(TOTAL, 425), register=register) == {TOTAL: -425}


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("address", [TOTAL, L1, L2, L3])
def test_a_holley_power_has_the_sign_of_the_status(address: str, sign: int) -> None:
    """With a sign on the wire (DTZ541) and without one (DTZ251), whether the meter tells its phases apart or not."""
    assert read("HLY", IMPORT, watts(address, 393)) == {address: 393}
    assert read("HLY", ALL_EXPORT, watts(address, sign * 425)) == {address: -425}
    assert read("HLY", TOTAL_ONLY, watts(address, sign * 425)) == {address: -425}
    assert read("HLY", None, watts(address, sign * 425)) == {address: sign * 425}


def test_a_holley_phase_has_a_direction_of_its_own() -> None:
    """L1 feeds in more than the others draw."""
    powers = [watts(TOTAL, 550), watts(L1, 700), watts(L2, 50), watts(L3, 100)]
    assert read("HLY", 0x1C1904, *powers) == {TOTAL: -550, L1: -700, L2: 50, L3: 100}


@pytest.mark.parametrize("maker", ["XYZ", "ITR", "EBZ"])
def test_other_makers_powers_stay_as_the_wire_has_them(maker: str) -> None:
    """What a bit means is known of a product or not at all: a wrong mend would be worse than none."""
    assert read(maker, ALL_EXPORT, watts(TOTAL, 425)) == {TOTAL: 425}
    assert read(maker, IMPORT, watts(TOTAL, -425)) == {TOTAL: -425}


def by(body: str) -> Spec:
    return load_spec(
        "name: t\nversion: 1\nproduct: {name: x}\nsource: [t]\nmatch: {protocol: sml}\nstandard: true\n" + body,
        origin="test",
    )


def test_zero_has_no_sign() -> None:
    """Nothing flows: -0 is no reading that people understand."""
    spec = by("quirks: [{why: w, address: 1-0:16.7.0, do: sign, negative_if: {status_of: 1-0:1.8.0, bit: 11}}]")
    records = (
        Record("1-0:1.8.0", Decimal(1), "Wh", status=ALL_EXPORT),
        Record(TOTAL, Decimal(0), "W"),
    )
    (sample,) = decode(spec, Telegram(Wire.SML, records)).samples
    assert str(sample.values[TOTAL]).lstrip("0.E-") == ""
    assert not sample.values[TOTAL].is_signed()


@pytest.mark.parametrize(
    ("quirk", "wanted"),
    [
        ("do: sign", "wants a field negative_if"),
        ("do: negate, negative_if: {bit: 1}", "takes no field negative_if"),
        ("do: sign, negative_if: {bit: 1, among: [1]}", "among and otherwise go together"),
        ("do: sign, negative_if: {bit: 1, otherwise: 2}", "among and otherwise go together"),
    ],
)
def test_a_rule_that_is_half_a_rule_is_refused(quirk: str, wanted: str) -> None:
    """The refusal says what is missing."""
    with pytest.raises(ContractError, match=wanted):
        by(f"quirks: [{{why: w, address: 1-0:16.7.0, {quirk}}}]")
