"""P1: framing, checks and dialects, on telegrams of our own encoder."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.errors import FrameError
from meters.telegram import Frame, MeterTime, Record, Telegram, Wire
from meters.wires.encode import encode_p1
from meters.wires.p1 import P1Framer, parse_p1, plain_id
from meters.wires.text.marks import MAX_TELEGRAM_BYTES

HEADER = r"/ISK5\2M550T-1012"
LINES = [
    "1-3:0.2.8(50)",
    "0-0:1.0.0(190324150519W)",
    "0-0:96.1.1(4530303434303037313331363530363138)",
    "1-0:1.8.1(003432.827*kWh)",
    "1-0:99.97.0(1)(0-0:96.7.19)(180417201458S)(0000000236*s)",
    "1-0:1.7.0(00.378*kW)",
    "0-1:24.2.1(170102161005W)(00000.107*m3)",
]
OLD = [
    "0-0:96.1.1(4B384547303034303436333935353037)",
    "1-0:1.8.1(12345.678*kWh)",
    "0-1:24.3.0(090212160000)(00)(60)(1)(0-1:24.2.1)(m3)\r\n(00001.001)",
    "0-1:24.4.0(1)",
]
GOOD = encode_p1(HEADER, LINES)


def events(*pieces: bytes) -> list[Frame | FrameError]:
    """What a new framer makes of the pieces and the silence after."""
    framer = P1Framer()
    found = [event for piece in pieces for event in framer.feed(piece)]
    return found + framer.finish()


def one(data: bytes) -> Telegram:
    """The only telegram in the bytes."""
    (event,) = events(data)
    assert isinstance(event, Frame), event
    return parse_p1(event)


def reasons(data: bytes) -> list[str]:
    """`frame` or the reason of each event."""
    return ["frame" if isinstance(event, Frame) else event.reason for event in events(data)]


def records_of(telegram: Telegram, address: str) -> list[Record]:
    """The records of an address."""
    return [record for record in telegram.records if record.address == address]


def test_a_telegram() -> None:
    """Values are Decimals with units, ids stay text, stamps give their instant, facts tell the meter."""
    telegram = one(GOOD)
    assert telegram.protocol is Wire.P1
    assert telegram.frame == GOOD
    assert records_of(telegram, "1-0:1.8.1") == [Record("1-0:1.8.1", Decimal("3432.827"), "kWh")]
    assert telegram.time is not None
    assert telegram.time.at == datetime(2019, 3, 24, 14, 5, 19, tzinfo=UTC)
    assert telegram.facts == {
        "identification": r"ISK5\2M550T-1012",
        "manufacturer": "ISK",
        "product": "M550T-1012",
        "version": "50",
        "serial": "E0044007131650618",
    }
    (gas,) = records_of(telegram, "0-1:24.2.1")
    assert (gas.value, gas.unit) == (Decimal("0.107"), "m³")
    assert gas.at is not None
    assert gas.at.at == datetime(2017, 1, 2, 15, 10, 5, tzinfo=UTC)
    failures = records_of(telegram, "1-0:99.97.0")
    assert [record.value for record in failures] == [Decimal(1), "0-0:96.7.19", Decimal(236)]
    assert [record.index for record in failures] == [0, 1, 2]


def test_old_sub_meters_stand_on_the_next_line() -> None:
    """In DSMR 2 and 3 the gas value follows on a line of its own; it is given under the code that its head names."""
    (gas,) = records_of(one(encode_p1(r"/ISk5\2MT382-1000", OLD, crc=False)), "0-1:24.2.1")
    assert (gas.value, gas.unit) == (Decimal("1.001"), "m³")
    assert gas.at is not None
    assert (gas.at.local, gas.at.at, gas.at.dst) == (datetime(2009, 2, 12, 16), None, None)  # noqa: DTZ001


def test_season_is_the_offset() -> None:
    """The hour that comes twice in autumn is told apart by S and W, whatever the host's zone."""
    for letter, hour in (("S", 0), ("W", 1)):
        telegram = one(encode_p1(HEADER, [f"0-0:1.0.0(251026020000{letter})", "1-0:1.7.0(1*kW)"]))
        assert telegram.time is not None
        assert telegram.time.at == datetime(2025, 10, 26, hour, tzinfo=UTC)


