"""The meter's end of HDLC (IEC 62056-46): connects clients, numbers frames, segments long answers, repeats."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from meters.wires.dlms.client.hdlc_frames import DISC, DM, FINAL, SNRM, UA, HdlcFrame, encode_frame, take_frames

_LLC_IN, _LLC_OUT = b"\xe6\xe6\x00", b"\xe6\xe7\x00"
_RR: Final = 0x01
_CLIENTS: Final = tuple(bytes((client << 1 | 1,)) for client in range(1, 128))

Answer = Callable[[int, bytes], bytes]
"""A message of a client, by its number, to the answer; an empty message where the client has connected anew."""


@dataclass(slots=True)
class _Peer:
    send_number: int = 0
    receive_number: int = 0
    heard: bytearray = field(default_factory=bytearray)
    waiting: list[bytes] = field(default_factory=list)
    last: bytes = b""


class HdlcServer:
    """Feed it what the line brings; it gives the frames to send, with `information` octets at most."""

    def __init__(self, address: bytes, answer: Answer, *, information: int = 128) -> None:
        self.address = address
        self.information = information
        self._answer = answer
        self._buffer = bytearray()
        self._peers: dict[bytes, _Peer] = {}

    def feed(self, data: bytes) -> list[bytes]:
        """The frames that answer what was heard."""
        self._buffer += data
        return [self._reply(frame) for frame in take_frames(self._buffer, self.address, _CLIENTS)]

    def forget(self) -> None:
        """Nobody is connected any more."""
        self._peers.clear()
        self._buffer.clear()

    def _reply(self, frame: HdlcFrame) -> bytes:
        client = frame.sender
        if frame.control == SNRM:
            self._peers[client] = _Peer()
            self._answer(client[0] >> 1, b"")
            return self._frame(client, HdlcFrame(UA, self._parameters()))
        peer = self._peers.get(client)
        if frame.control == DISC:
            self._peers.pop(client, None)
            return self._frame(client, HdlcFrame(UA if peer else DM))
        if peer is None:
            return self._frame(client, HdlcFrame(DM))
        if frame.control & 1 == 0:
            return self._take(client, peer, frame)
        acknowledged = frame.control >> 5 == peer.send_number
        return self._send_next(client, peer) if peer.waiting and acknowledged else peer.last

    def _take(self, client: bytes, peer: _Peer, frame: HdlcFrame) -> bytes:
        number = frame.control >> 1 & 7
        if number != peer.receive_number:
            return peer.last
        peer.receive_number = (number + 1) & 7
        peer.heard += frame.information
        if frame.more:
            return self._ready(client, peer)
        message, peer.heard = bytes(peer.heard[len(_LLC_IN) :]), bytearray()
        data = _LLC_OUT + self._answer(client[0] >> 1, message)
        peer.waiting = [data[at : at + self.information] for at in range(0, len(data), self.information)]
        return self._send_next(client, peer)

    def _send_next(self, client: bytes, peer: _Peer) -> bytes:
        piece = peer.waiting.pop(0)
        control = peer.receive_number << 5 | FINAL | peer.send_number << 1
        peer.send_number = (peer.send_number + 1) & 7
        peer.last = self._frame(client, HdlcFrame(control, piece, more=bool(peer.waiting)))
        return peer.last

    def _ready(self, client: bytes, peer: _Peer) -> bytes:
        peer.last = self._frame(client, HdlcFrame(peer.receive_number << 5 | FINAL | _RR))
        return peer.last

    def _frame(self, client: bytes, frame: HdlcFrame) -> bytes:
        return encode_frame(client, self.address, frame)

    def _parameters(self) -> bytes:
        size = self.information.to_bytes(2)
        content = b"\x05\x02" + size + b"\x06\x02" + size + b"\x07\x04\x00\x00\x00\x01\x08\x04\x00\x00\x00\x01"
        return b"\x81\x80" + bytes((len(content),)) + content
