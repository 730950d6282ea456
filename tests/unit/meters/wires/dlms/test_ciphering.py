"""Ciphered pushes and P1 telegrams: with the key they read, with a wrong one or none they say so, replays are seen."""

import pytest

from broker.errors import ContractError, FrameError
from meters.telegram import Frame, Telegram, Wire
from meters.wires.dlms.telegram import telegram_of
from meters.wires.encode.ciphered import AUTHENTICATED, ENCRYPTED, encode_ciphered
from meters.wires.encode.dlms import (
    DlmsValue,
    described_list,
    encode_hdlc,
    encode_push_over_mbus,
    integer,
    notification,
)
from meters.wires.encode.p1 import encode_p1
from meters.wires.frame_counters import METERS_MAX, FrameCounters
from meters.wires.meter_key import KeyNeededError, MeterKey
from meters.wires.readers import AnyFramer, make_framer, parse, read_all

TITLE = b"KFM\x10\x20\x00\x01\x23"
KEY = MeterKey(bytes(range(16)), bytes(range(16, 32)))
ALONE = MeterKey(KEY.encryption)
WRONG = MeterKey(bytes(16))
PUSH = notification(described_list([DlmsValue(f"1-0:{n}.8.0", integer(n * 1111), "Wh") for n in range(1, 5)]))
P1 = encode_p1(
    "/SAG5Smarty",
    ["1-3:0.2.8(50)", "0-0:96.1.1(4B31323334353637)", *(f"1-0:{n}.8.0(000025.653*kWh)" for n in range(1, 5))],
)
BOTH = AUTHENTICATED | ENCRYPTED


@pytest.mark.parametrize("tag", [0xDB, 0xDC])
@pytest.mark.parametrize("control", [ENCRYPTED, BOTH, AUTHENTICATED, ENCRYPTED | 1, BOTH | 0x40])
def test_a_push_is_deciphered_by_its_key(control: int, tag: int) -> None:
    """general-glo and general-ded, encrypted, authenticated or both, also of suite 1 and under a broadcast key."""
    telegram = telegram_of(encode_ciphered(PUSH, TITLE, 7, KEY, control=control, tag=tag), KEY)
    assert telegram.records == telegram_of(PUSH, None).records
    assert telegram.facts == {"system_title": "KFM1020000123", "manufacturer": "KFM"}
    assert telegram.security is not None
    assert (telegram.security.title, telegram.security.counter) == ("KFM1020000123", 7)
    assert telegram.security.verified == bool(control & AUTHENTICATED)


def test_without_the_authentication_key_a_whole_message_vouches_for_itself() -> None:
    """The tag can't be checked then; with no authentication key at the meter either, it can."""
    telegram = telegram_of(encode_ciphered(PUSH, TITLE, 7, KEY), ALONE)
    assert telegram.security is not None
    assert not telegram.security.verified
    telegram = telegram_of(encode_ciphered(PUSH, TITLE, 7, ALONE), ALONE)
    assert telegram.security is not None
    assert telegram.security.verified


@pytest.mark.parametrize(
    ("key", "reason"),
    [(WRONG, "wrong_key"), (MeterKey(KEY.encryption, bytes(16)), "tag_mismatch"), (None, "key_needed")],
)
def test_a_wrong_key_and_none_are_told_apart(key: MeterKey | None, reason: str) -> None:
    """Nothing is read, and the frame is in the failure, whole."""
    for framed in (encode_hdlc, encode_push_over_mbus):
        data = framed(encode_ciphered(PUSH, TITLE, 7, KEY))
        (found,) = read_all(Wire.DLMS, data, key=key)
        assert isinstance(found, FrameError)
        assert (found.reason, found.data) == (reason, data)
        assert isinstance(found, KeyNeededError) == (key is None)