def test_a_stamp_that_is_no_time() -> None:
    """Belgian meters send 632525252525W for a month without a peak: the value stands, without a time."""
    months = ["(230801000000S)(632525252525W)(00.000*kW)", "(230901000000S)(230831181500S)(01.862*kW)"]
    line = "0-0:98.1.0(2)(1-0:1.6.0)(1-0:1.6.0)" + "".join(months)
    peaks = records_of(one(encode_p1(HEADER, ["0-0:96.1.4(50217)", line])), "0-0:98.1.0")
    assert [peak.value for peak in peaks] == [
        Decimal(2), "1-0:1.6.0", "1-0:1.6.0", "230801000000S", Decimal(0), "230901000000S", Decimal("1.862"),
    ]  # fmt: skip
    assert peaks[4].at is None
    assert peaks[6].at is not None
    assert peaks[6].at.at == datetime(2023, 8, 31, 16, 15, tzinfo=UTC)


def test_month_end_registers() -> None:
    """Hungarian 0-0:98.1.0 is one stamp and many registers, all of that instant."""
    line = "0-0:98.1.0(230701000000S)(000040.777*kWh)(000008.950*kWh)(03.564*kW)"
    found = records_of(one(encode_p1("/SAG5SAG-METER", [line])), "0-0:98.1.0")
    assert [(each.value, each.unit) for each in found] == [
        (Decimal("40.777"), "kWh"), (Decimal("8.950"), "kWh"), (Decimal("3.564"), "kW"),
    ]  # fmt: skip
    assert {each.at.at for each in found if each.at} == {datetime(2023, 6, 30, 22, tzinfo=UTC)}


@pytest.mark.parametrize(("lower", "unpadded"), [(False, False), (True, False), (False, True), (True, True)])
def test_forms_of_the_crc(lower: bool, unpadded: bool) -> None:
    """A CRC may be lower case and lack its leading zeros."""
    number = next(
        n for n in range(9999) if encode_p1(HEADER, [f"1-3:0.2.8({n})"], lower=True)[-6:].startswith(b"0") and n >= 40
    )
    data = encode_p1(HEADER, [f"1-3:0.2.8({number})"], lower=lower, unpadded=unpadded)
    assert reasons(data) == ["frame"]


def test_a_capture_without_carriage_returns() -> None:
    """A capture stripped of CR is checked as it was sent."""
    stripped = GOOD.replace(b"\r", b"")
    assert one(stripped).records == one(GOOD).records
    assert reasons(stripped.replace(b"0.378", b"0.379")) == ["crc_mismatch"]


def test_a_header_that_lost_its_escape() -> None:
    r"""A header with byte 2 is checked as it stands, and as the `\2` that some tools made of it."""
    as_sent = encode_p1("/ISk5\x02MIE5T-200", ["1-0:1.7.0(1*kW)"])
    unescaped = encode_p1(r"/ISk5\2MIE5T-200", ["1-0:1.7.0(1*kW)"]).replace(rb"\2", b"\x02")
    for data in (as_sent, unescaped):
        assert one(data).facts["manufacturer"] == "ISK"


def test_the_crc_is_optional_before_version_4_only() -> None:
    """A telegram that says version 4 or later must have its CRC, under either version object."""
    assert reasons(encode_p1(HEADER, OLD, crc=False)) == ["frame"]
    for version in ("1-3:0.2.8(40)", "1-3:0.2.8(50)", "0-0:96.1.4(50217)", "1-3:0.2.8.255(42)"):
        assert reasons(encode_p1(HEADER, [version, "1-0:1.7.0(1*kW)"], crc=False)) == ["crc_missing"]


