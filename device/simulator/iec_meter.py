"""A simulated IEC 62056-21 meter of mode C: silent until it is asked, then it changes over to a faster rate."""

import asyncio
import re
from datetime import datetime
from typing import Any, ClassVar, Final
from zoneinfo import ZoneInfo

from device.simulator.log_book import LogBook
from device.simulator.meter import Fault, SimulatedMeter
from device.simulator.profile_memory import ProfileMemory
from device.simulator.programming_mode import ProgrammingMode
from meters.wires.encode.iec62056 import encode_iec62056, with_parity
from meters.wires.iec62056_programming import STX

IDENTIFICATION: Final = "LGZ4ZMF100AC.M23"
BAUDS: Final = {"0": 300, "1": 600, "2": 1200, "3": 2400, "4": 4800, "5": 9600, "6": 19200}
REACTION_S: Final = 0.2
ACK_WAIT_S: Final = 1.8
NAK_WAIT_S: Final = 1.5
PROGRAMMING_WAIT_S: Final = 5.0
CHANGE_OVER_S: Final = 0.3
_REQUEST: Final = re.compile(rb"/\?([0-9A-Za-z ]{0,32})!\r\n")
_ACK: Final = re.compile(rb"\x06[0-9:]([0-9A-I])([0-9])\r\n")
_ZONE: Final = ZoneInfo("Europe/Berlin")


