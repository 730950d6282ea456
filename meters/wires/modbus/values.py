"""What octets of registers say: whole numbers and reals of one to four registers in either word order, and texts."""

import math
import struct
from decimal import Decimal
from typing import Final

from meters.wires.reals import shortest

SIZES: Final = {
    "uint16": 1, "int16": 1, "uint32": 2, "int32": 2, "uint64": 4, "int64": 4, "float32": 2, "float64": 4,
}  # fmt: skip
"""Registers that a number of each type takes."""


def number(octets: bytes, kind: str, *, little: bool = False) -> Decimal | None:
    """A number by its type; `little` where the register of least weight comes first.

    None for NaN, infinities, and what marks a value that is not there: all ones of an unsigned one of more than 16
    bits, the largest or least of a signed one (as SunSpec, ABB and others have it).
    """
    if little:
        octets = b"".join(octets[at : at + 2] for at in range(len(octets) - 2, -1, -2))
    if kind.startswith("float"):
        return _real(octets)
    signed = kind.startswith("int")
    found = int.from_bytes(octets, signed=signed)
    bits = 8 * len(octets)
    if signed and found in (-(1 << bits - 1), (1 << bits - 1) - 1):
        return None
    return None if not signed and found == (1 << bits) - 1 else Decimal(found)


def _real(octets: bytes) -> Decimal | None:
    single = len(octets) == 4
    real = struct.unpack(">f" if single else ">d", octets)[0]
    if not math.isfinite(real):
        return None
    return Decimal(shortest(real) if single else repr(real))


def text(octets: bytes) -> str:
    """Printable characters up to the first zero."""
    return "".join(chr(octet) for octet in octets.partition(b"\x00")[0] if 0x20 <= octet < 0x7F).strip()
