"""The link of a client over HDLC (IEC 62056-46 6): opened, asked over numbered frames in segments, and closed."""

from enum import Enum, auto
from typing import Final

from broker.errors import FrameError
from meters.wires.dlms.client.hdlc_frames import (
    DISC,
    DM,
    FINAL,
    FRMR,
    MAX_INFORMATION,
    SNRM,
    UA,
    HdlcFrame,
    encode_frame,
    take_frames,
)
from meters.wires.dlms.client.link import Closed, Heard, More, Opened, Replied
from meters.wires.dlms.client.station import Station
from meters.wires.dlms.units import length_of

USUAL_INFORMATION: Final = 128
"""Octets of information that both ends take unless they agree on others (6.4.4.4.3.2)."""
MAX_ANSWER_BYTES: Final = 64 * 1024
MAX_WAITS: Final = 20
"""A meter that answers so often that it is not ready is given up."""
_SNRM_LLC, _ANSWER_LLC = b"\xe6\xe6\x00", b"\xe6\xe7\x00"
_PARAMETERS: Final = b"\x81\x80"
_TRANSMIT, _RECEIVE, _WINDOW_TRANSMIT, _WINDOW_RECEIVE = 5, 6, 7, 8
_LEAST_INFORMATION: Final = 16
_I, _RR, _RNR = 0x00, 0x01, 0x05
_ANSWER_S: Final = 2.5
"""A meter begins its answer within so long; the standard leaves the time open, and optical heads are slow."""
_BITS_A_CHARACTER: Final = 10


class _State(Enum):
    CLOSED = auto()
    OPENING = auto()
    OPEN = auto()
    CLOSING = auto()


