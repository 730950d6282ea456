"""TLS of our own listener, with real certificates and clients."""

import asyncio
import contextlib
import shutil
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from broker.errors import PermanentError
from broker.runtime import http_bounds
from broker.runtime.environment import SettingsConfigDict
from broker.runtime.http_bounds import ConnectionBounds, party
from broker.runtime.http_server import serve_http
from broker.runtime.settings import ProcessSettings
from broker.runtime.tls import ServerTls, TlsFiles
from tests.rigs.self_signed import made
from tests.rigs.waiting import until

DEADLINE_S = 30.0


class Settings(ProcessSettings):
    """Of a service that only these tests have."""

    model_config = SettingsConfigDict(env_prefix="WATTLINE_TLS_TEST_")


def tls_of(files: TlsFiles) -> ServerTls:
    found = ServerTls.of(files)
    assert found is not None
    return found


@contextlib.asynccontextmanager
async def served(tls: ServerTls, bounds: ConnectionBounds | None = None) -> AsyncIterator[tuple[int, list[str]]]:
    """A server that says back what it is sent; yields its port and what was refused."""

    async def echo(request: web.Request) -> web.Response:
        return web.Response(text=f"{request.scheme} {await request.text()}")

    app = web.Application()
    app.router.add_post("/", echo)
    refused: list[str] = []
    async with serve_http(app, Settings(), bounds=bounds, refused=refused.append, tls=tls) as port:
        yield port, refused


async def asked(port: int, trusted: Path, text: str = "hello") -> str:
    context = ssl.create_default_context(cafile=trusted)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as http:
        async with http.post(f"https://127.0.0.1:{port}/", data=text) as response:
            return await response.text()


async def test_requests_go_over_tls_and_none_in_plain(tmp_path: Path) -> None:
    """A client that trusts the certificate is served, also with a large body; one that speaks plain HTTP is not."""
    pair = made(tmp_path)
    async with served(tls_of(TlsFiles(certificate=pair.certificate, key=pair.key))) as (port, refused):
        assert await asked(port, pair.certificate) == "https hello"
        large = "x" * 900_000
        assert await asked(port, pair.certificate, large) == f"https {large}"
        with pytest.raises(aiohttp.ClientError):
            await asked(port, made(tmp_path, "another").certificate)
        async with aiohttp.ClientSession() as http:
            with pytest.raises(aiohttp.ClientError):
                await http.post(f"http://127.0.0.1:{port}/", data="in plain")
        await until(lambda: refused == ["handshake", "handshake"], "both are counted")


async def test_a_request_right_behind_the_handshake_is_whole(tmp_path: Path) -> None:
    """What comes in one packet with the end of the handshake reaches the application, many clients at once."""
    pair = made(tmp_path)
    async with served(tls_of(TlsFiles(certificate=pair.certificate, key=pair.key))) as (port, _):
        answers = await asyncio.gather(*(asked(port, pair.certificate, str(n)) for n in range(40)))
    assert answers == [f"https {n}" for n in range(40)]


async def test_half_a_handshake_counts_and_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections that say nothing reach the bound, so that no more are taken, and are cut off in time."""
    monkeypatch.setattr(http_bounds, "HANDSHAKE_S", 1.0)
    monkeypatch.setattr(http_bounds, "LEAST", 1)
    pair = made(tmp_path)
    tls = tls_of(TlsFiles(certificate=pair.certificate, key=pair.key))
    async with served(tls, ConnectionBounds(3, 3)) as (port, refused), contextlib.AsyncExitStack() as stack:
        held = []
        for _ in range(3):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            stack.callback(writer.close)
            held.append(reader)
        with pytest.raises(aiohttp.ClientError):
            await asked(port, pair.certificate)
        assert refused == ["total"]
        async with asyncio.timeout(DEADLINE_S):
            for reader in held:
                with contextlib.suppress(ConnectionError):
                    assert await reader.read() == b""
        assert await asked(port, pair.certificate) == "https hello"


async def test_a_stopping_server_waits_for_no_handshake(tmp_path: Path) -> None:
    """One that is under way ends with the server, and no task is left."""
    pair = made(tmp_path)
    async with served(tls_of(TlsFiles(certificate=pair.certificate, key=pair.key))) as (port, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await until(lambda: any(task.get_name() == "http.handshake" for task in asyncio.all_tasks()), "it has begun")
    async with asyncio.timeout(DEADLINE_S):
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
    writer.close()
    await until(lambda: not any(task.get_name() == "http.handshake" for task in asyncio.all_tasks()), "it is over")


async def test_a_renewed_certificate_is_served_without_a_restart(tmp_path: Path) -> None:
    """New connections get it, old ones stay; a key that does not fit yet changes nothing."""
    pair, newer = made(tmp_path), made(tmp_path, "newer", cn="newer")
    before = shutil.copy(pair.certificate, tmp_path / "before.pem")
    tls = tls_of(TlsFiles(certificate=pair.certificate, key=pair.key))
    async with served(tls) as (port, _), asyncio.TaskGroup() as group:
        looking = group.create_task(tls.run(0.05))
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=ssl.create_default_context(cafile=before))
        shutil.copy(newer.certificate, pair.certificate)
        with pytest.raises(PermanentError, match="don't belong together"):
            tls.renew()
        assert await asked(port, Path(before)) == "https hello"
        shutil.copy(newer.key, pair.key)

        async def renewed() -> bool:
            with contextlib.suppress(aiohttp.ClientError):
                return await asked(port, newer.certificate) == "https hello"
            return False

        await until(renewed, "the newer one is served")
        with pytest.raises(aiohttp.ClientError):
            await asked(port, Path(before))
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nold")
        assert b"200 OK" in await reader.readuntil(b"\r\n")
        writer.close()
        looking.cancel()


@pytest.mark.parametrize(
    ("certificate", "key", "told"),
    [
        ("server.pem", "other.key", "belong together"),
        ("server.pem", "none.key", "none.key"),
        ("text", "server.key", "can't be used"),
    ],
)
def test_what_can_t_be_served_is_named(tmp_path: Path, certificate: str, key: str, told: str) -> None:
    """Files that don't fit, that are away, or that hold no certificate."""
    made(tmp_path)
    made(tmp_path, "other")
    (tmp_path / "text").write_text("no certificate")
    with pytest.raises(PermanentError, match=told):
        TlsFiles(certificate=tmp_path / certificate, key=tmp_path / key).load()
    with pytest.raises(ValueError, match="key is missing"):
        TlsFiles(certificate=tmp_path / certificate)


async def test_old_tls_is_refused(tmp_path: Path) -> None:
    """TLS 1.1 has known holes: no handshake."""
    pair = made(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(pair.certificate)
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    async with served(tls_of(TlsFiles(certificate=pair.certificate, key=pair.key))) as (port, _):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.open_connection("127.0.0.1", port, ssl=context)


@pytest.mark.parametrize(
    ("address", "whose"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9%eth0", "2001:db8:1:2::/64"),
        ("::1", "::1"),
        ("unknown", "unknown"),
    ],
)
def test_one_customer_of_ipv6_is_one_caller(address: str, whose: str) -> None:
    """Whoever has 2^64 addresses does not get as many guesses and connections."""
    assert party(address) == whose
