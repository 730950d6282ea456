"""Clients and databases that leave in the middle of a request: each is told for what it is."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Self

import aiohttp
import pytest
from aiohttp import web
from structlog.testing import capture_logs

from broker.outage import Outage
from gateway.api.app import DATABASE, LEFT, as_problems
from gateway.api.route import Answer, Call, Route, Stream
from gateway.models import ApiModel

STATUS_S = 20


class Served:
    """An application with the API's own handling of errors, on a port of loopback."""

    def __init__(self) -> None:
        self.outage = Outage()
        self.statuses: asyncio.Queue[int] = asyncio.Queue()
        self.entered = asyncio.Event()

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        host, port = self._runner.addresses[0][:2]
        return host, port

    async def __aenter__(self) -> Self:
        @web.middleware
        async def noted(request: web.Request, handler: web.RequestHandler) -> web.StreamResponse:  # type: ignore[type-arg]
            response = await as_problems(request, handler)  # type: ignore[arg-type]
            self.statuses.put_nowait(response.status)
            return response

        app = web.Application(middlewares=[noted])
        app[DATABASE] = self.outage
        app.router.add_post("/body", self._body)
        app.router.add_get("/stream", self._stream)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def status(self) -> int:
        """What the next request ended with."""
        async with asyncio.timeout(STATUS_S):
            return await self.statuses.get()

    async def _body(self, request: web.Request) -> web.StreamResponse:
        self.entered.set()
        return web.Response(body=await request.read())

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        async def parts() -> AsyncGenerator[bytes, None]:
            yield b"a part"
            raise ConnectionRefusedError("the database is away")

        return await ROUTE.respond(request, Answer(Stream(parts(), "text/plain", {})))


async def _never(_: Call) -> Answer:
    raise AssertionError


ROUTE = Route("GET", "/stream", "stream", "A stream.", _never, ApiModel)


async def test_a_client_that_leaves_while_it_sends_is_no_outage_of_the_database() -> None:
    """Its connection is what ends; nothing is logged of the database, and the request is counted as left."""
    with capture_logs() as logged:
        async with Served() as served:
            _, writer = await asyncio.open_connection(*served.address)
            writer.write(b"POST /body HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nthe beginning")
            await writer.drain()
            async with asyncio.timeout(STATUS_S):
                await served.entered.wait()
            writer.close()
            assert await served.status() == LEFT
    assert not served.outage.lasts
    assert [line["event"] for line in logged if "database" in line["event"]] == []


async def test_a_database_that_goes_in_a_stream_is_no_client_that_left() -> None:
    """The connection is broken, so that nobody takes the part for the whole, and the request counts as 503."""
    with capture_logs() as logged:
        async with Served() as served, aiohttp.ClientSession() as session:
            host, port = served.address
            async with session.get(f"http://{host}:{port}/stream") as answer:
                with pytest.raises(aiohttp.ClientError):
                    await answer.read()
            assert await served.status() == 503
    assert [(line["event"], line["reason"]) for line in logged] == [("stream_broken", "the database is away")]
