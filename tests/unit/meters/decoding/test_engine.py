"""Decoding by a spec: points, signs, quirks, units, ranges, own stamps, sub-meters and load profiles."""

import time
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.errors import FrameError
from meters.decoding.engine import Decoded, decode
from meters.decoding.sub_meters import sub_meter_key
from meters.specs.catalogue import catalogue
from meters.specs.spec import Spec, load_spec
from meters.telegram import Frame, MeterTime, ProfileRow, Record, Telegram, Wire
from meters.wires.encode.p1 import encode_p1
from meters.wires.p1 import parse_p1

AT = datetime(2026, 3, 1, 11, tzinfo=UTC)


def spec(body: str, *, protocol: str = "sml") -> Spec:
    head = f"name: test\nversion: 1\nproduct: {{name: x}}\nsource: [test]\nmatch: {{protocol: {protocol}}}\n"
    return load_spec(head + body, origin="test")


def number(address: str, value: str, unit: str | None = None, **more: object) -> Record:
    return Record(address, Decimal(value), unit, **more)  # type: ignore[arg-type]


def sml(*records: Record, **more: object) -> Telegram:
    return Telegram(Wire.SML, records, **more)  # type: ignore[arg-type]


def values(decoded: Decoded) -> dict[str, Decimal]:
    return {code: value for sample in decoded.samples for code, value in sample.values.items()}


def p1(*lines: str, header: str = "XYZ5TEST") -> Telegram:
    return parse_p1(Frame(Wire.P1, encode_p1(header, lines)))


def generic_p1() -> Spec:
    return next(found for found in catalogue() if found.name == "generic-p1")


def test_standard_converts_into_canonical_units_exactly() -> None:
    """Each known code with a number comes out in its canonical unit, digit for digit; others do not come out."""
    telegram = sml(
        number("1-0:1.8.0", "5430157.7", "Wh"),
        number("1-0:16.7.0", "356.24", "W"),
        Record("1-0:96.1.0", b"\x0a\x01"),
        number("1-0:96.5.0", "1835268"),
        Record("1-0:2.8.0", None, "Wh"),
        number("F.F", "0"),
    )
    decoded = decode(spec("standard: true"), telegram)
    assert values(decoded) == {"1-0:1.8.0": Decimal("5430.1577"), "1-0:16.7.0": Decimal("0.35624")}
    assert decoded.samples[0].units == {"1-0:1.8.0": "kWh", "1-0:16.7.0": "kW"}


def test_excluded_addresses_are_left_out() -> None:
    """`exclude` keeps what `standard` would take."""
    telegram = sml(number("1-0:1.8.0", "1", "kWh"), number("1-0:1.8.1", "1", "kWh"))
    assert list(values(decode(spec("standard: true\nexclude: ['1-0:1.8.1*']"), telegram))) == ["1-0:1.8.0"]


def test_a_quantity_without_unit_needs_a_point() -> None:
    """Nobody guesses whether a bare 1.8.0 is Wh or kWh; a point that says so reads it."""
    telegram = sml(number("1-0:1.8.0", "1.2963"), number("1-0:16.7.0", "26", "W"))
    decoded = decode(spec("standard: true"), telegram)
    assert list(values(decoded)) == ["1-0:16.7.0"]
    assert [(r.address, r.reason) for r in decoded.refused] == [("1-0:1.8.0", "no unit on the wire")]
    pointed = decode(spec("points: [{obis: 1-0:1.8.0, unit: Wh}]"), telegram)
    assert values(pointed) == {"1-0:1.8.0": Decimal("0.0012963")}


def test_a_unit_of_another_dimension_is_no_reading() -> None:
    """1.8.0 in volts is reported and left out."""
    decoded = decode(spec("standard: true"), sml(number("1-0:1.8.0", "1", "V"), number("1-0:16.7.0", "1", "W")))
    assert list(values(decoded)) == ["1-0:16.7.0"]
    assert decoded.refused[0].address == "1-0:1.8.0"