class SimulatedIecMeter(SimulatedMeter):
    """Answers `/?!` at 300 baud and reads out at the rate of its identification's baud character (6.3.2).

    Its characters carry an even parity bit, which a pty, always 8N, gives to the reader as it is. A request with an
    address is answered where that is its serial. Without acknowledgement it reads out at 300 baud. Meters `beside` it
    share its line, as on a bus: who is addressed answers, and a request without an address gets none. One that does
    not `follow` proposes its rate and stays at 300 baud all the same. In programming mode it gives the load profile of
    its `memory`, its `log` and its serial (unless it does not `name_itself`), with a `password` only to who knows it.
    """

    baud = 300
    carries: ClassVar[tuple[re.Pattern[str], str]] = (
        re.compile(r"[0-9A-Za-z]{1,32}"),
        "1 to 32 letters and digits, by which it is addressed (IEC 62056-21 6.3.1)",
    )

    def __init__(
        self,
        *,
        identification: str = IDENTIFICATION,
        beside: tuple["SimulatedIecMeter", ...] = (),
        follows: bool = True,
        password: str | None = None,
        names_itself: bool = True,
        failures: tuple[tuple[int, int], ...] = (),
        log: LogBook | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.memory = ProfileMemory(self.registers, failures=failures)
        self.log = LogBook(failures) if log is None else log
        self.profiles_asked: list[str] = []
        """Data sets that were asked for in programming mode."""
        self._password = password
        self.names_itself = names_itself
        self.follows = follows
        self.identification = identification
        self._beside = beside
        self._waiting = b""

    def swap(self, serial: str, seed: int | None = None) -> None:
        """Put another meter of the same type in its place."""
        super().swap(serial, seed)
        self.memory = ProfileMemory(self.registers)

    @property
    def password(self) -> str | None:
        """What opens its programming mode, None where it is open."""
        return self._password

    @property
    def second(self) -> int:
        """Its own time."""
        return self._second()

    @property
    def fast_baud(self) -> int:
        """The rate that it proposes."""
        return BAUDS[self.identification[3]]

    def _encode(self) -> bytes:
        registers = self.registers
        local = datetime.fromtimestamp(registers.second, _ZONE)
        wh, out_wh = registers.import_wh, registers.export_wh
        volts = registers.household.voltages_dv(registers.second - 1)
        amps = [round(abs(w) * 1000 / dv) for w, dv in zip(registers.phases_w, volts, strict=True)]
        lines = [
            "F.F(00000000)",
            f"0.0.0({self.serial})",
            f"0.9.1({local:%H%M%S})",
            f"0.9.2({local:%y%m%d})",
            f"1.8.0({_kwh(wh)}*kWh)",
            f"1.8.1({_kwh(wh * 3 // 5)}*kWh)",
            f"1.8.2({_kwh(wh - wh * 3 // 5)}*kWh)",
            f"2.8.0({_kwh(out_wh)}*kWh)",
            f"16.7.0({'-' if registers.power_w < 0 else ''}{abs(registers.power_w) / 1000:07.3f}*kW)",
            *(f"{code}.7.0({dv / 10:.1f}*V)" for code, dv in zip((32, 52, 72), volts, strict=True)),
            *(f"{code}.7.0({ma / 100:06.2f}*A)" for code, ma in zip((31, 51, 71), amps, strict=True)),
        ]
        return encode_iec62056(lines, parity=True)

    async def _run(self) -> None:
        heard = b""
        while True:
            request = _REQUEST.search(heard)
            if request is None:
                heard = (heard + await self._hear(300, None))[-64:]
                continue
            heard = b""
            speaker = self._addressed(request[1].decode().strip())
            if speaker is None:
                continue
            if self._faults and self._faults[0] is Fault.SILENCE:
                self._faults.popleft()
                continue
            await self._answer(speaker)
            heard, self._waiting = self._waiting, b""

    def _addressed(self, address: str) -> "SimulatedIecMeter | None":
        if not address:
            return None if self._beside else self
        meters = (self, *self._beside)
        return next((meter for meter in meters if meter.serial.lstrip("0") == address.lstrip("0")), None)

    async def _answer(self, speaker: "SimulatedIecMeter") -> None:
        await asyncio.sleep(REACTION_S)
        self.line.send(with_parity(f"/{speaker.identification}\r\n".encode()), 300)
        baud, programming = await self._agreed(speaker)
        # the acknowledgement's way over a line of 300 baud, by when its reader has changed over
        await asyncio.sleep(REACTION_S if speaker.follows else REACTION_S + CHANGE_OVER_S)
        if programming:
            await self._programmed(speaker, baud)
            return
        data = self._spoilt(speaker.telegram())
        for _ in range(3):
            await self._until_reader_at(baud)
            self.line.send(data, baud)
            self.telegrams_sent += 1
            answer = await self.line.hear(NAK_WAIT_S)
            if self.line.baud != baud or b"\x15" not in answer:
                # the next request may follow at once
                self._waiting = bytes(octet & 0x7F for octet in answer)
                return
            data = speaker.telegram()

    async def _programmed(self, speaker: "SimulatedIecMeter", baud: int) -> None:
        mode = ProgrammingMode(speaker.recall, speaker.password)
        said = [mode.greeting]
        await self._until_reader_at(baud)
        while not mode.over:
            for each in said:
                # what is said beside an answer is too short to be spoilt
                self.line.send(with_parity(self._spoilt(each) if each[:1] == STX else each), baud)
            heard = await self._hear(baud, PROGRAMMING_WAIT_S)
            if not heard:
                break
            said = mode.hear(heard)
        speaker.profiles_asked += [asked for asked in mode.asked if asked.startswith("P.")]

    def recall(self, asked: str) -> str:
        """What it says to a data set that is asked for in programming mode."""
        if not asked.startswith("0.0.0("):
            source = self.log if asked.startswith("P.98(") else self.memory
            return source.answer(asked, self.second)
        return f"0.0.0({self.serial})\r\n" if self.names_itself else "(ER03)\r\n"

    async def _agreed(self, speaker: "SimulatedIecMeter") -> tuple[int, bool]:
        """The rate, and whether programming mode was asked for."""
        heard = b""
        loop = asyncio.get_running_loop()
        end_s = loop.time() + ACK_WAIT_S
        while (rest_s := end_s - loop.time()) > 0:
            heard = (heard + await self._hear(300, rest_s))[-64:]
            ack = _ACK.search(heard)
            if ack is not None:
                agreed = speaker.follows and ack[1].decode() == speaker.identification[3]
                return speaker.fast_baud if agreed else 300, ack[2] == b"1"
        return 300, False

    async def _until_reader_at(self, baud: int) -> None:
        """Give the reader the change-over time of 6.3.2; one that is late hears noise."""
        for _ in range(10):
            if self.line.baud == baud:
                return
            await asyncio.sleep(CHANGE_OVER_S / 10)

    async def _hear(self, baud: int, timeout_s: float | None) -> bytes:
        data = await self.line.hear(timeout_s)
        # a request at another rate is noise to the meter
        return bytes(octet & 0x7F for octet in data) if self.line.baud == baud else b""


def _kwh(wh: int) -> str:
    return f"{wh // 1000:06d}.{wh % 1000:03d}"
