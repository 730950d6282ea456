"""The agent's /healthz and /metrics over asyncio alone: a web framework would take a seventh of its memory."""

import asyncio
import contextlib
import errno
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

import structlog

from broker.errors import PermanentError
from broker.runtime.service import Health
from broker.runtime.settings import ProcessSettings
from device.exposition import CONTENT_TYPE, Registry

log = structlog.get_logger()

HEAD_MAX_BYTES: Final = 8192
"""A request's line and header fields; a longer one is refused."""
PATIENCE_S: Final = 5.0
"""How long a client may take for its request, and again for taking the answer."""
CLIENTS_MAX: Final = 16
"""Connections at once; as many more are answered 503, others are dropped."""
LINGER_S: Final = 1.0
"""How long what a client still sends is read and thrown away, so that it gets its answer and no reset."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered to one request; `allow` names the methods where another one was asked for."""

    status: HTTPStatus
    body: bytes
    content_type: str = "text/plain; charset=utf-8"
    allow: str = ""

    def octets(self, *, with_body: bool = True) -> bytes:
        """The response (RFC 9112 4); the connection is closed behind it."""
        fields = {
            "Content-Type": self.content_type,
            "Content-Length": str(len(self.body)),
            "Connection": "close",
            **({"Allow": self.allow} if self.allow else {}),
        }
        head = f"HTTP/1.1 {self.status.value} {self.status.phrase}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        return head.encode() + b"\r\n" + (self.body if with_body else b"")


def refusal(status: HTTPStatus, reason: str, allow: str = "") -> Answer:
    """An answer that says what is wrong."""
    return Answer(status, f"{reason}\n".encode(), allow=allow)


@dataclass(slots=True)
class HealthServer:
    """Answers GET of its paths, one request a connection, a bounded number of them at once."""

    pages: dict[str, Callable[[], Answer]]
    _clients: set[asyncio.StreamWriter] = field(default_factory=set)

    def answer(self, head: bytes) -> Answer:
        """The answer to a request by its head."""
        method, _, rest = head.partition(b"\r\n")[0].decode("latin-1").partition(" ")
        target, _, version = rest.partition(" ")
        if not method.isalpha() or not target.startswith("/") or not version.startswith("HTTP/1."):
            return refusal(HTTPStatus.BAD_REQUEST, "no request of HTTP/1.1")
        page = self.pages.get(target.partition("?")[0])
        if page is None:
            return refusal(HTTPStatus.NOT_FOUND, f"there are {' and '.join(self.pages)}")
        if method not in ("GET", "HEAD"):
            return refusal(HTTPStatus.METHOD_NOT_ALLOWED, "GET only", allow="GET, HEAD")
        try:
            return page()
        except Exception:
            log.exception("health_page_failed", target=target)
            return refusal(HTTPStatus.INTERNAL_SERVER_ERROR, "the page could not be made; see the log")

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection; whatever its client does, it ends within a bounded time."""
        self._clients.add(writer)
        try:
            if len(self._clients) <= 2 * CLIENTS_MAX:
                await self._serve(reader, writer)
        except (OSError, TimeoutError) as error:
            log.debug("health_client_left", reason=str(error) or "too slow")
        finally:
            self._clients.discard(writer)
            writer.transport.abort()

    async def close(self) -> None:
        """End the connections that still stand."""
        for writer in self._clients:
            writer.transport.abort()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER_S):
                while self._clients:
                    await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = b""
        if len(self._clients) > CLIENTS_MAX:
            answer = refusal(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections")
        else:
            try:
                async with asyncio.timeout(PATIENCE_S):
                    head = await reader.readuntil(b"\r\n\r\n")
                answer = self.answer(head)
            except asyncio.IncompleteReadError:
                return
            except asyncio.LimitOverrunError:
                reason = f"more than {HEAD_MAX_BYTES} bytes of header fields"
                answer = refusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, reason)
            except TimeoutError:
                answer = refusal(HTTPStatus.REQUEST_TIMEOUT, f"no whole request within {PATIENCE_S:.0f} s")
        writer.write(answer.octets(with_body=not head.startswith(b"HEAD ")))
        async with asyncio.timeout(PATIENCE_S):
            await writer.drain()
            writer.write_eof()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S if writer.transport.get_write_buffer_size() else LINGER_S):
                while await reader.read(HEAD_MAX_BYTES):
                    pass


def pages(health: Health, registry: Registry) -> dict[str, Callable[[], Answer]]:
    """/healthz (200 or 503 with JSON) and /metrics (Prometheus text)."""

    def healthz() -> Answer:
        well, document = health.report()
        status = HTTPStatus.OK if well else HTTPStatus.SERVICE_UNAVAILABLE
        return Answer(status, json.dumps(document).encode(), "application/json; charset=utf-8")

    def metrics() -> Answer:
        return Answer(HTTPStatus.OK, registry.page(), CONTENT_TYPE)

    return {"/healthz": healthz, "/metrics": metrics}


@contextlib.asynccontextmanager
async def serve_health(health: Health, registry: Registry, settings: ProcessSettings) -> AsyncIterator[int]:
    """Serve /healthz and /metrics while the context lasts; yields the port, which matters where 0 was asked for.

    A taken port is no reason not to start, for nobody is there to mend it: a free one is used, and logged as an error.
    Raises PermanentError if the address can't be bound.
    """
    server = HealthServer(pages(health, registry))
    listening = await _listen(server, settings)
    port: int = listening.sockets[0].getsockname()[1]
    log.info("http_listening", host=settings.http_host, port=port)
    try:
        yield port
    finally:
        listening.close()
        await server.close()


async def _listen(server: HealthServer, settings: ProcessSettings) -> asyncio.Server:
    host, port = settings.http_host, settings.http_port
    try:
        return await asyncio.start_server(server.serve, host, port, limit=HEAD_MAX_BYTES)
    except OSError as error:
        reason = f"can't listen on {host}:{port}: {error.strerror}"
        name = settings.variable("http_port")
        fix = f"set {name} to another port (several services on one host need one each; 0 takes a free one)"
        if error.errno != errno.EADDRINUSE:
            raise PermanentError(f"{reason}; {fix}") from error
        log.error("http_port_taken", reason=reason, fix=fix)  # noqa: TRY400 - the reason says all
        return await asyncio.start_server(server.serve, host, 0, limit=HEAD_MAX_BYTES)
