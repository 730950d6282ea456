"""Which single flipped bit would make a CRC right: a CRC is linear, so the difference of two gives the place."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

ARC: Final = 0xA001
"""CRC-16/ARC of P1, reflected."""
X25: Final = 0x8408
"""CRC-16/X-25 and /KERMIT of SML, reflected; both differ in constants only, which cancel out."""
MAX_BYTES: Final = 64 * 1024
MAX_FLIPS: Final = 4


@dataclass(frozen=True, slots=True)
class Flip:
    """A byte of what the CRC covers, counted from 0, and the mask of the bit that would be turned."""

    place: int
    mask: int


def _table(polynomial: int) -> tuple[int, ...]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc >> 1) ^ (polynomial if crc & 1 else 0)
        table.append(crc)
    return tuple(table)


_TABLES: Final = {ARC: _table(ARC), X25: _table(X25)}


def flips(polynomial: int, difference: int, length: int) -> Iterator[Flip]:
    """Single-bit flips in `length` covered bytes that change the CRC by `difference`, the last byte first.

    `difference` is stated xor computed, as numbers (not as octets of the wire). At most MAX_FLIPS, over at most the
    last MAX_BYTES. By chance a difference of another origin has one in about 65536 / (8 * length) cases.
    """
    table = _TABLES[polynomial]
    effects = [table[1 << bit] for bit in range(8)]
    found = 0
    for back in range(min(length, MAX_BYTES)):
        for bit, effect in enumerate(effects):
            if effect == difference:
                yield Flip(length - 1 - back, 1 << bit)
                found += 1
                if found == MAX_FLIPS:
                    return
        effects = [(effect >> 8) ^ table[effect & 0xFF] for effect in effects]
