"""The HTTP API: the route table, authentication, and errors as problem+json."""

import hmac
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import asyncpg
import structlog
from aiohttp import web

from broker.messages import MAX_PAYLOAD_BYTES
from gateway.api_decode import DecodeRoutes
from gateway.api_devices import DeviceRoutes
from gateway.api_export import ExportRoutes
from gateway.api_meters import MeterRoutes
from gateway.api_parameters import ParameterRoutes
from gateway.api_route import PREFIX, Route
from gateway.api_specs import SpecRoutes
from gateway.database import heals, refuses_data
from gateway.layers import Problem
from gateway.metrics import Metrics
from gateway.openapi import document, page
from gateway.problem import ApiError
from gateway.publisher import Publisher
from gateway.signals import Signals
from store.pool import Pool

log = structlog.get_logger()
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
OPEN = (f"{PREFIX}/openapi.json",)
"""What needs no token below the API's prefix."""
PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
}


def routes(pool: Pool, publisher: Publisher, signals: Signals) -> list[Route]:
    """All routes of the API."""
    return [
        *DeviceRoutes(pool).routes(),
        *MeterRoutes(pool).routes(),
        *ExportRoutes(pool).routes(),
        *ParameterRoutes(pool, publisher, signals).routes(),
        *SpecRoutes(pool, publisher).routes(),
        *DecodeRoutes(publisher).routes(),
    ]


def application(
    table: Sequence[Route], metrics: Metrics, token: str | None, extra: Sequence[web.RouteDef]
) -> web.Application:
    """The whole application; with a token each request below the prefix must bear it."""
    specification = document(table, secured=token is not None)
    shown = page(specification)

    async def openapi(_: web.Request) -> web.Response:
        return web.json_response(specification)

    async def docs(_: web.Request) -> web.Response:
        return web.Response(text=shown, content_type="text/html", headers=PAGE_HEADERS)

    middlewares = [_measured(metrics), _told, _authenticated(token)]
    app = web.Application(middlewares=middlewares, client_max_size=MAX_PAYLOAD_BYTES)
    for route in table:
        app.router.add_route(route.method, PREFIX + route.path, route.__call__)
    app.router.add_get(f"{PREFIX}/openapi.json", openapi)
    app.router.add_get("/docs", docs)
    app.router.add_get(f"{PREFIX}/docs", docs)
    app.add_routes(extra)
    return app


def _authenticated(token: str | None) -> Any:
    expected = f"Bearer {token}".encode()

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        guarded = request.path.startswith(PREFIX + "/") and request.path not in (*OPEN, f"{PREFIX}/docs")
        if token is not None and guarded:
            given = request.headers.get("Authorization", "").encode(errors="replace")
            if not hmac.compare_digest(given, expected):
                fault = Problem("Authorization", "no valid bearer token", "send Authorization: Bearer <token>")
                raise ApiError(401, "the API asks for its token", [fault])
        return await handler(request)

    return check


@web.middleware
async def _told(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn whatever goes wrong into problem+json."""
    try:
        return await handler(request)
    except ApiError as error:
        headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else None
        return error.response(headers)
    except web.HTTPRequestEntityTooLarge:
        fault = Problem("body", f"more than {MAX_PAYLOAD_BYTES} bytes", "send less")
        return ApiError(413, f"at most {MAX_PAYLOAD_BYTES} bytes are taken", [fault]).response()
    except web.HTTPException as error:
        if error.status < 400:
            raise
        allow = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else None
        fault = Problem("path", f"{request.method} {request.path[:200]}: {error.reason}", "see /docs")
        return ApiError(error.status, f"{error.reason}: see /docs", [fault]).response(allow)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
        return _database_problem(error).response()


def _database_problem(error: Exception) -> ApiError:
    if isinstance(error, asyncpg.PostgresError) and refuses_data(error):
        return ApiError(422, "the database refuses this text", [Problem("request", str(error), "leave it out")])
    if heals(error):
        log.warning("api_database_unavailable", reason=str(error) or type(error).__name__)
        return ApiError(503, "the database can't be reached; try again")
    log.error("api_failed", exc_info=error)
    return ApiError(500, "the gateway failed; its log says why")


def _measured(metrics: Metrics) -> Any:
    @web.middleware
    async def measure(request: web.Request, handler: Handler) -> web.StreamResponse:
        started, status = time.monotonic(), 500
        try:
            response = await handler(request)
            status = response.status
        except Exception:
            log.exception("api_failed", path=request.path)
            response = ApiError(500, "the gateway failed; its log says why").response()
        finally:
            resource = request.match_info.route.resource
            name = resource.canonical if resource is not None else "unknown"
            metrics.requests.labels(request.method, name, str(status)).observe(time.monotonic() - started)
        return response

    return measure
