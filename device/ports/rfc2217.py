"""RFC 2217, sans-io: a serial server's line over telnet, whose rate and format the client sets."""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from broker.errors import ContractError
from device.line_settings import LineSettings

_IAC, _DONT, _DO, _WONT, _WILL, _SB, _SE = 255, 254, 253, 252, 251, 250, 240
_BINARY, _SUPPRESS_GO_AHEAD, _COM_PORT = 0, 3, 44
_SET_BAUD, _SET_BITS, _SET_PARITY, _SET_STOP, _SET_CONTROL, _PURGE = 1, 2, 3, 4, 5, 12
_ANSWERED: Final = 100
"""What a server adds to a command's number as it answers it (RFC 2217 3)."""
_NAMES: Final = {_SET_BAUD: "baud rate", _SET_BITS: "data bits", _SET_PARITY: "parity", _SET_STOP: "stop bits"}
_PARITIES: Final = {"N": 1, "O": 2, "E": 3}
_NO_FLOW_CONTROL, _DTR_ON, _RTS_ON = 1, 8, 11
_RECEIVED = 1
_MOST_ASKED: Final = 64
_MOST_OPTION_BYTES: Final = 256
"""A subnegotiation of more is none of ours; the rest of it is passed over."""


@dataclass(slots=True)
class Rfc2217:
    """One connection's telnet: what comes is divided into the line's bytes and what must be answered."""

    accepted: bool = False
    """The server speaks of its serial line: it said DO or WILL COM-PORT-OPTION."""
    _asked: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=_MOST_ASKED))
    """What was asked for and not answered yet, which some servers never do: the oldest is forgotten first."""
    _state: int = 0
    """0 amid data, else the telnet octet that came last; _SB amid a subnegotiation, _SE after an IAC in one."""
    _option: bytearray = field(default_factory=bytearray)

    def start(self, settings: LineSettings) -> bytes:
        """What a client says first: eight bits both ways, and the settings of the line (RFC 854, 856, 2217)."""
        hello = ((_WILL, _BINARY), (_DO, _BINARY), (_DO, _SUPPRESS_GO_AHEAD), (_WILL, _COM_PORT))
        said = b"".join(bytes((_IAC, verb, option)) for verb, option in hello)
        control = b"".join(_told(_SET_CONTROL, bytes((one,))) for one in (_NO_FLOW_CONTROL, _DTR_ON, _RTS_ON))
        return said + self.configure(settings) + control

    def configure(self, settings: LineSettings) -> bytes:
        """Set rate, bits and parity; one stop bit."""
        asked = ((_SET_BITS, settings.bits), (_SET_PARITY, _PARITIES[settings.parity]), (_SET_STOP, 1))
        self._asked += ((_SET_BAUD, settings.baud), *asked)
        return _told(_SET_BAUD, settings.baud.to_bytes(4)) + b"".join(
            _told(command, bytes((value,))) for command, value in asked
        )

    @staticmethod
    def discard() -> bytes:
        """Have the server forget what it has received and not sent on yet."""
        return _told(_PURGE, bytes((_RECEIVED,)))

    @staticmethod
    def escape(data: bytes) -> bytes:
        """Bytes for the line as they travel."""
        return data.replace(b"\xff", b"\xff\xff")

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """The line's bytes among what came, and what is to be answered.

        Raises ContractError where the server has no serial line to set, or set it otherwise than was asked.
        """
        if not self._state and _IAC not in data:
            return data, b""
        line, answer = bytearray(), bytearray()
        for octet in data:
            if self._state == 0:
                if octet == _IAC:
                    self._state = _IAC
                else:
                    line.append(octet)
            elif self._state == _IAC:
                self._command(octet, line)
            elif self._state in (_SB, _SE):
                self._subnegotiate(octet)
            else:
                answer += self._negotiate(self._state, octet)
                self._state = 0
        return bytes(line), bytes(answer)

    def _command(self, octet: int, line: bytearray) -> None:
        self._state = octet if octet in (_DO, _DONT, _WILL, _WONT, _SB) else 0
        if octet == _IAC:
            line.append(_IAC)
        elif octet == _SB:
            self._option.clear()

    def _negotiate(self, verb: int, option: int) -> bytes:
        """Answer an offer or a demand; what was asked for by us needs no answer, or both would go on for ever."""
        if option == _COM_PORT:
            if verb in (_DONT, _WONT):
                raise ContractError(
                    "the server has no line that can be set (no RFC 2217)",
                    fix="switch it on there, or write socket:// and set the line at the server",
                )
            self.accepted = True
            return b"" if verb == _DO else bytes((_IAC, _DO, option))
        if option in (_BINARY, _SUPPRESS_GO_AHEAD) or verb in (_DONT, _WONT):
            if (verb, option) == (_DO, _SUPPRESS_GO_AHEAD):
                return bytes((_IAC, _WILL, option))
            return b""
        return bytes((_IAC, _WONT if verb == _DO else _DONT, option))

    def _subnegotiate(self, octet: int) -> None:
        if self._state == _SE:
            self._state = _SB
            if octet == _SE:
                self._state = 0
                self._told()
                return
        elif octet == _IAC:
            self._state = _SE
            return
        if len(self._option) < _MOST_OPTION_BYTES:
            self._option.append(octet)

    def _told(self) -> None:
        """The server says what a setting is now; it answers in the order in which it was asked."""
        if len(self._option) < 3 or self._option[0] != _COM_PORT:
            return
        command, value = self._option[1] - _ANSWERED, int.from_bytes(self._option[2:])
        for one in self._asked:
            if one[0] == command:
                self._asked.remove(one)
                if one[1] != value:
                    raise ContractError(
                        f"the server set {_NAMES[command]} {value} where {one[1]} was asked",
                        fix="give it a port that can be set so, or set the line there and write socket://",
                    )
                return


def _told(command: int, value: bytes) -> bytes:
    return bytes((_IAC, _SB, _COM_PORT, command)) + Rfc2217.escape(value) + bytes((_IAC, _SE))
