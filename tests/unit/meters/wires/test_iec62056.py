"""IEC 62056-21: framing, check characters, parity and the forms of data sets, on readouts of our own encoder."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.errors import FrameError
from meters.telegram import Frame, Record, Telegram, Wire
from meters.wires.encode import encode_iec62056
from meters.wires.iec62056 import Iec62056Framer, parse_iec62056
from meters.wires.text.marks import MAX_TELEGRAM_BYTES

NAME = "LGZ4ZMF120AB"
LINES = [
    "F.F(00)",
    "0.0.0(12345678)",
    "0.9.1(202405)",
    "0.9.2(221113)",
    "1.8.0(000285.4*kWh)",
    "1.8.0*02(000120.1*kWh)",
]
BLOCK = encode_iec62056(LINES)
MODE_C = encode_iec62056(LINES, identification=NAME)
MODE_D = encode_iec62056(
    ["1-0:0.0.0*255(1336001560)", "1-0:1.8.0*255(00032549.5061662*kWh)", "1-0:96.5.5*255(80)"],
    identification="ESY5Q3DA1004 V3.04",
    block=False,
)


def events(*pieces: bytes) -> list[Frame | FrameError]:
    """What a new framer makes of the pieces and the silence after."""
    framer = Iec62056Framer()
    found = [event for piece in pieces for event in framer.feed(piece)]
    return found + framer.finish()


def one(data: bytes) -> Telegram:
    """The only telegram in the bytes."""
    (event,) = events(data)
    assert isinstance(event, Frame), event
    return parse_iec62056(event)


def reasons(data: bytes) -> list[str]:
    """`frame` or the reason of each event."""
    return ["frame" if isinstance(event, Frame) else event.reason for event in events(data)]


def test_a_readout_after_sign_on() -> None:
    """Identification and block are one telegram: reduced codes get A-B, ids stay text, date and time are the clock."""
    telegram = one(MODE_C)
    assert telegram.protocol is Wire.IEC62056_21
    assert telegram.frame == MODE_C
    assert telegram.records[0] == Record("F.F", "00")
    assert telegram.records[4] == Record("1-0:1.8.0", Decimal("285.4"), "kWh")
    assert telegram.records[5] == Record("1-0:1.8.0*2", Decimal("120.1"), "kWh")
    assert telegram.facts == {
        "identification": NAME,
        "manufacturer": "LGZ",
        "product": "ZMF120AB",
        "serial": "12345678",
    }
    assert telegram.time is not None
    assert (telegram.time.local, telegram.time.at) == (datetime(2022, 11, 13, 20, 24, 5), None)  # noqa: DTZ001


def test_mode_d() -> None:
    """A push telegram has no STX: it ends with its end mark, and `*255` is no part of the address."""
    telegram = one(MODE_D)
    assert telegram.addresses == ("1-0:0.0.0", "1-0:1.8.0", "1-0:96.5.5")
    assert telegram.facts["product"] == "Q3DA1004"
    assert telegram.facts["firmware"] == "3.04"
    assert telegram.records[2].value == "80"


def test_a_block_on_its_own() -> None:
    """A block from STX without identification is a telegram, too."""
    assert len(one(BLOCK).records) == 6
    assert one(BLOCK).facts == {"serial": "12345678"}


def test_sniffed_lines() -> None:
    """Requests, the echo of the acknowledgement and wake-up bytes around a readout are no part of it."""
    sniffed = bytes(20) + b"/?!\r\n/" + NAME.encode() + b"\r\n\x06050\r\n" + BLOCK
    (event,) = events(sniffed)
    assert isinstance(event, Frame)
    assert parse_iec62056(event).facts["identification"] == NAME


@pytest.mark.parametrize("data", [BLOCK, MODE_C, MODE_D])
def test_parity_bits(data: bytes) -> None:
    """7E1 through an 8-bit adapter reads as without parity bits; one byte of odd parity refuses the frame."""
    encoded = bytes(byte | 0x80 if byte.bit_count() % 2 else byte for byte in data)
    assert encoded != data
    assert one(encoded).records == one(data).records
    assert one(encoded).frame == encoded
    broken = bytearray(encoded)
    broken[encoded.index(b"(") + 3 if b"(" in encoded else -12] ^= 0x80
    assert all(isinstance(event, FrameError) for event in events(bytes(broken)))


def test_the_check_character() -> None:
    """A wrong check character is refused with the bytes; the next block is read even where it takes its place."""
    wrong = BLOCK[:-1] + bytes([BLOCK[-1] ^ 1])
    (event,) = events(wrong)
    assert isinstance(event, FrameError)
    assert (event.reason, event.data) == ("bcc_mismatch", wrong)
    assert reasons(BLOCK[:-1] + BLOCK) == ["bcc_mismatch", "frame"]
    assert reasons(BLOCK[:-1] + MODE_D) == ["bcc_mismatch", "frame"]


def test_a_block_whose_end_was_not_recorded() -> None:
    """A block with its end mark but without ETX is taken where silence ends it, and not where another begins."""
    assert reasons(BLOCK[:-2]) == ["frame"]
    assert reasons(BLOCK[:-2] + BLOCK) == ["truncated", "frame"]
    assert reasons(BLOCK[:-20]) == ["truncated"]


def test_partial_blocks() -> None:
    """A block that ends with EOT (more follow) is checked like one with ETX."""
    body = BLOCK[1:-2] + b"\x04"
    bcc = 0
    for byte in body:
        bcc ^= byte
    assert len(one(b"\x02" + body + bytes([bcc])).records) == 6


def test_an_identification_alone() -> None:
    """The answer to a sign-on is a telegram of facts; a mere number in it is the serial."""
    for tail in (b"", b"\x03"):
        telegram = one(rb"/MCS5\@0050010067967" + b"\r\n" + tail)
        assert telegram.records == ()
        assert telegram.facts["serial"] == "0050010067967"
        assert telegram.facts["identification"] == rb"MCS5\@0050010067967".decode()


def test_bare_blocks() -> None:
    """Data sets with neither header nor STX are taken at the start of a stream that silence ends."""
    bare = "\r\n".join(LINES).encode() + b"\r\n"
    assert len(one(bare).records) == 6
    assert reasons(bare + b"!\r\n") == ["frame"]


def test_the_tail_of_a_push_telegram_is_no_reading() -> None:
    """What is heard of a telegram from its middle on is skipped: 1.7.0 may be the tail of 21.7.0."""
    for cut in range(1, len(MODE_D)):
        framer = Iec62056Framer()
        found = framer.feed(MODE_D[cut:] + MODE_D)
        frames = [event for event in found if isinstance(event, Frame)]
        assert [frame.data for frame in frames][-1] == MODE_D
        for frame in frames[:-1]:
            said = {(record.address, record.value) for record in parse_iec62056(frame).records}
            assert said <= {(record.address, record.value) for record in one(MODE_D).records}, cut
    (event,) = events(b"1.7.0(0.5*kW)\r\n1-0:2.7.0*255(0.1*kW)\r\n")
    assert isinstance(event, Frame)
    assert parse_iec62056(event).addresses == ("1-0:2.7.0",)


def test_values_and_stamps() -> None:
    """Signs, several groups, stamps after the value, values joined by & and values without unit."""
    lines = [
        "1-0:41.7.0*255(+00026*W)",
        "1-0:16.7.0(-0.5*kW)",
        "1.6.1(0.50262*kW)(2211120730)",
        "2.6.1&03(0.1*kW)(1220823161500)",
        "1.8.1(000001.2963)",
        "1.8.2()",
        "1.8.3(--------*kWh)",
        "9.4(088*C&082*C)",
        "9.6(000&00010213&0)",
        "C.1(0005)",
        "0.2.0(V1.2)",
    ]
    telegram = one(encode_iec62056(lines))
    by_address: dict[str, list[Record]] = {}
    for record in telegram.records:
        by_address.setdefault(record.address, []).append(record)
    values = {address: [record.value for record in records] for address, records in by_address.items()}
    assert values == {
        "1-0:41.7.0": [Decimal(26)],
        "1-0:16.7.0": [Decimal("-0.5")],
        "1-0:1.6.1": [Decimal("0.50262")],
        "1-0:2.6.1*3": [Decimal("0.1")],
        "1-0:1.8.1": [Decimal("1.2963")],
        "1-0:1.8.2": [None],
        "1-0:1.8.3": ["--------*kWh"],
        "9.4": [Decimal(88), Decimal(82)],
        "9.6": ["000&00010213&0"],
        "C.1": ["0005"],
        "1-0:0.2.0": ["V1.2"],
    }
    assert by_address["9.4"][1].unit == "°C"
    winter = by_address["1-0:1.6.1"][0].at
    summer = by_address["1-0:2.6.1*3"][0].at
    assert winter is not None
    assert summer is not None
    assert (winter.local, winter.at) == (datetime(2022, 11, 12, 7, 30), None)  # noqa: DTZ001
    assert summer.at == datetime(2022, 8, 23, 14, 15, tzinfo=UTC)
    assert telegram.facts["firmware"] == "V1.2"


def test_seasons_of_stamps() -> None:
    """Before YYMMDDhhmmss a 0 is winter, 1 summer, 2 UTC."""
    hours = []
    for season in "012":
        record = one(encode_iec62056([f"1.6.0(1*kW)({season}251026020000)"])).records[0]
        assert record.at is not None
        assert record.at.at is not None
        hours.append(record.at.at.hour)
    assert hours == [1, 0, 2]


def test_heat_meters_keep_their_codes() -> None:
    """The reduced codes of a heat meter are not those of electricity: 6.8.1 is no reactive energy."""
    telegram = one(encode_iec62056(["6.8(0029.055*MWh)6.26(01589.28*m3)9.21(00010213)", "6.8.1(0020*MWh)"]))
    assert telegram.addresses == ("6.8", "6.26", "9.21", "6.8.1")
    assert telegram.records[1].unit == "m³"
    assert telegram.facts["serial"] == "00010213"


def test_load_profiles() -> None:
    """Each row is the mean of an interval by its end, by its header's status; a header in mid-reply leaves a gap."""
    heads = [
        "P.01(0231113101500)(80)(15)(2)(1-0:1.5.0)(kW)(2.5)(kW)",
        "P.01(0231113110000)(00)(15)(2)(1-0:1.5.0)(kW)(2.5)(kW)",
    ]
    telegram = one(encode_iec62056([heads[0], "(0.1)(0.2)", "(0.3)(0.4)", heads[1], "(0.5)(0.6)"], end=""))
    assert [row.at.at for row in telegram.profile] == [
        datetime(2023, 11, 13, 9, 15, tzinfo=UTC),
        datetime(2023, 11, 13, 9, 30, tzinfo=UTC),
        datetime(2023, 11, 13, 10, 0, tzinfo=UTC),
    ]
    assert [[record.value for record in row.records] for row in telegram.profile] == [
        [Decimal("0.1"), Decimal("0.2")], [Decimal("0.3"), Decimal("0.4")], [Decimal("0.5"), Decimal("0.6")],
    ]  # fmt: skip
    assert [record.address for record in telegram.profile[0].records] == ["1-0:1.5.0", "1-0:2.5.0"]
    assert [row.status for row in telegram.profile] == ["80", "80", "00"]
    assert telegram.records == ()


