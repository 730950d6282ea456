"""Simulated meters that note what they sent: on a busy machine they skip seconds, which no agent then can have lost."""

import time
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from device.simulator import SimulatedD0Meter, SimulatedP1Meter


class RecordingMeter(SimulatedP1Meter):
    """Notes each telegram by its own second, and whether it was whole."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.sent: dict[datetime, bool] = {}

    def _spoilt(self, data: bytes) -> bytes:
        spoilt = super()._spoilt(data)
        self.sent[datetime.fromtimestamp(self.registers.second, UTC)] = data in spoilt
        return spoilt

    def seconds(self, first: int, last: int) -> list[int]:
        """The seconds since 1970 that it sent, of those from the first to the last."""
        return [second for at in self.sent if first <= (second := round(at.timestamp())) <= last]


class RecordingD0Meter(SimulatedD0Meter):
    """Notes when it sent."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.sent_s: list[float] = []

    def _spoilt(self, data: bytes) -> bytes:
        self.sent_s.append(time.monotonic())
        return super()._spoilt(data)

    def longest_pause_s(self) -> float:
        """The longest time between two telegrams."""
        return max(later - earlier for earlier, later in pairwise(self.sent_s))
