"""The link of a client over TCP (IEC 62056-47): each message in a wrapper that names both ends."""

from typing import Final

from broker.errors import FrameError
from meters.wires.dlms.client.link import Closed, Heard, Replied
from meters.wires.dlms.client.station import Station
from meters.wires.dlms.wrapper import HEAD_BYTES, WRAPPED

RELEASE: Final = b"\x62\x03\x80\x01\x00"
"""RLRQ: the client leaves, for no reason but that it is done (IEC 62056-53 8.2)."""
RELEASED: Final = 0x63
_ANSWER_S: Final = 5.0


class WrapperLink:
    """One connection over TCP, which loses nothing: what does not come in time does not come."""

    attempts = 1

    def __init__(self, station: Station) -> None:
        self._ends = station.client.to_bytes(2), station.logical.to_bytes(2)
        self._buffer = bytearray()
        self._is_open = self._closing = False

    @property
    def deadline_s(self) -> float:
        """How long to wait for more of an answer."""
        return _ANSWER_S

    def open(self) -> bytes:
        """Nothing: who is connected may ask."""
        self._is_open, self._closing = True, False
        self._buffer.clear()
        return b""

    def ask(self, message: bytes) -> bytes:
        """A message in its wrapper."""
        client, server = self._ends
        return WRAPPED + client + server + len(message).to_bytes(2) + message

    def close(self) -> bytes:
        """The association's release; empty where it was asked for already."""
        if not self._is_open or self._closing:
            return b""
        self._closing = True
        return self.ask(RELEASE)

    def repeat(self) -> bytes:
        """Nothing."""
        return b""

    def feed(self, data: bytes) -> list[Heard]:
        """Take what was heard. Raises FrameError where it is no wrapped message from this server to this client."""
        self._buffer += data
        found: list[Heard] = []
        while len(self._buffer) >= HEAD_BYTES:
            head, size = bytes(self._buffer[:6]), int.from_bytes(self._buffer[6:HEAD_BYTES])
            client, server = self._ends
            if head != WRAPPED + server + client or not size:
                raise FrameError("malformed", "no wrapped message for this client", data=bytes(self._buffer[:64]))
            if len(self._buffer) < HEAD_BYTES + size:
                break
            message = bytes(self._buffer[HEAD_BYTES : HEAD_BYTES + size])
            del self._buffer[: HEAD_BYTES + size]
            if message[0] == RELEASED and not self._closing:
                # late, of a visit before that was given up
                continue
            if not self._closing:
                found.append(Replied(message))
            elif message[0] == RELEASED:
                self._is_open = False
                found.append(Closed())
        return found