def test_a_points_unit_is_checked_against_the_wire() -> None:
    """A firmware that suddenly sends another unit than the spec says gives no reading."""
    body = "standard: true\npoints: [{obis: 1-0:1.8.0, unit: [kWh]}]"
    decoded = decode(spec(body), sml(number("1-0:1.8.0", "1", "Wh"), number("1-0:16.7.0", "1", "W")))
    assert "1-0:1.8.0" not in values(decoded)
    assert "Wh on the wire" in decoded.refused[0].reason


def test_points_fall_back_and_map_foreign_addresses() -> None:
    """The first address with a number counts, and an address that is no OBIS code becomes one."""
    body = "points: [{obis: 6-0:1.0.0, from: ['6.8.9', '6.8'], unit: [MWh, GJ]}]"
    assert values(decode(spec(body), sml(number("6.8", "29.055", "MWh")))) == {"6-0:1.0.0": Decimal(29055)}
    in_joules = decode(spec(body), sml(number("6.8", "2.5", "GJ")))
    assert in_joules.samples[0].units == {"6-0:1.0.0": "GJ"}


def test_index_picks_one_of_several_values() -> None:
    """Flow and return temperature stand at one address."""
    body = "points: [{obis: 6-0:11.0.0, from: '9.4', index: 1, unit: °C}]"
    telegram = sml(number("9.4", "88", "°C"), number("9.4", "82", "°C", index=1))
    assert values(decode(spec(body), telegram)) == {"6-0:11.0.0": Decimal(82)}


def test_scale_minus_and_negate_work_in_that_order() -> None:
    """(3 - 1) * 10, negated, in W is -0.02 kW."""
    body = "points: [{obis: 1-0:16.7.0, from: 1-0:1.7.0, minus: 1-0:2.7.0, scale: 10, negate: true}]"
    telegram = sml(number("1-0:1.7.0", "3", "W"), number("1-0:2.7.0", "1", "W"))
    assert values(decode(spec(body), telegram)) == {"1-0:16.7.0": Decimal("-0.02")}


def test_minus_without_the_other_value_gives_no_reading() -> None:
    """Import alone is not net power."""
    body = "standard: true\npoints: [{obis: 1-0:16.7.0, from: 1-0:1.7.0, minus: 1-0:2.7.0}]"
    decoded = decode(spec(body), sml(number("1-0:1.7.0", "3", "W")))
    assert list(values(decoded)) == ["1-0:1.7.0"]


@pytest.mark.parametrize(("status", "expected"), [(0x182, "0.1635"), (0x1A2, "-0.1635"), (None, None)])
def test_a_status_bit_gives_the_sign(status: int | None, expected: str | None) -> None:
    """EMH ED300L: bit 5 of the status of 1.8.0 turns the sign; without a status there is no telling."""
    body = "standard: true\npoints: [{obis: 1-0:15.7.0, negative_if: {status_of: 1-0:1.8.0, bit: 5}}]"
    telegram = sml(number("1-0:1.8.0", "1", "kWh", status=status), number("1-0:15.7.0", "163.5", "W"))
    found = values(decode(spec(body), telegram)).get("1-0:15.7.0")
    assert found == (None if expected is None else Decimal(expected))


DZG = """
standard: true
quirks:
  - why: test
    address: 1-0:16.7.0
    when: {status: {status_of: 1-0:1.8.0, bit: 11, set: false}, negative: true}
    do: unsigned
"""


