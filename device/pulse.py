"""How each meter fares: when it was heard and read last, how far apart its readings come, why one failed. No I/O."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from typing import Final

from broker.messages import Sample

VITAL_S: Final = 60.0
PERIODS: Final = 3
"""A meter counts as read for so many of its own periods, and for VITAL_S at least, after its last reading."""
LONGEST_PERIOD_S: Final = 900.0
SLOWING: Final = 0.8
METERS_MAX: Final = 1024


@dataclass(slots=True)
class Beat:
    """One meter, by the monotonic clock; `latest` is its newest sample that was gathered.

    `suspects` are the fields of the configuration by which its last telegram failed.
    """

    heard_s: float = float("-inf")
    read_s: float = float("-inf")
    period_s: float = 0.0
    failure: str = ""
    suspects: tuple[str, ...] = ()
    latest: Sample | None = None
    gathered_s: float = float("-inf")

    @property
    def was_heard(self) -> bool:
        """Whether a good frame of it came in this run."""
        return isfinite(self.heard_s)

    @property
    def was_read(self) -> bool:
        """Whether it gave a reading in this run."""
        return isfinite(self.read_s)

    @property
    def patience_s(self) -> float:
        """How long it may be silent and be well."""
        return PERIODS * self.period_s


class Pulse:
    """The meters of all ports by key; beyond METERS_MAX the one that was told of first is forgotten."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._beats: dict[str, Beat] = {}
        self._turn = asyncio.Event()

    def of(self, key: str) -> Beat:
        """One meter; a new one where it was never told of."""
        beat = self._beats.get(key)
        if beat is None:
            if len(self._beats) >= METERS_MAX:
                del self._beats[next(iter(self._beats))]
            beat = self._beats[key] = Beat()
        return beat

    def heard(self, key: str) -> None:
        """A good frame of it came."""
        self.of(key).heard_s = self._monotonic()

    def failed(self, key: str, why: str, suspects: tuple[str, ...]) -> None:
        """Its telegram gave no reading, by these fields of the configuration."""
        beat = self.of(key)
        beat.failure, beat.suspects = why, suspects

    def read(self, key: str) -> None:
        """Its telegram gave a reading with a value that is wanted."""
        beat, now_s = self.of(key), self._monotonic()
        gap_s = min(now_s - beat.read_s, LONGEST_PERIOD_S) if beat.was_read else 0.0
        beat.period_s = max(gap_s, SLOWING * beat.period_s)
        beat.read_s, beat.failure, beat.suspects = now_s, "", ()
        turn, self._turn = self._turn, asyncio.Event()
        turn.set()

    def gathered(self, key: str, sample: Sample) -> None:
        """A sample of it, or of one behind it, goes out."""
        beat = self.of(key)
        beat.latest, beat.gathered_s = sample, self._monotonic()

    def vital(self) -> dict[str, float]:
        """The meters that are being read now, with their patience."""
        now_s = self._monotonic()
        return {
            key: beat.patience_s
            for key, beat in self._beats.items()
            if now_s - beat.read_s <= max(VITAL_S, beat.patience_s)
        }

    def since(self, began_s: float) -> dict[str, dict[str, object]]:
        """The newest sample of each meter, and of those behind it, that was gathered after this time."""
        return {
            key: {"at": beat.latest.at.isoformat(), "values": dict(beat.latest.values)}
            for key, beat in self._beats.items()
            if beat.latest is not None and beat.gathered_s > began_s
        }

    async def turn(self) -> None:
        """Wait for the next reading of any meter."""
        await self._turn.wait()
