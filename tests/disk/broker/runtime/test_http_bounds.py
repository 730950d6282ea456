"""Who opens connections and says nothing can't take them from others, nor the files that a service needs."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession, web

from broker.runtime import http_server
from broker.runtime.environment import SettingsConfigDict
from broker.runtime.http_bounds import BoundedServer, ConnectionBounds
from broker.runtime.http_server import serve_http
from broker.runtime.settings import ProcessSettings
from tests.rigs.waiting import until


class Settings(ProcessSettings):
    """Of a service that only these tests have."""

    model_config = SettingsConfigDict(env_prefix="WATTLINE_BOUNDS_TEST_")


Opened = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@contextlib.asynccontextmanager
async def served(bounds: ConnectionBounds, refused: list[str]) -> AsyncIterator[int]:
    """A server that says hello; yields its port."""

    async def hello(_: web.Request) -> web.Response:
        return web.Response(text="hello")

    app = web.Application()
    app.router.add_get("/", hello)
    async with serve_http(app, Settings(), bounds=bounds, refused=refused.append) as port:
        yield port


async def half_open(port: int, stack: contextlib.AsyncExitStack) -> Opened:
    """A connection that begins a request and never ends it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    stack.callback(writer.close)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow")
    return reader, writer


@pytest.mark.parametrize(("bounds", "reason"), [((3, 9), "total"), ((9, 3), "address")])
async def test_what_is_beyond_is_told(monkeypatch: pytest.MonkeyPatch, bounds: tuple[int, int], reason: str) -> None:
    """The connection over a bound is answered 503 with a reason at once, and counted; a closed one makes room."""
    monkeypatch.setattr("broker.runtime.http_bounds.LEAST", 1)
    refused: list[str] = []
    async with served(ConnectionBounds(*bounds), refused) as port, contextlib.AsyncExitStack() as stack:
        held = [await half_open(port, stack) for _ in range(3)]
        reader, _ = await half_open(port, stack)
        answer = (await asyncio.wait_for(reader.read(), 10)).decode()
        assert answer.startswith("HTTP/1.1 503 ")
        assert "3 connections are open" in answer
        assert refused == [reason]
        held[0][1].close()

        async def answered() -> bool:
            async with ClientSession() as http, http.get(f"http://127.0.0.1:{port}/") as response:
                return response.status == 200

        await until(answered, "there is room again")


async def test_half_a_request_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request head that does not end in time ends the connection; what it holds is free again."""
    monkeypatch.setattr(http_server, "IDLE_S", 0.2)
    async with served(ConnectionBounds(), []) as port, contextlib.AsyncExitStack() as stack:
        reader, _ = await half_open(port, stack)
        assert await asyncio.wait_for(reader.read(), 10) == b""


def test_a_process_with_few_files_takes_fewer() -> None:
    """Some files are always left for the database and the broker."""
    assert ConnectionBounds(1000, 200).within(256) == ConnectionBounds(156, 156)
    assert ConnectionBounds(1000, 200).within(64) == ConnectionBounds(16, 16)
    assert ConnectionBounds(200, 100).within(2**31) == ConnectionBounds(200, 100)


def test_two_servers_of_a_process_share_its_files() -> None:
    """Both full, they leave as many as one alone would."""
    assert ConnectionBounds(1000, 200, listeners=2).within(256).total == 78
    assert ConnectionBounds(1000, 200, listeners=2).within(8192).total == 1000


async def test_a_proxy_is_known_by_its_address_and_not_by_its_network() -> None:
    """Of IPv6 all of a network count as one, but the proxy there may hold more for its clients."""
    refused: list[str] = []
    bounds = ConnectionBounds(10, 1, lambda peer: peer == "2001:db8::7")
    server = BoundedServer(asyncio.Protocol, bounds, refused.append)
    assert [server.enter("2001:db8::/64", "2001:db8::7") for _ in range(3)] == ["", "", ""]
    assert server.enter("2001:db8::/64", "2001:db8::8")
    assert refused == ["address"]