@pytest.mark.parametrize(
    ("status", "value", "width", "expected"),
    [
        (0x1C0104, "-299.12", -2, "0.35624"),
        (0x1C7904, "-299.12", -2, "-0.29912"),
        (0x1C0104, "299.12", -2, "0.29912"),
        (0x1C0104, "-299.12", -3, "167.47304"),
        (None, "-299.12", -2, "-0.29912"),
    ],
)
def test_a_too_short_signed_integer_is_mended(status: int | None, value: str, width: int, expected: str) -> None:
    """DZG DVS74: only where the status says import and the wire says below zero, by the width on the wire."""
    telegram = sml(
        number("1-0:1.8.0", "1", "kWh", status=status), number("1-0:16.7.0", value, "W", scaler=-2, width=width)
    )
    assert values(decode(spec(DZG), telegram))["1-0:16.7.0"] == Decimal(expected)


@pytest.mark.parametrize(
    ("quirk", "expected"),
    [
        ("do: negate", {"1-0:16.7.0": "-0.1", "1-0:1.8.0": "1"}),
        ("do: drop", {"1-0:1.8.0": "1"}),
        ("do: scale, by: 0.1", {"1-0:16.7.0": "0.01", "1-0:1.8.0": "1"}),
        ("do: unit, unit: kW", {"1-0:16.7.0": "100", "1-0:1.8.0": "1"}),
        ("do: rename, to: 1-0:2.7.0", {"1-0:2.7.0": "0.1", "1-0:1.8.0": "1"}),
        ("do: drop, when: {facts: {firmware: '2.*'}}", {"1-0:16.7.0": "0.1", "1-0:1.8.0": "1"}),
        ("do: drop, when: {facts: {firmware: '1.*'}}", {"1-0:1.8.0": "1"}),
        ("do: drop, when: {absent: [1-0:1.8.0]}", {"1-0:16.7.0": "0.1", "1-0:1.8.0": "1"}),
        ("do: drop, when: {present: [1-0:1.8.0]}", {"1-0:1.8.0": "1"}),
        ("do: drop, when: {width: [4]}", {"1-0:16.7.0": "0.1", "1-0:1.8.0": "1"}),
    ],
)
def test_quirks_do_what_they_say_where_their_guard_holds(quirk: str, expected: dict[str, str]) -> None:
    """Each way of mending, and each guard that keeps it off."""
    body = f"standard: true\nquirks: [{{why: test, address: 1-0:16.7.0, {quirk}}}]"
    records = (number("1-0:16.7.0", "100", "W", width=2), number("1-0:1.8.0", "1", "kWh"))
    found = values(decode(spec(body), Telegram(Wire.SML, records, {"firmware": "1.9"})))
    assert found == {code: Decimal(value) for code, value in expected.items()}


def test_implausible_values_are_left_out_and_reported() -> None:
    """Beyond the range, below zero for a register, or no finite number: named, never emitted."""
    body = "standard: true\npoints: [{obis: 1-0:32.7.0, range: {min: 0, max: 1000}, optional: true}]"
    telegram = sml(
        number("1-0:32.7.0", "6553.5", "V"),
        number("1-0:1.8.0", "-1", "kWh"),
        number("1-0:2.8.0", "1E+18", "kWh"),
        number("1-0:3.8.0", "NaN", "kvarh"),
        number("1-0:16.8.0", "-5", "kWh"),
        number("1-0:16.7.0", "-5", "W"),
    )
    decoded = decode(spec(body), telegram)
    assert values(decoded) == {"1-0:16.8.0": Decimal(-5), "1-0:16.7.0": Decimal("-0.005")}
    assert {r.address for r in decoded.refused} == {"1-0:32.7.0", "1-0:1.8.0", "1-0:2.8.0", "1-0:3.8.0"}


def test_a_missing_required_point_is_undecodable() -> None:
    """A telegram that lost what the spec asks for goes to the raw frames, so that nobody misses it silently."""
    body = "standard: true\npoints: [{obis: 1-0:1.8.0}]"
    with pytest.raises(FrameError, match=r"1-0:1\.8\.0") as caught:
        decode(spec(body), Telegram(Wire.SML, (number("1-0:16.7.0", "1", "W"),), frame=b"bytes"))
    assert (caught.value.reason, caught.value.data) == ("undecodable", b"bytes")
    optional = decode(spec(body.replace("}", ", optional: true}")), sml(number("1-0:16.7.0", "1", "W")))
    assert list(values(optional)) == ["1-0:16.7.0"]