@pytest.mark.parametrize(
    "head",
    ["P.01(99)(00)(15)(1)(1.5)(kW)", "P.01(2311131015)(0)(0)(1)(1.5)(kW)", "P.01(2311131015)(0)(15)(9999999)(1.5)(kW)"],
)
def test_a_profile_that_makes_no_sense_gives_nothing(head: str) -> None:
    """Impossible stamps, periods and numbers of channels give no rows."""
    assert one(encode_iec62056([head, "(0.1)"])).profile == ()


@pytest.mark.parametrize("body", ["(ER23)", "ER07", "(ERROR)"])
def test_error_replies(body: str) -> None:
    """A meter's error message is an error with its text."""
    (frame,) = events(encode_iec62056([body], end=""))
    assert isinstance(frame, Frame)
    with pytest.raises(FrameError) as caught:
        parse_iec62056(frame)
    assert caught.value.reason == "meter_error"
    assert body.strip("()") in caught.value.detail


def test_an_endless_block_is_bounded() -> None:
    """64 KiB without ETX are one failure, and the next block is read."""
    framer = Iec62056Framer()
    found = framer.feed(b"\x02" + b"1.8.0(1*kWh)\r\n" * 8000)
    assert [event.reason for event in found if isinstance(event, FrameError)][:1] == ["too_long"]
    assert len(found[0].data) == MAX_TELEGRAM_BYTES
    assert [type(event) for event in framer.feed(BLOCK)] == [Frame]


