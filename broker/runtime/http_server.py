"""HTTP of the services on the server's side, by aiohttp: /healthz and /metrics, alone or beside an API."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final

import structlog
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from broker.errors import PermanentError
from broker.runtime.http_bounds import BoundedServer, ConnectionBounds, open_files
from broker.runtime.service import Health
from broker.runtime.settings import ProcessSettings
from broker.runtime.tls import ServerTls

IDLE_S: Final = 75.0
"""A connection that has not sent a whole request head within so long is closed: longer than proxies keep theirs."""


def health_routes(health: Health, registry: CollectorRegistry) -> list[web.RouteDef]:
    """The routes /healthz (200 or 503 with JSON) and /metrics (Prometheus text)."""

    async def healthz(_: web.Request) -> web.Response:
        well, document = health.report()
        return web.json_response(document, status=200 if well else 503)

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return [web.get("/healthz", healthz), web.get("/metrics", metrics)]


@contextlib.asynccontextmanager
async def serve_http(
    app: web.Application,
    settings: ProcessSettings,
    host: str | None = None,
    *,
    bounds: ConnectionBounds | None = None,
    refused: Callable[[str], None] = lambda _: None,
    tls: ServerTls | None = None,
) -> AsyncIterator[int]:
    """Serve an application on http_port while the context lasts; yields the port, which matters where 0 was asked for.

    `host` goes before http_host; `refused` hears of each connection beyond the bounds, by `total` or `address`, and of
    each that fails in its TLS `handshake`. With `tls` nothing is served in plain. Raises PermanentError if the address
    can't be bound.
    """
    app.on_response_prepare.append(_plain)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=2, keepalive_timeout=IDLE_S)
    await runner.setup()
    try:
        held = (bounds or ConnectionBounds()).within(open_files())
        server = BoundedServer(_factory(runner), held, refused, tls.context if tls else None)
        variable = settings.variable("http_port")
        listener = await listen(server, host or settings.http_host, settings.http_port, variable)
        bound: int = listener.sockets[0].getsockname()[1]
        structlog.get_logger().info("http_listening", host=host or settings.http_host, port=bound, tls=tls is not None)
        try:
            yield bound
        finally:
            listener.close()
            server.close()
    finally:
        await runner.cleanup()


def _factory(runner: web.AppRunner) -> web.Server:
    if runner.server is None:
        raise RuntimeError("the runner is not set up")
    return runner.server


async def _plain(_: web.Request, response: web.StreamResponse) -> None:
    """Say nothing of what the server is made of, and let no browser guess what an answer is."""
    response.headers["Server"] = "Wattline"
    response.headers.setdefault("X-Content-Type-Options", "nosniff")


async def listen(
    server: BoundedServer, host: str, port: int, variable: str, *, reuse_port: bool = False, backlog: int = 128
) -> asyncio.Server:
    """Listen on a port that a setting names; with `reuse_port` beside others. Raises PermanentError."""
    try:
        return await asyncio.get_running_loop().create_server(
            server, host, port, backlog=backlog, reuse_address=True, reuse_port=reuse_port or None
        )
    except OSError as error:
        raise PermanentError(
            f"can't listen on {host}:{port}: {error.strerror}; set {variable} to"
            " another port (several services on one host need one each; 0 takes a free one)"
        ) from error


@contextlib.asynccontextmanager
async def serve_health(
    health: Health,
    registry: CollectorRegistry,
    settings: ProcessSettings,
    host: str | None = None,
    others: Sequence[web.RouteDef] = (),
    *,
    tls: ServerTls | None = None,
) -> AsyncIterator[int]:
    """Serve /healthz and /metrics alone, for services without an API of their own; `others` are tried after them.

    See serve_http.
    """
    app = web.Application()
    app.add_routes([*health_routes(health, registry), *others])
    async with serve_http(app, settings, host, tls=tls) as bound:
        yield bound