@pytest.mark.parametrize("telegram", [sml(), sml(Record("1-0:96.1.0", b"x")), Telegram(Wire.P1, ())])
def test_a_telegram_without_readings_is_undecodable(telegram: Telegram) -> None:
    """An empty telegram, one of texts only, and one of another protocol."""
    with pytest.raises(FrameError) as caught:
        decode(spec("standard: true"), telegram)
    assert caught.value.reason == "undecodable"


def test_a_check_that_is_demanded_must_be_there() -> None:
    """A product that always sends a CRC is not read from a telegram without one."""
    frame = encode_p1("XYZ5TEST", ["1-0:1.8.1(000001.000*kWh)"], crc=False)
    telegram = parse_p1(Frame(Wire.P1, frame))
    assert values(decode(spec("standard: true", protocol="p1"), telegram))
    with pytest.raises(FrameError) as caught:
        decode(spec("standard: true\ndecode: {checksum: required}", protocol="p1"), telegram)
    assert caught.value.reason == "checksum_missing"


def test_a_maximum_is_a_reading_of_its_own_instant() -> None:
    """1.6.0 belongs to the quarter-hour in which it occurred; 98.1.0 and 99.97.0 are no readings."""
    decoded = decode(
        generic_p1(),
        p1(
            "0-0:1.0.0(231102121548W)",
            "1-0:1.8.1(000301.548*kWh)",
            "1-0:1.6.0(231102114500W)(03.064*kW)",
            "0-0:98.1.0(1)(1-0:1.6.0)(1-0:1.6.0)(230801000000S)(632525252525W)(00.000*kW)",
            "1-0:99.97.0(1)(0-0:96.7.19)(000104180320W)(0000237126*s)",
        ),
    )
    assert {sample.at: dict(sample.values) for sample in decoded.samples} == {
        datetime(2023, 11, 2, 11, 15, 48, tzinfo=UTC): {"1-0:1.8.1": Decimal("301.548")},
        datetime(2023, 11, 2, 10, 45, tzinfo=UTC): {"1-0:1.6.0": Decimal("3.064")},
    }


def test_a_meter_without_clock_has_no_time_of_its_own() -> None:
    """`source: device` trusts neither the telegram's stamp nor those of records."""
    stamp = MeterTime(AT.replace(tzinfo=None), None, AT)
    telegram = sml(number("1-0:1.8.0", "1", "kWh", at=stamp), time=stamp)
    assert decode(spec("standard: true\ntime: {source: device}"), telegram).samples[0].at is None
    assert decode(spec("standard: true"), telegram).samples[0].at == AT


def test_sub_meters_are_meters_of_their_own() -> None:
    """Gas, water, heat in MJ: each with its stamp, key, code and canonical unit; nothing of them in the main meter."""
    decoded = decode(
        generic_p1(),
        p1(
            "0-0:1.0.0(231102121548W)",
            "1-0:1.8.1(000301.548*kWh)",
            "0-1:24.1.0(003)",
            "0-1:96.1.1(37464C4F32313233303838303237)",
            "0-1:24.4.0(1)",
            "0-1:24.2.3(231102121002W)(00092.287*m3)",
            "0-2:24.1.0(004)",
            "0-2:96.1.0(621848012D2C0B0C)",
            "0-2:24.2.1(231102121500W)(33221.122*MJ)",
            "0-3:24.1.0(007)",
            "0-3:24.2.1(231102120000W)(00008.579*m3)",
        ),
    )
    main, gas, heat, water = decoded.samples
    assert dict(main.values) == {"1-0:1.8.1": Decimal("301.548")}
    assert (gas.sub_meter, gas.key, gas.values) == (
        "7FLO2123088027",
        "FLO:7FLO2123088027",
        {"0-1:24.2.3": Decimal("92.287")},
    )
    assert (gas.at, gas.units) == (datetime(2023, 11, 2, 11, 10, 2, tzinfo=UTC), {"0-1:24.2.3": "m³"})
    assert (heat.key, heat.values, heat.units) == (
        "KAM:01481862",
        {"0-2:24.2.1": Decimal("33.221122")},
        {"0-2:24.2.1": "GJ"},
    )
    assert (water.sub_meter, water.key) == ("0-3", "")