def test_a_start_inside_restarts() -> None:
    """A readout cut off anywhere never eats the next one."""
    for whole in (BLOCK, MODE_C, MODE_D):
        for cut in range(1, len(whole) - 3):
            frames = [event.data for event in events(whole[:cut] + whole) if isinstance(event, Frame)]
            assert frames[-1] == whole, cut
            assert set(frames) <= {whole}, cut


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 90), max_size=30), st.binary(max_size=40), st.sampled_from([BLOCK, MODE_C, MODE_D]))
def test_slices_and_garbage(cuts: list[int], noise: bytes, good: bytes) -> None:
    """Slicing changes nothing; every byte is in a frame, in a failure, or counted as skipped."""
    stream = noise + b"\r\n" + good + noise + b"\r\n" + good
    pieces = []
    start = 0
    for cut in cuts:
        pieces.append(stream[start : start + cut])
        start += cut
    pieces.append(stream[start:])
    whole, sliced = Iec62056Framer(), Iec62056Framer()
    expected = whole.feed(stream) + whole.finish()
    found = [event for piece in pieces for event in sliced.feed(piece)] + sliced.finish()
    assert [(type(event), event.data) for event in found] == [(type(event), event.data) for event in expected]
    assert sum(isinstance(event, Frame) and event.data == good for event in found) == 2
    assert whole.skipped == sliced.skipped
    assert whole.skipped + sum(len(event.data) for event in expected) == len(stream)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(BLOCK) - 1), st.integers(0, 255))
