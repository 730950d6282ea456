"""All framers on one line: whose frame it is, no byte twice, the same frames in any slices, linear time."""

import random
import time
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.errors import FrameError
from meters.telegram import Frame, Wire
from meters.wires.encode import (
    Bank,
    DlmsValue,
    MbusValue,
    SmlValue,
    encode_hdlc,
    encode_iec62056,
    encode_mbus,
    encode_p1,
    encode_push_over_mbus,
    encode_sml,
)
from meters.wires.encode.dlms import described_list, integer, notification
from meters.wires.encode.iec62056 import with_parity
from meters.wires.modbus.frames import Read
from meters.wires.readers import AnyFramer, make_framer, parse
from meters.wires.sml_transport import START

P1 = encode_p1(r"/ISK5\2M550T-1012", ["1-3:0.2.8(50)", "1-0:1.8.1(003432.827*kWh)", "1-0:1.7.0(00.378*kW)"])
P1_OLD = encode_p1(
    r"/ISk5\2MT382-1000", ["0-0:96.1.1(4B38)", "1-0:1.8.1(12345.678*kWh)", "0-0:96.14.0(0002)"], crc=False
)
SML = encode_sml(bytes.fromhex("0a01445a47000282225e"), [SmlValue("1-0:1.8.0", Decimal("5.7"), "Wh")])
BLOCK = encode_iec62056(["0.0.0(12345678)", "1.8.0(000285.4*kWh)"])
MODE_C = encode_iec62056(["0.0.0(12345678)", "1.8.0(000285.4*kWh)"], identification="LGZ4ZMF120AB")
MODE_D = encode_iec62056(["1-0:1.8.0*255(00032549.5*kWh)"], identification="ESY5Q3DA1004 V3.04", block=False)
MBUS = encode_mbus("12345678", [MbusValue("04 06", 47110), MbusValue("0d fd 0c", b"\x08/ABC5\r\n(")])
PUSH = notification(
    described_list([DlmsValue("1-0:1.8.0", integer(5712), "Wh"), DlmsValue("1-0:1.7.0", integer(482), "W")])
)
HDLC = encode_hdlc(PUSH)
SEGMENTS = encode_hdlc(PUSH, segment_bytes=20)
BLOCKS = encode_hdlc(PUSH, block_bytes=24, shared_flags=True)
OVER_MBUS = encode_push_over_mbus(PUSH, part_bytes=30)
ENCRYPTED_P1 = b"\xdb\x08SAGgp\x00\x02\xf6\x82\x00\x45\x30\x00\x00\x00\x07" + bytes(range(128, 192))
BANK = Bank(7)
BANK.put(4, 0, bytes(range(40)))
MODBUS = BANK.exchanged([Read(4, 0, 2), Read(4, 6, 6)])
ALL = {
    HDLC: Wire.DLMS,
    SEGMENTS: Wire.DLMS,
    BLOCKS: Wire.DLMS,
    OVER_MBUS: Wire.DLMS,
    P1: Wire.P1,
    P1_OLD: Wire.P1,
    SML: Wire.SML,
    BLOCK: Wire.IEC62056_21,
    MODE_C: Wire.IEC62056_21,
    MODE_D: Wire.IEC62056_21,
    MBUS: Wire.MBUS,
    MODBUS: Wire.MODBUS,
}
FALSE_STARTS = [
    START, b"/ISK5", b"\x02", b"\x1b" * 3, b"\x7e\xa0", b"h\x20\x20h", b"h\x20\x20hS", b"h\x20\x20h\x08\x01r",
    b"\xdb\x08SAG",
]  # fmt: skip


def events(*pieces: bytes) -> list[Frame | FrameError]:
    """What a new framer makes of the pieces and the silence after."""
    framer = AnyFramer()
    found = [event for piece in pieces for event in framer.feed(piece)]
    return found + framer.finish()


def frames(found: list[Frame | FrameError]) -> list[Frame | FrameError]:
    """The good ones."""
    return [event for event in found if isinstance(event, Frame)]


