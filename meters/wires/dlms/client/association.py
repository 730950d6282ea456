"""The association of a client (IEC 62056-53 4, ISO/IEC 8650): requested by AARQ, granted by AARE, proved by HLS 5."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Final, TypeVar

from broker.errors import FrameError
from meters.wires.dlms.axdr import read
from meters.wires.dlms.client.ciphering import Ciphering
from meters.wires.dlms.client.services import action, refused
from meters.wires.dlms.client.station import TITLE_BYTES, Access, Authentication
from meters.wires.dlms.units import length_of
from meters.wires.encode.dlms import length, octets

MAX_MESSAGE_BYTES: Final = 0xFFFF
"""What the client takes in one message."""
CHALLENGE_BYTES: Final = 16
ASSOCIATION: Final = (15, bytes((0, 0, 40, 0, 0, 255)))
"""Class and code of the association that is open."""
AARQ, AARE = 0x60, 0x61
BLOCKS, MANY, SELECTIVE = 1 << 12, 1 << 9, 1 << 2
"""Of the conformance block (24 bits, the first the highest): long answers in blocks, several reads at once, ranges."""
_GET, _ACTION = 1 << 4, 1
SET_RIGHT: Final = 1 << 3
_OID: Final = b"\x60\x85\x74\x05\x08"
_PLAIN, _CIPHERED = 1, 3
_MECHANISMS: Final = {Authentication.LLS: 1, Authentication.HLS5: 5}
_INITIATE, _INITIATED = 0x01, 0x08
_DIAGNOSTICS: Final = {
    1: "no reason given", 2: "application context not supported", 11: "authentication mechanism name not recognised",
    12: "authentication mechanism name required", 13: "authentication failed", 14: "authentication required",
}  # fmt: skip
_PROOF_WANTED: Final = 14
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Agreed:
    """What a meter agreed to: its abilities, and the longest message that it takes."""

    conformance: int = 0
    message_bytes: int = MAX_MESSAGE_BYTES

    @property
    def many(self) -> bool:
        """Whether several attributes may be asked for at once."""
        return bool(self.conformance & MANY)


@dataclass(frozen=True, slots=True)
class _Answer:
    """An AARE: result, diagnostic, the meter's system title and challenge, and its answer to the initiate request."""

    result: int
    diagnostic: int
    title: bytes
    challenge: bytes
    content: bytes


def associated(access: Access, challenge: bytes) -> Generator[bytes, bytes, tuple[Agreed, Ciphering | None]]:
    """Open an association; `challenge` is random, for HLS 5. Raises FrameError that says why a meter refuses."""
    ciphering = None
    if access.authentication is Authentication.HLS5 and access.key is not None:
        ciphering = Ciphering(access.key, access.title, access.counter)
    answer = _read_aare((yield _aarq(access, challenge, ciphering)))
    granted = answer.result == 0 and answer.diagnostic == (_PROOF_WANTED if ciphering else 0)
    if not granted:
        why = _DIAGNOSTICS.get(answer.diagnostic, f"diagnostic {answer.diagnostic}")
        raise FrameError("meter_refused", f"the meter refuses the association: {why}")
    if ciphering is None:
        return _read_initiated(answer.content), None
    if len(answer.title) != TITLE_BYTES:
        raise FrameError("malformed", f"a system title of {len(answer.title)} octets")
    ciphering.peer = answer.title
    agreed = _read_initiated(ciphering.open(answer.content))
    yield from _prove(ciphering, answer.challenge, challenge)
    return agreed, ciphering


def ciphered(exchange: Generator[bytes, bytes, T], ciphering: Ciphering | None) -> Generator[bytes, bytes, T]:
    """An exchange whose messages go ciphered, as the association has it."""
    try:
        request = next(exchange)
        while True:
            if ciphering is None:
                answer = yield request
            else:
                answer = yield ciphering.seal(request)
                # an exception comes in clear: who can't decipher can't cipher
                answer = answer if answer[:1] == b"\xd8" else ciphering.open(answer)
            request = exchange.send(answer)
    except StopIteration as stop:
        result: T = stop.value
        return result