def test_without_crc_only_data_sets_are_taken() -> None:
    """An unchecked telegram with anything else between header and end mark is refused, and so is an empty one."""
    good = encode_p1(HEADER, OLD, crc=False)
    for bad in (b"1-0:1.8.1(12345.6", b"1-0:1.8.1 12345.678*kWh)", b"1-0:1.8.1((12345.678*kWh)", b"noise"):
        data = good.replace(b"1-0:1.8.1(12345.678*kWh)", bad)
        assert data != good
        assert reasons(data) == ["malformed"], bad
    assert reasons(b"/ISK5X\r\n\r\n!\r\n") == ["malformed"]


def test_a_start_inside_restarts() -> None:
    """A telegram cut off anywhere never eats the next one, with or without CRC."""
    for whole in (GOOD, encode_p1(HEADER, OLD, crc=False)):
        for cut in range(1, len(whole) - 3):
            found = events(whole[:cut] + whole)
            frames = [event for event in found if isinstance(event, Frame)]
            assert [frame.data for frame in frames] == [whole], cut


def test_what_follows_the_end_is_skipped() -> None:
    """Lines after the end mark that belong to no telegram are counted, and the next telegram is read."""
    framer = P1Framer()
    rest = b"  25818685\r\nDE0000000000000000000000000000003\r\n"
    found = framer.feed(GOOD + rest + GOOD)
    assert [type(event) for event in found] == [Frame, Frame]
    assert found[1].offset == len(GOOD + rest)
    assert framer.skipped == len(rest)


def test_a_telegram_may_end_with_the_input() -> None:
    """A last line end that never comes loses nothing; a CRC cut short does not fit."""
    assert reasons(GOOD[:-2]) == ["frame"]
    assert reasons(GOOD[:-1]) == ["frame"]
    assert reasons(GOOD[:-4]) == ["crc_mismatch"]
    assert reasons(GOOD[:-6]) == ["crc_missing"]


def test_a_telegram_without_end_is_bounded() -> None:
    """64 KiB without end mark are one failure; the buffer does not grow and the next telegram is read."""
    framer = P1Framer()
    found = framer.feed(b"/ISK5X\r\n" + b"1-0:1.7.0(1*kW)\r\n" * 8000)
    assert [event.reason for event in found if isinstance(event, FrameError)][:1] == ["too_long"]
    assert isinstance(found[0], FrameError)
    assert len(found[0].data) == MAX_TELEGRAM_BYTES
    assert [type(event) for event in framer.feed(GOOD)] == [Frame]


def test_a_number_of_a_million_digits_is_no_number() -> None:
    """Huge numbers stay text, so that nobody computes with them."""
    data = encode_p1(HEADER, [f"1-0:1.8.0({'9' * 40000}*kWh)", "1-0:1.8.1(1E999999*kWh)", "1-0:1.8.2(NaN*kWh)"])
    assert all(isinstance(record.value, str) for record in one(data).records)


def test_equipment_ids() -> None:
    """Ids in hex of printable characters are decoded; others stay as they stand."""
    assert plain_id("4B384547303034303436333935353037") == "K8EG004046395507"
    assert plain_id("3960221976967177082151037881335713") == "3960221976967177082151037881335713"
    assert plain_id("09610") == "09610"
    assert plain_id("00000000000000") == "00000000000000"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 200), max_size=40), st.binary(max_size=60), st.binary(max_size=60))
def test_slices_and_garbage(cuts: list[int], before: bytes, between: bytes) -> None:
    """Garbage never loses a good telegram after it, and slicing changes neither frames nor failures nor counts."""
    stream = before + b"\r\n" + GOOD + between + b"\r\n" + GOOD
    pieces = []
    start = 0
    for cut in cuts:
        pieces.append(stream[start : start + cut])
        start += cut
    pieces.append(stream[start:])
    whole, sliced = P1Framer(), P1Framer()
    expected = whole.feed(stream) + whole.finish()
    found = [event for piece in pieces for event in sliced.feed(piece)] + sliced.finish()
    assert [(type(event), event.data) for event in found] == [(type(event), event.data) for event in expected]
    assert sum(isinstance(event, Frame) and event.data == GOOD for event in found) == 2
    assert whole.skipped == sliced.skipped
    assert whole.skipped + sum(len(event.data) for event in expected) == len(stream)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(GOOD) - 7), st.integers(0, 255))