def shown(found: list[Frame | FrameError]) -> list[tuple[object, bytes]]:
    """Events as plain values."""
    return [(event.protocol if isinstance(event, Frame) else event.reason, event.data) for event in found]


@pytest.mark.parametrize(("data", "wire"), list(ALL.items()))
def test_each_protocol_is_known_by_its_bytes(data: bytes, wire: Wire) -> None:
    """A frame alone is found as its protocol, and parsing it again gives the same telegram."""
    (frame,) = events(data)
    assert isinstance(frame, Frame)
    assert (frame.protocol, frame.data) == (wire, data)
    telegram = parse(frame)
    assert telegram == parse(Frame(telegram.protocol, telegram.frame))


@pytest.mark.parametrize("wire", list(Wire))
def test_a_framer_for_each_wire(wire: Wire) -> None:
    """The framer of a known wire reads its own frames."""
    framer = make_framer(wire)
    assert framer.protocol is wire
    data = {
        Wire.P1: P1,
        Wire.SML: SML,
        Wire.IEC62056_21: MODE_C,
        Wire.DLMS: BLOCKS,
        Wire.MBUS: MBUS,
        Wire.MODBUS: MODBUS,
    }[wire]
    (frame,) = framer.feed(data) + framer.finish()
    assert isinstance(frame, Frame)
    assert parse(frame).protocol is wire


def test_all_protocols_on_one_line() -> None:
    """Frames of all protocols one after another are found in order, each byte once."""
    framer = AnyFramer()
    found = framer.feed(b"".join(ALL)) + framer.finish()
    assert shown(found) == [(wire, data) for data, wire in ALL.items()]
    assert framer.skipped == 0


def test_a_text_frame_ends_an_unfinished_sml_file() -> None:
    """A torn SML file does not hide a telegram of another protocol after it, and gives its bytes once."""
    torn = SML[:60]
    assert shown(events(torn + P1 + SML)) == [("truncated", torn), (Wire.P1, P1), (Wire.SML, SML)]


def test_text_inside_an_sml_file_is_the_files() -> None:
    """A value of an SML file that looks like the beginning of a telegram is no failure of its own."""
    values = [SmlValue("1-0:96.1.0", b"/ABC5\r\n1-0:1.8.0(1*kWh)\r\n\x02(3)")]
    file = encode_sml(b"\x31\x32", values)
    assert shown(events(*[file[i : i + 1] for i in range(len(file))])) == [(Wire.SML, file)]
    assert shown(events(file)) == [(Wire.SML, file)]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.one_of(st.sampled_from(list(ALL)), st.binary(max_size=30), st.sampled_from(FALSE_STARTS))),
    st.lists(st.integers(1, 120), max_size=60),
)
def test_slices_change_nothing(parts: list[bytes], cuts: list[int]) -> None:
    """Any mixture of frames, noise and false starts gives the same frames in any slices; bytes are conserved."""
    stream = b"".join(parts)
    pieces = []
    start = 0
    for cut in cuts:
        pieces.append(stream[start : start + cut])
        start += cut
    pieces.append(stream[start:])
    whole, sliced = AnyFramer(), AnyFramer()
    expected = whole.feed(stream) + whole.finish()
    found = [event for piece in pieces for event in sliced.feed(piece)] + sliced.finish()
    assert shown(frames(found)) == shown(frames(expected))
    for framer, given_events in ((whole, expected), (sliced, found)):
        assert framer.skipped + sum(len(event.data) for event in given_events) == len(stream)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.binary(max_size=30),
            st.sampled_from([P1, SML, MODE_D, MODE_C, MBUS, MODBUS, HDLC, BLOCKS, OVER_MBUS, ENCRYPTED_P1]),
        ),
        max_size=6,
    )
)
def test_garbage_between_frames_loses_none(parts: list[tuple[bytes, bytes]]) -> None:
    """Whatever stands between frames on lines of their own, every good frame is found."""
    found = events(b"".join(noise + b"\r\n" + good for noise, good in parts))
    frames = [event.data for event in found if isinstance(event, Frame)]
    wanted = [good for _, good in parts]
    assert [frame for frame in frames if frame in wanted] == wanted


