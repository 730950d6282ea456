"""Registers as Home Assistant can take them: a fall is shown once it is sure, as it counts each as a new beginning."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

CONFIRMATIONS: Final = 3
"""So many readings in a row must be lower before a register is believed to have fallen: a rollover, a reset."""


@dataclass(slots=True)
class _Register:
    shown: float
    fallen: int = 0
    fallen_at: datetime | None = None


class Registers:
    """What is shown of each register that only rises, by its series.

    A telegram that says 0 once would be a day's whole register of energy in Home Assistant: it takes a value below
    nine tenths of the last for a new cycle from zero, and the next good one for what was used since. In memory: after
    a restart the newest reading counts.
    """

    def __init__(self) -> None:
        self._known: dict[int, _Register] = {}

    def shown(self, series_id: int, at: datetime, value: float) -> float:
        """What to show for a register's newest reading: itself, or while it may be an error the one before."""
        known = self._known.get(series_id)
        if known is None or value >= known.shown:
            self._known[series_id] = _Register(value)
            return value
        if known.fallen_at is None or at > known.fallen_at:
            known.fallen, known.fallen_at = known.fallen + 1, at
        if known.fallen >= CONFIRMATIONS:
            self._known[series_id] = _Register(value)
            return value
        return known.shown

    @property
    def held(self) -> int:
        """Registers that are shown higher than their newest reading."""
        return sum(1 for one in self._known.values() if one.fallen)

    def keep(self, series: Iterable[int]) -> None:
        """Forget all others."""
        wanted = set(series)
        self._known = {series_id: one for series_id, one in self._known.items() if series_id in wanted}
