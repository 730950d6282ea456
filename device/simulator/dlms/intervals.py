"""What a simulated meter remembers of its household: registers at the end of each interval, computed when asked for."""

from dataclasses import dataclass
from typing import Final

from device.simulator.household import Household, Registers

POWER_DOWN: Final = 0x80
POWER_UP: Final = 0x40


@dataclass(frozen=True, slots=True)
class Interval:
    """One row: its end (seconds since 1970), its status word, and the registers in watt-seconds at its end."""

    end: int
    status: int
    import_ws: int
    export_ws: int


class Intervals:
    """Rows of `period_s`, as far back as `depth_s`.

    `failures` are spans (seconds since 1970) in which the meter was without power: no row that ended in one is there,
    the one before has the status 80, the one after 40.
    """

    def __init__(
        self,
        registers: Registers,
        *,
        period_s: int = 900,
        depth_s: int = 40 * 86400,
        failures: tuple[tuple[int, int], ...] = (),
    ) -> None:
        self.period_s = period_s
        self._depth_s = depth_s
        self._failures = failures
        self._household: Household = registers.household
        self._known = {registers.second: (registers.import_ws, registers.export_ws)}

    def rows(self, since: int, until: int, now: int) -> list[Interval]:
        """The rows that ended in since to until, both included, and not after `now`."""
        step = self.period_s
        first = -(-max(since, now - self._depth_s) // step) * step
        return [self._row(end) for end in range(first, min(until, now) + 1, step) if not self._is_off(end)]

    def numbered(self, first: int, last: int, now: int) -> list[Interval]:
        """The rows from one number to another, 1 being the oldest that is kept; `last` 0 is the newest."""
        ends = self._ends(now)[first - 1 : last or None] if first > 0 else []
        return [self._row(end) for end in ends]

    def in_use(self, now: int) -> int:
        """How many rows there are."""
        return len(self._ends(now))

    def _ends(self, now: int) -> list[int]:
        step = self.period_s
        first = -(-(now - self._depth_s) // step) * step
        return [end for end in range(first, now + 1, step) if not self._is_off(end)]

    def _row(self, end: int) -> Interval:
        status = POWER_DOWN * self._is_off(end + self.period_s) | POWER_UP * self._is_off(end - self.period_s)
        return Interval(end, status, *self._registers(end))

    def _is_off(self, end: int) -> bool:
        return any(began < end <= ended for began, ended in self._failures)

    def _registers(self, second: int) -> tuple[int, int]:
        """Both registers at a time, counted on or back from the nearest time at which they are known."""
        if second not in self._known:
            near = min(self._known, key=lambda known: abs(known - second))
            powers = [self._household.power_w(one) for one in range(min(near, second), max(near, second))]
            drawn = sum(power for power in powers if power > 0)
            sign = 1 if second > near else -1
            imported, exported = self._known[near]
            self._known[second] = (imported + sign * drawn, exported + sign * (drawn - sum(powers)))
        return self._known[second]
