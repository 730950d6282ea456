"""The meter's end of DLMS (IEC 62056-53): lets clients in by their secrets, gives values, blocks and refusals."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from broker.errors import FrameError
from meters.wires.dlms.axdr import Node, read
from meters.wires.dlms.client.association import (
    AARE,
    AARQ,
    ASSOCIATION,
    BLOCKS,
    MANY,
    SELECTIVE,
    SET_RIGHT,
    parts_of,
)
from meters.wires.dlms.client.ciphering import Ciphering
from meters.wires.dlms.client.clock_set import SET, SET_ANSWER
from meters.wires.dlms.client.services import ACTION, ACTION_ANSWER, GET, GET_ANSWER, NEXT, WITH_LIST, Refused
from meters.wires.dlms.client.station import Access, Authentication
from meters.wires.dlms.client.wrapper_link import RELEASE, RELEASED
from meters.wires.encode.dlms import length, octets

DENIED, UNDEFINED = 3, 4
_GET, _ACTION = 1 << 4, 1
_NOT_ALLOWED: Final = b"\xd8\x01\x01"
_NOT_SUPPORTED: Final = b"\xd8\x01\x02"
_DECIPHERING: Final = b"\xd8\x01\x05"
_OID: Final = b"\x60\x85\x74\x05\x08"
_FAILED, _WANTED, _PROVE = 13, 14, 14

Value = Callable[[int, int, Node], bytes | Refused]
"""The octets of one attribute, by its number, the selector (0 for none) and what it selects."""


@dataclass(slots=True)
class _Association:
    ciphering: Ciphering | None = None
    challenge: bytes = b""
    theirs: bytes = b""
    proved: bool = True
    sets: bool = False
    blocks: tuple[bytes, ...] = ()


class CosemServer:
    """Objects by class and code, open to `clients` by what each must show; `message_bytes` is its longest answer.

    `requests` keeps what was asked in clear, so that a test sees that nothing was ever written. `many` tells whether
    it takes lists of attributes. `settable` takes values by class, code and attribute; its result 0 says done.
    """

    def __init__(
        self,
        objects: Mapping[tuple[int, bytes], Value],
        clients: Mapping[int, Access],
        *,
        title: bytes,
        message_bytes: int = 256,
        many: bool = True,
        settable: Mapping[tuple[int, bytes, int], Callable[[Node], int]] | None = None,
        seed: int = 1,
    ) -> None:
        self._objects = objects
        self._clients = clients
        self._title = title
        self._message_bytes = message_bytes
        self._many = many
        self._settable = settable or {}
        self._random = random.Random(seed)  # noqa: S311 - a simulated meter's challenge
        self._counter = 1
        self._associations: dict[int, _Association] = {}
        self.requests: list[bytes] = []

    def reply(self, client: int, message: bytes) -> bytes:
        """The answer to a message; an empty message forgets the client's association."""
        if message[:1] == bytes((AARQ,)):
            return self._associate(client, message)
        if not message or message == RELEASE:
            self._associations.pop(client, None)
            return bytes((RELEASED,)) + RELEASE[1:] if message else b""
        found = self._associations.get(client)
        if found is None or found.ciphering is None:
            return self._serve(found, message) if found else _NOT_ALLOWED
        try:
            clear = found.ciphering.open(message)
        except FrameError:
            return _DECIPHERING
        answer = self._serve(found, clear)
        sealed = answer if answer[:1] == b"\xd8" else found.ciphering.seal(answer)
        self._counter = found.ciphering.counter
        return sealed

    def _associate(self, client: int, message: bytes) -> bytes:
        self._associations.pop(client, None)
        access = self._clients.get(client)
        parts = dict(parts_of(next(parts_of(message))[1]))
        if access is None:
            return self._refusal(1)
        mechanism, secret = parts.get(0x8B, b"\x00")[-1], _inner(parts.get(0xAC, b""))
        wanted = {Authentication.NONE: 0, Authentication.LLS: 1, Authentication.HLS5: 5}[access.authentication]
        if mechanism != wanted:
            return self._refusal(_WANTED)
        if access.authentication is Authentication.LLS and secret != access.password:
            return self._refusal(_FAILED)
        if access.key is None or access.authentication is not Authentication.HLS5:
            sets = self._may_set(_inner(parts.get(0xBE, b"")))
            self._associations[client] = _Association(sets=sets)
            return self._granted(0, b"", self._initiated(sets=sets))
        ciphering = Ciphering(access.key, self._title, self._counter)
        ciphering.peer = _inner(parts.get(0xA6, b""))
        try:
            sets = self._may_set(ciphering.open(_inner(parts.get(0xBE, b""))))
        except FrameError:
            return self._refusal(_FAILED)
        own = self._random.randbytes(16)
        self._associations[client] = _Association(ciphering, own, secret, proved=False, sets=sets)
        proof = _tlv(0x88, b"\x07\x80") + _tlv(0x89, _OID + b"\x02\x05") + _tlv(0xAA, _tlv(0x80, own))
        answer = self._granted(
            _PROVE, _tlv(0xA4, _tlv(4, self._title)) + proof, ciphering.seal(self._initiated(sets=sets))
        )
        self._counter = ciphering.counter
        return answer

    def _may_set(self, initiate: bytes) -> bool:
        """Whether an initiate request asks for SET, and there is something that may be set."""
        at = initiate.find(b"\x5f\x1f\x04\x00") + 4
        return bool(self._settable and int.from_bytes(initiate[at : at + 3]) & SET_RIGHT)

    def _initiated(self, *, sets: bool) -> bytes:
        conformance = BLOCKS | SELECTIVE | _GET | _ACTION | (MANY if self._many else 0) | (SET_RIGHT if sets else 0)
        return b"\x08\x00\x06\x5f\x1f\x04\x00" + conformance.to_bytes(3) + self._message_bytes.to_bytes(2) + b"\x00\x07"

    @staticmethod
    def _granted(diagnostic: int, proof: bytes, initiated: bytes) -> bytes:
        head = _tlv(0xA1, _tlv(6, _OID + b"\x01\x01")) + b"\xa2\x03\x02\x01\x00\xa3\x05\xa1\x03\x02\x01"
        return _tlv(AARE, head + bytes((diagnostic,)) + proof + _tlv(0xBE, _tlv(4, initiated)))

    @staticmethod
    def _refusal(diagnostic: int) -> bytes:
        head = _tlv(0xA1, _tlv(6, _OID + b"\x01\x01")) + b"\xa2\x03\x02\x01\x01\xa3\x05\xa1\x03\x02\x01"
        return _tlv(AARE, head + bytes((diagnostic,)) + _tlv(0xBE, _tlv(4, b"\x0e\x01\x06\x01")))

    def _serve(self, association: _Association, message: bytes) -> bytes:
        self.requests.append(message)
        if message[0] == ACTION and message[3:12] == ASSOCIATION[0].to_bytes(2) + ASSOCIATION[1] + b"\x01":
            return self._prove(association, message)
        if not association.proved or message[0] not in (GET, SET) or (message[0] == SET and not association.sets):
            return _NOT_ALLOWED
        return self._set(message) if message[0] == SET else self._asked(association, message)

    def _asked(self, association: _Association, message: bytes) -> bytes:
        if message[1] == NEXT:
            return self._block(association, int.from_bytes(message[3:7]) + 1)
        if message[1] == WITH_LIST:
            return self._list(association, message)
        got, _ = self._get(message, 3)
        if isinstance(got, Refused):
            return bytes((GET_ANSWER, 1, message[2], 1, got.code))
        return self._answer(association, 1, b"\x00" + got, got)

    def _set(self, message: bytes) -> bytes:
        """SET of one attribute in one piece (IEC 62056-53 7.4)."""
        kind, name, index = int.from_bytes(message[3:5]), message[5:11], message[11]
        taking = self._settable.get((kind, name, index))
        code = DENIED if taking is None else taking(read(message, 13)[0])
        return bytes((SET_ANSWER, 1, message[2], code))

    def _list(self, association: _Association, message: bytes) -> bytes:
        if not self._many:
            return _NOT_SUPPORTED
        at, body = 4, bytes((message[3],))
        for _ in range(message[3]):
            got, at = self._get(message, at)
            body += bytes((1, got.code)) if isinstance(got, Refused) else b"\x00" + got
        return self._answer(association, 3, body, body)

    def _answer(self, association: _Association, kind: int, whole: bytes, raw: bytes) -> bytes:
        if len(whole) + 3 <= self._message_bytes:
            return bytes((GET_ANSWER, kind, 0xC1)) + whole
        size = self._message_bytes - 14
        association.blocks = tuple(raw[at : at + size] for at in range(0, len(raw), size))
        return self._block(association, 1)

    @staticmethod
    def _block(association: _Association, number: int) -> bytes:
        if not 0 < number <= len(association.blocks):
            return bytes((GET_ANSWER, 2, 0xC1, 1)) + number.to_bytes(4) + b"\x01\x10"
        block, last = association.blocks[number - 1], number == len(association.blocks)
        return bytes((GET_ANSWER, 2, 0xC1, last)) + number.to_bytes(4) + b"\x00" + length(len(block)) + block

    def _get(self, message: bytes, at: int) -> tuple[bytes | Refused, int]:
        kind, name, index = int.from_bytes(message[at : at + 2]), message[at + 2 : at + 8], message[at + 8]
        selector, selected = 0, None
        end = at + 10
        if message[at + 9]:
            selector = message[end]
            selected, end = read(message, end + 1)
        found = self._objects.get((kind, name))
        if found is None:
            return Refused(UNDEFINED), end
        return found(index, selector, selected), end

    @staticmethod
    def _prove(association: _Association, message: bytes) -> bytes:
        proof, _ = read(message, 13)
        try:
            if association.ciphering is None or not isinstance(proof, bytes):
                return _NOT_ALLOWED
            association.ciphering.check(proof, association.challenge)
        except FrameError:
            return bytes((ACTION_ANSWER, 1, message[2], DENIED, 0))
        association.proved = True
        own = association.ciphering.proof(association.theirs)
        return bytes((ACTION_ANSWER, 1, message[2], 0, 1, 0)) + octets(own)


def _tlv(tag: int, content: bytes) -> bytes:
    return bytes((tag,)) + length(len(content)) + content


def _inner(content: bytes) -> bytes:
    return next((inner for _, inner in parts_of(content)), b"")
