"""Replies of M-Bus meters as tests, goldens and the simulated meter send them (EN 13757-2, EN 13757-3)."""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from meters.wires.mbus.link import RSP_UD, long

_INTEGERS: Final = {1: 1, 2: 2, 3: 3, 4: 4, 6: 6, 7: 8}
_BCD: Final = {9: 1, 10: 2, 11: 3, 12: 4, 14: 6}
MORE: Final = b"\x1f"


@dataclass(frozen=True, slots=True)
class MbusValue:
    """One record: `head` is DIF to the last VIFE in hex; a number is encoded as the DIF says, octets stand as they are.

    A number is what stands on the wire, before the factor of the VIF.
    """

    head: str
    value: int | float | bytes

    def encoded(self) -> bytes:
        """The record's octets. Raises ValueError for a number that its DIF has no form for."""
        head = bytes.fromhex(self.head)
        if isinstance(self.value, bytes):
            return head + self.value
        kind = head[0] & 0x0F
        if kind == 5:
            return head + struct.pack("<f", self.value)
        if kind in _INTEGERS:
            return head + int(self.value).to_bytes(_INTEGERS[kind], "little", signed=True)
        if kind not in _BCD:
            raise ValueError(f"{self.head}: no number of data field {kind:x}")
        size = _BCD[kind]
        digits = f"{abs(int(self.value)):0{2 * size}d}"
        digits = f"f{digits[1:]}" if self.value < 0 else digits
        return head + bytes.fromhex(digits)[::-1]


def encode_mbus(
    serial: str,
    values: Iterable[MbusValue],
    *,
    manufacturer: str = "XYZ",
    version: int = 1,
    medium: int = 2,
    address: int = 1,
    status: int = 0,
    access: int = 1,
    more: bool = False,
    tail: bytes = b"",
) -> bytes:
    """A whole reply (CI 72) of the meter with this identification, eight digits.

    `more` says that records follow in the next reply; `tail` are data of the maker's own, from DIF 0F on.
    """
    maker = sum((ord(letter) - 64) << shift for letter, shift in zip(manufacturer, (10, 5, 0), strict=True))
    head = bytes.fromhex(serial.zfill(8))[::-1] + maker.to_bytes(2, "little") + bytes((version, medium))
    user = head + bytes((access, status, 0, 0)) + b"".join(value.encoded() for value in values)
    return long(RSP_UD, address, 0x72, user + (MORE if more else tail))
