"""CRC-16 by the usual model of its parameters, and the two of them that have names of their own here."""

from dataclasses import dataclass
from functools import cache
from typing import Final


@dataclass(frozen=True, slots=True)
class Crc16:
    """The parameters of a CRC-16: `reflected` stands for input and output alike."""

    polynomial: int
    reflected: bool
    start: int
    xor: int

    def of(self, data: bytes | bytearray) -> int:
        """The number over these octets."""
        table, crc = _table(self.polynomial, self.reflected), self.start
        if self.reflected:
            for octet in data:
                crc = (crc >> 8) ^ table[(crc ^ octet) & 0xFF]
        else:
            for octet in data:
                crc = (crc << 8 & 0xFFFF) ^ table[crc >> 8 ^ octet]
        return crc ^ self.xor


@cache
def _table(polynomial: int, reflected: bool) -> tuple[int, ...]:
    if not reflected:
        return tuple(_shifted(octet << 8, polynomial) for octet in range(256))
    return tuple(_mirrored(_shifted(_mirrored(octet, 8) << 8, polynomial), 16) for octet in range(256))


def _shifted(crc: int, polynomial: int) -> int:
    for _ in range(8):
        crc = (crc << 1 ^ (polynomial if crc & 0x8000 else 0)) & 0xFFFF
    return crc


def _mirrored(value: int, bits: int) -> int:
    return int(f"{value:0{bits}b}"[::-1], 2)


ARC: Final = Crc16(0x8005, True, 0x0000, 0x0000)
"""CRC-16/ARC, which P1 states (DSMR P1 5.2.1)."""
MODBUS: Final = Crc16(0x8005, True, 0xFFFF, 0x0000)
"""CRC-16/MODBUS (Serial Line 1.02, 6.2.2); 0 over a frame with its own CRC, low octet first."""