@pytest.mark.parametrize(
    "garbage",
    [
        b"/", b"/abc", b"/abc\r\n", b"\n/abc5", b"\x02", b"\x02a", b"\xaf", b"\xaf\x82", b"\x1b", START,
        b"!\r\n", b"\r\n", b"(", b"1.8.0(",
        b"\x1b\x1b\x1b\x1b\x1a\x00\x00\x00", b"/abc\n/", b"\x02/abc", b"\x00", b"\x68", b"\x68\xff\xff\x68\x08\x01\x72",
        b"\x7e", b"\x7e\xa7\xff", HDLC[:20], SEGMENTS[:32], b"h\xff\xffhS\xff\x00\x01g", b"h\x01\x01hS", OVER_MBUS[:20],
        b"\xdb\x08", ENCRYPTED_P1[:16], b"\x7e\xa0\x7e\xa8",
    ],
)  # fmt: skip
def test_time_is_linear_on_garbage(garbage: bytes) -> None:
    """Twice what is ever held back, of any false start, is read in seconds and leaves no large buffer."""
    framer = AnyFramer()
    start = time.process_time()
    data = garbage * (128 * 1024 // len(garbage))
    for at in range(0, len(data), 512):
        framer.feed(data[at : at + 512])
    assert time.process_time() - start < 5
    assert framer.pending <= 70_000
    framer.finish()
    assert [event.data for event in framer.feed(P1 + SML) if isinstance(event, Frame)] == [P1, SML]
    assert [event.data for event in framer.feed(HDLC + OVER_MBUS) if isinstance(event, Frame)] == [HDLC, OVER_MBUS]


def test_random_bytes_give_no_frames() -> None:
    """A megabyte of noise gives no frame, and stays countable."""
    framer = AnyFramer()
    data = random.Random(7).randbytes(1_000_000)  # noqa: S311 - no secret
    found = framer.feed(data) + framer.finish()
    assert not [event for event in found if isinstance(event, Frame)]
    assert framer.skipped + sum(len(event.data) for event in found) == len(data)


def torture(chance: random.Random) -> bytes:
    """A stream of whole, cut, changed and false beginnings of frames of all protocols."""
    parts = []
    whole = [*ALL, with_parity(MODE_C), with_parity(MODE_D)]
    for _ in range(chance.randint(1, 6)):
        part = chance.choice(whole)
        match chance.randrange(6):
            case 0:
                part = part[: chance.randint(0, len(part))]
            case 1:
                part = part[chance.randint(0, len(part)) :]
            case 2:
                changed = bytearray(part)
                changed[chance.randrange(len(changed))] = chance.randrange(256)
                part = bytes(changed)
            case 3:
                part = chance.choice([*FALSE_STARTS, b"!\r\n", b"\r\n", b"(1)", b"\xaf", b"!ABCD\r\n", b"\x06050\r\n"])
        parts.append(part)
    return b"".join(parts)


def test_torn_and_changed_frames_of_all_protocols() -> None:
    """Whatever was torn or changed before it, a good frame on a line of its own is found, in any slices alike."""
    chance = random.Random(5)  # noqa: S311 - no secret
    for _ in range(400):
        good = chance.choice([P1, SML, BLOCK, MODE_C, MODE_D, MBUS, MODBUS, HDLC, SEGMENTS, BLOCKS, OVER_MBUS])
        stream = torture(chance) + b"\r\n" + good + b"\r\n"
        expected = events(stream)
        assert any(isinstance(event, Frame) and event.data.endswith(good) for event in expected), stream
        pieces = []
        start = 0
        while start < len(stream):
            size = chance.choice((1, 1, 2, 5, 30))
            pieces.append(stream[start : start + size])
            start += size
        assert shown(frames(events(*pieces))) == shown(frames(expected)), stream