def test_a_heat_meters_values_without_a_stamp_are_of_the_telegrams_time() -> None:
    """Each instance of the channel's value under its own code; a temperature is no register, and said."""
    decoded = decode(
        generic_p1(),
        p1(
            "0-0:1.0.0(231102121548W)",
            "1-0:1.8.1(000301.548*kWh)",
            "0-2:96.1.0(621848012D2C0B0C)",
            "0-2:24.2.1(231102121500W)(33.221*GJ)",
            "0-2:24.2.2(00123.456*m3)",
            "0-2:24.2.4(00456.100*m3)",
            "0-2:24.2.5(065.1*C)",
        ),
    )
    _, energy, volumes = decoded.samples
    assert (energy.at, energy.values) == (datetime(2023, 11, 2, 11, 15, tzinfo=UTC), {"0-2:24.2.1": Decimal("33.221")})
    assert volumes.at == decoded.at == datetime(2023, 11, 2, 11, 15, 48, tzinfo=UTC)
    assert volumes.values == {"0-2:24.2.2": Decimal("123.456"), "0-2:24.2.4": Decimal("456.1")}
    assert (volumes.key, volumes.units["0-2:24.2.4"]) == ("KAM:01481862", "m³")
    assert [(r.address, r.reason) for r in decoded.refused] == [("0-2:24.2.5", "no register of a sub-meter: °C")]


def test_a_channel_with_an_unset_clock_gives_nothing_at_all() -> None:
    """Nothing is connected there, whatever its values without a stamp say."""
    lines = ("1-0:1.8.1(000301.548*kWh)", "0-1:24.2.1(700101010000W)(0*GJ)", "0-1:24.2.2(0*m3)")
    decoded = decode(generic_p1(), p1(*lines))
    assert [sample.sub_meter for sample in decoded.samples] == [""]
    assert {r.address for r in decoded.refused} == {"0-1:24.2.1", "0-1:24.2.2"}


@pytest.mark.parametrize(
    "line",
    [
        "0-1:24.2.1(700101010000W)(00000000)",
        "0-1:24.2.1(700101010000W)(00000.000*m3)",
        "0-1:24.2.1(632525252525S)(00000.000*m3)",
        "0-1:24.2.1(231102121002W)(00000000)",
        "0-1:24.2.1(231102121002W)()",
        "0-1:24.2.1(231102121002W)",
        "0-1:24.2.1()",
    ],
)
def test_an_empty_channel_gives_no_reading(line: str) -> None:
    """No value, no unit, a clock at 1970 or a stamp that is no time: nothing is connected there."""
    decoded = decode(generic_p1(), p1("1-0:1.8.1(000301.548*kWh)", "0-1:96.1.0()", line))
    assert [sample.sub_meter for sample in decoded.samples] == [""]


def test_the_gas_of_old_telegrams_stands_on_the_next_line() -> None:
    """DSMR 2.2 and 3.0: the hourly value under the code that its own text names, by the spec's zone."""
    lines = ["1-0:1.8.1(00001.001*kWh)", "0-1:96.1.0(36353433323130)"]
    lines += ["0-1:24.3.0(160710130000)(00)(60)(1)(0-1:24.2.1)(m3)", "(07890.693)"]
    telegram = parse_p1(Frame(Wire.P1, encode_p1("XYZ5TEST", lines, crc=False)))
    gas = decode(generic_p1(), telegram).samples[1]
    assert (gas.at, gas.values) == (datetime(2016, 7, 10, 11, tzinfo=UTC), {"0-1:24.2.1": Decimal("7890.693")})


