"""HTTP of the services on the server's side, by aiohttp: /healthz and /metrics, alone or beside an API."""

import contextlib
from collections.abc import AsyncIterator, Sequence

import structlog
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from broker.errors import PermanentError
from broker.service import Health
from broker.settings import ProcessSettings


def health_routes(health: Health, registry: CollectorRegistry) -> list[web.RouteDef]:
    """The routes /healthz (200 or 503 with JSON) and /metrics (Prometheus text)."""

    async def healthz(_: web.Request) -> web.Response:
        well, document = health.report()
        return web.json_response(document, status=200 if well else 503)

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return [web.get("/healthz", healthz), web.get("/metrics", metrics)]


@contextlib.asynccontextmanager
async def serve_http(app: web.Application, settings: ProcessSettings, host: str | None = None) -> AsyncIterator[int]:
    """Serve an application on http_port while the context lasts; yields the port, which matters where 0 was asked for.

    `host` goes before http_host. Raises PermanentError if the address can't be bound.
    """
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=2)
    await runner.setup()
    try:
        bound = await _listen(runner, settings, host or settings.http_host)
        structlog.get_logger().info("http_listening", host=host or settings.http_host, port=bound)
        yield bound
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner, settings: ProcessSettings, host: str) -> int:
    port = settings.http_port
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        raise PermanentError(
            f"can't listen on {host}:{port}: {error.strerror}; set {settings.variable('http_port')} to another port"
            " (several services on one host need one each; 0 takes a free one)"
        ) from error
    bound: int = runner.addresses[0][1]
    return bound


@contextlib.asynccontextmanager
async def serve_health(
    health: Health,
    registry: CollectorRegistry,
    settings: ProcessSettings,
    host: str | None = None,
    others: Sequence[web.RouteDef] = (),
) -> AsyncIterator[int]:
    """Serve /healthz and /metrics alone, for services without an API of their own; `others` are tried after them.

    See serve_http.
    """
    app = web.Application()
    app.add_routes([*health_routes(health, registry), *others])
    async with serve_http(app, settings, host) as bound:
        yield bound