def _prove(ciphering: Ciphering, theirs: bytes, ours: bytes) -> Generator[bytes, bytes, None]:
    """Show the meter that we have the key, and see that it has (reply_to_HLS_authentication, IEC 62056-62 5.4.3)."""
    if not 8 <= len(theirs) <= 64 or theirs == ours:
        raise FrameError("malformed", f"a challenge of {len(theirs)} octets, or our own")
    kind, name = ASSOCIATION
    proving = action(kind, name, 1, octets(ciphering.proof(theirs)))
    proof, _ = read((yield from ciphered(proving, ciphering)), 0)
    ciphering.check(proof if isinstance(proof, bytes) else b"", ours)


def _aarq(access: Access, challenge: bytes, ciphering: Ciphering | None) -> bytes:
    parts = [_tlv(0xA1, _tlv(0x06, _object_id(1, _CIPHERED if ciphering else _PLAIN)))]
    if ciphering is not None:
        parts.append(_tlv(0xA6, _tlv(0x04, access.title)))
    mechanism = _MECHANISMS.get(access.authentication)
    if mechanism is not None:
        secret = challenge if ciphering is not None else access.password
        parts += [_tlv(0x8A, b"\x07\x80"), _tlv(0x8B, _object_id(2, mechanism)), _tlv(0xAC, _tlv(0x80, secret))]
    conformance = BLOCKS | MANY | SELECTIVE | _GET | (_ACTION if ciphering else 0)
    conformance |= SET_RIGHT if access.sets else 0
    initiate = (
        bytes((_INITIATE, 0, 0, 0, 6, 0x5F, 0x1F, 4, 0)) + conformance.to_bytes(3) + MAX_MESSAGE_BYTES.to_bytes(2)
    )
    parts.append(_tlv(0xBE, _tlv(0x04, ciphering.seal(initiate) if ciphering else initiate)))
    return _tlv(AARQ, b"".join(parts))


def _object_id(branch: int, leaf: int) -> bytes:
    return _OID + bytes((branch, leaf))


def _tlv(tag: int, content: bytes) -> bytes:
    return bytes((tag,)) + length(len(content)) + content


def parts_of(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Tags and contents one after another (BER with short tags). Raises FrameError where one is torn."""
    at = 0
    while at < len(data):
        size, start = length_of(data, at + 1)
        if start + size > len(data):
            raise FrameError("malformed", "a torn answer to the association request", offset=at, data=data[:64])
        yield data[at], data[start : start + size]
        at = start + size


def _read_aare(message: bytes) -> _Answer:
    refused(message, AARE)
    parts = dict(parts_of(next(parts_of(message))[1]))
    result = parts.get(0xA2, b"")[-1:]
    if not result:
        raise FrameError("malformed", "an answer to the association request without a result", data=message[:64])
    diagnostic = parts.get(0xA3, b"")[-1:]
    return _Answer(
        result[0], diagnostic[0] if diagnostic else 0, _inner(parts.get(0xA4)), _inner(parts.get(0xAA)),
        _inner(parts.get(0xBE)),
    )  # fmt: skip


def _inner(content: bytes | None) -> bytes:
    return next((inner for _, inner in parts_of(content)), b"") if content else b""


def _read_initiated(content: bytes) -> Agreed:
    """The meter's answer to the initiate request. Raises FrameError where it refuses."""
    refused(content, _INITIATED)
    at = content.find(b"\x5f\x1f\x04\x00")
    if at < 0 or len(content) < at + 9:
        raise FrameError("malformed", "an answer to the initiate request without a conformance block", data=content)
    conformance, longest = int.from_bytes(content[at + 4 : at + 7]), int.from_bytes(content[at + 7 : at + 9])
    if not conformance & _GET:
        raise FrameError("meter_refused", "the meter grants no GET (logical names) in this association")
    return Agreed(conformance, longest or MAX_MESSAGE_BYTES)
