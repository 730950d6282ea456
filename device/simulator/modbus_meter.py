"""A simulated Eastron SDM630 on Modbus: by RTU over a pty, and by TCP."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar, Final

from broker.errors import FrameError
from device.simulator.meter import Fault, SimulatedMeter
from meters.wires.encode.modbus import Bank, octets
from meters.wires.modbus.frames import INPUT, crc, rtu, tcp_reply, tcp_request

REACTION_S: Final = 0.01
_REQUEST_BYTES: Final = 8
_SERIAL_AT: Final = 0xFC00
_HOLDING: Final = 3
_READABLE: Final = 0x0180
"""All input registers up to here can be read; what the meter does not know is 0."""


class SimulatedModbusMeter(SimulatedMeter):
    """Answers reads of input registers (reals) and of its serial at 9600 8N1; requests to other units pass by."""

    baud = 9600
    carries: ClassVar[tuple[re.Pattern[str], str]] = (
        re.compile(r"[0-9]{1,9}", re.ASCII),
        "up to nine digits, as its serial register holds them",
    )

    def __init__(self, *, unit: int = 1, **options: Any) -> None:
        super().__init__(**options)
        self.unit = unit
        self.requests: list[bytes] = []
        """Bodies of what was asked, in order."""

    @property
    def bank(self) -> Bank:
        """Its registers of this very second."""
        self.telegram()
        registers = self.registers
        found = Bank(self.unit)
        found.put(INPUT, 0, bytes(2 * _READABLE))
        found.put(_HOLDING, _SERIAL_AT, octets(int(self.serial), "uint32"))
        volts = registers.household.voltages_dv(registers.second - 1)
        for phase, (dv, watts) in enumerate(zip(volts, registers.phases_w, strict=True)):
            found.put(INPUT, 0x00 + 2 * phase, octets(dv / 10, "float32"))
            found.put(INPUT, 0x06 + 2 * phase, octets(abs(watts) * 10 / dv, "float32"))
            found.put(INPUT, 0x0C + 2 * phase, octets(float(watts), "float32"))
        found.put(INPUT, 0x34, octets(float(registers.power_w), "float32"))
        found.put(INPUT, 0x46, octets(50.0, "float32"))
        found.put(INPUT, 0x48, octets(registers.import_wh / 1000, "float32"))
        found.put(INPUT, 0x4A, octets(registers.export_wh / 1000, "float32"))
        return found

    def reply(self, body: bytes) -> bytes:
        """The body of the answer to a request's; b'' where another unit is asked, or a fault is due."""
        self.requests.append(body)
        found = self.bank.reply(body)
        if found and self._faults and self._faults[0] is Fault.SILENCE:
            self._faults.popleft()
            return b""
        self.telegrams_sent += bool(found)
        return found

    @asynccontextmanager
    async def over_tcp(self) -> AsyncIterator[str]:
        """A server of Modbus TCP beside the pty; its URL is what an agent opens."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        async with server:
            yield f"modbus+tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    def _encode(self) -> bytes:
        return b""

    async def _run(self) -> None:
        heard = b""
        while True:
            heard += await self.line.hear(None)
            if self.line.baud != self.baud:
                heard = b""
            while len(heard) >= _REQUEST_BYTES:
                request = heard[:_REQUEST_BYTES]
                if crc(request):
                    # device identification is asked in seven octets, and this meter knows none
                    heard = heard[_REQUEST_BYTES - 1 :] if crc(heard[: _REQUEST_BYTES - 1]) == 0 else heard[1:]
                    continue
                heard = heard[_REQUEST_BYTES:]
                await self._answer(request[:-2])
            if len(heard) == _REQUEST_BYTES - 1 and crc(heard) == 0:
                heard = b""

    async def _answer(self, body: bytes) -> None:
        found = self.reply(body)
        if found:
            await asyncio.sleep(REACTION_S)
            self.line.send(self._spoilt(rtu(found)), self.baud)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard = b""
        try:
            while data := await reader.read(4096):
                heard += data
                while (found := tcp_reply(heard)) is not None:
                    transaction, body, end = found
                    heard = heard[end:]
                    if answer := self.reply(body):
                        writer.write(tcp_request(transaction, answer))
        except (FrameError, OSError):
            return
        finally:
            writer.close()