@pytest.mark.parametrize(
    ("serial", "key"),
    [
        ("G0039001936990619", "MBUS:G0039001936990619"),
        ("7FLO2119033733", "FLO:7FLO2119033733"),
        ("621848012D2C0B0C", "KAM:01481862"),
        ("000000000000", ""),
        ("", ""),
    ],
)
def test_the_key_of_a_sub_meter_comes_from_its_equipment_id(serial: str, key: str) -> None:
    """The FLAG code where the id carries one, else the id as it stands; zeros are no id."""
    assert sub_meter_key(serial) == key


def test_profile_intervals_become_samples_at_their_end() -> None:
    """Mean power of each interval under x.5.0, flagged as profile; an interval without a time is reported."""
    rows = tuple(
        ProfileRow(MeterTime(datetime(2022, 8, 23, 16, minute), True), (number("1-0:1.5.0", value, "kW"),))  # noqa: DTZ001
        for minute, value in ((15, "0.18374"), (30, "0.16832"))
    )
    broken = ProfileRow(MeterTime(datetime(1970, 1, 1)), (number("1-0:1.5.0", "1", "kW"),))  # noqa: DTZ001
    decoded = decode(spec("standard: true\ntime: {zone: Europe/Berlin}"), sml(profile=(*rows, broken)))
    assert [(s.at, s.values["1-0:1.5.0"], s.profile) for s in decoded.samples] == [
        (datetime(2022, 8, 23, 14, 15, tzinfo=UTC), Decimal("0.18374"), True),
        (datetime(2022, 8, 23, 14, 30, tzinfo=UTC), Decimal("0.16832"), True),
    ]
    assert decoded.refused[0].reason == "interval without a time"


def test_a_new_document_under_an_old_name_meets_no_old_plan() -> None:
    """Plans are remembered by digest: a draft that changes between two trials is decoded as it now stands."""
    telegram = sml(number("1-0:16.7.0", "1", "kW"))
    first = decode(spec("points: [{obis: 1-0:16.7.0, scale: 2}]"), telegram)
    second = decode(spec("points: [{obis: 1-0:16.7.0, scale: 3}]"), telegram)
    assert (values(first)["1-0:16.7.0"], values(second)["1-0:16.7.0"]) == (Decimal(2), Decimal(3))


@settings(deadline=None, max_examples=50)
@given(
    st.lists(
        st.builds(
            Record,
            st.from_regex(r"[01]-[0-3]:(1|2|16|24|32|96)\.(2|7|8)\.[0-3]", fullmatch=True),
            st.none() | st.decimals() | st.binary(max_size=4) | st.text(max_size=4),
            st.none() | st.sampled_from(["Wh", "W", "V", "m³", "", "parsec"]),
            st.none() | st.builds(MeterTime, st.datetimes(), st.none() | st.booleans()),
            st.none() | st.integers(0, 2**64 - 1),
            st.none() | st.integers(-64, 64),
            st.none() | st.integers(-8, 8),
        ),
        max_size=8,
    )
)
def test_whatever_records_say_only_finite_readings_come_out(records: list[Record]) -> None:
    """Every shipped spec gives finite numbers at real times, or a FrameError; it never crashes."""
    for shipped in catalogue():
        telegram = Telegram(shipped.match.protocol, tuple(records))
        try:
            decoded = decode(shipped, telegram)
        except FrameError:
            continue
        for sample in decoded.samples:
            assert sample.values
            assert all(value.is_finite() and abs(value) < 10**19 for value in sample.values.values())
            assert sample.at is None or sample.at.tzinfo is UTC


