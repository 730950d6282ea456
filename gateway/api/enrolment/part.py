"""Enrolment as a part of the gateway: its authority, its rules, the listener for devices, what is measured of it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final, Self

from aiohttp import web

from gateway.api.app import as_problems, measured
from gateway.api.enrolment.est import EstServer, challenged
from gateway.api.enrolment.listener import ServerCertificate, serve_enrolment, server_context
from gateway.api.enrolment.routes import EnrolmentRoutes
from gateway.api.route import Route
from gateway.audit import Audit
from gateway.database import one_round
from gateway.enrolment.claims import EnrolmentClaims
from gateway.enrolment.enrolling import Enrolling
from gateway.enrolment.issuers import CommandIssuer, EmbeddedIssuer, Issuer
from gateway.enrolment.own_certificate import OwnCertificate
from gateway.enrolment.requests import MAX_BYTES
from gateway.enrolment.settings import CaSettings
from gateway.enrolment.store import count_waiting
from gateway.metrics import Metrics
from gateway.settings import GatewaySettings
from store.pool import Pool

COUNT_EVERY_S: Final = 15.0
"""How often it is counted how many devices wait for a person."""


class EnrolmentPart:
    """Made by `open`; without an authority people still see claims and enrolments, and there is no listener."""

    def __init__(
        self,
        settings: GatewaySettings,
        pool: Pool,
        metrics: Metrics,
        issuer: Issuer | None,
        own: OwnCertificate | None,
    ) -> None:
        self._settings = settings
        self._pool = pool
        self._metrics = metrics
        self._issuer = issuer
        self._certificate = ServerCertificate(settings.enrolment, own)
        self._claims = EnrolmentClaims(pool)
        self._enrolling = Enrolling(pool, metrics, settings.enrolment, issuer)

    @classmethod
    async def open(cls, settings: GatewaySettings, pool: Pool, metrics: Metrics, own: OwnCertificate | None) -> Self:
        """With the embedded authority, by which our own certificate is, or the settings' other one.

        Raises PermanentError.
        """
        issuer = EmbeddedIssuer(own.authority) if own else await asyncio.to_thread(_other, settings.ca)
        return cls(settings, pool, metrics, issuer, own)

    def routes(self) -> list[Route]:
        """The API's routes about it."""
        return EnrolmentRoutes(self._pool, self._claims, self._enrolling).routes()

    @contextlib.asynccontextmanager
    async def serve(self, audit: Audit) -> AsyncIterator[None]:
        """Let devices enrol while the context lasts, where there is an authority. Raises PermanentError."""
        if self._issuer is None:
            yield
            return
        context = server_context(self._issuer.authorities)
        await asyncio.to_thread(self._certificate.load, context)
        est = EstServer(self._claims, self._enrolling, self._issuer.authorities, audit, self._metrics)
        app = web.Application(middlewares=[measured(self._metrics), challenged, as_problems], client_max_size=MAX_BYTES)
        app.add_routes(est.routes())
        refused = self._metrics.connections_refused
        bounds = self._settings.connection_bounds()
        async with serve_enrolment(app, self._settings.enrolment, context, bounds, lambda by: refused.labels(by).inc()):
            renewing = asyncio.get_running_loop().create_task(
                self._certificate.run(context), name="gateway.enrolment-certificate"
            )
            try:
                yield
            finally:
                renewing.cancel()

    async def run(self) -> None:
        """Count for ever how many devices wait."""
        while True:
            waiting = await one_round(lambda: count_waiting(self._pool), "gateway.enrolments", self._metrics)
            self._metrics.enrolments_waiting.set(waiting or 0)
            await asyncio.sleep(COUNT_EVERY_S)


def _other(settings: CaSettings) -> Issuer | None:
    if settings.command is None or settings.authority is None:
        return None
    return CommandIssuer.of(settings.command, settings.authority)