def test_a_changed_byte_gives_no_wrong_block(place: int, byte: int) -> None:
    """Any byte of a block changed: it is refused, or it says what was sent."""
    data = bytearray(BLOCK)
    data[place] = byte
    for event in events(bytes(data)):
        assert isinstance(event, FrameError) or parse_iec62056(event).records == one(BLOCK).records


def test_values_of_billing_periods_have_the_unit_of_the_running_register() -> None:
    """Meters after VDEW 2.1 leave the unit out in `1.8.0*18`; a register that is not there gives none."""
    telegram = one(
        encode_iec62056(
            [
                "1-1:1.6.1(27.19*kW)(1702090945)",
                "1-1:1.6.1*18(28.74)(1701121445)",
                "1-1:1.8.0(00051206*kWh)",
                "1-1:1.8.0*18(00049555)",
                "1-1:2.8.0*18(00000055)",
            ],
            identification="LGZ4\\2ZMD3104407.B32",
        )
    )
    units = {record.address: record.unit for record in telegram.records}
    assert units == {
        "1-1:1.6.1": "kW",
        "1-1:1.6.1*18": "kW",
        "1-1:1.8.0": "kWh",
        "1-1:1.8.0*18": "kWh",
        "1-1:2.8.0*18": None,
    }


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("32.7(233*V)", "1-0:32.7.0"),
        ("16.7(001.66*kW)", "1-0:16.7.0"),
        ("1.8&02(0001.2*kWh)", "1-0:1.8.0*2"),
        ("1-1:1.29(0.04088*kWh)", "1-1:1.29.0"),
        ("0.0(12345678)", "0.0"),
        ("9.4(088*C)", "9.4"),
        ("82.8(0000)", "82.8"),
    ],
)
def test_codes_without_e_are_completed_where_they_measure_electricity(written: str, address: str) -> None:
    """C.D alone is C.D.0; ids, events and the codes of heat meters stay as they stand."""
    assert one(encode_iec62056([written], identification=NAME)).records[0].address == address


def test_codes_of_heat_meters_are_never_completed() -> None:
    """6.8 of a heat meter is its energy and not reactive power."""
    telegram = one(encode_iec62056(["6.8(0029.055*MWh)", "6.26(01589.28*m3)"], identification="LUGCUH50"))
    assert [record.address for record in telegram.records] == ["6.8", "6.26"]


@pytest.mark.parametrize("line_end", [b"\n", b"\n\n"])
def test_a_block_whose_line_ends_a_capture_changed(line_end: bytes) -> None:
    """The check holds over the CRs that were on the wire; a changed digit is refused all the same."""
    changed = MODE_C.replace(b"\r\n", line_end)
    assert one(changed).records == one(MODE_C).records
    assert reasons(changed.replace(b"285.4", b"285.5")) == ["bcc_mismatch"]


def test_an_end_mark_with_another_line_end() -> None:
    """`!` and LF alone end a telegram whose other lines end in CR LF."""
    assert one(MODE_D[:-2] + b"\n").records == one(MODE_D).records


def test_the_clock_and_serial_of_channel_1() -> None:
    """1-1:0.9.1 and 1-1:0.9.2 are the clock, 1-1:0.0.0 the serial, where a meter gives its A-B as 1-1."""
    lines = ["1-1:0.0.0(50871031)", "1-1:0.9.1(155420)", "1-1:0.9.2(170214)", "1-1:1.8.0(1*kWh)"]
    telegram = one(encode_iec62056(lines))
    assert telegram.time is not None
    assert telegram.time.local == datetime(2017, 2, 14, 15, 54, 20)  # noqa: DTZ001 - wall clock
    assert telegram.facts["serial"] == "50871031"


def test_noise_with_a_parenthesis_is_no_torn_telegram() -> None:
    """Only what holds the end of an address before a value counts as a failure; the rest is skipped bytes."""
    noise = b"\x02\x91k(\xff\x02x(y\x01"
    framer = Iec62056Framer()
    assert framer.feed(noise) + framer.finish() == []
    assert framer.skipped == len(noise)


@pytest.mark.parametrize(
    ("group", "value", "unit"),
    [
        ("000007,4*kW", Decimal("7.4"), "kW"),
        ("1,2,3*kW", "1,2,3*kW", None),
        ("000007,4", "000007,4", None),
    ],
)
def test_a_decimal_comma_before_a_unit(group: str, value: Decimal | str, unit: str | None) -> None:
    """A comma is a decimal point where a unit follows; other texts stay texts."""
    record = one(encode_iec62056([f"1.6.0({group})"])).records[0]
    assert (record.value, record.unit) == (value, unit)