class HdlcLink:
    """One connection between a client and a server; windows of one frame, so that everything goes in turn.

    `information` is the most octets that the client takes in one frame; what the meter takes it says as it opens.
    """

    attempts = 3

    def __init__(self, station: Station, *, baud: int = 9600, information: int = USUAL_INFORMATION) -> None:
        self._server, self._client = station.server_address, station.client_address
        self._offered = information
        self.baud = baud
        self.most_information = USUAL_INFORMATION
        """Octets of information that the meter takes in one frame."""
        self._state = _State.CLOSED
        self._buffer = bytearray()
        self._sent = b""
        self._waiting: list[HdlcFrame] = []
        self._answer = bytearray()
        self._send_number = self._receive_number = self._waits = 0

    @property
    def deadline_s(self) -> float:
        """How long to wait for more of an answer."""
        return _ANSWER_S + (self._offered + len(self._sent)) * _BITS_A_CHARACTER / self.baud

    def open(self) -> bytes:
        """What opens the link, whatever came before."""
        self._state = _State.OPENING
        self._send_number = self._receive_number = 0
        content = b"".join(
            (
                bytes((_TRANSMIT, 2)) + self._offered.to_bytes(2),
                bytes((_RECEIVE, 2)) + self._offered.to_bytes(2),
                bytes((_WINDOW_TRANSMIT, 4)) + (1).to_bytes(4),
                bytes((_WINDOW_RECEIVE, 4)) + (1).to_bytes(4),
            )
        )
        return self._send(HdlcFrame(SNRM, _PARAMETERS + bytes((len(content),)) + content))

    def ask(self, message: bytes) -> bytes:
        """The first frame of a message."""
        data = _SNRM_LLC + message
        size = self.most_information
        pieces = [data[at : at + size] for at in range(0, len(data), size)]
        self._waiting = [HdlcFrame(_I, piece, more=piece_at + 1 < len(pieces)) for piece_at, piece in enumerate(pieces)]
        self._answer.clear()
        self._waits = 0
        return self._send_next()

    def close(self) -> bytes:
        """What closes the link; empty where it is not open."""
        if self._state is not _State.OPEN:
            return b""
        self._state = _State.CLOSING
        return self._send(HdlcFrame(DISC))

    def repeat(self) -> bytes:
        """What was sent last, for an answer that did not come."""
        self._buffer.clear()
        return self._sent

    def feed(self, data: bytes) -> list[Heard]:
        """Take what was heard. Raises FrameError where the meter refuses, or numbers its frames in no order."""
        self._buffer += data
        found: list[Heard] = []
        for frame in take_frames(self._buffer, self._client, (self._server,)):
            heard = self._take(frame)
            if heard is not None:
                found.append(heard)
        return found

    def _take(self, frame: HdlcFrame) -> Heard | None:
        control = frame.control | FINAL
        if self._state is _State.CLOSING:
            return self._closed() if control in (UA, DM) else None
        if self._state is _State.CLOSED:
            return None
        if control == DM:
            raise FrameError("meter_refused", "the meter is disconnected: it lets nobody in by this address, or left")
        if control == FRMR:
            raise FrameError("meter_refused", "the meter rejects a frame (FRMR)", data=frame.information)
        if self._state is _State.OPENING:
            return self._opened(frame.information) if control == UA else None
        if control == UA:
            return None
        return self._take_numbered(frame)

    def _opened(self, information: bytes) -> Heard:
        self._state = _State.OPEN
        self.most_information = min(MAX_INFORMATION, max(_LEAST_INFORMATION, _takes(information)))
        return Opened()

    def _closed(self) -> Heard:
        self._state = _State.CLOSED
        return Closed()

    def _take_numbered(self, frame: HdlcFrame) -> Heard | None:
        acknowledged, kind = frame.control >> 5, frame.control & 0x0F
        if frame.control & 1 == _I:
            return self._take_information(frame, acknowledged)
        if kind not in (_RR, _RNR):
            return None
        if acknowledged == self._send_number and self._waiting and kind == _RR:
            return More(self._send_next())
        self._waits += 1
        if self._waits > MAX_WAITS:
            raise FrameError("not_ready", f"the meter says {MAX_WAITS} times that it is not ready to answer")
        return More(self._acknowledge(), after_s=0.2)

    def _take_information(self, frame: HdlcFrame, acknowledged: int) -> Heard | None:
        number = frame.control >> 1 & 7
        if number == (self._receive_number - 1) & 7:
            # an answer that is repeated because our acknowledgement was lost
            return None
        if number != self._receive_number or acknowledged != self._send_number:
            detail = f"frame {number} acknowledging {acknowledged}, {self._receive_number} and {self._send_number} due"
            raise FrameError("out_of_sequence", detail)
        if not frame.information:
            raise FrameError("malformed", "a frame of an answer without any octet of it")
        self._receive_number = (number + 1) & 7
        self._answer += frame.information
        if len(self._answer) > MAX_ANSWER_BYTES:
            raise FrameError("too_long", f"an answer of more than {MAX_ANSWER_BYTES} octets")
        if frame.more:
            return More(self._acknowledge()) if frame.control & FINAL else None
        answer = bytes(self._answer)
        if answer[:3] != _ANSWER_LLC:
            raise FrameError("malformed", "an answer without the head of its link layer (E6 E7 00)", data=answer[:64])
        return Replied(answer[3:])

    def _acknowledge(self) -> bytes:
        return self._send(HdlcFrame(self._receive_number << 5 | FINAL | _RR))

    def _send_next(self) -> bytes:
        frame = self._waiting.pop(0)
        control = self._receive_number << 5 | FINAL | self._send_number << 1
        self._send_number = (self._send_number + 1) & 7
        return self._send(HdlcFrame(control, frame.information, frame.more))

    def _send(self, frame: HdlcFrame) -> bytes:
        self._sent = encode_frame(self._server, self._client, frame)
        return self._sent


def _takes(information: bytes) -> int:
    """How many octets of information a server takes in one frame, as it opens the link; what is missing is usual."""
    at = 3
    while information[:2] == _PARAMETERS and at + 1 < len(information):
        name = information[at]
        try:
            size, at = length_of(information, at + 1)
        except FrameError:
            break
        if name == _RECEIVE and 1 <= size <= 4:
            return int.from_bytes(information[at : at + size])
        at += size
    return USUAL_INFORMATION
