"""The checks of the two text protocols, IEC 62056-21 readouts and P1 telegrams: CRC, block check, parity, form."""

import re
from functools import reduce
from operator import xor

from meters.telegram import Wire
from meters.wires.crc16 import ARC
from meters.wires.iec62056_dataset import PAIR, is_well_formed
from meters.wires.p1_crc import fitting

PARITY = bytes(byte & 0x7F if byte.bit_count() % 2 == 0 else 0xFF for byte in range(256))
"""7E1 seen through an 8-bit adapter: a byte of even parity is its low seven bits, any other no character (0xFF)."""
_VERSION = re.compile(rb"(?:1-3:0\.2\.8|0-0:96\.1\.4)(?:[.*]255)?\(([0-9]{2})[0-9]*\)")
_INNER_HEADER = re.compile(rb"/(?=[A-Za-z]{3})")
_CODE = re.compile(rb"(?:^|(?<=\)))[^()\r\n]+(?=\()", re.MULTILINE)
_P1_CODE = re.compile(rb"[0-9]{1,3}-[0-9]{1,3}:[0-9.]+")
# Meters send a control character or two in their identification; noise has more of them.
_HEADER = re.compile(rb"/[A-Za-z]{3}[ -~\x80-\xff]*(?:[\x00-\x09\x0b\x0c\x0e-\x1a\x1c-\x1f][ -~\x80-\xff]*){0,2}\r?\n?")
_BLOCK_START = re.compile(rb"[\r\n ]*(?:ER|[^()\r\n]*[.A-Z:][^()\r\n]*\(|[A-Z]?\()")
_LATIN_SIGNS = b"\xb0\xb2\xb3"
_SUFFIX_TRIES = 4


def crc16(data: bytes | bytearray) -> int:
    """CRC-16/ARC over `/` to `!` (DSMR P1 5.2.1)."""
    return ARC.of(data)


def block_check(data: bytes | bytearray) -> int:
    """The longitudinal parity of ISO 1155 over what follows STX up to and with ETX or EOT."""
    return reduce(xor, data, 0)


def block_check_fits(body: bytes, stated: int) -> bool:
    """Whether the block check holds, or held before a capture lost its CRs or a terminal made LFs of them."""
    if block_check(body) == stated:
        return True
    if b"\r" in body:
        return False
    return any(block_check(body.replace(lost, b"\r\n")) == stated for lost in (b"\n", b"\n\n") if lost in body)


def unparity(data: bytes) -> bytes:
    """The characters of a frame: even parity bits are stripped, only where the parity is even throughout."""
    if data.isascii():
        return data
    plain = data.translate(PARITY)
    return data if 0xFF in plain else plain


def crc_required(text: bytes) -> bool:
    """Whether the version object says DSMR 4 or later, whose telegrams must have a CRC."""
    match = _VERSION.search(text)
    return match is not None and int(match.group(1)) >= 40


def crc_fits(covered: bytes, stated: int) -> bool:
    """Whether the CRC holds over `/` to `!`, or over the text before a capture lost its CRs or escapes."""
    return any(crc16(text) == stated for text in as_sent(covered))


def as_sent(covered: bytes) -> tuple[bytes, ...]:
    """The text from `/` to `!`, and what it may have been before a capture lost its CRs or the header's escape."""
    texts = [covered]
    if b"\r" not in covered:
        texts.append(covered.replace(b"\n", b"\r\n"))
    if covered[5:6] == b"\x02":
        texts.append(covered[:5] + b"\\2" + covered[6:])
    return tuple(texts)


def fitting_suffix(covered: bytes, stated: int, known: tuple[str, ...] = ()) -> int | None:
    """Where in a torn telegram the whole one begins that the CRC belongs to; None where nowhere.

    `known` are variants of the CRC that count beside the usual one. Tried from the last place that looks like a header,
    a bounded number of times.
    """
    starts = [match.start() for match in _INNER_HEADER.finditer(covered, 1)]
    for start in reversed(starts[-_SUFFIX_TRIES:]):
        whole = covered[start:]
        if crc_fits(whole, stated) or any(fitting(as_sent(whole), stated, known)):
            return start
    return None


def inner_header(header: bytes) -> int | None:
    """Where the last header begins in a first line that holds another one; `/` is no character of an identification."""
    starts = [match.start() for match in _INNER_HEADER.finditer(header, 1)]
    return starts[-1] if starts else None


def plausible_header(header: bytes) -> bool:
    """Distinguish a header line of printable characters from noise that happens to hold `/abc`."""
    return _HEADER.fullmatch(header) is not None


def plausible_body(body: bytes) -> bool:
    """Whether a body that no check covers is nothing but data sets: all that can be asked of it."""
    if not body.isascii() and any(byte >= 0x80 and byte not in _LATIN_SIGNS for byte in body):
        return False
    text = body.decode("latin-1")
    return PAIR.search(text) is not None and is_well_formed(text)


def plausible_block(body: bytes) -> bool:
    """Whether a block begins with a data set or an error message: seven check bits alone pass much noise."""
    if not body.isascii() and any(byte >= 0x80 and byte not in _LATIN_SIGNS for byte in body):
        return False
    return _BLOCK_START.match(body) is not None


def protocol_of(text: bytes, *, checked: bool) -> Wire:
    """Distinguish P1 from mode D by content: a CRC, a version object, or codes with A-B and without `*F` mean P1."""
    if checked or _VERSION.search(text):
        return Wire.P1
    codes = [code for code in _CODE.findall(text) if code.strip()]
    p1 = sum(1 for code in codes if _P1_CODE.fullmatch(code))
    return Wire.P1 if p1 * 2 > len(codes) else Wire.IEC62056_21
