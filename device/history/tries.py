"""How it fares to ask one meter for its memory: how much at a time, and when again after a failure. No I/O."""

from dataclasses import dataclass
from typing import Final

from broker.errors import FrameError
from device.history.spans import FIRST_SLICE_S, next_slice_s

RETRY_FIRST_S: Final = 60.0
RETRY_CAP_S: Final = 3600.0
REFUSALS: Final = 3
"""How often a meter may say no before nothing more is asked of it."""
LEAST_SLICE_S: Final = 900.0
OTHER_METER: Final = "other_meter"
"""The failure where another meter answered than the one that was read live, or one that does not say who it is."""
TOO_MUCH: Final = frozenset({"too_long", "truncated", "malformed"})
"""Failures that less at a time may heal."""
GIVEN_UP: Final = frozenset({"meter_refused", "undecodable", OTHER_METER})
"""Failures that another try will hardly heal."""


@dataclass(slots=True)
class Tries:
    """Of one meter; `again_s` is when it may be asked again, `trouble` what went wrong last."""

    slice_s: float = FIRST_SLICE_S
    failures: int = 0
    refusals: int = 0
    again_s: float = 0.0
    trouble: str = ""

    def read(self, took_s: float) -> None:
        """A slice was read, which kept the line for so long."""
        self.slice_s = next_slice_s(self.slice_s, took_s)
        self.failures, self.refusals, self.again_s, self.trouble = 0, 0, 0.0, ""

    def failed(self, error: FrameError, now_s: float) -> bool:
        """A slice could not be read; whether the meter is to be left in peace."""
        self.failures += 1
        self.refusals += error.reason in GIVEN_UP
        if error.reason in TOO_MUCH:
            self.slice_s = max(LEAST_SLICE_S, self.slice_s / 2)
        self.wait(now_s, min(RETRY_CAP_S, RETRY_FIRST_S * 2 ** min(self.failures - 1, 10)), str(error))
        return self.refusals >= REFUSALS

    def wait(self, now_s: float, pause_s: float, trouble: str) -> None:
        """Ask nothing for a while."""
        self.again_s, self.trouble = now_s + pause_s, trouble
