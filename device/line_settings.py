"""How a serial line is set: rate, character format, and what goes with it."""

from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True, order=True)
class LineSettings:
    """Baud rate, data bits and parity (`N`, `E`, `O`); stop bits are always one."""

    baud: int
    bits: int = 8
    parity: str = "N"

    def __str__(self) -> str:
        return f"{self.baud} {self.bits}{self.parity}1"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `9600 7E1`. Raises ValueError."""
        baud, _, rest = text.partition(" ")
        if len(rest) != 3 or rest[0] not in "78" or rest[1] not in "NEO":
            raise ValueError(f"{text!r} is no line setting")
        return cls(int(baud), int(rest[0]), rest[1])
