"""Modbus frames (Application Protocol 1.1b3; Serial Line 1.02): reads asked for and answered, CRC, exceptions, TCP."""

import re
from dataclasses import dataclass
from typing import Final

from broker.errors import FrameError
from meters.wires.crc16 import MODBUS

HOLDING, INPUT, DEVICE_ID = 3, 4, 0x2B
READS: Final = (HOLDING, INPUT)
MAX_REGISTERS: Final = 125
MAX_RTU_BYTES: Final = 256
FIRST_UNIT, LAST_UNIT = 1, 247
EXCEPTIONS: Final = {
    1: "illegal function", 2: "illegal address", 3: "illegal value", 4: "device failure", 5: "acknowledged", 6: "busy",
    8: "parity error", 10: "gateway path", 11: "gateway target",
}  # fmt: skip
_EXCEPTION: Final = 0x80
_MEI: Final = 0x0E
REQUEST: Final = re.compile(rb"[\x01-\xf7](?:[\x03\x04]..\x00[\x01-\x7d]|\x2b\x0e[\x01-\x04].)..", re.DOTALL)
"""A request to read: its CRC is still to be checked."""
_TCP_HEAD: Final = 7


def crc(data: bytes) -> int:
    """CRC-16/MODBUS; 0 over a frame with its own CRC, low octet first."""
    return MODBUS.of(data)


def rtu(body: bytes) -> bytes:
    """A body (unit, function, data) with its CRC."""
    return body + crc(body).to_bytes(2, "little")


@dataclass(frozen=True, slots=True)
class Read:
    """A request: `count` registers from `address` on by `function`; of DEVICE_ID the kind and first object."""

    function: int
    address: int
    count: int = 1

    def body(self, unit: int) -> bytes:
        """Unit, function and what is asked."""
        if self.function == DEVICE_ID:
            return bytes((unit, DEVICE_ID, _MEI, self.count, self.address))
        return bytes((unit, self.function)) + self.address.to_bytes(2) + self.count.to_bytes(2)

    @property
    def name(self) -> str:
        """`4:0x0048`, as records and specs call what begins there."""
        return f"{self.function}:0x{self.address:04x}"


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request with its reply, `start` to before `end` of the bytes that both stand in.

    `data` are the registers' octets, of DEVICE_ID the objects; `exception` is the code of a refusal, 0 for none.
    """

    unit: int
    read: Read
    data: bytes
    exception: int
    start: int
    end: int


def reply_length(read: Read, heard: bytes) -> int:
    """Octets of the RTU reply that begins here, 0 while that is not known yet; -1 where it is no reply to this read."""
    if len(heard) < 3:
        return 0
    if heard[1] == read.function | _EXCEPTION:
        return 5
    if heard[1] != read.function:
        return -1
    if read.function != DEVICE_ID:
        return heard[2] + 5 if heard[2] == 2 * read.count else -1
    return _objects_end(heard)


def _objects_end(heard: bytes) -> int:
    """Where a reply with objects ends: each has an id, a length and its text."""
    if len(heard) < 8:
        return 0
    at = 8
    for _ in range(heard[7]):
        if len(heard) < at + 2:
            return 0
        at += 2 + heard[at + 1]
    return at + 2 if at + 2 <= MAX_RTU_BYTES else -1


def answered(unit: int, read: Read, reply: bytes, start: int = 0, end: int = 0) -> Exchange:
    """An RTU reply taken apart. Raises FrameError where its CRC fails or it answers something else."""
    if crc(reply):
        raise FrameError("crc_mismatch", "the CRC of a reply does not fit", data=reply)
    if reply[0] != unit or reply_length(read, reply) != len(reply):
        raise FrameError("malformed", "a reply to another request", data=reply)
    if reply[1] & _EXCEPTION:
        return Exchange(unit, read, b"", reply[2], start, end)
    return Exchange(unit, read, reply[3:-2], 0, start, end)


def request_at(data: bytes | bytearray, at: int) -> tuple[int, Read] | None:
    """The unit and the read of the RTU request that begins here; None where there is none with a right CRC."""
    match = REQUEST.match(data, at)
    if match is None or crc(match.group()):
        return None
    octets = match.group()
    if octets[1] == DEVICE_ID:
        return octets[0], Read(DEVICE_ID, octets[4], octets[3])
    return octets[0], Read(octets[1], int.from_bytes(octets[2:4]), octets[5])


def request_bytes(read: Read) -> int:
    """Octets of an RTU request."""
    return 7 if read.function == DEVICE_ID else 8


def exchanges(data: bytes) -> list[Exchange]:
    """Requests and replies that stand one behind the other in a Frame's bytes. Raises FrameError for anything else."""
    found, at = [], 0
    while at < len(data):
        asked = request_at(data, at)
        if asked is None:
            raise FrameError("malformed", "no Modbus request", offset=at, data=data)
        unit, read = asked
        start = at + request_bytes(read)
        length = reply_length(read, data[start : start + MAX_RTU_BYTES])
        if length <= 0 or len(data) < start + length:
            raise FrameError("truncated", "a request without its reply", offset=start, data=data)
        found.append(answered(unit, read, data[start : start + length], at, start + length))
        at = start + length
    return found


def tcp_request(transaction: int, body: bytes) -> bytes:
    """A body behind the head of Modbus TCP (MBAP)."""
    return transaction.to_bytes(2) + b"\x00\x00" + len(body).to_bytes(2) + body


def tcp_reply(heard: bytes) -> tuple[int, bytes, int] | None:
    """Transaction and body of the first reply, and where it ends; None while it is not whole.

    Raises FrameError where no reply begins, so that the connection is of no more use.
    """
    if len(heard) < _TCP_HEAD:
        return None
    length = int.from_bytes(heard[4:6])
    if heard[2:4] != b"\x00\x00" or not 2 <= length <= MAX_RTU_BYTES:
        raise FrameError("malformed", "no Modbus TCP head", data=heard)
    end = 6 + length
    return (int.from_bytes(heard[:2]), heard[6:end], end) if len(heard) >= end else None
