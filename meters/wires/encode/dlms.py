"""DLMS pushes as meters send them (IEC 62056-5-3, -46, -47; EN 13757-3): values, lists, messages and their framings."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from broker.contract.obis import Obis
from meters.wires.sml_transport import crc_x25
from meters.wires.sml_units import DLMS_UNITS

_UNITS: Final = {name: number for number, name in reversed(DLMS_UNITS.items())}
_TAGS: Final = {-1: 15, 1: 17, -2: 16, 2: 18, -4: 5, 4: 6, -8: 20, 8: 21}
_LLC: Final = b"\xe6\xe7\x00"
_ADDRESSES: Final = b"\x41\x03"
_SEGMENTED: Final = 0x0800
_UNKNOWN_DEVIATION: Final = -0x8000


@dataclass(frozen=True, slots=True)
class DlmsValue:
    """One value of a list: its code, the octets of its A-XDR, and unit and scaler where the list carries them."""

    address: str
    value: bytes
    unit: str = ""
    scaler: int = 0


def integer(value: int, width: int = 4) -> bytes:
    """An integer of `width` octets, signed where `width` is negative."""
    return bytes((_TAGS[width],)) + value.to_bytes(abs(width), signed=width < 0)


def enum(value: int) -> bytes:
    """One of a few, in one octet."""
    return bytes((22, value))


def octets(data: bytes) -> bytes:
    """An octet string."""
    return b"\x09" + length(len(data)) + data


def visible(text: str) -> bytes:
    """A visible string."""
    return b"\x0a" + length(len(text)) + text.encode("latin-1")


def structure(*values: bytes) -> bytes:
    """A structure of encoded values."""
    return b"\x02" + length(len(values)) + b"".join(values)


def array(*values: bytes) -> bytes:
    """An array of encoded values."""
    return b"\x01" + length(len(values)) + b"".join(values)


def length(count: int) -> bytes:
    """A length of A-XDR."""
    if count < 0x80:
        return bytes((count,))
    size = (count.bit_length() + 7) // 8
    return bytes((0x80 | size,)) + count.to_bytes(size)


def code(address: str) -> bytes:
    """The six octets of a code."""
    one = Obis.parse(address)
    return bytes((one.a, one.b, one.c, one.d, one.e, one.f))


def clock(local: datetime, deviation_min: int = _UNKNOWN_DEVIATION, status: int = 0) -> bytes:
    """The twelve octets of a wall-clock time; the deviation is what to add for UTC."""
    day = local.year.to_bytes(2) + bytes((local.month, local.day, local.isoweekday()))
    time = bytes((local.hour, local.minute, local.second, 0xFF))
    return day + time + deviation_min.to_bytes(2, signed=True) + bytes((status,))


def described_list(values: Iterable[DlmsValue]) -> bytes:
    """Entries of code, value, and scaler and unit where there is a unit, as Aidon has them."""
    return array(*(structure(octets(code(one.address)), one.value, *_scaled(one)) for one in values))


def coded_list(values: Iterable[DlmsValue], *front: bytes) -> bytes:
    """Code and value in turn, scaler and unit behind those with a unit (Kamstrup, Kaifa); `front` stands before."""
    flat = [part for one in values for part in (octets(code(one.address)), one.value, *_scaled(one))]
    return structure(*front, *flat)


def object_list(setup: str, values: Iterable[DlmsValue]) -> bytes:
    """The push object list and its values in the same order, as Landis+Gyr and Iskra have them in Switzerland."""
    listed = tuple(values)
    objects = [_object(40, setup), *(_object(3 if one.address[0] == "1" else 1, one.address) for one in listed)]
    return structure(array(*objects), *(one.value for one in listed))


def _object(kind: int, address: str) -> bytes:
    return structure(integer(kind, 2), octets(code(address)), integer(2, -1), integer(0, 2))


def _scaled(one: DlmsValue) -> tuple[bytes, ...]:
    return (structure(integer(one.scaler, -1), enum(_UNITS[one.unit])),) if one.unit else ()


def notification(body: bytes, at: bytes = b"", *, invoke: int = 0x40000000, tagged: bool = False) -> bytes:
    """A data-notification; `at` is the clock's twelve octets or none, `tagged` writes their tag as Kaifa does."""
    return b"\x0f" + invoke.to_bytes(4) + (b"\x09" if tagged else b"") + length(len(at)) + at + body


def encode_hdlc(message: bytes, *, segment_bytes: int = 0, block_bytes: int = 0, shared_flags: bool = False) -> bytes:
    """A message over HDLC: in one frame, in segments of so many octets, or in blocks (general-block-transfer)."""
    parts = blocks(message, block_bytes) if block_bytes else [message]
    frames = []
    for number, part in enumerate(parts):
        information = (_LLC if number == 0 else b"") + part
        size = segment_bytes or len(information)
        pieces = [information[at : at + size] for at in range(0, len(information), size)]
        frames += [_frame(piece, more=piece is not pieces[-1]) for piece in pieces]
    return b"\x7e" + (b"\x7e" if shared_flags else b"\x7e\x7e").join(frames) + b"\x7e"


def blocks(message: bytes, size: int) -> list[bytes]:
    """A message in blocks of `size` octets."""
    pieces = [message[at : at + size] for at in range(0, len(message), size)]
    heads = [0xC0 if number == len(pieces) else 0x40 for number in range(1, len(pieces) + 1)]
    return [
        bytes((0xE0, head)) + number.to_bytes(2) + b"\x00\x00" + length(len(piece)) + piece
        for number, (head, piece) in enumerate(zip(heads, pieces, strict=True), 1)
    ]


def _frame(information: bytes, *, more: bool) -> bytes:
    head_bytes = 2 + len(_ADDRESSES) + 1
    size = head_bytes + 2 + len(information) + 2
    head = (0xA000 | (_SEGMENTED if more else 0) | size).to_bytes(2) + _ADDRESSES + b"\x13"
    head += crc_x25(head).to_bytes(2)
    return head + information + crc_x25(head + information).to_bytes(2)


def encode_push_over_mbus(message: bytes, *, part_bytes: int = 245) -> bytes:
    """A message over M-Bus, in parts of so many octets; longer frames than 255 octets wrap their length."""
    frames = b""
    pieces = [message[at : at + part_bytes] for at in range(0, len(message), part_bytes)]
    for number, piece in enumerate(pieces):
        last = 0x10 if number == len(pieces) - 1 else 0
        body = bytes((0x53, 0xFF, number & 0x0F | last, 0x01, 0x67)) + piece
        frames += bytes((0x68, len(body) & 0xFF, len(body) & 0xFF, 0x68)) + body + bytes((sum(body) & 0xFF, 0x16))
    return frames


def encode_wrapper(message: bytes) -> bytes:
    """A message in the TCP wrapper."""
    return b"\x00\x01\x00\x01\x00\x66" + len(message).to_bytes(2) + message
