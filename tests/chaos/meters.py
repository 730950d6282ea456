"""Meters whose every telegram has a counter value of its own and is written into the truth before it is sent."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from device.simulator import SimulatedP1Meter, SimulatedSmlMeter
from meters.wires.encode.p1 import encode_p1
from meters.wires.encode.sml import SmlValue, encode_sml
from tests.chaos.truth import Telegram, Truth

POWER_BELOW_W: Final = 9000
LEAST_APART: Final = 0.6
_ZONE: Final = ZoneInfo("Europe/Amsterdam")
Gave = Callable[[Telegram], None]


class CountingP1Meter(SimulatedP1Meter):
    """A DSMR 5 meter with a clock: a telegram a second, each a Wh more than the one before.

    `clock_s` is how far its clock is from this machine's. `energy` and `power` are the codes that carry the count.
    """

    energy, power = "1-0:1.8.1", "1-0:1.7.0"

    def __init__(self, truth: Truth, *, first_wh: int, phase_s: float, **options: Any) -> None:
        super().__init__(gas_serial="", **options)
        self.key = f"ISK:{self.serial}"
        self.clock_s = 0
        self.speaking = asyncio.Event()
        self._truth, self._wh, self._phase_s = truth, first_wh, phase_s
        self._sent_s = 0.0

    async def _run(self) -> None:
        while True:
            await self.speaking.wait()
            now = self._wall()
            due = now - (now - self._phase_s) % self.interval_s + self.interval_s
            # after one that came late, on a busy machine, the next is left out: two would lie in one reading interval
            # or have one stamp
            if due - self._sent_s < self.interval_s * LEAST_APART:
                due += self.interval_s
            await asyncio.sleep(due - now)
            self._sent_s = self._wall()
            self.line.send(self.telegram(), self.baud)
            self.telegrams_sent += 1

    def telegram(self) -> bytes:
        """The next telegram, after it is written down."""
        self._wh += 1
        now, power_w = self._wall(), self._wh % POWER_BELOW_W
        second = int(now) + self.clock_s
        local = datetime.fromtimestamp(second, UTC).astimezone(_ZONE)
        lines = [
            "1-3:0.2.8(50)",
            f"0-0:1.0.0({local:%y%m%d%H%M%S}{'S' if local.dst() else 'W'})",
            f"0-0:96.1.1({self.serial.encode().hex().upper()})",
            f"{self.energy}({self._wh // 1000:06d}.{self._wh % 1000:03d}*kWh)",
            f"{self.power}({power_w // 1000:02d}.{power_w % 1000:03d}*kW)",
        ]
        data = encode_p1(self.header, lines)
        self._truth.record(Telegram(self.key, self._wh, power_w, now, second, data.rstrip()))
        return data


class CountingSmlMeter(SimulatedSmlMeter):
    """An SML meter without a clock: each telegram a Wh more than the one before; its time is the agent's."""

    energy, power = "1-0:1.8.0", "1-0:16.7.0"

    def __init__(self, truth: Truth, *, first_wh: int, phase_s: float, **options: Any) -> None:
        super().__init__(**options)
        self.key = f"ISK:1ISK{self.serial:0>10}"
        self.speaking = asyncio.Event()
        self._truth, self._wh, self._phase_s = truth, first_wh, phase_s
        self._sent_s = 0.0

    _run = CountingP1Meter._run

    def telegram(self) -> bytes:
        """The next telegram, after it is written down."""
        self._wh += 1
        self._transaction += 3
        now, power_w = self._wall(), self._wh % POWER_BELOW_W
        values = [
            SmlValue("129-129:199.130.3", b"ISK"),
            SmlValue("1-0:0.0.9", self.server_id),
            SmlValue(self.energy, Decimal(self._wh), "Wh", scaler=-1, width=-8, status=0x0182),
            SmlValue(self.power, Decimal(power_w), "W", scaler=0, width=-4),
        ]
        data = encode_sml(self.server_id, values, seconds=self._wh, transaction=self._transaction & 0xFFFFFF)
        self._truth.record(Telegram(self.key, self._wh, power_w, now, None, data.rstrip()))
        return data


Meter = CountingP1Meter | CountingSmlMeter


def two_meters(truth: Truth, number: int) -> tuple[Meter, Meter]:
    """The meters of the device of this number: one with a clock, and one without."""
    clocked = CountingP1Meter(
        truth, first_wh=1_000_000 * number, phase_s=0.13 + 0.2 * number, serial=f"E00440071331560{number:02d}"
    )
    clockless = CountingSmlMeter(
        truth, first_wh=5_000_000 * number, phase_s=0.37 + 0.2 * number, serial=f"00673626{number:02d}", interval_s=0.5
    )
    return clocked, clockless
