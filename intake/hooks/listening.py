"""The port on which senders are served, and its end: nobody new, and answers for those who were let in."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

import structlog
from aiohttp import web

from broker.runtime.http_bounds import BoundedServer, open_files
from broker.runtime.http_server import listen
from broker.runtime.tls import ServerTls
from intake.hooks.handler import Hooks
from intake.hooks.metrics import HookMetrics
from intake.hooks.settings import IntakeSettings

log = structlog.get_logger()
BACKLOG: Final = 1024
"""Connections that the kernel holds until we take them: a burst of them is no refusal."""
LINGERING_S: Final = 2.0
"""How long a refused sender may go on sending its body, so that it reads the refusal."""


class Listener:
    """A server of the hooks that runs."""

    def __init__(self, hooks: Hooks, server: web.Server, listener: asyncio.Server) -> None:
        self.port: int = listener.sockets[0].getsockname()[1]
        self._hooks = hooks
        self._server = server
        self._listener = listener

    async def drain(self, within_s: float) -> None:
        """Take no more connections and no more requests on those that are open; wait for the answers under way."""
        self._listener.close()
        self._server.pre_shutdown()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while self._hooks.in_flight:
                    await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def listening(
    hooks: Hooks, settings: IntakeSettings, metrics: HookMetrics, tls: ServerTls | None
) -> AsyncIterator[Listener]:
    """Serve senders while the context lasts. Raises PermanentError if the port can't be had."""
    # without aiohttp's application: there is one route, and its table and middlewares are passed for each post
    server = web.Server(
        hooks.answer,
        access_log=None,
        keepalive_timeout=settings.head_timeout_s,
        lingering_time=LINGERING_S,
        auto_decompress=False,
    )
    held = settings.connection_bounds().within(open_files())
    refused = metrics.connections_refused
    bounded = BoundedServer(server, held, lambda by: refused.labels(by).inc(), tls.context if tls else None)
    shared = settings.reuse_port or settings.processes > 1
    listener = await listen(
        bounded,
        settings.hooks_host,
        settings.hooks_port,
        settings.variable("hooks_port"),
        reuse_port=shared,
        backlog=BACKLOG,
    )
    running = Listener(hooks, server, listener)
    log.info("hooks_listening", host=settings.hooks_host, port=running.port, tls=tls is not None)
    try:
        yield running
    finally:
        listener.close()
        bounded.close()
        await server.shutdown(1.0)
