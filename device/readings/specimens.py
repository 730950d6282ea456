"""Which frames of a meter that only a generic spec reads are worth sending, so that a spec can be drafted. No I/O."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

FIRST: Final = 5
"""Frames sent at once: a draft of several telegrams sees which values change."""
EVERY_S: Final = 3600.0
"""Then one in so long: tariffs, seasons and export show up over time."""
METERS_MAX: Final = 64
"""Meters that are remembered, the one heard first forgotten first."""


@dataclass(slots=True)
class Specimens:
    """Lets the first frames of each meter pass, then one an hour; at most METERS_MAX meters are remembered."""

    monotonic: Callable[[], float]
    _sent: dict[str, tuple[int, float]] = field(default_factory=dict)

    def due(self, meter: str) -> bool:
        """Whether to send this frame of a meter."""
        now_s = self.monotonic()
        sent, last_s = self._sent.get(meter, (0, now_s))
        if sent >= FIRST and now_s - last_s < EVERY_S:
            return False
        if meter not in self._sent and len(self._sent) >= METERS_MAX:
            del self._sent[next(iter(self._sent))]
        self._sent[meter] = (sent + 1, now_s)
        return True
