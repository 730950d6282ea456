"""Ciphered messages between a client and a meter (IEC 62056-53 5.3, security suite 0), and the proofs of HLS 5."""

from typing import Final

from broker.errors import FrameError
from meters.wires.aes_gcm import decipher
from meters.wires.dlms.ciphered import TAG_BYTES, Ciphered
from meters.wires.dlms.units import length_of
from meters.wires.encode.ciphered import AUTHENTICATED, ENCRYPTED, protected
from meters.wires.encode.dlms import length
from meters.wires.meter_key import MeterKey

GLOBAL: Final = {
    0x01: 0x21,
    0x08: 0x28,
    0x0E: 0x2E,
    0xC0: 0xC8,
    0xC3: 0xCB,
    0xC4: 0xCC,
    0xC7: 0xCF,
    0xC1: 0xC9,
    0xC5: 0xCD,
}
"""The tags of messages in clear, and those under which they go ciphered with the global key."""
_CLEAR: Final = {ciphered: clear for clear, ciphered in GLOBAL.items()}
_HEAD_BYTES: Final = 5
_MAX_COUNTER: Final = 0xFFFFFFFF


class Ciphering:
    """One end's ciphering: each message gets the next frame counter; the other end's must rise, too."""

    def __init__(self, key: MeterKey, title: bytes, counter: int) -> None:
        self._key = key
        self._title = title
        self.counter = counter
        """The frame counter of the next message."""
        self.peer = b""
        """The other end's system title, as it states it."""
        self._peer_counter = -1

    def seal(self, message: bytes) -> bytes:
        """A message encrypted and authenticated."""
        body = protected(message, self._title, self._next(), self._key, control=AUTHENTICATED | ENCRYPTED)
        return bytes((GLOBAL[message[0]],)) + length(len(body)) + body

    def open(self, message: bytes) -> bytes:
        """A message in clear. Raises FrameError where it is not ciphered, torn, repeated, or not by this key."""
        clear = _CLEAR.get(message[0] if message else 0)
        if clear is None:
            raise FrameError("malformed", "an answer in clear to a ciphered question", data=message[:64])
        size, at = length_of(message, 1)
        if len(message) < at + size:
            raise FrameError("malformed", "a torn ciphered answer", data=message[:64])
        body = message[at : at + size]
        counter = int.from_bytes(body[1:_HEAD_BYTES])
        if counter <= self._peer_counter:
            raise FrameError("replayed", f"the meter's frame counter {counter} came before")
        found = self._deciphered(body)
        self._peer_counter = counter
        if found[:1] != bytes((clear,)):
            raise FrameError("wrong_key", "what was deciphered is not what its tag says")
        return found

    def proof(self, challenge: bytes) -> bytes:
        """The octets that show the other end that we have both keys: GMAC over its challenge."""
        body = protected(challenge, self._title, self._next(), self._key, control=AUTHENTICATED)
        return body[:_HEAD_BYTES] + body[-TAG_BYTES:]

    def check(self, proof: bytes, challenge: bytes) -> None:
        """Hold the other end's proof against our challenge. Raises FrameError where it does not fit.

        Its frame counter is that of the proof, which was made before the message that brought it.
        """
        if len(proof) != _HEAD_BYTES + TAG_BYTES or proof[0] & 0xF0 != AUTHENTICATED:
            raise FrameError("wrong_key", "the meter gives no proof that it has the key")
        self._deciphered(proof[:_HEAD_BYTES] + challenge + proof[_HEAD_BYTES:])

    def _deciphered(self, body: bytes) -> bytes:
        if len(body) < _HEAD_BYTES + TAG_BYTES or not body[0] & AUTHENTICATED:
            raise FrameError("malformed", "a ciphered answer without a tag")
        counter = int.from_bytes(body[1:_HEAD_BYTES])
        envelope = Ciphered(self.peer, body[0], counter, body[_HEAD_BYTES:-TAG_BYTES], body[-TAG_BYTES:])
        text, _ = decipher(envelope, self._key)
        return text

    def _next(self) -> int:
        if self.counter > _MAX_COUNTER:
            raise FrameError("counter_spent", "all frame counters of this key are used: the meter needs a new key")
        counter, self.counter = self.counter, self.counter + 1
        return counter
