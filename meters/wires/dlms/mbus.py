"""Long frames of M-Bus (EN 13757-2 5.4) that carry parts of a DLMS message (EN 13757-3 CI 0x00 to 0x1F; Austria)."""

from typing import Final

from broker.errors import FrameError
from meters.wires.dlms.ciphered import ciphered_bytes
from meters.wires.dlms.units import NotAUnitError, Unit, block_lost

START: Final = 0x68
_STOP: Final = 0x16
_HEAD: Final = 4
_ADDRESSES: Final = 5
"""Control, address and CI field, and the two ends' addresses of DLMS (STSAP, DTSAP)."""
_SEND: Final = (0x53, 0x73)
_LAST: Final = 0x10
_MAX_BODY: Final = 2048
_MAX_MESSAGE_BYTES: Final = 16 * 1024


def next_unit(buffer: bytes | bytearray, at: int, *, final: bool) -> Unit | None:  # noqa: ARG001 - as other framings'
    """The frame that begins here; None where it goes on.

    Frames of more than 255 octets state their length less a multiple of 256. Raises NotAUnitError where no head stands
    here, and FrameError where the sum fails, with the place behind what is lost.
    """
    known = buffer[at : at + _HEAD + _ADDRESSES]
    if len(known) > 3 and (known[3] != START or known[1] != known[2]):
        raise NotAUnitError
    if len(known) > _HEAD and known[_HEAD] not in _SEND:
        raise NotAUnitError
    if len(known) > _HEAD + 2 and known[_HEAD + 2] >= 0x20:
        raise NotAUnitError
    if len(known) < _HEAD + _ADDRESSES:
        return None
    body_at, stated = at + _HEAD, known[1]
    limit = _limit(buffer, at, stated)
    for length in range(stated, limit + 1, 256):
        end = body_at + length + 2
        if end > len(buffer):
            return None
        if (
            length > _ADDRESSES
            and buffer[end - 1] == _STOP
            and sum(buffer[body_at : end - 2]) & 0xFF == buffer[end - 2]
        ):
            control = buffer[body_at + 2]
            payload_at = body_at + _ADDRESSES
            payload = bytes(buffer[payload_at : end - 2])
            return Unit(end, payload, payload_at, more=not control & _LAST, number=control & 0x0F)
    end = min(body_at + max(stated, _ADDRESSES) + 2, len(buffer))
    raise FrameError("crc_mismatch", "the sum of a frame does not fit", offset=end)


def _limit(buffer: bytes | bytearray, at: int, stated: int) -> int:
    """The longest body that this head may have: the message says its own length where it is ciphered."""
    payload_at = at + _HEAD + _ADDRESSES
    if stated > _ADDRESSES and buffer[at + _HEAD + 2] & 0x0F:
        return stated
    whole = ciphered_bytes(buffer[payload_at : payload_at + 20])
    return (
        min(_MAX_BODY, max(stated, whole + _ADDRESSES)) if whole is not None else _MAX_BODY if stated < 16 else stated
    )


class MbusMessage:
    """One DLMS message put together from its numbered parts."""

    def __init__(self) -> None:
        self.pieces: list[tuple[int, int]] = []
        self._message = bytearray()
        self._next = 0

    def take(self, unit: Unit) -> bytes | None:
        """Take a frame; the message once it is whole.

        Raises NotAUnitError where the frame belongs to no message that has begun, or begins another one, and
        FrameError where a part is missing.
        """
        if unit.number != self._next & 0x0F:
            if unit.number == 0 or not self._next:
                raise NotAUnitError
            raise block_lost(self._next, unit.number)
        if len(self._message) + len(unit.payload) > _MAX_MESSAGE_BYTES:
            raise FrameError("too_long", f"a message of more than {_MAX_MESSAGE_BYTES} bytes")
        self.pieces.append((len(self._message), unit.payload_at))
        self._message += unit.payload
        self._next += 1
        return None if unit.more else bytes(self._message)
