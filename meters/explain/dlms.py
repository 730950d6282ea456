"""DLMS push and encrypted P1 read for explanation: the units of the line with their checks, and each record's place."""

from collections.abc import Iterator
from typing import Final

from broker.errors import FrameError
from broker.wording import counted
from meters.explain.bit_flips import X25, flips
from meters.explain.types import Check, Hint, Piece
from meters.telegram import Frame, Wire
from meters.wires.dlms import ciphered_p1, hdlc, mbus
from meters.wires.dlms.ciphered import read_ciphered, title_text
from meters.wires.dlms.message import read_notification
from meters.wires.dlms.scanner import link_of
from meters.wires.dlms.telegram import Carried, carried, deciphered, read_plain, telegram_of
from meters.wires.dlms.units import NotAUnitError, Unit
from meters.wires.dlms.wrapper import WRAPPED
from meters.wires.meter_key import KeyNeededError, MeterKey
from meters.wires.p1 import parse_p1
from meters.wires.sml_transport import crc_x25

_MAX_UNITS: Final = 64
_AUTHENTICATION: Final = (
    "deciphered it is P1, but its own CRC does not fit. Where the tag vouches in its place, as in the telegram of"
    " Luxembourg's specification, --authentication-key with the operator's second key has that checked; else octets"
    " were damaged on the line"
)


def find_dlms(data: bytes, offset: int, key: MeterKey | None = None) -> Piece | None:
    """Explain bytes that a framing of DLMS begins, `offset` being their place in the input; None where none does."""
    if data[:1] == bytes((ciphered_p1.START,)):
        return _encrypted_p1(data, offset, key)
    link = link_of(data[0]) if data else None
    if link is None and data[:2] != WRAPPED:
        return None
    piece = Piece(data, offset, "DLMS in its TCP wrapper", recognised=True)
    if link is not None:
        name = "HDLC" if data[0] != mbus.START else "M-Bus"
        count = _check_units(piece)
        piece.framing = f"DLMS over {name} ({counted(count, 'frame')})"
    try:
        whole = carried(data)
    except FrameError:
        return piece if piece.checks else None
    _read(piece, whole, key)
    return piece


def find_bare(data: bytes, offset: int) -> Piece | None:
    """A message in clear without the framing of its line, as logs of gateways show it; None where there is none."""
    message = data[3:] if data[:3] in (b"\xe6\xe7\x00", b"\xe6\xe6\x00") else data
    try:
        if not read_notification(message).whole:
            return None
    except FrameError:
        return None
    piece = Piece(data, offset, "a DLMS message without the framing of its line")
    piece.missing.append("the frames of HDLC or M-Bus around it, with their checks")
    _read(piece, Carried(message, ((0, len(data) - len(message)),)), None)
    return piece


def _encrypted_p1(data: bytes, offset: int, key: MeterKey | None) -> Piece:
    piece = Piece(data, offset, "an encrypted P1 telegram (general-glo-ciphering)", recognised=True)
    try:
        piece.telegram = parse_p1(Frame(Wire.P1, data, offset), key)
    except KeyNeededError as error:
        piece.hints.append(_key_hint(error, offset))
    except FrameError as error:
        if error.reason == "crc_mismatch" and key is not None and not key.authentication:
            piece.hints.append(Hint("authentication_key_missing", _AUTHENTICATION, offset))
        return piece
    if piece.telegram is not None:
        piece.framing += _protection(data)
        piece.places = [(offset, len(data), "ciphered", piece.telegram.records)]
    return piece


def _read(piece: Piece, whole: Carried, key: MeterKey | None) -> None:
    """The telegram in a message, with the place of each record in the bytes of the line."""
    try:
        plain, security = deciphered(whole.message, key)
        _, listed = read_plain(plain, security)
        piece.telegram = telegram_of(whole.message, key)
    except KeyNeededError as error:
        piece.framing += _protection(whole.message)
        piece.hints.append(_key_hint(error, piece.offset))
        return
    except FrameError as error:
        piece.fault_at = piece.offset + whole.place(min(error.offset, len(whole.message)))
        return
    inside = 0
    if security is not None:
        piece.framing += _protection(whole.message)
        # ciphered octets stand where their text does, in order
        inside = whole.message.find(read_ciphered(whole.message).content[:8])
    for record, start, end in listed.placed:
        place, last = whole.place(start + inside), whole.place(end - 1 + inside) + 1
        piece.places.append((piece.offset + place, max(1, last - place), plain[start:end].hex(), (record,)))


def _protection(message: bytes) -> str:
    try:
        one = read_ciphered(message)
    except FrameError:
        return ""
    how = " and ".join(word for word, is_so in (("encrypted", one.encrypted), ("with a tag", bool(one.tag))) if is_so)
    return f", {how}, system title {title_text(one.title)}, frame counter {one.counter}"


def _key_hint(error: KeyNeededError, offset: int) -> Hint:
    return Hint("key_needed", error.detail, offset)


def _check_units(piece: Piece) -> int:
    """Enter the checks of each frame, and what a single flipped bit would explain; how many frames there are."""
    count = 0
    for count, (start, end, unit) in enumerate(_units(piece.data), 1):
        if piece.data[start : start + 1] == bytes((mbus.START,)):
            _check_sum(piece, count, start, end)
        else:
            _check_hdlc(piece, count, start, sound=unit is not None)
    return count


def _units(data: bytes) -> Iterator[tuple[int, int, Unit | None]]:
    """Where each frame begins and ends; None for one whose check fails, which is the last."""
    at = 0
    for _ in range(_MAX_UNITS):
        while data[at : at + 2] == b"\x7e\x7e":
            at += 1
        link = link_of(data[at]) if at < len(data) else None
        if link is None:
            return
        try:
            unit = link.next_unit(data, at, final=True)
        except NotAUnitError:
            return
        except FrameError as error:
            yield at, error.offset, None
            return
        if unit is None:
            return
        yield at, unit.end, unit
        at = unit.end


def _check_hdlc(piece: Piece, number: int, start: int, *, sound: bool) -> None:
    first = start + (piece.data[start] == hdlc.FLAG)
    last = min(first + ((piece.data[first] & 0x07) << 8 | piece.data[first + 1]), len(piece.data))
    covered, stated = piece.data[first : last - 2], int.from_bytes(piece.data[last - 2 : last])
    computed = crc_x25(covered)
    at = piece.offset + last - 2
    cover = (piece.offset + first, at)
    name = f"check sequence of frame {number}"
    piece.checks.append(Check(name, f"{stated:04x}", f"{computed:04x}", sound, at, cover))
    if not sound:
        difference = stated ^ computed
        for flip in flips(X25, (difference & 0xFF) << 8 | difference >> 8, len(covered)):
            octet = covered[flip.place]
            text = f"one flipped bit would explain it: with {octet:02x} turned to {octet ^ flip.mask:02x} it is right"
            piece.hints.append(Hint("bit_flip", text, piece.offset + first + flip.place))


def _check_sum(piece: Piece, number: int, start: int, end: int) -> None:
    covered, stated = piece.data[start + 4 : end - 2], piece.data[end - 2]
    computed = sum(covered) & 0xFF
    cover = (piece.offset + start + 4, piece.offset + end - 2)
    check = Check(f"sum of frame {number}", f"{stated:02x}", f"{computed:02x}", stated == computed, cover[1], cover)
    piece.checks.append(check)
