"""What all simulated meters share: a pty, a household behind them, time that may run faster, and faults on demand."""

import asyncio
import random
import re
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from enum import StrEnum
from math import floor
from pathlib import Path
from typing import ClassVar, Self

from broker.errors import PermanentError
from device.simulator.household import Household, Registers
from device.simulator.pty_line import PtyLine


class Fault(StrEnum):
    """What can go wrong with one telegram."""

    GARBAGE = "garbage"
    """Random bytes before the telegram."""
    TORN = "torn"
    """Only its first half."""
    WRONG_CRC = "wrong_crc"
    """One digit changed, the check left as it was."""
    SILENCE = "silence"
    """Nothing at all."""


class SimulatedMeter(ABC):
    """A meter on a pty; enter it with `async with`, then `port` is what an agent opens.

    The household is the same for the same seed. `speed` runs the meter's time faster than the clock on the wall,
    `started_at` sets it to another time (seconds since 1970). `link` gives the port a name that lasts over `unplug`
    and `plug`.
    """

    baud: int
    carries: ClassVar[tuple[re.Pattern[str], str]] = (
        re.compile(r"[0-9A-Za-z]{1,32}"),
        "1 to 32 letters and digits (IEC 62056-21)",
    )
    """Which serials its telegrams can carry, as a pattern and in words."""

    def __init__(
        self,
        *,
        serial: str,
        seed: int = 1,
        interval_s: float = 1.0,
        pv_peak_w: int = 0,
        speed: float = 1.0,
        started_at: float | None = None,
        link: Path | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.serial = serial
        self.interval_s = interval_s
        self.telegrams_sent = 0
        self._seed = seed
        self._speed = speed
        self._wall = wall
        self._began = wall()
        self._started_at = started_at if started_at is not None else self._began
        self._link = link
        self._faults: deque[Fault] = deque()
        self._noise = random.Random(seed)  # noqa: S311 - noise needs no cryptography
        self._line: PtyLine | None = None
        self._task: asyncio.Task[None] | None = None
        self.registers = Registers(Household(seed, pv_peak_w), self._second())

    @property
    def serial(self) -> str:
        """Its serial, as its telegrams carry it. Setting one that they can't raises PermanentError."""
        return self._serial

    @serial.setter
    def serial(self, serial: str) -> None:
        pattern, words = self.carries
        if pattern.fullmatch(serial) is None or not serial.strip("0"):
            raise PermanentError(f"serial {serial[:60]!r}: this meter's telegrams carry {words}, and not zeros only")
        self._serial = self._as_carried(serial)

    def _as_carried(self, serial: str) -> str:
        return serial

    async def __aenter__(self) -> Self:
        self.plug()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.unplug()

    @property
    def port(self) -> str:
        """The path of the serial port."""
        return self.line.port

    @property
    def line(self) -> PtyLine:
        """The pty. Raises RuntimeError while unplugged."""
        if self._line is None:
            raise RuntimeError("the meter is unplugged; use async with, or plug()")
        return self._line

    def plug(self) -> None:
        """Plug the meter in (again); without a link its port may have another name then."""
        self._line = PtyLine(self._link, seed=self._seed)
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"simulator.{self.serial}")

    async def unplug(self) -> None:
        """Pull the plug: the port vanishes. Raises what had made the meter fall silent."""
        task, self._task = self._task, None
        line, self._line = self._line, None
        try:
            if task is not None:
                task.cancel()
                # awaiting it would take a cancellation of ours for its own
                await asyncio.wait({task})
                if not task.cancelled():
                    task.result()
        finally:
            if line is not None:
                line.close()

    async def speaks(self) -> None:
        """Wait while the meter speaks. Raises what made it fall silent."""
        if (task := self._task) is not None:
            await asyncio.wait({task})
            if not task.cancelled():
                task.result()

    def inject(self, fault: Fault | str, times: int = 1) -> None:
        """Let the next telegrams go wrong, in the order of the calls."""
        self._faults.extend([Fault(fault)] * times)

    @property
    def faults_left(self) -> int:
        """How many injected faults have not come to pass yet."""
        return len(self._faults)

    def swap(self, serial: str, seed: int | None = None) -> None:
        """Put another meter of the same type in its place, with registers of its own."""
        self.serial = serial
        if seed is not None:
            self._seed = seed
            self.registers = Registers(Household(seed, self.registers.household.pv_peak_w), self._second())

    def telegram(self) -> bytes:
        """The telegram of this very second."""
        self.registers.advance(self._second())
        return self._encode()

    @abstractmethod
    def _encode(self) -> bytes:
        """The registers as a telegram."""

    @abstractmethod
    async def _run(self) -> None:
        """Speak until cancelled."""

    def _second(self) -> int:
        return int(self._started_at + (self._wall() - self._began) * self._speed)

    def _spoilt(self, data: bytes) -> bytes:
        """The telegram with the next injected fault, if there is one."""
        if not self._faults:
            return data
        match self._faults.popleft():
            case Fault.GARBAGE:
                return self._noise.randbytes(40 + self._noise.randrange(200)) + data
            case Fault.TORN:
                return data[: len(data) // 2]
            case Fault.WRONG_CRC:
                return self._changed(data)
            case Fault.SILENCE:
                return b""

    @staticmethod
    def _changed(data: bytes) -> bytes:
        """One octet changed in the second half, where values stand, far from the check at the end."""
        place = len(data) * 2 // 3
        while not chr(data[place] & 0x7F).isdigit():
            place -= 1
        changed = bytearray(data)
        # two bits, so that the parity of a seven-bit character still fits
        changed[place] ^= 0x03
        return bytes(changed)


class PushingMeter(SimulatedMeter):
    """A meter that sends by itself, aligned to its own clock."""

    async def _run(self) -> None:
        step_s = self.interval_s
        due = self._wall()
        if step_s >= 1 and self._speed == 1:
            # just after a second's end, so that jitter never moves a telegram into the next second
            due = floor(due) + 1.02
            await asyncio.sleep(due - self._wall())
        while True:
            data = self._spoilt(self.telegram())
            if data:
                self.line.send(data, self.baud)
                self.telegrams_sent += 1
            due += step_s
            now = self._wall()
            if due < now:
                due = now + step_s
            await asyncio.sleep(due - now)