def test_decoding_keeps_up_with_many_lines() -> None:
    """At least 5 000 telegrams of the size of an SML push a second on one core."""
    dzg = next(found for found in catalogue() if found.name == "dzg-dvs74")
    telegram = sml(
        number("1-0:1.8.0", "5430157.7", "Wh", status=0x1C0104),
        number("1-0:2.8.0", "26244572.6", "Wh"),
        number("1-0:16.7.0", "-299.12", "W", scaler=-2, width=-2),
    )

    def took_s() -> float:
        started = time.process_time()
        for _ in range(400):
            decode(dzg, telegram)
        return time.process_time() - started

    # the best of some: the garbage of all tests before may be collected amid one of them
    assert 400 / min(took_s() for _ in range(5)) > 5000


def test_a_bare_number_under_a_code_whose_unit_is_open_is_no_reading() -> None:
    """The same code is 24 kW, 16500 W and 999 A at three meters: without unit nobody knows which; a spec may."""
    telegram = p1("1-0:1.8.0(000001.000*kWh)", "0-0:17.0.0(16500)", "0-0:17.0.0(16500)")
    decoded = decode(generic_p1(), telegram)
    assert list(values(decoded)) == ["1-0:1.8.0"]
    assert {(r.address, r.reason) for r in decoded.refused} == {("0-0:17.0.0", "no unit on the wire")}
    silent = decode(spec("points: [{obis: 0-0:17.0.0, optional: true}, {obis: 1-0:1.8.0}]", protocol="p1"), telegram)
    assert list(values(silent)) == ["1-0:1.8.0"]
    told = decode(spec("points: [{obis: 0-0:17.0.0, unit: W}]", protocol="p1"), telegram)
    assert values(told) == {"0-0:17.0.0": Decimal("16.5")}
    assert told.samples[0].units == {"0-0:17.0.0": "kW"}


@pytest.mark.parametrize("code", ["0-0:17.0.0", "6-0:1.0.0", "0-0:24.2.1", "0-1:24.2.1"])
def test_every_code_whose_unit_is_open_needs_one(code: str) -> None:
    """Limits, heat and sub-meters alike."""
    decoded = decode(
        generic_p1(), p1("1-0:1.8.0(1*kWh)", f"{code}(260301120000W)(16500)" if "24" in code else f"{code}(5)")
    )
    assert list(values(decoded)) == ["1-0:1.8.0"]
    assert code in {r.address for r in decoded.refused}


@pytest.mark.parametrize(
    ("line", "code", "value"),
    [
        ("1-0:32.7.0(0000.242*kV)", "1-0:32.7.0", "242"),
        ("1-0:31.7.0(0000.005*kA)", "1-0:31.7.0", "5"),
        ("1-0:90.7.0(0000.014*kA)", "1-0:90.7.0", "14"),
        ("1-0:90.7.0(14.2*A)", "1-0:90.7.0", "14.2"),
        ("1-0:91.7.0(0000.001*kA)", "1-0:91.7.0", "1"),
        ("1-0:14.7.0(0000.049*kHz)", "1-0:14.7.0", "49"),
        ("1-0:14.7.0(49.98*Hz)", "1-0:14.7.0", "49.98"),
        ("1-0:12.7.0(242000*mV)", "1-0:12.7.0", "242"),
        ("1-0:1.8.0(1.5*MWh)", "1-0:1.8.0", "1500"),
        ("1-0:1.8.0(00007137.694*kWh )", "1-0:1.8.0", "7137.694"),
        ("1-0:32.7.0(0000.242*KV)", "1-0:32.7.0", "242"),
    ],
)
def test_multiples_of_units_are_scaled(line: str, code: str, value: str) -> None:
    """A Lithuanian meter sends kV, kA and kHz."""
    assert values(decode(generic_p1(), p1(line))) == {code: Decimal(value)}