def test_every_changed_octet_of_a_tagged_message_is_noticed() -> None:
    """The tag covers the text, the control and the counter, and the title is part of the nonce."""
    message = encode_ciphered(PUSH, TITLE, 7, KEY)
    for place in range(len(message)):
        changed = bytearray(message)
        changed[place] ^= 0x01
        if place == 0:
            # 0xDA is no ciphered message; the tag of the envelope itself is covered by no key
            changed[0] = 0xDA
        with pytest.raises(FrameError):
            telegram_of(bytes(changed), KEY)


@pytest.mark.parametrize("key", [KEY, ALONE])
def test_an_encrypted_p1_telegram(key: MeterKey) -> None:
    """It is found bare on the line among others, and gives what its text gives."""
    data = encode_ciphered(P1, b"SAGgp\x00\x02\xf6", 9, KEY)
    for framer in (AnyFramer(bare=False), make_framer(Wire.P1)):
        found = [event for at in range(0, len(data) * 2, 9) for event in framer.feed((data * 2)[at : at + 9])]
        assert [event.data for event in found] == [data, data]
        frame = found[0]
        assert isinstance(frame, Frame)
        telegram = parse(frame, key)
        plain = parse(Frame(Wire.P1, P1))
        assert (telegram.protocol, telegram.records, telegram.frame) == (Wire.P1, plain.records, data)
        assert telegram.facts == plain.facts | {"system_title": "SAG67700002f6"}
        with pytest.raises(KeyNeededError, match="encrypted P1 telegram"):
            parse(frame)
        with pytest.raises(FrameError, match="wrong_key"):
            parse(frame, WRONG)


def test_a_changed_octet_of_an_encrypted_p1_telegram_gives_no_reading() -> None:
    """By its tag; without the authentication key by the telegram's own CRC."""
    data = encode_ciphered(P1, b"SAGgp\x00\x02\xf6", 9, KEY)
    for place in range(20, len(data) - 12, 5):
        changed = bytearray(data)
        changed[place] ^= 0x01
        for key in (KEY, ALONE):
            with pytest.raises(FrameError):
                parse(Frame(Wire.P1, bytes(changed)), key)


def counted(title: bytes, counter: int) -> Telegram:
    """A telegram with this frame counter."""
    return telegram_of(encode_ciphered(PUSH, title, counter, KEY), KEY)


def test_a_telegram_that_was_seen_before_is_refused() -> None:
    """By meter; others and telegrams in the clear are let through, and a new key begins a new count."""
    counters = FrameCounters()
    counters.check(counted(TITLE, 7))
    counters.check(counted(TITLE, 9))
    counters.check(counted(b"KFM\x10\x20\x00\x01\x24", 1))
    counters.check(telegram_of(PUSH, None))
    counters.check(telegram_of(PUSH, None))
    for counter in (9, 8, 0):
        with pytest.raises(FrameError, match="replayed"):
            counters.check(counted(TITLE, counter))
    counters.check(counted(TITLE, 10))
    counters.forget()
    counters.check(counted(TITLE, 1))


def test_counters_are_kept_for_a_bounded_number_of_meters() -> None:
    """The one heard longest ago is forgotten first."""
    counters = FrameCounters()
    for number in range(METERS_MAX + 1):
        counters.check(counted(b"KFM\x10\x20\x00\x01" + bytes([number]), 5))
    counters.check(counted(b"KFM\x10\x20\x00\x01\x00", 5))
    with pytest.raises(FrameError, match="replayed"):
        counters.check(counted(b"KFM\x10\x20\x00\x01" + bytes([METERS_MAX]), 5))


@pytest.mark.parametrize("texts", [("00",), ("zz" * 16,), ("00" * 16, "00"), ("",), ("00" * 17,)])
def test_what_is_no_key_is_refused_without_being_shown(texts: tuple[str, ...]) -> None:
    """By its name; and a key's text never shows its octets."""
    with pytest.raises(ContractError) as error:
        MeterKey.parse(*texts)
    assert "zz" not in str(error.value)
    assert error.value.__cause__ is None
    assert repr(MeterKey.parse("0a" * 16)) == "MeterKey(***)"
