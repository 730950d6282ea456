"""The link layer of the two text protocols, IEC 62056-21 readouts and P1 telegrams: start, end and check characters."""

import re
from dataclasses import dataclass
from enum import Enum, auto

from broker.errors import FrameError
from meters.telegram import Frame, Wire

MAX_TELEGRAM_BYTES = 64 * 1024
MAX_HEADER_BYTES = 256
_TABLE_SIZE = 256


def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(_TABLE_SIZE):
        crc = byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0xA001 if crc & 1 else 0)
        table.append(crc)
    return tuple(table)


_CRC = _crc_table()
# 7E1 seen through an 8-bit adapter: a byte of even parity is its low seven bits, any other is no character (0xFF).
_PARITY = bytes(byte & 0x7F if byte.bit_count() % 2 == 0 else 0xFF for byte in range(_TABLE_SIZE))
_IDLE = re.compile(rb"[/\x02\xaf\x82]")
_FLAG = re.compile(rb"/[A-Za-z]{3}")
_LINES = re.compile(rb"[\n)]!|/(?=[A-Za-z]{0,3})|[\x00-\x09\x0b\x0c\x0e-\x1f\x7f]")
_BLOCK = re.compile(rb"[\x03\x04]|/(?=[A-Za-z]{0,3})|[\x00-\x02\x05-\x09\x0b\x0c\x0e-\x1f\x7f\xff]")
_END = re.compile(rb"!([0-9A-Fa-f]{0,4})(\r?\n|(?=/))")
_END_PART = re.compile(rb"![0-9A-Fa-f]{0,4}\r?\Z")
_INNER = re.compile(rb"/[A-Za-z]{3}[^()!\r\n]*(?P<end>\r?\n)?")
_BETWEEN = re.compile(rb"(?:\x06?[ -~]{0,4}\r?\n|\x06|\s)*")
_BARE = re.compile(rb"(?:[0-9]{1,3}-[0-9]{1,3}:[0-9][0-9.*&]*|[A-Z](?:\.[0-9A-Z]+)*(?:[*&][0-9]+)?|[0-9]+(?:\.[0-9A-F]+)+"
                   rb"(?:[*&][0-9]+)?)\(")
_BARE_SURE = re.compile(rb"(?:[A-Z](?:\.[0-9A-Z]+)*|0\.0(?:\.0)?|0\.9\.[124])\(")
_VERSION = re.compile(rb"(?:1-3:0\.2\.8|0-0:96\.1\.4)(?:[.*]255)?\(([0-9]{2})[0-9]*\)")


def crc16(data: bytes | bytearray) -> int:
    """CRC-16/ARC over `/` to `!` (DSMR P1 5.2.1): reflected 0x8005, start 0."""
    crc = 0
    table = _CRC
    for byte in data:
        crc = (crc >> 8) ^ table[(crc ^ byte) & 0xFF]
    return crc


def unparity(data: bytes) -> bytes:
    """The characters of a frame: bytes with an even parity bit are stripped if the whole frame is of even parity."""
    if data.isascii():
        return data
    plain = data.translate(_PARITY)
    return data if 0xFF in plain else plain


def crc_required(text: bytes) -> bool:
    """Tell whether the version object says DSMR 4 or later, whose telegrams must have a CRC."""
    match = _VERSION.search(text)
    return match is not None and int(match.group(1)) >= 40


def crc_fits(covered: bytes, stated: int) -> bool:
    """Tell whether the CRC holds over `/` to `!`, or over the text as sent before a capture lost its CRs or `\\2`."""
    if crc16(covered) == stated:
        return True
    if b"\r" not in covered and crc16(covered.replace(b"\n", b"\r\n")) == stated:
        return True
    return covered[5:6] == b"\x02" and crc16(covered[:5] + b"\\2" + covered[6:]) == stated


class _State(Enum):
    START = auto()
    IDLE = auto()
    HEADER = auto()
    LINES = auto()
    BLOCK = auto()


@dataclass(frozen=True, slots=True)
class Accept:
    """Which forms a reader takes: telegrams after a header, blocks from STX, and blocks with neither at the start."""

    blocks: bool = True
    bare: bool = True
    identification_only: bool = True


Event = Frame | FrameError
