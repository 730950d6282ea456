"""GET and ACTION (IEC 62056-53 7.3, 7.5): requests, answers in one piece and in blocks, and refusals in words."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Final

from broker.contract.obis import Obis
from broker.errors import FrameError
from meters.wires.dlms.axdr import read
from meters.wires.dlms.units import block_lost, length_of

GET, ACTION = 0xC0, 0xC3
GET_ANSWER, ACTION_ANSWER = 0xC4, 0xC7
EXCEPTION, SERVICE_ERROR = 0xD8, 0x0E
MAX_BODY_BYTES: Final = 64 * 1024
NORMAL, NEXT, WITH_LIST = 1, 2, 3
_BLOCK: Final = 2
_INVOKE: Final = 0xC1
"""Service class confirmed, priority high, invocation 1: one request is under way at a time."""
REFUSALS: Final = {
    1: "hardware fault", 2: "temporary failure", 3: "read-write denied", 4: "object undefined",
    9: "object class inconsistent", 11: "object unavailable", 12: "type unmatched", 13: "scope of access violated",
    14: "data block unavailable", 15: "long get aborted", 16: "no long get in progress", 250: "other reason",
}  # fmt: skip
FOR_GOOD: Final = frozenset({3, 4, 9, 12, 13})
_STATES: Final = {1: "service not allowed", 2: "service unknown"}
_SERVICES: Final = {
    1: "operation not possible", 2: "service not supported", 3: "other reason", 4: "message too long",
    5: "deciphering error", 6: "frame counter error",
}  # fmt: skip

Exchange = Generator[bytes, bytes, "list[Got]"]
"""Yields requests, is sent the answers, and returns what came of them."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute of one object: its class, its code in six octets, and which one; `selection` limits what comes."""

    kind: int
    name: bytes
    index: int = 2
    selection: bytes = b""

    def __str__(self) -> str:
        return f"{Obis.from_bytes(self.name)} attribute {self.index}"

    @property
    def described(self) -> bytes:
        """Its descriptor, with the selection that belongs to it."""
        descriptor = self.kind.to_bytes(2) + self.name + bytes((self.index,))
        return descriptor + (b"\x01" + self.selection if self.selection else b"\x00")


@dataclass(frozen=True, slots=True)
class Refused:
    """A meter's refusal of one attribute."""

    code: int

    @property
    def is_for_good(self) -> bool:
        """Whether it says that there is no such thing or no right to it, and not that now is not the time."""
        return self.code in FOR_GOOD

    def __str__(self) -> str:
        return REFUSALS.get(self.code, f"reason {self.code}")


Got = bytes | Refused
"""The octets of a value as they came, or why there are none."""


def get(attribute: Attribute) -> Exchange:
    """One attribute, in as many blocks as it takes."""
    body, in_blocks = yield from _asked(bytes((GET, NORMAL, _INVOKE)) + attribute.described)
    if in_blocks:
        return [_value(body, 0)[0]]
    return [_result(body, 0)[0]]


def get_list(attributes: Sequence[Attribute]) -> Exchange:
    """Several attributes at once; the answer must have as many values."""
    count = len(attributes)
    request = bytes((GET, WITH_LIST, _INVOKE, count)) + b"".join(one.described for one in attributes)
    body, _ = yield from _asked(request)
    said, at = length_of(body, 0)
    if said != count:
        raise FrameError("malformed", f"{said} values came for {count} that were asked for", data=body[:64])
    found: list[Got] = []
    for _ in range(count):
        got, at = _result(body, at)
        found.append(got)
    return found


def action(kind: int, name: bytes, method: int, argument: bytes) -> Generator[bytes, bytes, bytes]:
    """A method's answer in its octets. Raises FrameError where the meter refuses."""
    head = bytes((ACTION, NORMAL, _INVOKE)) + kind.to_bytes(2) + name + bytes((method,))
    answer = yield head + b"\x01" + argument
    refused(answer, ACTION_ANSWER)
    if answer[1:2] != b"\x01" or len(answer) < 4:
        raise FrameError("malformed", "no answer to an action", data=answer[:64])
    if answer[3]:
        raise FrameError("meter_refused", f"the meter refuses an action: {Refused(answer[3])}", data=answer[:64])
    if answer[4:6] != b"\x01\x00":
        raise FrameError("malformed", "an action's answer without its value", data=answer[:64])
    got, _ = _value(answer, 6)
    return got


def refused(answer: bytes, wanted: int) -> None:
    """Raises FrameError in words where an answer is an exception, an error, or to something else."""
    tag = answer[0] if answer else 0
    if tag == wanted:
        return
    if tag == EXCEPTION and len(answer) >= 3:
        state = _STATES.get(answer[1], f"state {answer[1]}")
        service = _SERVICES.get(answer[2], f"service error {answer[2]}")
        raise FrameError("meter_refused", f"the meter answers by an exception: {state}, {service}", data=answer[:64])
    if tag == SERVICE_ERROR and len(answer) >= 4:
        detail = f"the meter answers by a service error {answer[1:4].hex(' ')} (confirmedServiceError)"
        raise FrameError("meter_refused", detail, data=answer[:64])
    raise FrameError("malformed", f"tag {tag:#04x} came in place of an answer ({wanted:#04x})", data=answer[:64])


def _asked(request: bytes) -> Generator[bytes, bytes, tuple[bytes, bool]]:
    """The body of an answer to GET, and whether blocks carried it. Raises FrameError."""
    answer = yield request
    refused(answer, GET_ANSWER)
    if len(answer) < 4:
        raise FrameError("malformed", "an answer to GET that ends after its head", data=answer)
    if answer[1] != _BLOCK:
        return answer[3:], False
    body, number = bytearray(), 0
    while True:
        number += 1
        last, block = _block(answer, number)
        body += block
        if len(body) > MAX_BODY_BYTES:
            raise FrameError("too_long", f"a value of more than {MAX_BODY_BYTES} octets")
        if last:
            return bytes(body), True
        answer = yield bytes((GET, NEXT, _INVOKE)) + number.to_bytes(4)
        refused(answer, GET_ANSWER)


def _block(answer: bytes, wanted: int) -> tuple[bool, bytes]:
    """Whether a block is the last, and its octets. Raises FrameError where it is another, or a refusal."""
    if len(answer) < 10 or answer[1] != _BLOCK:
        raise FrameError("malformed", f"no block where block {wanted} was due", data=answer[:64])
    number = int.from_bytes(answer[4:8])
    if answer[8]:
        raise FrameError("meter_refused", f"the meter ends a long answer: {Refused(answer[9])}", data=answer[:64])
    if number != wanted:
        raise block_lost(wanted, number)
    size, at = length_of(answer, 9)
    if len(answer) < at + size or (not size and not answer[3]):
        raise FrameError("malformed", f"block {number} is torn or empty", data=answer[:64])
    return bool(answer[3]), answer[at : at + size]


def _result(body: bytes, at: int) -> tuple[Got, int]:
    """A choice of a value and a refusal."""
    if body[at : at + 1] == b"\x01" and len(body) > at + 1:
        return Refused(body[at + 1]), at + 2
    if body[at : at + 1] != b"\x00":
        raise FrameError("malformed", "neither a value nor a refusal", offset=at, data=body[:64])
    return _value(body, at + 1)


def _value(body: bytes, at: int) -> tuple[bytes, int]:
    _, end = read(body, at)
    return body[at:end], end
