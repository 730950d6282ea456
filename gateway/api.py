"""The HTTP API: the route table, and errors as problem+json."""

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import asyncpg
import structlog
from aiohttp import web
from aiohttp.typedefs import Middleware

from broker.messages import MAX_PAYLOAD_BYTES
from broker.outage import Outage
from gateway.access import Doorkeeper
from gateway.api_access import AccessRoutes
from gateway.api_commands import CommandRoutes
from gateway.api_decode import DecodeRoutes
from gateway.api_devices import DeviceRoutes
from gateway.api_export import ExportRoutes
from gateway.api_groups import GroupRoutes
from gateway.api_history import HistoryRoutes
from gateway.api_jobs import JobRoutes
from gateway.api_labels import LabelRoutes
from gateway.api_ledger import LedgerRoutes
from gateway.api_meters import MeterRoutes
from gateway.api_parameters import ParameterRoutes
from gateway.api_points import PointRoutes
from gateway.api_quarantine import QuarantineRoutes
from gateway.api_rollouts import RolloutRoutes
from gateway.api_route import PREFIX, Route
from gateway.api_specs import SpecRoutes
from gateway.api_stages import StageRoutes
from gateway.api_stream import StreamRoutes
from gateway.audit import Audit
from gateway.changes import Changes
from gateway.commands import Commands
from gateway.database import DATABASE_ERRORS, heals, reason, refuses_data
from gateway.door import Door
from gateway.layers import Problem
from gateway.metrics import Metrics
from gateway.openapi import document
from gateway.problem import ApiError, failed, unavailable
from gateway.publisher import Publisher
from gateway.reads import Reads
from gateway.rollout import Rollouts
from gateway.rollout_models import Limits
from gateway.settings import GatewaySettings
from gateway.signals import Signals
from gateway.spec_answer import SpecAnswers
from gateway.spec_life import SpecLife
from gateway.stages import Stages
from store.pool import Pool

log = structlog.get_logger()
DATABASE: Final = web.AppKey("database", Outage)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def routes(
    pool: Pool,
    reads: Reads,
    publisher: Publisher,
    signals: Signals,
    rollouts: Rollouts,
    limits: Limits,
    commands: Commands,
    stages: Stages,
) -> list[Route]:
    """All routes of the API."""
    life = SpecLife(pool, publisher)
    answers = SpecAnswers(life)
    return [
        *DeviceRoutes(pool).routes(),
        *MeterRoutes(pool, reads).routes(),
        *PointRoutes(pool).routes(),
        *ExportRoutes(reads).routes(),
        *ParameterRoutes(pool, publisher, signals).routes(),
        *HistoryRoutes(pool).routes(),
        *StageRoutes(pool, publisher, stages).routes(),
        *GroupRoutes(pool, publisher).routes(),
        *LabelRoutes(pool, publisher).routes(),
        *SpecRoutes(pool, life, answers).routes(),
        *RolloutRoutes(pool, rollouts, limits, answers).routes(),
        *JobRoutes(pool, publisher).routes(),
        *QuarantineRoutes(pool).routes(),
        *DecodeRoutes(publisher).routes(),
        *CommandRoutes(pool, commands).routes(),
        *LedgerRoutes(pool).routes(),
    ]


class Api:
    """The route table, the door before it, and the application that serves both."""

    def __init__(self, table: Sequence[Route], pool: Pool, metrics: Metrics, settings: GatewaySettings) -> None:
        self._metrics = metrics
        token = settings.api_token.get_secret_value() if settings.api_token else None
        keeper = Doorkeeper(pool, token)
        self.door = Door(keeper, Audit(pool, metrics), metrics, settings)
        self.changes = Changes(pool)
        self._streams = StreamRoutes(
            pool, self.changes, keeper, metrics, settings.api_streams, settings.api_stream_slow_s
        )
        self.table = (
            *table,
            *AccessRoutes(pool, keeper).routes(),
            *self._streams.routes(),
        )
        self.specification = document(self.table, secured=keeper.guarded)

    def application(self, extra: Sequence[web.RouteDef], pages: Middleware) -> web.Application:
        """The whole application: the API, its documents, and `extra`; `pages` answers browsers that went astray."""

        async def openapi(_: web.Request) -> web.Response:
            return web.json_response(self.specification)

        app = web.Application(
            middlewares=[_measured(self._metrics), told, pages, self.door.guard], client_max_size=MAX_PAYLOAD_BYTES
        )
        app[DATABASE] = self._metrics.database
        for route in self.table:
            app.router.add_route(route.method, PREFIX + route.path, self.door.serve(route))
        app.router.add_get(f"{PREFIX}/openapi.json", openapi)
        app.add_routes(extra)
        app.on_shutdown.append(self._ending)
        return app

    async def _ending(self, _: web.Application) -> None:
        self._streams.end()


@web.middleware
async def told(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn whatever goes wrong into problem+json."""
    try:
        return await handler(request)
    except Exception as error:
        found = problem_of(error, request)
        if found is None:
            raise
        return found.response()


def problem_of(error: Exception, request: web.Request) -> ApiError | None:
    """What to tell of an error, None where it is no error at all or nobody's to explain."""
    match error:
        case ApiError():
            return error
        case web.HTTPRequestEntityTooLarge():
            fault = Problem("body", f"more than {MAX_PAYLOAD_BYTES} bytes", "send less")
            return ApiError(413, f"at most {MAX_PAYLOAD_BYTES} bytes are taken", [fault])
        case web.HTTPException() if error.status >= 400:
            allow = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else None
            fault = Problem("path", f"{request.method} {request.path[:200]}: {error.reason}", "see /docs")
            return ApiError(error.status, f"{error.reason}: see /docs", [fault], allow)
        case _ if isinstance(error, DATABASE_ERRORS):
            return _database_problem(error, request.app.get(DATABASE))
    return None


def _database_problem(error: Exception, database: Outage | None) -> ApiError:
    if isinstance(error, asyncpg.PostgresError) and refuses_data(error):
        return ApiError(422, "the database refuses this text", [Problem("request", str(error), "leave it out")])
    if heals(error):
        (database or Outage()).failed("api_database_unavailable", reason=reason(error))
        return unavailable()
    log.error("api_failed", exc_info=error)
    return failed()


def _measured(metrics: Metrics) -> Any:
    @web.middleware
    async def measure(request: web.Request, handler: Handler) -> web.StreamResponse:
        started, status = time.monotonic(), 500
        try:
            response = await handler(request)
            status = response.status
        except Exception:
            log.exception("api_failed", path=request.path)
            response = failed().response()
        finally:
            resource = request.match_info.route.resource
            name = resource.canonical if resource is not None else "unknown"
            metrics.requests.labels(request.method, name, str(status)).observe(time.monotonic() - started)
        return response

    return measure
