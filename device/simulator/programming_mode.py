"""How a simulated IEC 62056-21 meter answers in programming mode (6.4.3): password, R5 and R6, break. No I/O."""

import re
from collections.abc import Callable
from typing import Final

from meters.wires.iec62056_programming import ACK, EOT, ETX, NAK, STX, message
from meters.wires.text.checks import block_check

PART_CHARACTERS: Final = 256
"""About as much of an answer as one partial block holds: whole lines."""
_MESSAGE: Final = re.compile(rb"\x01([PRB][0-9])(?:\x02([^\x03]*))?\x03(.)|(\x06|\x15)", re.DOTALL)


class ProgrammingMode:
    """One visit: `greeting`, then `hear` gives what to send; `over` once the reader breaks off.

    `answer` is what the meter says to a data set. With a password nothing is told before P1 brings it.
    """

    def __init__(self, answer: Callable[[str], str], password: str | None = None) -> None:
        self._answer = answer
        self._password = password
        self._open = password is None
        self._heard = b""
        self._blocks: list[bytes] = []
        self.over = False
        self.asked: list[str] = []
        """Data sets that were asked for, in order."""

    @property
    def greeting(self) -> bytes:
        """P0, with a seed that nobody needs."""
        return message("P0", "(00000000)")

    def hear(self, data: bytes) -> list[bytes]:
        """Take seven-bit characters; what is to be sent, one after another."""
        self._heard += data
        found: list[bytes] = []
        while (match := _MESSAGE.search(self._heard)) is not None:
            self._heard = self._heard[match.end() :]
            if match[4]:
                found += self._acknowledged(match[4])
            elif block_check(match.group()[1:-1]) != match[3][0]:
                found.append(NAK)
            else:
                found += self._commanded(match[1].decode(), (match[2] or b"").decode("latin-1"))
        return found

    def _acknowledged(self, sign: bytes) -> list[bytes]:
        if sign == ACK:
            self._blocks = self._blocks[1:]
        return self._blocks[:1]

    def _commanded(self, command: str, data: str) -> list[bytes]:
        if command == "B0":
            self.over = True
            return []
        if command == "P1":
            self._open = self._password is None or data == f"({self._password})"
            return [ACK] if self._open else [_block("(ER02)", ETX)]
        if command not in ("R5", "R6") or not self._open:
            return [_block("(ER01)", ETX)]
        self.asked.append(data)
        lines = self._answer(data).splitlines(keepends=True)
        parts = _parts(lines) if command == "R6" else ["".join(lines)]
        self._blocks = [_block(part, EOT) for part in parts[:-1]] + [_block(parts[-1], ETX)]
        return self._blocks[:1]


def _parts(lines: list[str]) -> list[str]:
    parts = [""]
    for line in lines:
        if parts[-1] and len(parts[-1]) + len(line) > PART_CHARACTERS:
            parts.append("")
        parts[-1] += line
    return parts


def _block(text: str, end: bytes) -> bytes:
    checked = text.encode("latin-1") + end
    return STX + checked + bytes([block_check(checked)])
