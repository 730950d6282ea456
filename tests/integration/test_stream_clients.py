"""Clients of the stream of changes that do not take what they are sent."""

import asyncio
import socket

from structlog.testing import capture_logs

from gateway.api.stream.changes import PAGE
from tests.rigs.access import events
from tests.rigs.gateway import Gateway, connection, gateway, gateway_settings
from tests.rigs.servers import Broker, Database
from tests.rigs.waiting import until

CHANGES = 1500
TEXT_BYTES = 16_000
"""A page of them is more than the kernel holds for a client that reads nothing."""
DROPPED = "wattline_gateway_streams_dropped_total"


async def follow_without_reading(running: Gateway) -> socket.socket:
    """Ask for the stream and take nothing of it."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(sock, ("127.0.0.1", running.settings.http_port))
    await loop.sock_sendall(sock, b"GET /api/v1/events/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
    return sock


async def taken_until_the_end(sock: socket.socket) -> int:
    """Read what the kernel still has; returns how much, once the other side has ended the connection."""
    size = 0
    while True:
        try:
            part = await asyncio.get_running_loop().sock_recv(sock, 1 << 16)
        except ConnectionError:
            return size
        if not part:
            return size
        size += len(part)


async def test_a_client_that_takes_nothing_is_sent_away_and_others_are_not(broker: Broker, database: Database) -> None:
    """After its time its connection ends, with a metric and a log line; who reads gets every change."""
    settings = gateway_settings(broker, database, api_stream_slow_s=4)
    with capture_logs() as told:
        async with gateway(settings) as running, running.http.get(f"{running.url}/api/v1/events/stream") as response:
            stream = events(response.content)
            assert (await anext(stream))["event"] == "open"
            sleeper = await follow_without_reading(running)

            async def both() -> bool:
                return await running.metric("wattline_gateway_streams") == 2

            await until(both, "both follow")
            async with connection(database) as opened:
                await opened.execute(
                    "INSERT INTO change (kind, detail) SELECT 'event', jsonb_build_object('n', n, 'text',"
                    " repeat('x', $2)) FROM generate_series(1, $1) AS n",
                    CHANGES, TEXT_BYTES,
                )  # fmt: skip
            async with asyncio.timeout(60):
                assert [(await anext(stream))["event"] for _ in range(CHANGES)] == ["event"] * CHANGES

            async def dropped() -> bool:
                return await running.metric(DROPPED, reason="slow") == 1

            await until(dropped, "the sleeper is sent away")
            async with asyncio.timeout(30):
                assert await taken_until_the_end(sleeper) < PAGE * TEXT_BYTES
            sleeper.close()
            assert await running.metric("wattline_gateway_streams") == 1
            async with connection(database) as opened:
                await opened.execute("INSERT INTO change (kind, device) VALUES ('device', 'pi-9')")
            async with asyncio.timeout(30):
                assert (await anext(stream))["event"] == "device"
    assert [one["reason"] for one in told if one["event"] == "stream_dropped"] == ["slow"]


async def test_a_client_that_leaves_is_no_slow_one(broker: Broker, database: Database) -> None:
    """Who goes by itself while it is sent something is counted out, and not among those who were sent away."""
    async with gateway(gateway_settings(broker, database)) as running:
        for _ in range(3):
            sleeper = await follow_without_reading(running)

            async def followed() -> bool:
                return await running.metric("wattline_gateway_streams") == 1

            await until(followed, "it follows")
            sleeper.close()

            async def left() -> bool:
                async with connection(database) as opened:
                    await opened.execute("INSERT INTO change (kind, device) VALUES ('device', 'pi-9')")
                return await running.metric("wattline_gateway_streams") == 0

            await until(left, "it is gone")
        assert await running.metric(DROPPED, reason="slow") == 0
