"""The HTTP API: the route table, and errors as problem+json."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import structlog
from aiohttp import web
from aiohttp.typedefs import Middleware

from broker.contract import asyncapi
from broker.contract.messages import MAX_PAYLOAD_BYTES
from broker.outage import Outage
from gateway.api.auth.authorization import Authorization
from gateway.api.auth.routes import AccessRoutes
from gateway.api.auth.tokens import Authenticator
from gateway.api.auth.users import UserRoutes
from gateway.api.commands import CommandRoutes
from gateway.api.credentials import CredentialRoutes
from gateway.api.decode.routes import DecodeRoutes
from gateway.api.devices.routes import DeviceRoutes
from gateway.api.export.routes import ExportRoutes
from gateway.api.gaps.routes import GapRoutes
from gateway.api.groups import GroupRoutes
from gateway.api.jobs.files import FileRoutes
from gateway.api.jobs.routes import JobRoutes
from gateway.api.jobs.schedules import ScheduleRoutes
from gateway.api.keys.routes import KeyRoutes
from gateway.api.labels import LabelRoutes
from gateway.api.ledger.routes import LedgerRoutes
from gateway.api.meter_claims.routes import ClaimRoutes
from gateway.api.meters.routes import MeterRoutes
from gateway.api.notices.routes import NotifyRoutes
from gateway.api.openapi import document
from gateway.api.parameters.history import HistoryRoutes
from gateway.api.parameters.routes import ParameterRoutes
from gateway.api.parameters.stages import StageRoutes
from gateway.api.points.routes import PointRoutes
from gateway.api.problem import Problem, failed
from gateway.api.quarantine.routes import QuarantineRoutes
from gateway.api.reads import Reads
from gateway.api.route import PREFIX, Route
from gateway.api.software.routes import SoftwareRoutes
from gateway.api.specs.answers import SpecAnswers
from gateway.api.specs.rollouts import RolloutRoutes
from gateway.api.specs.routes import SpecRoutes
from gateway.api.stream.changes import Changes
from gateway.api.stream.routes import StreamRoutes
from gateway.audit import Audit
from gateway.commands.orders import Commands
from gateway.credentials.access import Access
from gateway.desired.change import Configuration
from gateway.faults import Fault, Refusal, unavailable
from gateway.keys.keeping import MeterKeys
from gateway.meter_claims.run import MeterClaims
from gateway.metrics import Metrics
from gateway.notices.keeping import Notifications
from gateway.parameters.group_changes import Groups
from gateway.parameters.stages.run import Stages
from gateway.settings import GatewaySettings
from gateway.signals import Signals
from gateway.specs.job_requests import JobRequests
from gateway.specs.life import SpecLife
from gateway.specs.rollouts.models import Limits
from gateway.specs.rollouts.run import Rollouts
from store.errors import DATABASE_ERRORS, heals, reason, refuses_data
from store.pool import Pool

log = structlog.get_logger()
DATABASE: Final = web.AppKey("database", Outage)
LEFT: Final = 499
"""What a request counts as whose client did not wait; nobody gets this answer."""
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def routes(
    pool: Pool,
    reads: Reads,
    configuration: Configuration,
    signals: Signals,
    rollouts: Rollouts,
    limits: Limits,
    commands: Commands,
    stages: Stages,
    claims: MeterClaims,
    access: Access,
    keys: MeterKeys,
    notifications: Notifications,
    files: FileRoutes,
) -> list[Route]:
    """All routes of the API."""
    life = SpecLife(pool, configuration)
    answers = SpecAnswers(life)
    jobs = JobRequests(pool, configuration, life)
    return [
        *DeviceRoutes(pool).routes(),
        *MeterRoutes(pool, reads).routes(),
        *ClaimRoutes(pool, claims).routes(),
        *KeyRoutes(keys).routes(),
        *NotifyRoutes(notifications).routes(),
        *PointRoutes(pool).routes(),
        *GapRoutes(pool).routes(),
        *ExportRoutes(reads).routes(),
        *ParameterRoutes(pool, configuration, signals).routes(),
        *HistoryRoutes(pool).routes(),
        *StageRoutes(pool, configuration, stages).routes(),
        *GroupRoutes(Groups(pool, configuration)).routes(),
        *LabelRoutes(pool, configuration).routes(),
        *SpecRoutes(pool, life, answers).routes(),
        *RolloutRoutes(pool, rollouts, limits, answers).routes(),
        *JobRoutes(pool, jobs).routes(),
        *files.routes(),
        *ScheduleRoutes(pool).routes(),
        *QuarantineRoutes(pool, jobs).routes(),
        *DecodeRoutes(configuration).routes(),
        *CommandRoutes(pool, commands).routes(),
        *CredentialRoutes(access).routes(),
        *LedgerRoutes(pool).routes(),
        *SoftwareRoutes(pool, configuration).routes(),
    ]


class Api:
    """The route table, the authorization before it, and the application that serves both."""

    def __init__(self, table: Sequence[Route], pool: Pool, metrics: Metrics, settings: GatewaySettings) -> None:
        self._metrics = metrics
        token = settings.api_token.get_secret_value() if settings.api_token else None
        authenticator = Authenticator(pool, token)
        self.auth = Authorization(authenticator, Audit(pool, metrics), metrics, settings)
        self.changes = Changes(pool, metrics)
        self._streams = StreamRoutes(
            pool,
            self.changes,
            authenticator,
            metrics,
            settings.api_streams,
            settings.api_streams_each,
            settings.api_stream_slow_s,
        )
        self.table = (
            *table,
            *AccessRoutes(pool, authenticator).routes(),
            *UserRoutes(pool, authenticator).routes(),
            *self._streams.routes(),
        )
        require_distinct(self.table)
        self._secured = authenticator.guarded
        self._specification: dict[str, Any] | None = None
        self._root = settings.broker.root

    def application(self, extra: Sequence[web.RouteDef], pages: Middleware) -> web.Application:
        """The whole application: the API, its documents, and `extra`; `pages` answers browsers that went astray."""
        app = web.Application(
            middlewares=[measured(self._metrics), as_problems, pages, self.auth.guard],
            client_max_size=MAX_PAYLOAD_BYTES,
        )
        app[DATABASE] = self._metrics.database
        for route in self.table:
            app.router.add_route(route.method, PREFIX + route.path, self.auth.serve(route))
        app.router.add_get(f"{PREFIX}/openapi.json", self._openapi)
        app.router.add_get(f"{PREFIX}/asyncapi.json", self._asyncapi)
        app.add_routes(extra)
        app.on_response_prepare.append(self.auth.lasting)
        app.on_shutdown.append(self._ending)
        return app

    async def _openapi(self, _: web.Request) -> web.Response:
        if self._specification is None:
            # made for the first who asks, and beside the loop: most gateways start without anybody who reads it
            self._specification = await asyncio.to_thread(document, self.table, secured=self._secured)
        return web.json_response(self._specification)

    async def _asyncapi(self, _: web.Request) -> web.Response:
        return web.json_response(await asyncio.to_thread(asyncapi.document, self._root))

    async def _ending(self, _: web.Application) -> None:
        self._streams.end()


@web.middleware
async def as_problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn whatever goes wrong into problem+json."""
    try:
        return await handler(request)
    except Exception as error:
        found = problem_of(error, request)
        if found is None:
            raise
        return found.response()


