"""A serial server's line, set from here: against pyserial's own server, with a meter that changes its rate."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest

from device.line_settings import LineSettings
from device.ports.line import Line, LineGoneError
from device.ports.readout import read_out
from device.simulator.iec_meter import SimulatedIecMeter
from meters.telegram import Frame
from meters.wires.iec62056_signon import SignOn
from tests.rigs.serial_server import serial_server
from tests.rigs.waiting import until

SIGN_ON = LineSettings(300, 7, "E")


async def test_a_meter_behind_a_serial_server_changes_its_rate() -> None:
    """At 300 baud and then at 9600: the simulated meter sees the rate of its pty, and hears noise at any other."""
    async with SimulatedIecMeter(serial="12345678") as meter:
        with serial_server(meter.port) as url:
            line = await Line.open(url, SIGN_ON)
            try:
                for _ in range(2):
                    line.configure(SIGN_ON)
                    frame = await read_out(line, SignOn())
                    assert isinstance(frame, Frame)
                    assert b"1.8.0" in frame.data
            finally:
                await line.close()


async def test_octets_of_telnet_reach_the_line_as_they_are() -> None:
    """255 is a command in telnet, and a byte like any other on a line."""
    octets = bytes(range(256)) * 4
    async with SimulatedIecMeter(serial="1") as meter:
        with serial_server(meter.port) as url:
            line = await Line.open(url, LineSettings(9600))
            try:
                await until(lambda: meter.line.baud == 9600)
                meter.line.send(octets, 9600)
                got = bytearray()
                async with asyncio.timeout(20):
                    while len(got) < len(octets):
                        got += await line.read(1)
                assert bytes(got) == octets
            finally:
                await line.close()


@contextlib.asynccontextmanager
async def saying(data: bytes) -> AsyncIterator[str]:
    """A TCP server that says this to whoever comes, and nothing else."""
    left = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        with contextlib.suppress(OSError):
            while await reader.read(1024):
                pass
        writer.close()
        left.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"rfc2217://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with asyncio.timeout(10):
            await left.wait()


async def test_who_speaks_no_rfc_2217_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to write in its place, and the connection is not left open."""
    monkeypatch.setattr("device.ports.line.OPEN_TIMEOUT_S", 0.2)
    async with saying(b"/ABC5\r\n") as url:
        with pytest.raises(LineGoneError, match="write socket:// for bare TCP"):
            await Line.open(url, SIGN_ON)


async def test_a_server_without_a_line_to_set_is_told() -> None:
    """It refuses COM-PORT-OPTION, as any other telnet server does."""
    async with saying(bytes((255, 254, 44))) as url:
        with pytest.raises(LineGoneError, match="no RFC 2217"):
            await Line.open(url, SIGN_ON)


async def test_a_server_that_floods_with_options_and_takes_no_answer_is_left() -> None:
    """Each demand wants an answer: what it does not take must not fill the memory of the Pi."""
    flooded = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Agree to the line, and then demand options for ever; nothing is read any more."""
        await reader.read(1024)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(bytes((255, 253, 44)))
        with contextlib.suppress(OSError):
            while True:
                writer.write(bytes((255, 253, 99)) * 20_000)
                await writer.drain()
                flooded.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, asyncio.timeout(60):
        line = await Line.open(f"rfc2217://127.0.0.1:{server.sockets[0].getsockname()[1]}", SIGN_ON)
        await flooded.wait()
        with pytest.raises(LineGoneError, match="asks and asks"):
            await _read_for_ever(line)
        await line.close()


async def _read_for_ever(line: Line) -> None:
    while True:
        await line.read(1)


async def test_nobody_there_is_told() -> None:
    """As for every port that can't be opened."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(LineGoneError, match=str(port)):
        await Line.open(f"rfc2217://127.0.0.1:{port}", SIGN_ON)
