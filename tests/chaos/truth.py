"""What the meters gave: each telegram is in a file before its first byte is on the line, whoever dies."""

import json
import os
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self


@dataclass(frozen=True, slots=True)
class Telegram:
    """One telegram: `energy_wh` is its number too, for no two of a meter have the same.

    `at` is its own stamp in seconds since 1970, None of a meter without a clock; `sent_s` is this machine's time.
    """

    meter: str
    energy_wh: int
    power_w: int
    sent_s: float
    at: int | None
    frame: bytes = b""


@dataclass(slots=True)
class Deaf:
    """A time in which nobody was there to hear a meter: its agent was dead or had not opened the port again.

    It ends with the first telegram that was heard after `to_s`: opening a port and finding the telegram's beginning
    takes an agent a moment. What was given in it may be stored, and need not be.
    """

    meter: str
    from_s: float
    to_s: float
    exact: bool = False
    """Whether it ended just then."""


@dataclass
class Truth:
    """All that was given, in the order of giving, and when nobody could hear it."""

    path: Path
    given: dict[str, list[Telegram]] = field(default_factory=lambda: defaultdict(list))
    deaf: list[Deaf] = field(default_factory=list)
    clocks_stepped: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Meters whose readings' times may be off for a while, by so many seconds at least and at most."""
    _file: int = -1

    def __enter__(self) -> Self:
        self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)

    def record(self, telegram: Telegram) -> None:
        """Write one telegram down: the kernel has it when this returns, and no fault takes the machine's power."""
        line = {name: value for name, value in asdict(telegram).items() if name != "frame"}
        os.write(self._file, json.dumps(line).encode() + b"\n")
        self.given[telegram.meter].append(telegram)

    def unheard(self, meter: str, from_s: float, to_s: float) -> None:
        """Nobody heard this meter from then to then."""
        self.deaf.append(Deaf(meter, from_s, to_s))

    def heard(self, stored: dict[str, set[int]]) -> dict[str, list[Telegram]]:
        """By meter: the telegrams that had somebody to hear them, by what is stored of those after a deaf time."""
        return {meter: self._heard(meter, stored.get(meter, set())) for meter in self.given}

    def _heard(self, meter: str, stored: set[int]) -> list[Telegram]:
        found = self.given[meter]
        for deaf in (deaf for deaf in self.deaf if deaf.meter == meter):
            again = deaf.to_s
            if not deaf.exact:
                again = next((t.sent_s for t in found if t.sent_s >= deaf.to_s and t.energy_wh in stored), deaf.to_s)
            found = [t for t in found if not deaf.from_s <= t.sent_s < again]
        return found