def problem_of(error: Exception, request: web.Request) -> Problem | None:
    """What to tell of an error, None where it is no error at all or nobody's to explain."""
    match error:
        case Refusal():
            return Problem.of(error)
        case ConnectionError() if _has_left(request):
            # aiohttp raises one for a request that ends too soon, as asyncpg does for a database
            return Problem(LEFT, "the client left before it was answered")
        case web.HTTPException() if error.status >= 400:
            return _http_problem(error, request)
        case _ if isinstance(error, DATABASE_ERRORS):
            return _database_problem(error, request.app.get(DATABASE))
    return None


def _http_problem(error: web.HTTPException, request: web.Request) -> Problem:
    if isinstance(error, web.HTTPRequestEntityTooLarge):
        fault = Fault("body", f"more than {MAX_PAYLOAD_BYTES} bytes", "send less")
        return Problem(413, f"at most {MAX_PAYLOAD_BYTES} bytes are taken", (fault,))
    if isinstance(error, web.HTTPRequestTimeout):
        return Problem(408, "the body took too long", (Fault("body", "it did not come in time", "send it again"),))
    allow = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
    fault = Fault("path", f"{request.method} {request.path[:200]}: {error.reason}", "see /docs")
    return Problem(error.status, f"{error.reason}: see /docs", (fault,), allow)


def _has_left(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


def _database_problem(error: Exception, database: Outage | None) -> Problem:
    if refuses_data(error):
        return Problem(422, "the database refuses this text", (Fault("request", str(error), "leave it out"),))
    if heals(error):
        (database or Outage()).failed("api_database_unavailable", reason=reason(error))
        return Problem.of(unavailable())
    log.error("api_failed", exc_info=error)
    return failed()


def measured(metrics: Metrics) -> Any:
    """Measure each request by its route, and answer in place of whatever failed."""

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


def require_distinct(table: Sequence[Route]) -> None:
    """See that no two routes answer the same request or have the same name: the second would never be heard."""
    for what in (lambda one: f"{one.method} {one.path}", lambda one: one.name):
        twice = [text for text, times in Counter(map(what, table)).items() if times > 1]
        if twice:
            raise ValueError(f"two routes are {twice[0]}")
