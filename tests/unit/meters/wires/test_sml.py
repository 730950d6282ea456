"""SML: transport, encoding and the traps of real meters, on files of our own encoder."""

import re
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.errors import FrameError
from meters.telegram import Frame, Record, Telegram, Wire
from meters.wires.encode import SmlValue, encode_sml
from meters.wires.encode.sml import integer, octets, sequence, transport
from meters.wires.sml import SmlFramer, parse_sml
from meters.wires.sml_transport import ESCAPE, MAX_FILE_BYTES, START, crc_kermit, crc_x25
from meters.wires.sml_tree import read

SERVER = bytes.fromhex("0a01445a47000282225e")
VALUES = [
    SmlValue("1-0:96.50.1*1", b"DZG"),
    SmlValue("1-0:96.1.0", SERVER),
    SmlValue("1-0:1.8.0", Decimal("5430157.7"), "Wh", status=0x1C0104, width=8, seconds=99),
    SmlValue("1-0:16.7.0", Decimal("-299.12"), "W", width=-2),
    SmlValue("1-0:96.50.2*6", None),
]
GOOD = encode_sml(SERVER, VALUES)


def events(data: bytes) -> list[Frame | FrameError]:
    """What a new framer makes of the bytes and the silence after."""
    framer = SmlFramer()
    return framer.feed(data) + framer.finish()


def one(data: bytes) -> Telegram:
    """The only telegram in the bytes."""
    (event,) = events(data)
    assert isinstance(event, Frame), event
    return parse_sml(event)


def message(tag: int, body: bytes) -> bytes:
    """A message with a good CRC."""
    covered = b"\x76" + octets(b"\x01") + b"\x62\x00\x62\x00" + sequence(integer(tag, 2), body)
    return covered + integer(crc_x25(covered), 2) + b"\x00"


def get_list(entries: bytes, sensor_time: bytes = b"\x01") -> bytes:
    """A whole file with one GetList response."""
    return transport(
        message(0x0701, sequence(b"\x01", octets(SERVER), b"\x01", sensor_time, entries, b"\x01", b"\x01"))
    )


def entry(value: bytes, *, scaler: bytes = b"\x01", stamp: bytes = b"\x01", status: bytes = b"\x01") -> bytes:
    """A list of one entry 1-0:1.8.0 in Wh."""
    code = octets(bytes((1, 0, 1, 8, 0, 255)))
    return sequence(sequence(code, status, stamp, b"\x62\x1e", scaler, value, b"\x01"))


def test_crcs() -> None:
    """Check values of the catalogue of CRCs for `123456789`, octets in the order of the wire."""
    assert crc_x25(b"123456789") == 0x6E90
    assert crc_kermit(b"123456789") == 0x8921


def test_a_file() -> None:
    """Values come after their scaler with unit, status, scaler and width; facts tell manufacturer and serial."""
    telegram = one(GOOD)
    assert telegram.protocol is Wire.SML
    assert telegram.frame == GOOD
    assert telegram.records[2] == Record("1-0:1.8.0", Decimal("5430157.7"), "Wh", None, 0x1C0104, -1, 8)
    assert telegram.records[0].value == b"DZG"
    assert telegram.facts == {
        "server_id": SERVER.hex(),
        "manufacturer": "DZG",
        "serial": "1 DZG00 4208 2910",
    }


def test_a_too_narrow_sign_is_left_to_the_spec() -> None:
    """DZG sends +356.24 W as -299.12: the reader keeps the wire's sign, and gives the width that tells."""
    power = one(GOOD).records[3]
    assert (power.value, power.width) == (Decimal("-299.12"), -2)


def test_counters_are_no_clocks() -> None:
    """A sensor time in seconds of operation and a value's own time of that kind give no time."""
    telegram = one(GOOD)
    assert telegram.time is None
    assert telegram.records[2].at is None


def test_clocks_of_sml() -> None:
    """SML_Time as timestamp is UTC; as local timestamp it carries its offsets in minutes."""
    seconds = 1_700_000_000
    utc = sequence(integer(2, 1), integer(seconds, 4))
    local = sequence(integer(3, 1), sequence(integer(seconds, 4), integer(60, -2), integer(60, -2)))
    time = one(get_list(entry(integer(1, 1), stamp=local), utc)).time
    assert time is not None
    assert time.at == datetime.fromtimestamp(seconds, UTC)
    stamp = one(get_list(entry(integer(1, 1), stamp=local))).records[0].at
    assert stamp is not None
    assert (stamp.at, stamp.dst) == (datetime.fromtimestamp(seconds, UTC), True)
    assert stamp.local == datetime(2023, 11, 15, 0, 13, 20)  # noqa: DTZ001