def test_a_changed_byte_gives_no_wrong_frame(place: int, byte: int) -> None:
    """Any byte changed before the CRC: the telegram is refused, or it is the telegram that was sent."""
    data = bytearray(GOOD)
    data[place] = byte
    frames = [event for event in events(bytes(data)) if isinstance(event, Frame)]
    assert not frames or bytes(data) == GOOD


def test_a_long_message_over_lines() -> None:
    """DSMR 2.2 breaks 0-0:96.13.0 in hex over lines; an unchecked telegram may not break anything else."""
    lines = [*OLD, "0-0:96.13.0(" + "\r\n".join(["303132333435363738393A3B3C3D3E3F"] * 3) + ")"]
    telegram = one(encode_p1("/KMP5 ZABF000000000000", lines, crc=False))
    assert telegram.records[-1].address == "0-0:96.13.0"
    torn = encode_p1("/KMP5 ZABF000000000000", [*OLD, "1-0:1.8.2(0001\r\n2.345*kWh)"], crc=False)
    assert reasons(torn) == ["malformed"]


@pytest.mark.parametrize("stamp", ["230202132747W", "230202132747"])
def test_a_clock_may_stand_without_its_season(stamp: str) -> None:
    """Belgian IE.5 meters write no S or W; the digits are the wall clock's all the same."""
    telegram = one(encode_p1(HEADER, [f"0-0:1.0.0({stamp})", "1-0:1.8.1(1*kWh)"]))
    assert telegram.time is not None
    assert telegram.time.local == datetime(2023, 2, 2, 13, 27, 47)  # noqa: DTZ001
    assert telegram.time.dst is (False if stamp.endswith("W") else None)


def test_a_stamp_without_season_belongs_to_the_value_after_it() -> None:
    """Also of gas meters and peaks; twelve digits before anything else are a number as before."""
    gas, peak, other = one(
        encode_p1(
            HEADER,
            ["0-1:24.2.1(230202130000)(00123.456*m3)", "1-0:1.6.0(230201120000)(03.291*kW)", "1-0:1.8.1(230202130000)"],
        )
    ).records
    assert (gas.value, gas.unit, gas.at) == (Decimal("123.456"), "m³", MeterTime(datetime(2023, 2, 2, 13)))  # noqa: DTZ001
    assert (peak.value, peak.at) == (Decimal("3.291"), MeterTime(datetime(2023, 2, 1, 12)))  # noqa: DTZ001
    assert (other.value, other.at) == (Decimal(230202130000), None)


@pytest.mark.parametrize("closed", [[")", "0-0:96.14.0(0002)"], []])
def test_registers_of_the_months_end_in_an_open_bracket_are_no_values_of_now(closed: list[str]) -> None:
    """A Holley D545 lists them as data sets like the others; what follows the closing bracket counts again."""
    history = ["0-0:98.1.0", "(", "0-0:1.0.0(220201000000W)", "1-0:1.8.0(3600*kWh)", "1-0:2.8.0(3400*kWh)"]
    telegram = one(encode_p1(HEADER, ["0-0:1.0.0(220203113815W)", "1-0:1.8.0(3668*kWh)", *history, *closed]))
    assert [(r.address, r.value) for r in telegram.records if isinstance(r.value, Decimal)] == [
        ("1-0:1.8.0", Decimal(3668)),
        *([("0-0:96.14.0", Decimal(2))] if closed else []),
    ]
    assert telegram.time is not None
    assert telegram.time.local == datetime(2022, 2, 3, 11, 38, 15)  # noqa: DTZ001
