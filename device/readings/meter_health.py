"""How each meter fares: when it was heard and read last, how far apart its readings come, why one failed. No I/O."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from typing import Final

from broker.contract.messages import Sample

READ_WITHIN_S: Final = 60.0
PERIODS: Final = 3
"""A meter counts as read for so many of its own periods, and for READ_WITHIN_S at least, after its last reading."""
LONGEST_PERIOD_S: Final = 900.0
SLOWING: Final = 0.8
METERS_MAX: Final = 1024


@dataclass(slots=True)
class MeterState:
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


class MeterHealth:
    """The meters of all ports by key; beyond METERS_MAX the one that came first is forgotten."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._states: dict[str, MeterState] = {}
        self._next_reading = asyncio.Event()

    def of(self, key: str) -> MeterState:
        """One meter; a new one where nothing was noted of it."""
        state = self._states.get(key)
        if state is None:
            if len(self._states) >= METERS_MAX:
                del self._states[next(iter(self._states))]
            state = self._states[key] = MeterState()
        return state

    def heard(self, key: str) -> None:
        """A good frame of it came."""
        self.of(key).heard_s = self._monotonic()

    def failed(self, key: str, why: str, suspects: tuple[str, ...]) -> None:
        """Its telegram gave no reading, by these fields of the configuration."""
        state = self.of(key)
        state.failure, state.suspects = why, suspects

    def read(self, key: str) -> None:
        """Its telegram gave a reading with a value that is wanted."""
        state, now_s = self.of(key), self._monotonic()
        gap_s = min(now_s - state.read_s, LONGEST_PERIOD_S) if state.was_read else 0.0
        state.period_s = max(gap_s, SLOWING * state.period_s)
        state.read_s, state.failure, state.suspects = now_s, "", ()
        event, self._next_reading = self._next_reading, asyncio.Event()
        event.set()

    def gathered(self, key: str, sample: Sample) -> None:
        """A sample of it, or of one behind it, goes out."""
        state = self.of(key)
        state.latest, state.gathered_s = sample, self._monotonic()

    def being_read(self) -> dict[str, float]:
        """The meters that are being read now, with their patience."""
        now_s = self._monotonic()
        return {
            key: state.patience_s
            for key, state in self._states.items()
            if now_s - state.read_s <= max(READ_WITHIN_S, state.patience_s)
        }

    def since(self, began_s: float) -> dict[str, dict[str, object]]:
        """The newest sample of each meter, and of those behind it, that was gathered after this time."""
        return {
            key: {"at": state.latest.at.isoformat(), "values": dict(state.latest.values)}
            for key, state in self._states.items()
            if state.latest is not None and state.gathered_s > began_s
        }

    async def next_reading(self) -> None:
        """Wait for the next reading of any meter."""
        await self._next_reading.wait()
