"""A simulated DLMS meter that speaks when it is asked: over HDLC on a pty, behind a sign-on of mode E, or over TCP."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, ClassVar, Final
from zoneinfo import ZoneInfo

from device.simulator.dlms.cosem_server import CosemServer
from device.simulator.dlms.event_log import STANDARD_LOG, log_object
from device.simulator.dlms.hdlc_server import HdlcServer
from device.simulator.dlms.intervals import Intervals
from device.simulator.dlms.objects import CLOCK_NAME, PROFILE, objects_of, second_of, stamp
from device.simulator.log_book import LogBook
from device.simulator.meter import Fault, SimulatedMeter
from meters.wires.dlms.axdr import Node
from meters.wires.dlms.client.reading import CLOCK
from meters.wires.dlms.client.station import PUBLIC_CLIENT, Access, Station
from meters.wires.dlms.wrapper import HEAD_BYTES, WRAPPED
from meters.wires.encode.dlms import code
from meters.wires.encode.iec62056 import with_parity

MAKER: Final = "LGZ"
IDENTIFICATION: Final = "/LGZ5\\2ZMD4104407.B32\r\n"
TITLE: Final = b"LGZ\x00\x00\x01\x02\x03"
REACTION_S: Final = 0.01
_REQUEST: Final = re.compile(rb"/\?[0-9A-Za-z ]{0,32}!\r\n")
_ACKNOWLEDGEMENT: Final = re.compile(rb"\x062([0-6])2\r\n")
TYPE_UNMATCHED: Final = 12
_ACKNOWLEDGED_S: Final = 3.0
_ZONE: Final = ZoneInfo("Europe/Berlin")
_PUBLIC: Final = {PUBLIC_CLIENT: Access()}


class SimulatedPolledDlmsMeter(SimulatedMeter):
    """Answers a DLMS client at 9600 8N1; `optical` wants to be signed on to at 300 baud first, as optical heads do.

    `clients` are those that it lets in, and how. Without `offset` its clock states no deviation from UTC. Its energy
    registers count in 10 Wh, and it keeps a load profile and an event `log`.
    """

    baud = 9600
    carries: ClassVar[tuple[re.Pattern[str], str]] = (
        re.compile(r"[0-9]{8,13}", re.ASCII),
        "8 to 13 digits, as its logical device name has them behind the maker",
    )

    def __init__(
        self,
        *,
        station: Station = Station(),  # noqa: B008 - frozen
        clients: Mapping[int, Access] = _PUBLIC,
        optical: bool = False,
        ranges: bool = True,
        offset: bool = True,
        message_bytes: int = 256,
        many: bool = True,
        failures: tuple[tuple[int, int], ...] = (),
        clock_off_s: int = 0,
        settable: bool = True,
        log: LogBook | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.station = station
        self._clients = clients
        self._optical = optical
        self._message_bytes, self._many = message_bytes, many
        self._ranges, self._offset, self._failures = ranges, offset, failures
        self.clock_off_s = clock_off_s
        """How far its clock is ahead of its registers' time."""
        self._settable = settable
        self.log = LogBook(failures) if log is None else log
        self._install()

    def swap(self, serial: str, seed: int | None = None) -> None:
        """Put another meter of the same type in its place."""
        super().swap(serial, seed)
        self._install()

    def _install(self) -> None:
        self.intervals = Intervals(self.registers, failures=self._failures)
        objects = objects_of(
            self.registers, self.intervals, MAKER + self.serial, self.serial, self._second, _ZONE, ranges=self._ranges,
            offset=self._offset, clock_now=lambda: self._second() + self.clock_off_s,
        )  # fmt: skip
        settable = {(CLOCK, code(CLOCK_NAME), 2): self._set_clock} if self._settable else None
        log = log_object(self.log, self._second, _ZONE, stamp, ranges=self._ranges)
        self.server = CosemServer(
            {**objects, (PROFILE, code(STANDARD_LOG)): log}, self._clients, title=TITLE,
            message_bytes=self._message_bytes, many=self._many, settable=settable,
        )  # fmt: skip
        self.hdlc = HdlcServer(self.station.server_address, self._reply)

    @property
    def requests(self) -> list[bytes]:
        """What was asked within associations, in clear and in order."""
        return self.server.requests

    def _set_clock(self, value: Node) -> int:
        """Take another time for its clock; what is no time is refused."""
        second = second_of(value, _ZONE)
        if not second:
            return TYPE_UNMATCHED
        self.clock_off_s = second - self._second()
        return 0

    def _reply(self, client: int, message: bytes) -> bytes:
        self.telegram()
        self.telegrams_sent += bool(message)
        return self.server.reply(client, message)

    def _encode(self) -> bytes:
        return b""

    async def _run(self) -> None:
        while True:
            if self._optical:
                await self._signed_on()
            await self._serve_line()

    async def _signed_on(self) -> None:
        """Wait for a sign-on at 300 baud that asks for HDLC."""
        heard = b""
        while True:
            heard = (heard + bytes(octet & 0x7F for octet in await self.line.hear(None)))[-64:]
            if self.line.baud != 300 or _REQUEST.search(heard) is None:
                continue
            heard = b""
            await asyncio.sleep(0.2)
            self.line.send(with_parity(IDENTIFICATION.encode()), 300)
            answer = b""
            while found := await self.line.hear(_ACKNOWLEDGED_S):
                answer += bytes(octet & 0x7F for octet in found)
                if _ACKNOWLEDGEMENT.search(answer):
                    return

    async def _serve_line(self) -> None:
        """Answer at the rate of the meter; behind a sign-on until somebody signs on anew."""
        self.hdlc.forget()
        while True:
            heard = await self.line.hear(None)
            if self.line.baud != self.baud:
                if self._optical and self.line.baud == 300:
                    return
                continue
            for answer in self.hdlc.feed(heard):
                if self._faults and self._faults[0] is Fault.SILENCE:
                    self._faults.popleft()
                    continue
                await asyncio.sleep(REACTION_S)
                self.line.send(self._spoilt(answer), self.baud)

    @asynccontextmanager
    async def over_tcp(self) -> AsyncIterator[str]:
        """A server of the wrapper over TCP beside the pty; its URL is what an agent opens."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        async with server:
            yield f"dlms+tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = 0
        try:
            while True:
                head = await reader.readexactly(HEAD_BYTES)
                client = int.from_bytes(head[2:4])
                message = await reader.readexactly(int.from_bytes(head[6:8]))
                if int.from_bytes(head[4:6]) != self.station.logical:
                    continue
                answer = self._reply(client, message)
                writer.write(WRAPPED + head[4:6] + head[2:4] + len(answer).to_bytes(2) + self._spoilt(answer))
        except (asyncio.IncompleteReadError, OSError):
            return
        finally:
            self.server.reply(client, b"")
            writer.close()

    @staticmethod
    def _changed(data: bytes) -> bytes:
        """One octet changed, the check sequences left as they were."""
        changed = bytearray(data)
        changed[len(data) * 2 // 3] ^= 0x03
        return bytes(changed)
