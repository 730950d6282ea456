"""The agent's own HTTP server: what it answers, and that no client can hold it up."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

import pytest
import structlog

from broker.errors import PermanentError
from broker.runtime.environment import SettingsConfigDict
from broker.runtime.service import Health
from broker.runtime.settings import ProcessSettings
from device import health_server
from device.exposition import Registry
from device.health_server import CLIENTS_MAX, HEAD_MAX_BYTES, serve_health


class Ours(ProcessSettings):
    """A service's settings."""

    model_config = SettingsConfigDict(env_prefix="WATTLINE_OURS_")


@contextlib.asynccontextmanager
async def serving(health: Health | None = None, **more: object) -> AsyncIterator[int]:
    """A server with one counter; its port."""
    registry = Registry()
    registry.counter("wattline_things", "Things.").inc(3)
    async with serve_health(health or Health(), registry, Ours(**more)) as port:  # type: ignore[arg-type]
        yield port


async def closed(writer: asyncio.StreamWriter) -> None:
    """Close a connection, whatever became of it."""
    writer.transport.abort()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def ask(port: int, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send octets and read to the end: status, header fields and body; 0 where nothing is answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    async with asyncio.timeout(30):
        answer = await reader.read()
    await closed(writer)
    head, _, body = answer.partition(b"\r\n\r\n")
    line, *fields = head.decode().split("\r\n")
    status = int(line.split()[1]) if line else 0
    return status, dict(field.split(": ", 1) for field in fields if field), body


async def get(port: int, path: str) -> tuple[int, dict[str, str], bytes]:
    """A plain GET."""
    return await ask(port, f"GET {path} HTTP/1.1\r\nHost: pi\r\n\r\n".encode())


async def test_healthz_tells_what_fails_and_metrics_speak_prometheus() -> None:
    """200 while all checks are well, 503 with the failing check's detail else."""
    state = [True]
    health = Health()
    health.add("outbox", lambda: (state[0], "3 waiting" if state[0] else "disk: full"))
    async with serving(health) as port:
        assert (await get(port, "/healthz"))[0] == 200
        state[0] = False
        status, fields, body = await get(port, "/healthz")
        assert (status, fields["Content-Type"]) == (503, "application/json; charset=utf-8")
        assert json.loads(body)["checks"]["outbox"] == {"ok": False, "detail": "disk: full"}
        status, fields, body = await get(port, "/metrics?name[]=x")
        assert status == 200
        assert fields["Content-Type"].startswith("text/plain")
        assert int(fields["Content-Length"]) == len(body)
        assert b"wattline_things_total 3.0" in body


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 404),
        (b"POST /healthz HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", 405),
        (b"POST /healthz HTTP/1.1\r\n\r\n" + bytes(100_000), 405),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n", 400),
        (b"GET /healthz\r\n\r\n", 400),
        (b"GET http://pi/healthz HTTP/1.1\r\n\r\n", 400),
        (b"GET /" + b"a" * 2 * HEAD_MAX_BYTES + b" HTTP/1.1\r\n\r\n", 431),
        (b"GET /healthz HTTP/1.1\r\nX: " + b"a" * 2 * HEAD_MAX_BYTES, 431),
        (b"HEAD /healthz HTTP/1.0\r\n\r\n", 200),
    ],
)
async def test_whatever_is_asked_is_answered_and_the_connection_ended(request_: bytes, status: int) -> None:
    """Other methods, other paths, other protocols, too much: each gets its status, and the next client is served."""
    async with serving() as port:
        found, fields, body = await ask(port, request_)
        assert (found, fields["Connection"]) == (status, "close")
        assert bool(body) == (not request_.startswith(b"HEAD"))
        assert (await get(port, "/healthz"))[0] == 200


async def test_a_check_that_fails_by_an_error_of_its_own_is_told() -> None:
    """The page is 500, and the server goes on."""
    health = Health()
    health.add("odd", lambda: (bool(1 // 0), ""))
    async with serving(health) as port:
        assert (await get(port, "/healthz"))[0] == 500
        assert (await get(port, "/metrics"))[0] == 200


async def test_clients_that_say_nothing_are_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a request, or none: 408 after a while; those beyond the bound get 503 at once, and then all is as before."""
    monkeypatch.setattr(health_server, "PATIENCE_S", 1.0)
    async with serving() as port:
        slow = [await asyncio.open_connection("127.0.0.1", port) for _ in range(CLIENTS_MAX)]
        slow[0][1].write(b"GET /healthz HTT")
        await asyncio.sleep(0)
        refused = [status for status in [(await get(port, "/healthz"))[0] for _ in range(3)] if status == 503]
        assert refused
        async with asyncio.timeout(30):
            answers = [await reader.read() for reader, _ in slow]
        assert all(b" 408 " in answer for answer in answers)
        for _, writer in slow:
            await closed(writer)
        async with asyncio.timeout(30):
            while (await get(port, "/healthz"))[0] != 200:
                pass


async def test_a_client_that_takes_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer larger than all buffers, and nobody reads: the connection is ended, and stopping waits for nobody."""
    monkeypatch.setattr(health_server, "PATIENCE_S", 0.5)
    health = Health()
    health.add("long", lambda: (True, "x" * 20_000_000))
    async with serving(health) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(b"GET /healthz HTTP/1.1\r\n\r\n")
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        async with asyncio.timeout(30):
            while (await get(port, "/metrics"))[0] != 200:
                pass
    await closed(writer)


async def test_an_agent_with_a_taken_port_starts_all_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody is at the Pi: it takes a free port and logs what to set; a foreign address is an error."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory())
    async with serving() as port, serving(http_port=port) as other:
        assert other not in (0, port)
        assert (await get(other, "/healthz"))[0] == 200
    said = capsys.readouterr().out
    assert "http_port_taken" in said
    assert "WATTLINE_OURS_HTTP_PORT" in said
    with pytest.raises(PermanentError, match=r"192\.0\.2\.1"):
        async with serving(http_host="192.0.2.1"):
            pass