def test_a_sensor_time_without_choice() -> None:
    """Some meters leave the choice of SML_Time out: the list is read all the same."""
    assert one(get_list(entry(integer(1, 1)), integer(5, 4))).time is None


@pytest.mark.parametrize("width", [1, 2, 3, 4, 5, 6, 7, 8, -1, -2, -3, -5, -8])
def test_integers_of_any_width(width: int) -> None:
    """Integers of one to eight octets keep value, sign and width."""
    for raw in (0, 1, 0x7F, -1 if width < 0 else 0x7F):
        (record,) = one(get_list(entry(integer(raw, width), scaler=integer(-1, -1)))).records
        assert (record.value, record.width) == (Decimal(raw).scaleb(-1), width)


def test_a_list_without_values() -> None:
    """A locked meter may send a list without entries, or none in place of the list: a telegram with no records."""
    assert one(get_list(b"\x70")).records == ()
    assert one(get_list(b"\x01")).records == ()


def test_an_attention_response() -> None:
    """An attention in place of a list is an error that names its number; a file without list is empty."""
    attention = sequence(octets(SERVER), octets(bytes.fromhex("8181c7c7fe02")), b"\x01", b"\x01")
    for data, reason in (
        (transport(message(0xFF01, attention)), "meter_error"),
        (encode_sml(SERVER, [], with_list=False), "empty"),
    ):
        (frame,) = events(data)
        assert isinstance(frame, Frame)
        with pytest.raises(FrameError) as caught:
            parse_sml(frame)
        assert caught.value.reason == reason
    assert "8181c7c7fe02" in caught.value.detail or reason == "empty"


def test_escapes() -> None:
    """Escape sequences in values survive, at any place and in any number."""
    for count in range(4, 14):
        for lead in range(5):
            value = b"x" * lead + b"\x1b" * count + b"\x01\x01\x01\x01y"
            assert one(encode_sml(SERVER, [SmlValue("1-0:96.1.0", value)])).records[0].value == value


def test_long_fields() -> None:
    """Octet strings and lists whose length takes several octets."""
    values = [SmlValue(f"1-0:{n}.8.0", bytes(n * 20)) for n in range(1, 60)]
    telegram = one(encode_sml(SERVER, values))
    assert [len(record.value) for record in telegram.records if isinstance(record.value, bytes)] == [
        n * 20 for n in range(1, 60)
    ]


def test_a_value_of_another_type() -> None:
    """A boolean is 0 or 1; a list in place of a value is kept as its octets; repeated codes are numbered."""
    (record,) = one(get_list(entry(b"\x42\xff"))).records
    assert record.value == 1
    listed = sequence(integer(2, 1), integer(7, 4))
    assert one(get_list(entry(listed))).records[0].value == listed
    twice = one(encode_sml(SERVER, [VALUES[2], VALUES[2]]))
    assert [record.index for record in twice.records] == [0, 1]


def test_both_crcs_in_use() -> None:
    """Holley computes KERMIT in place of X-25."""
    assert len(one(encode_sml(SERVER, VALUES, crc=crc_kermit)).records) == 5


def test_a_wrong_message_crc() -> None:
    """A file whose own CRC holds but a message's does not gives no telegram."""
    body = GOOD[8:-8]
    bad = transport(body.replace(b"\x62\x1e", b"\x62\x1b", 1)[: len(body) - GOOD[-3]])
    (frame,) = events(bad)
    assert isinstance(frame, Frame)
    with pytest.raises(FrameError) as caught:
        parse_sml(frame)
    assert caught.value.reason == "crc_mismatch"


def test_a_lost_tail_does_not_eat_the_next_file() -> None:
    """A file cut off anywhere is one failure, and the next file is read."""
    for cut in range(1, len(GOOD)):
        found = events(GOOD[:cut] + GOOD)
        assert [event.data for event in found if isinstance(event, Frame)] == [GOOD], cut
        assert sum(len(event.data) for event in found) >= len(GOOD)


