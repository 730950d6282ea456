"""HDLC, M-Bus and the TCP wrapper: whole messages out of any slices, and what becomes of damage."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.errors import FrameError
from meters.telegram import Frame, Wire
from meters.wires.dlms.framer import DlmsFramer
from meters.wires.dlms.telegram import carried, parse_dlms
from meters.wires.dlms.wrapper import WrapperFramer, is_wrapped
from meters.wires.encode.dlms import (
    DlmsValue,
    blocks,
    described_list,
    encode_hdlc,
    encode_push_over_mbus,
    encode_wrapper,
    integer,
    notification,
)
from meters.wires.sml_transport import crc_x25

PUSH = notification(described_list([DlmsValue(f"1-0:{n}.8.0", integer(n * 1111), "Wh") for n in range(1, 5)]))
FRAMED = {
    "one frame": encode_hdlc(PUSH),
    "segments": encode_hdlc(PUSH, segment_bytes=33),
    "blocks": encode_hdlc(PUSH, block_bytes=33),
    "segmented blocks": encode_hdlc(PUSH, block_bytes=60, segment_bytes=20),
    "shared flags": encode_hdlc(PUSH, segment_bytes=33, shared_flags=True),
    "m-bus": encode_push_over_mbus(PUSH),
    "m-bus in parts": encode_push_over_mbus(PUSH, part_bytes=33),
}


def read(data: bytes, size: int = 0) -> tuple[list[Frame | FrameError], int]:
    """What a new framer makes of the bytes in pieces of `size`, and what it skipped."""
    framer = DlmsFramer()
    step = size or max(1, len(data))
    found = [event for at in range(0, len(data), step) for event in framer.feed(data[at : at + step])]
    return found + framer.finish(), framer.skipped


def shown(found: list[Frame | FrameError]) -> list[tuple[str, bytes]]:
    """Events as plain values."""
    return [("frame" if isinstance(one, Frame) else one.reason, one.data) for one in found]


@pytest.mark.parametrize("framing", FRAMED)
def test_a_message_is_one_frame_in_any_slices(framing: str) -> None:
    """All its units with their flags, and parsing them again gives the same telegram."""
    data = FRAMED[framing]
    for size in (0, 1, 7):
        found, skipped = read(data, size)
        assert (shown(found), skipped) == ([("frame", data)], 0)
    frame = found[0]
    assert isinstance(frame, Frame)
    assert carried(data).message == PUSH
    telegram = parse_dlms(frame)
    assert (telegram.protocol, telegram.frame, len(telegram.records)) == (Wire.DLMS, data, 4)


def test_each_octet_of_a_message_has_its_place_in_the_frame() -> None:
    """Also behind heads of segments and blocks."""
    for data in FRAMED.values():
        whole = carried(data)
        assert bytes(data[whole.place(at)] for at in range(len(PUSH))) == PUSH


@pytest.mark.parametrize("framing", FRAMED)
def test_every_changed_octet_is_noticed(framing: str) -> None:
    """No message comes out of a frame with a changed octet, and the next one is found, whatever it looked like."""
    data = FRAMED[framing]
    for place in range(len(data)):
        for mask in (0x01, 0xFF):
            damaged = bytearray(data)
            damaged[place] ^= mask
            found, skipped = read(bytes(damaged) + data, 11)
            good = [one.data for one in found if isinstance(one, Frame)]
            assert good[-1:] == [data], place
            # what a flag became is no matter, the frame between is whole
            assert all(carried(one).message == PUSH for one in good)
            assert skipped + sum(len(one.data) for one in found) == 2 * len(data)


@pytest.mark.parametrize("framing", FRAMED)
def test_a_lost_or_doubled_octet_costs_one_message(framing: str) -> None:
    """The next one is read, though the torn one states a length that reaches into it."""
    data = FRAMED[framing]
    for place in range(1, len(data) - 1):
        for damaged in (data[:place] + data[place + 1 :], data[:place] + data[place : place + 1] + data[place:]):
            found, _ = read(damaged + data, 13)
            good = [one for one in found if isinstance(one, Frame)]
            assert good
            assert good[-1].data == data, place
            assert all(carried(one.data).message == PUSH for one in good)


def test_a_duplicated_block_is_taken_once_and_a_lost_one_is_told() -> None:
    """general-block-transfer repeats a block that it holds for lost; one out of order ends the message."""
    one, two, three = (_alone(part, first=number == 0) for number, part in enumerate(blocks(PUSH, 25)[:3]))
    rest = b"".join(_alone(part, first=False) for part in blocks(PUSH, 25)[3:])
    assert rest
    (frame,), _ = read(one + two + two + three + rest)
    assert carried(frame.data).message == PUSH
    found, skipped = read(one + two + rest + three + FRAMED["blocks"])
    assert [name for name, _ in shown(found)] == ["block_lost", "frame"]
    assert skipped > 0


def _alone(part: bytes, *, first: bool) -> bytes:
    """A frame of its own around a block."""
    information = (b"\xe6\xe7\x00" if first else b"") + part
    head = (0xA000 | len(information) + 9).to_bytes(2) + b"\x41\x03\x13"
    head += crc_x25(head).to_bytes(2)
    return b"\x7e" + head + information + crc_x25(head + information).to_bytes(2) + b"\x7e"


def test_a_message_whose_beginning_was_not_heard_is_skipped() -> None:
    """Its last segments are no failure: who begins to listen hears half a push first."""
    data = FRAMED["segments"]
    tail = data[data.index(b"\x7e\x7e") + 1 :]
    found, skipped = read(tail + data)
    assert shown(found) == [("frame", data)]
    assert skipped == len(tail)


def test_silence_ends_a_message_that_lacks_its_last_part() -> None:
    """It is torn, and the flag alone may be missing from a whole one."""
    for framing in ("segments", "blocks", "m-bus in parts"):
        data = FRAMED[framing]
        ((reason, torn),) = shown(read(data[: len(data) * 2 // 3])[0])
        assert (reason, torn) == ("truncated", data[: len(data) * 2 // 3])
    data = FRAMED["one frame"]
    assert shown(read(data[:-1])[0]) == [("frame", data[:-1])]


@pytest.mark.parametrize("size", [200, 245, 250, 251, 252, 300, 506, 507, 600, 1100])
def test_a_frame_of_m_bus_whose_length_wraps(size: int) -> None:
    """What is longer than 255 octets states its length less 256; a ciphered message says its own length."""
    title = b"\xdb\x08KFM\x10\x20\x30\x40\x50"
    body = b"\x20\x00\x00\x00\x01" + random.Random(size).randbytes(size)  # noqa: S311 - no secret
    ciphered = title + b"\x82" + len(body).to_bytes(2) + body
    data = encode_push_over_mbus(ciphered, part_bytes=2000)
    for pieces in (0, 1, 50):
        found, _ = read(data + encode_push_over_mbus(PUSH), pieces)
        assert shown(found) == [("frame", data), ("frame", encode_push_over_mbus(PUSH))]


def test_the_wrapper_over_tcp() -> None:
    """Messages one after another in any slices; what is no head ends the connection's reading."""
    data = encode_wrapper(PUSH) * 3
    assert is_wrapped(data)
    assert not is_wrapped(PUSH)
    framer = WrapperFramer()
    found = [event for at in range(0, len(data), 5) for event in framer.feed(data[at : at + 5])] + framer.finish()
    assert shown(found) == [("frame", encode_wrapper(PUSH))] * 3
    assert [one.offset for one in found] == [0, len(data) // 3, len(data) // 3 * 2]
    assert isinstance(found[0], Frame)
    assert len(parse_dlms(found[0]).records) == 4
    framer = WrapperFramer()
    (torn,) = framer.feed(data[:50]) + framer.finish()
    assert shown([torn]) == [("truncated", data[:50])]
    framer = WrapperFramer()
    assert [name for name, _ in shown(framer.feed(b"GET / HTTP/1.1\r\n" + data))] == ["malformed"]
    assert framer.feed(data) == []
    assert framer.skipped == len(data)


@settings(max_examples=150)
@given(st.lists(st.tuples(st.binary(max_size=40), st.sampled_from(sorted(FRAMED)))), st.integers(1, 64))
def test_noise_between_messages_loses_none(parts: list[tuple[bytes, str]], size: int) -> None:
    """Whatever stands between them, unless it is the beginning of a unit itself; every byte is counted once."""
    noisy = [(noise.replace(b"\x7e", b"~!").replace(b"h", b"H"), FRAMED[name]) for noise, name in parts]
    stream = b"".join(noise + data for noise, data in noisy)
    found, skipped = read(stream, size)
    good = [one.data for one in found if isinstance(one, Frame)]
    assert [one for one in good if one in FRAMED.values()] == [data for _, data in noisy]
    assert skipped + sum(len(one.data) for one in found) == len(stream)
