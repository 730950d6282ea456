"""What a sans-io session or scan of a polled protocol decides, done on an open line in real time."""

import asyncio
from collections.abc import Sequence
from typing import Final, Protocol

from broker.errors import FrameError
from device.line_settings import LineSettings
from device.ports.line import Line
from meters.telegram import Frame
from meters.wires.iec62056_signon import Action, Done, Failed, Send, SetBaud
from meters.wires.mbus.scan import MbusScan
from meters.wires.modbus.scan import ModbusScan

WHOLE_S: Final = 300.0
"""The longest conversation with one meter; a slice of its memory may take twice what one answer may."""
LONGEST_ANSWER_S: Final = 12.0
"""The longest frame of M-Bus, 261 octets, takes 9.6 s at 300 baud."""


class Session(Protocol):
    """A conversation with one meter: meters.wires.mbus.master, .modbus.session, .iec62056_programming."""

    @property
    def deadline_s(self) -> float:
        """How long to wait for more before timeout()."""
        ...

    def start(self) -> list[Action]:
        """Begin."""
        ...

    def feed(self, data: bytes) -> list[Action]:
        """Take what was heard."""
        ...

    def timeout(self) -> list[Action]:
        """Silence."""
        ...


async def converse(line: Line, session: Session, *, longest_s: float = LONGEST_ANSWER_S) -> Frame | FrameError:
    """Ask a meter and hear it out. Raises LineGoneError.

    A line that talks for longer than `longest_s` ends the poll as silence does: what comes without end is no answer.
    Nor is a conversation that goes on and on, as others wait for the line: `too_long`.
    """
    actions: Sequence[Action] = session.start()
    loop = asyncio.get_running_loop()
    ends_s = loop.time() + max(WHOLE_S, 2 * longest_s)
    first = True
    while True:
        for action in actions:
            match action:
                case Send(data, after_s):
                    await _send(line, data, after_s)
                case Done(frame):
                    return frame
                case Failed(error):
                    return error
                case SetBaud(baud, after_s, bits):
                    await asyncio.sleep(after_s)
                    # what comes while a meter changes over is its reply: only the first change discards
                    line.configure(LineSettings(baud, 7, "E") if bits == 7 else LineSettings(baud), discard=first)
                    first = False
        if loop.time() > ends_s:
            return FrameError("too_long", f"a conversation of more than {max(WHOLE_S, 2 * longest_s):.0f} s")
        limit_s = loop.time() + longest_s
        actions = []
        while not actions:
            rest_s = min(session.deadline_s, limit_s - loop.time())
            data = await line.read(rest_s) if rest_s > 0 else b""
            actions = session.feed(data) if data else session.timeout()


async def search(line: Line, scan: MbusScan | ModbusScan) -> None:
    """Do a scan to its end; what it found stands in it. Raises LineGoneError."""
    sends = scan.start()
    loop = asyncio.get_running_loop()
    while not scan.over:
        for send in sends:
            await _send(line, send.data, send.after_s)
        limit_s = loop.time() + LONGEST_ANSWER_S
        sends = []
        while not sends and not scan.over:
            rest_s = min(scan.deadline_s, limit_s - loop.time())
            data = await line.read(rest_s) if rest_s > 0 else b""
            sends = scan.feed(data) if data else scan.timeout()


async def _send(line: Line, data: bytes, after_s: float) -> None:
    await asyncio.sleep(after_s)
    line.forget()
    line.write(data)