def test_a_file_without_end_is_bounded() -> None:
    """64 KiB without end sequence are one failure, and the next file is read."""
    framer = SmlFramer()
    found = framer.feed(START + bytes(3 * MAX_FILE_BYTES))
    assert [event.reason for event in found if isinstance(event, FrameError)] == ["too_long"]
    assert len(found[0].data) == MAX_FILE_BYTES
    assert [type(event) for event in framer.feed(GOOD)] == [Frame]


@pytest.mark.parametrize(
    "node",
    [
        b"\x72" * 40 + b"\x01",
        b"\xff\x0f\x0f\x0f\x0f\x0f\x01",
        b"\x8f\x0f\x0f\x0f",
        b"\xf1\x00",
        b"\x05ab",
        b"\x6f" + bytes(3),
        b"\x00",
        b"\x21\x00",
        b"\x80\x01",
        b"\x61",
        b"",
    ],
)
def test_hostile_fields_are_refused(node: bytes) -> None:
    """Depth, lengths beyond the data and unknown types are errors, and never loops or huge allocations."""
    with pytest.raises(FrameError):
        read(node, 0)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=80))
def test_any_payload_is_read_or_refused(body: bytes) -> None:
    """Whatever stands in a file with a good CRC, parsing ends with a telegram or a FrameError."""
    for event in events(transport(body)):
        if isinstance(event, Frame):
            with pytest.raises(FrameError):
                parse_sml(event)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(1, 90), max_size=30), st.binary(max_size=40), st.sampled_from([b"", START, ESCAPE, ESCAPE[:2]])
)
def test_slices_and_garbage(cuts: list[int], noise: bytes, lead: bytes) -> None:
    """Garbage, also such as looks like a start, never loses a good file, and slicing changes nothing."""
    stream = noise + lead + GOOD + lead + noise + GOOD
    pieces = []
    start = 0
    for cut in cuts:
        pieces.append(stream[start : start + cut])
        start += cut
    pieces.append(stream[start:])
    whole, sliced = SmlFramer(), SmlFramer()
    expected = whole.feed(stream) + whole.finish()
    found = [event for piece in pieces for event in sliced.feed(piece)] + sliced.finish()
    assert [(type(event), event.data) for event in found] == [(type(event), event.data) for event in expected]
    assert [event.data for event in found if isinstance(event, Frame)] == [GOOD, GOOD]
    assert whole.skipped == sliced.skipped
    assert whole.skipped + sum(len(event.data) for event in expected) == len(stream)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255))
def test_a_changed_byte_gives_no_wrong_file(place: int, byte: int) -> None:
    """Any byte changed: the file is refused, or it is the file that was sent."""
    data = bytearray(GOOD)
    data[place] = byte
    for event in events(bytes(data)):
        assert isinstance(event, FrameError) or event.data == GOOD


def _integer(width: int, number: bytes) -> bytes:
    return integer(int.from_bytes(number[: abs(width)], "big", signed=width < 0), width)


INTEGERS = st.builds(_integer, st.sampled_from([1, 2, 3, 4, 8, -1, -2, -4, -8]), st.binary(min_size=8, max_size=8))


@settings(max_examples=200, deadline=None)
@given(
    value=st.one_of(INTEGERS, st.binary(max_size=20).map(octets), st.just(b"\x42\x01")),
    scaler=st.one_of(st.just(b"\x01"), st.integers(-70, 70).map(lambda power: integer(power, -1))),
    status=st.one_of(st.just(b"\x01"), INTEGERS),
)
def test_the_short_way_through_an_entry_is_the_long_one(value: bytes, scaler: bytes, status: bytes) -> None:
    """Whatever an entry holds, one step of a regular expression reads or refuses it as field by field does."""
    file = Frame(Wire.SML, get_list(entry(value, scaler=scaler, status=status)))

    def result() -> Telegram | str:
        try:
            return parse_sml(file)
        except FrameError as error:
            return f"{error.reason}: {error.detail}"

    short = result()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("meters.wires.sml._PLAIN_ENTRY", re.compile(b"(?!)"))
        patch.setattr("meters.wires.sml._PLAIN_MESSAGE", re.compile(b"(?!)"))
        assert result() == short
