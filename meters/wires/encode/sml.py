"""SML files as meters push them (BSI TR-03109-1 IV): open, list of values, close, with escapes and both CRCs."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal

from broker.contract.obis import Obis
from meters.wires.sml_transport import ESCAPE, START, crc_x25
from meters.wires.sml_units import DLMS_UNITS

_NUMBERS = {name: number for number, name in reversed(DLMS_UNITS.items())}
_SIGNED, _UNSIGNED = 0x50, 0x60


@dataclass(frozen=True, slots=True)
class SmlValue:
    """One entry of the list. A Decimal is sent as integer with `scaler`, `width` octets wide (negative: signed).

    Without `scaler` the value's own exponent is used; without `width` the shortest of 1, 2, 4 and 8 octets.
    """

    address: str
    value: Decimal | bytes | bool | None
    unit: str = ""
    scaler: int | None = None
    width: int | None = None
    status: int | None = None
    seconds: int | None = None


def encode_sml(
    server_id: bytes,
    values: Iterable[SmlValue],
    *,
    seconds: int | None = 0,
    transaction: int = 1,
    crc: Callable[[bytes], int] = crc_x25,
    with_list: bool = True,
) -> bytes:
    """A whole file: PublicOpen, GetList and PublicClose responses between start and end sequence.

    `seconds` is the sensor time as a counter (SML_Time secIndex), None leaves it out; `with_list` False sends no
    GetList response; `crc` may be crc_kermit, as some meters compute it.
    """
    name = transaction & 0xFFFFFF
    opened = sequence(b"\x01", b"\x01", octets(name.to_bytes(4, "big")), octets(server_id), b"\x01", b"\x01")
    messages = _message(name, 0x0101, opened, crc)
    if with_list:
        listed = sequence(
            b"\x01",
            octets(server_id),
            octets(bytes.fromhex("0100620affff")),
            _time(seconds),
            sequence(*(_entry(value) for value in values)),
            b"\x01",
            b"\x01",
        )
        messages += _message(name + 1, 0x0701, listed, crc)
    messages += _message(name + 2, 0x0201, sequence(b"\x01"), crc)
    return transport(messages, crc)


def transport(messages: bytes, crc: Callable[[bytes], int] = crc_x25) -> bytes:
    """Messages between start and end sequence, escaped, padded to four octets, with the CRC of the file."""
    padding = -len(messages) % 4
    body = messages.replace(ESCAPE, ESCAPE + ESCAPE) + bytes(padding)
    file = START + body + ESCAPE + bytes([0x1A, padding])
    return file + crc(file).to_bytes(2, "big")


def octets(data: bytes) -> bytes:
    """An octet string with its type-length field, of several octets where it is long."""
    return _field(0x00, len(data), counts_itself=True) + data


def integer(value: int, width: int) -> bytes:
    """An integer of `width` octets, signed where `width` is negative."""
    size = abs(width)
    kind = _SIGNED if width < 0 else _UNSIGNED
    return _field(kind, size, counts_itself=True) + value.to_bytes(size, "big", signed=width < 0)


def sequence(*elements: bytes) -> bytes:
    """A list of encoded elements."""
    return _field(0x70, len(elements), counts_itself=False) + b"".join(elements)


def _field(kind: int, length: int, *, counts_itself: bool) -> bytes:
    size = 1
    while length + (size if counts_itself else 0) >= 1 << 4 * size:
        size += 1
    total = length + (size if counts_itself else 0)
    nibbles = [total >> 4 * place & 0x0F for place in reversed(range(size))]
    more = [0x80] * (size - 1) + [0x00]
    return bytes((kind if place == 0 else 0) | nibble | more[place] for place, nibble in enumerate(nibbles))


def _message(name: int, tag: int, body: bytes, crc: Callable[[bytes], int]) -> bytes:
    choice = sequence(integer(tag, 2), body)
    # The list has six elements: these four, the CRC over them, and the end of the message.
    covered = b"\x76" + octets(name.to_bytes(4, "big")) + b"\x62\x00\x62\x00" + choice
    return covered + integer(crc(covered), 2) + b"\x00"


def _time(seconds: int | None) -> bytes:
    return b"\x01" if seconds is None else sequence(integer(1, 1), integer(seconds, 4))


def _entry(value: SmlValue) -> bytes:
    code = Obis.parse(value.address)
    encoded, scaler = _value(value)
    return sequence(
        octets(bytes((code.a, code.b, code.c, code.d, code.e, code.f))),
        b"\x01" if value.status is None else integer(value.status, _shortest(value.status)),
        b"\x01" if value.seconds is None else _time(value.seconds),
        integer(_NUMBERS[value.unit], 1) if value.unit else b"\x01",
        b"\x01" if scaler is None else integer(scaler, -1),
        encoded,
        b"\x01",
    )


def _value(value: SmlValue) -> tuple[bytes, int | None]:
    if value.value is None:
        return b"\x01", value.scaler
    if isinstance(value.value, bool):
        return bytes((0x42, 0xFF if value.value else 0x00)), None
    if isinstance(value.value, bytes):
        return octets(value.value), None
    exponent = value.value.as_tuple().exponent
    scaler = value.scaler if value.scaler is not None else exponent if isinstance(exponent, int) else 0
    raw = int(value.value.scaleb(-scaler))
    return integer(raw, value.width if value.width is not None else -_shortest(raw)), scaler


def _shortest(raw: int) -> int:
    return next(size for size in (1, 2, 4, 8) if -(1 << 8 * size - 1) <= raw < 1 << 8 * size - 1)
