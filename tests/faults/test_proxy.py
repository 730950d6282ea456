"""The proxy that fault tests rely on does what it says."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.rigs.proxy import TcpProxy


@pytest_asyncio.fixture
async def proxy() -> AsyncIterator[TcpProxy]:
    """A proxy in front of a server that sends back what it gets."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with TcpProxy("127.0.0.1", server.sockets[0].getsockname()[1]) as forwarding:
        yield forwarding
    server.close()


async def _asked(proxy: TcpProxy, data: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
    writer.write(data)
    async with asyncio.timeout(60):
        answer = await reader.readexactly(len(data))
    writer.close()
    return answer


async def test_everything_passes(proxy: TcpProxy) -> None:
    """A megabyte comes back whole and in order."""
    data = bytes(range(256)) * 4096
    assert await _asked(proxy, data) == data


async def test_cut_resets_and_refuses_until_restored(proxy: TcpProxy) -> None:
    """An open connection is reset, a new one refused, and after restore() all is well at the same port."""
    reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
    writer.write(b"x")
    assert await reader.readexactly(1) == b"x"
    port = proxy.port
    await proxy.cut()
    with pytest.raises(ConnectionResetError):
        async with asyncio.timeout(60):
            await reader.readexactly(1)
    writer.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(proxy.host, port)
    assert proxy.connections == 0
    await proxy.restore()
    assert proxy.port == port
    assert await _asked(proxy, b"again") == b"again"


async def test_stall_holds_back_without_closing(proxy: TcpProxy) -> None:
    """A dead link loses nothing: what was held back comes after restore()."""
    reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
    proxy.stall()
    writer.write(b"held")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await reader.readexactly(4)
    await proxy.restore()
    async with asyncio.timeout(60):
        assert await reader.readexactly(4) == b"held"
    writer.close()


async def test_delay_is_added_both_ways(proxy: TcpProxy) -> None:
    """A question and its answer take twice the delay."""
    proxy.delay_s = 0.1
    started = asyncio.get_running_loop().time()
    assert await _asked(proxy, b"slow") == b"slow"
    assert asyncio.get_running_loop().time() - started >= 0.2
