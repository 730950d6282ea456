"""A household's power second by second, the same for the same seed, and registers that add it up exactly."""

import math
import zlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

DAY_S: Final = 86400
HOUR_S: Final = 3600
WS_PER_KWH: Final = 3_600_000
LOCAL_OFFSET_S: Final = HOUR_S
"""The household lives by UTC+1 all year; people do, roughly."""
GAS_STEP_S: Final = 300


@lru_cache(maxsize=256)
def _drawn(seed: int, what: str, place: int) -> int:
    """Kept, because what a household does in one second it mostly does in the next."""
    return zlib.crc32(f"{seed} {what} {place}".encode())


@dataclass(frozen=True, slots=True)
class Household:
    """Base load, fridge, kettle, morning and evening peaks, and optionally photovoltaics of `pv_peak_w`.

    Everything is a function of the seed and of the second since 1970, so any instant can be asked for at any time.
    """

    seed: int
    pv_peak_w: int = 0

    def phases_w(self, second: int) -> tuple[int, int, int]:
        """Power on each phase in W, negative where it goes into the grid."""
        base = 60 + self._draw("base", 0, 60) + self._draw("noise", second // 7, 12)
        first = base + self._fridge_w(second) + self._evening_w(second)
        second_phase = self._kettle_w(second) + self._draw("tv", second // 1800, 90)
        third = self._morning_w(second) + 15 - self._pv_w(second)
        return first, second_phase, third

    def power_w(self, second: int) -> int:
        """The sum of the phases in W, negative where the household feeds in."""
        return sum(self.phases_w(second))

    def voltages_dv(self, second: int) -> tuple[int, int, int]:
        """Voltage of each phase in tenths of a volt."""
        drift = round(15 * math.sin(second / 900 + self.seed))
        a, b, c = (2300 + drift + self._draw(f"volt{phase}", second // 5, 30) for phase in range(3))
        return a, b, c

    def gas_dm3_per_step(self, step: int) -> int:
        """Gas in litres burnt in one step of GAS_STEP_S seconds, more in the morning and the evening."""
        hour = self._hour(step * GAS_STEP_S)
        heating = 40 if 6 <= hour < 9 or 17 <= hour < 22 else 8
        return self._draw("gas", step, heating)

    def _draw(self, what: str, place: int, below: int) -> int:
        return _drawn(self.seed, what, place) % below if below > 0 else 0

    def _hour(self, second: int) -> float:
        return (second + LOCAL_OFFSET_S) % DAY_S / HOUR_S

    def _fridge_w(self, second: int) -> int:
        period_s = 2400 + self._draw("fridge period", 0, 900)
        place = (second + self._draw("fridge phase", 0, period_s)) % period_s
        return 85 + self._draw("fridge", second // period_s, 20) if place < period_s * 0.38 else 0

    def _kettle_w(self, second: int) -> int:
        hour = self._hour(second)
        likely = 5 if 6.5 <= hour < 8.5 or 18 <= hour < 20.5 else 40
        slot, place = divmod(second, 240)
        return (
            1950 + self._draw("kettle", slot, 100) if self._draw("kettle on", slot, likely) == 0 and place < 170 else 0
        )

    def _morning_w(self, second: int) -> int:
        return self._bump(second, peak_hour=7.4, width_h=0.8, height_w=700)

    def _evening_w(self, second: int) -> int:
        return self._bump(second, peak_hour=19.3, width_h=1.6, height_w=1100)

    def _bump(self, second: int, *, peak_hour: float, width_h: float, height_w: int) -> int:
        away_h = abs(self._hour(second) - peak_hour)
        ripple = 0.8 + self._draw("ripple", second // 20, 40) / 100
        return round(height_w * math.exp(-((away_h / width_h) ** 2)) * ripple)

    def _pv_w(self, second: int) -> int:
        if not self.pv_peak_w:
            return 0
        sun = math.sin(math.pi * (self._hour(second) - 6) / 12)
        cloud = 0.55 + self._draw("cloud", second // 90, 45) / 100
        return round(self.pv_peak_w * sun * cloud) if sun > 0 else 0


class Registers:
    """Import, export and gas registers of a household, in whole watt-seconds and litres.

    `advance` adds the power of each second once, so the difference of two readings is the sum of the powers between.
    """

    def __init__(self, household: Household, second: int) -> None:
        self.household = household
        self.second = second
        start = zlib.crc32(f"{household.seed} start".encode())
        self.import_ws = (1000 + start % 30_000) * WS_PER_KWH
        self.export_ws = (start % 4000) * WS_PER_KWH if household.pv_peak_w else 0
        self.gas_dm3 = 1_000_000 + start % 4_000_000
        self.gas_second = second // GAS_STEP_S * GAS_STEP_S

    def advance(self, second: int) -> None:
        """Add up to a second, exclusive; an earlier one changes nothing."""
        for now in range(self.second, second):
            power = self.household.power_w(now)
            if power >= 0:
                self.import_ws += power
            else:
                self.export_ws -= power
        self.second = max(self.second, second)
        while self.gas_second + GAS_STEP_S <= self.second:
            self.gas_dm3 += self.household.gas_dm3_per_step(self.gas_second // GAS_STEP_S)
            self.gas_second += GAS_STEP_S

    @property
    def import_wh(self) -> int:
        """Whole Wh taken from the grid."""
        return self.import_ws // 3600

    @property
    def export_wh(self) -> int:
        """Whole Wh fed into the grid."""
        return self.export_ws // 3600

    @property
    def power_w(self) -> int:
        """The power of the last second that was added."""
        return self.household.power_w(self.second - 1)

    @property
    def phases_w(self) -> tuple[int, int, int]:
        """The same by phase."""
        return self.household.phases_w(self.second - 1)
