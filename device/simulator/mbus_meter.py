"""A simulated electricity meter at an M-Bus line: silent until it is asked, by primary or secondary address."""

import asyncio
import re
from datetime import datetime
from typing import Any, ClassVar, Final

from device.simulator.meter import Fault, SimulatedMeter
from meters.wires.encode.mbus import MbusValue, encode_mbus
from meters.wires.mbus.link import ACK, FCB, LONG, NETWORK, REQ_UD2, SELECT, SHORT, SND_NKE

REACTION_S: Final = 0.02
_SHORT_BYTES: Final = 5
_SELECT_BYTES: Final = 17
_MANUFACTURER, _VERSION = "KAM", 1


class SimulatedMbusMeter(SimulatedMeter):
    """Answers a link reset, a selection and REQ_UD2 at 2400 8E1; `serial` is up to eight digits.

    It has `stored` its import register (Wh) at some wall-clock times, under storage numbers from 1 on.
    Meters `beside` it share its line: answers at the same time fall on one another. A request is heard at 2400 only.
    """

    baud = 2400
    carries: ClassVar[tuple[re.Pattern[str], str]] = (
        re.compile(r"[0-9]{1,8}", re.ASCII),
        "up to eight digits, the identification of its head (EN 13757-3)",
    )

    def __init__(
        self,
        *,
        address: int = 1,
        beside: tuple["SimulatedMbusMeter", ...] = (),
        stored: tuple[tuple[datetime, int], ...] = (),
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._stored = stored
        self.address = address
        self._beside = beside
        self._selected = False
        self.requests: list[bytes] = []
        """What was asked on its line, in order."""

    def _as_carried(self, serial: str) -> str:
        return serial.zfill(8)

    def _encode(self) -> bytes:
        registers = self.registers
        volts = registers.household.voltages_dv(registers.second - 1)
        values = [
            MbusValue("0c 78", int(self.serial)),
            MbusValue("04 03", registers.import_wh),
            MbusValue("04 83 3c", registers.export_wh),
            MbusValue("04 2b", registers.power_w),
            *(MbusValue(f"04 ab fc 0{n}", w) for n, w in enumerate(registers.phases_w, 1)),
            *(MbusValue(f"02 fd c8 fc 0{n}", dv) for n, dv in enumerate(volts, 1)),
            *(one for n, (at, wh) in enumerate(self._stored, 1) for one in _storage(n, at, wh)),
        ]
        return encode_mbus(
            self.serial, values, manufacturer=_MANUFACTURER, version=_VERSION, address=self.address,
            access=self.telegrams_sent & 0xFF,
        )  # fmt: skip

    async def _run(self) -> None:
        heard = b""
        while True:
            heard += await self.line.hear(None)
            if self.line.baud != self.baud:
                # at another rate it is noise to the meter
                heard = b""
            while request := _request(heard):
                heard = heard[len(request) :]
                await self._answer(request)
            heard = heard[-_SELECT_BYTES:] if heard[:1] in (bytes((SHORT,)), bytes((LONG,))) else b""

    async def _answer(self, request: bytes) -> None:
        self.requests.append(request)
        answers = [found for meter in (self, *self._beside) if (found := meter.answer(request))]
        if not answers:
            return
        if self._faults and self._faults[0] is Fault.SILENCE:
            self._faults.popleft()
            return
        await asyncio.sleep(REACTION_S)
        fallen = bytearray(b"\xff" * max(len(answer) + late for late, answer in enumerate(answers)))
        for late, answer in enumerate(answers):
            for place, octet in enumerate(answer, late):
                fallen[place] &= octet
        self.line.send(self._spoilt(bytes(fallen)) if len(fallen) > 1 else bytes(fallen), self.baud)

    def answer(self, request: bytes) -> bytes:
        """What this meter answers; b'' where it is not asked."""
        if request[0] == LONG:
            digits = request[10:6:-1].hex().upper()
            wanted = all(a in ("F", b) for a, b in zip(digits, self.serial, strict=True))
            self._selected = wanted and request[6] == SELECT
            return bytes((ACK,)) if self._selected else b""
        control, address = request[1], request[2]
        if address != self.address and not (address == NETWORK and self._selected):
            return b""
        if control == SND_NKE:
            return bytes((ACK,))
        if control & ~FCB != REQ_UD2:
            return b""
        self.telegrams_sent += 1
        return self.telegram()


def _storage(number: int, at: datetime, wh: int) -> tuple[MbusValue, MbusValue]:
    """A stored register and its stamp (EN 13757-3 6.3, type F)."""
    dif = 0x04 | (number & 1) << 6 | (0x80 if number > 1 else 0)
    head = f"{dif:02x}" + (f" {number >> 1:02x}" if number > 1 else "")
    year = at.year - 2000
    stamp = bytes((at.minute, at.hour, at.day | (year & 7) << 5, at.month | (year & 0x78) << 1))
    return MbusValue(f"{head} 03", wh), MbusValue(f"{head} 6d", stamp)


def _request(heard: bytes) -> bytes:
    """The first whole request; b'' where there is none yet."""
    size = _SHORT_BYTES if heard[:1] == bytes((SHORT,)) else _SELECT_BYTES
    return heard[:size] if len(heard) >= size and heard[0] in (SHORT, LONG) else b""
