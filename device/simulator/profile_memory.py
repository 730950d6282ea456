"""What a simulated meter remembers: a load profile of its household, as P.01 of IEC 62056-21 gives it (VDEW 2.1)."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo

from device.simulator.household import WS_PER_KWH, Registers
from meters.wires.iec62056_dataset import PAIR, iec_stamp

POWER_DOWN: Final = 0x80
POWER_UP: Final = 0x40
CODES: Final = (("1-0:1.5.0", "kW"), ("1-0:2.5.0", "kW"), ("1-0:1.8.0", "kWh"), ("1-0:2.8.0", "kWh"))
ZONE: Final = ZoneInfo("Europe/Berlin")


@dataclass(frozen=True, slots=True)
class _Row:
    second: int
    """The interval's end, seconds since 1970."""
    status: int
    values: tuple[str, ...]


class ProfileMemory:
    """Mean power and registers at the end of each interval, as far back as `depth_s`, computed when they are asked for.

    `failures` are spans (seconds since 1970) in which the meter was without power: no interval that ended in one is
    there, the one before has the status 80, the one after 40. Of each season, status and stretch without a hole there
    is one header. Local time is Berlin's, with its season digit.
    """

    def __init__(
        self,
        registers: Registers,
        *,
        period_s: int = 900,
        depth_s: int = 90 * 86400,
        failures: tuple[tuple[int, int], ...] = (),
    ) -> None:
        self.period_s = period_s
        self.power_factor = 1
        """A memory at fault: its mean powers are so many times too high."""
        self._household = registers.household
        self._base = (registers.second, registers.import_ws, registers.export_ws)
        self._depth_s = depth_s
        self._failures = failures
        self._sums: dict[tuple[int, int], tuple[int, int]] = {}

    def answer(self, asked: str, now: int) -> str:
        """The answer to `P.01(from;to)`, ends of intervals, either of them left out where it is open."""
        name, groups = asked.partition("(")[0], [value for _, value in PAIR.findall(asked)]
        since, until = (_second(text) for text in (groups[0] if groups else "").partition(";")[::2])
        rows = list(self._rows(now - self._depth_s if since is None else since, now if until is None else until, now))
        if name != "P.01" or not rows:
            return f"{name}(ERROR)\r\n"
        return "".join(self._text(rows))

    def imported_kwh(self, since: datetime, until: datetime) -> dict[datetime, float]:
        """The register 1-0:1.8.0 at the end of each interval after `since` and not after `until` (aware)."""
        step = self.period_s
        first = int(since.timestamp()) // step * step + step
        ends = [end for end in range(first, int(until.timestamp()) + 1, step) if not self._is_off(end)]
        return {datetime.fromtimestamp(end, UTC): float(_kwh(self._register(end, 0))) for end in ends}

    def _rows(self, since: int, until: int, now: int) -> Iterator[_Row]:
        step = self.period_s
        first = -(-max(since, now - self._depth_s) // step) * step
        for end in range(first, min(until, now) + 1, step):
            if self._is_off(end):
                continue
            down, up = self._is_off(end + step), self._is_off(end - step)
            status = POWER_DOWN * down | POWER_UP * up
            drawn, fed = self._between(end - step, end)
            registers = (self._register(end, 0), self._register(end, 1))
            powers = (ws / step / 1000 * self.power_factor for ws in (drawn, fed))
            yield _Row(end, status, (*(f"{kw:.4f}" for kw in powers), *map(_kwh, registers)))

    def _is_off(self, end: int) -> bool:
        return any(began < end <= ended for began, ended in self._failures)

    def _text(self, rows: list[_Row]) -> Iterator[str]:
        head: tuple[object, ...] = ()
        for row in rows:
            local = datetime.fromtimestamp(row.second, ZONE)
            season = "1" if local.dst() else "0"
            fits = (season, row.status, row.second)
            if fits != head:
                codes = "".join(f"({code})({unit})" for code, unit in CODES)
                stamp = f"{season}{local:%y%m%d%H%M%S}"
                yield f"P.01({stamp})({row.status:02X})({self.period_s // 60})({len(CODES)}){codes}\r\n"
            yield "".join(f"({value})" for value in row.values) + "\r\n"
            head = (season, row.status, row.second + self.period_s)

    def _register(self, second: int, which: int) -> int:
        """A register in watt-seconds at a time, before or after the meter was made."""
        began, *at_first = self._base
        step = 1 if second >= began else -1
        places = [began, *range(began // self.period_s * self.period_s, second, step * self.period_s), second]
        inside = sorted({place for place in places if min(began, second) <= place <= max(began, second)})
        return at_first[which] + step * sum(self._between(since, until)[which] for since, until in pairwise(inside))

    def _between(self, since: int, until: int) -> tuple[int, int]:
        """Watt-seconds drawn and fed in between two times."""
        if (since, until) not in self._sums:
            powers = [self._household.power_w(second) for second in range(since, until)]
            drawn = sum(power for power in powers if power > 0)
            self._sums[since, until] = (drawn, drawn - sum(powers))
        return self._sums[since, until]


def _second(text: str) -> int | None:
    """A stamp with its season digit (sYYMMDDhhmm, with seconds or without), or Berlin's without one; None for none."""
    stamp = iec_stamp(text.ljust(13, "0") if len(text) % 2 else text)
    if stamp is None:
        return None
    at = stamp.at or stamp.local.replace(tzinfo=ZONE).astimezone(UTC)
    return int(at.timestamp())


def _kwh(watt_seconds: int) -> str:
    wh = watt_seconds * 1000 // WS_PER_KWH
    return f"{wh // 1000:06d}.{wh % 1000:03d}"
