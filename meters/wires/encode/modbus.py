"""A unit's registers and what it answers to reads, as tests, goldens and the simulated meter have it."""

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from meters.wires.modbus.frames import DEVICE_ID, READS, Read, rtu

_ILLEGAL_FUNCTION, _ILLEGAL_ADDRESS = 1, 2
_FORMATS: Final = {
    "uint16": ">H", "int16": ">h", "uint32": ">I", "int32": ">i", "uint64": ">Q", "int64": ">q", "float32": ">f",
    "float64": ">d",
}  # fmt: skip


def octets(value: float | str, kind: str, *, little: bool = False, registers: int = 0) -> bytes:
    """A value as registers hold it; a text is filled up with zeros to so many registers."""
    if isinstance(value, str):
        return value.encode("ascii").ljust(2 * registers, b"\x00")[: 2 * registers]
    packed = struct.pack(_FORMATS[kind], value if kind.startswith("float") else int(value))
    return b"".join(packed[at : at + 2] for at in range(len(packed) - 2, -1, -2)) if little else packed


@dataclass
class Bank:
    """The registers of one unit, by function and number; `objects` are those of its device identification."""

    unit: int = 1
    registers: dict[tuple[int, int], bytes] = field(default_factory=dict)
    objects: tuple[str, ...] = ()

    def put(self, function: int, address: int, data: bytes) -> None:
        """Set registers from an address on."""
        for place in range(0, len(data), 2):
            self.registers[function, address + place // 2] = data[place : place + 2]

    def reply(self, body: bytes) -> bytes:
        """The reply's body to a request's; b'' where that is for another unit, or no request."""
        if len(body) < 5 or body[0] != self.unit:
            return b""
        if body[1] == DEVICE_ID and self.objects:
            listed = b"".join(bytes((n, len(text))) + text.encode() for n, text in enumerate(self.objects))
            return bytes((self.unit, DEVICE_ID, 0x0E, 1, 1, 0, 0, len(self.objects))) + listed
        if body[1] not in READS or len(body) != 6:
            return bytes((self.unit, body[1] | 0x80, _ILLEGAL_FUNCTION))
        first, count = int.from_bytes(body[2:4]), int.from_bytes(body[4:6])
        data = [self.registers.get((body[1], place)) for place in range(first, first + count)]
        found = b"".join(one for one in data if one is not None)
        if len(found) != 2 * count:
            return bytes((self.unit, body[1] | 0x80, _ILLEGAL_ADDRESS))
        return bytes((self.unit, body[1], len(found))) + found

    def exchanged(self, reads: Iterable[Read]) -> bytes:
        """These reads with their replies, as RTU."""
        return b"".join(rtu(body) + rtu(self.reply(body)) for body in (read.body(self.unit) for read in reads))
