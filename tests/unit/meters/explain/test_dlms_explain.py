"""What `wattline decode` says of DLMS: each check, the flipped bit, keys, replays, and lists without their frames."""

from typing import Any

import pytest

from meters.explain.lines import Decoding, Found
from meters.specs.catalogue import catalogue
from meters.telegram import Wire
from meters.wires.encode.ciphered import encode_ciphered
from meters.wires.encode.dlms import (
    DlmsValue,
    described_list,
    encode_hdlc,
    encode_push_over_mbus,
    encode_wrapper,
    integer,
    notification,
)
from meters.wires.meter_key import MeterKey

CODES = ("1-0:1.8.0", "1-0:1.8.1", "1-0:1.8.2", "1-0:2.8.0")
PUSH = notification(described_list([DlmsValue(code, integer(n * 1111), "Wh") for n, code in enumerate(CODES, 1)]))
KEY = MeterKey(bytes(range(16)), bytes(range(16, 32)))
TITLE = b"KFM\x10\x20\x00\x01\x23"


def found(data: bytes, key: MeterKey | None = None) -> list[Found]:
    """Each telegram with its explanation."""
    return list(Decoding(catalogue(), explaining="all", key=key).found(data))


def document(one: Found) -> dict[str, Any]:
    """Its explanation."""
    assert one.explained is not None
    return one.explained.document(walk=True)


@pytest.mark.parametrize(
    ("data", "framing", "checks"),
    [
        (encode_hdlc(PUSH), "DLMS over HDLC (1 frame)", 1),
        (encode_hdlc(PUSH, segment_bytes=30), "DLMS over HDLC (4 frames)", 4),
        (encode_hdlc(PUSH, block_bytes=50), "DLMS over HDLC (2 frames)", 2),
        (encode_push_over_mbus(PUSH, part_bytes=60), "DLMS over M-Bus (2 frames)", 2),
        (encode_wrapper(PUSH), "DLMS in its TCP wrapper", 0),
    ],
)
def test_a_whole_push_is_walked_through(data: bytes, framing: str, checks: int) -> None:
    """Its framing, a check for each frame, and each record at its place in the input, whatever is around it."""
    (one,) = found(data)
    told = document(one)
    assert told["framing"] == framing
    assert [check["holds"] for check in told["checks"]] == [True] * checks
    assert (told["trusted"], told["decoded_by"]) == (True, "generic-dlms@1")
    assert one.line["values"]["1-0:2.8.0"] == 4.444
    assert [step["records"][0]["address"] for step in told["walk"]] == list(CODES)
    for step in told["walk"]:
        assert data[step["offset"]] == 0x02
        assert step["records"][0]["became"].startswith("reading ")


def test_a_flipped_bit_is_named_with_its_byte() -> None:
    """By the check sequence of the frame in which it is; what it says is no reading."""
    data = bytearray(encode_hdlc(PUSH, segment_bytes=30))
    place = data.index(b"\x08\xae") + 1
    data[place] ^= 0x10
    one = next(one for one in found(bytes(data)) if one.line["error"])
    assert one.line["error"].startswith("crc_mismatch")
    assert one.line["protocol"] == "dlms"
    told = document(one)
    assert told["fault"]["offset"] == place
    assert [hint["offset"] for hint in told["hints"] if hint["cause"] == "bit_flip"] == [place]
    assert [check["holds"] for check in told["checks"]][-1] is False
    assert not one.line["values"]


def test_a_ciphered_push_tells_its_envelope_and_with_the_key_its_records() -> None:
    """Whose it is and its frame counter in clear; each record where its ciphered octets stand."""
    data = encode_hdlc(encode_ciphered(PUSH, TITLE, 77, KEY), segment_bytes=60)
    (locked,) = found(data)
    assert locked.line["error"].startswith("key_needed")
    told = document(locked)
    assert "encrypted and with a tag, system title KFM1020000123, frame counter 77" in told["framing"]
    assert [hint["cause"] for hint in told["hints"]] == ["key_needed"]
    (one,) = found(data, KEY)
    told = document(one)
    assert one.line["values"]["1-0:2.8.0"] == 4.444
    assert told["facts"]["system_title"] == "KFM1020000123"
    offsets = [step["offset"] for step in told["walk"]]
    assert offsets == sorted(offsets)
    assert offsets[0] == 8 + 3 + 10 + 1 + 5 + 6 + 2


def test_a_telegram_that_comes_again_is_no_reading() -> None:
    """Its frame counter did not rise: a capture that is played again, or somebody who plays it."""
    one, two = (encode_hdlc(encode_ciphered(PUSH, TITLE, counter, KEY)) for counter in (7, 8))
    errors = [(each.line["error"] or "").partition(":")[0] for each in found(one + two + one, KEY)]
    assert errors == ["", "", "replayed"]


def test_a_message_of_a_gateways_log_is_read_for_explanation_only() -> None:
    """Without its frames nobody knows what was lost: what it says stands below `as read`."""
    for data in (PUSH, b"\xe6\xe7\x00" + PUSH):
        (one,) = found(data)
        assert one.line["error"].startswith("unframed")
        told = document(one)
        assert told["as_read"]["1-0:2.8.0"] == 4.444
        assert not told["trusted"]
        assert not one.line["values"]


@pytest.mark.parametrize("protocol", list(Wire))
def test_bytes_of_dlms_asked_for_as_another_protocol_give_nothing(protocol: Wire) -> None:
    """`--protocol` holds."""
    lines = [one.line for one in Decoding(catalogue(), protocol).found(encode_hdlc(PUSH))]
    assert bool([line for line in lines if line["values"]]) == (protocol is Wire.DLMS)


def test_an_encrypted_p1_telegram_whose_tag_alone_vouches_says_what_is_missing() -> None:
    """As Luxembourg's example: its CRC is any; without the authentication key a hint names that key."""
    more = b"".join(b"1-0:%d.7.0(230.0*V)\r\n" % code for code in (31, 32, 51, 52, 71, 72))
    text = b"/ABC5\\X\r\n\r\n1-0:1.8.0(000025.653*kWh)\r\n" + more + b"!0000\r\n"
    data = encode_ciphered(text, TITLE, 7, KEY)
    (one,) = found(data, MeterKey(KEY.encryption))
    told = document(one)
    assert told["fault"]["reason"] == "crc_mismatch"
    assert [hint["cause"] for hint in told["hints"]] == ["authentication_key_missing"]
    assert "--authentication-key" in told["hints"][0]["text"]
    (right,) = found(data, KEY)
    assert right.line["values"]["1-0:1.8.0"] == 25.653
