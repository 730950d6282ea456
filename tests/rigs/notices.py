"""Receivers of notifications, and who sends them: rules and channels in the store, a worker's task of notifications."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from aiohttp import web
from prometheus_client import CollectorRegistry
from standardwebhooks import Webhook

from ingestor.notices.metrics import NoticeMetrics
from ingestor.notices.sending import Limits
from ingestor.notices.service import Notices
from store.meter_keys import MasterKeys, new_master_keys
from store.notices.channels import Address, parse_address, sealed_for
from store.notices.rules import Rule
from store.pool import open_pool
from tests.rigs.gateway import connection, rows
from tests.rigs.servers import Database

NOW: dict[str, Any] = {"gather_s": 0, "interval_min": 0}
"""A rule that speaks at once."""


@cache
def cloudevents_schema() -> dict[str, Any]:
    """CloudEvents' own JSON schema."""
    path = Path(__file__).parents[1] / "data" / "cloudevents" / "1.0.json"
    found: dict[str, Any] = json.loads(path.read_text())
    return found


@dataclass
class Receiver:
    """An HTTP server that takes messages; `answers` say what it answers next, 204 behind them."""

    url: str = ""
    answers: list[Callable[[web.Request], Awaitable[web.Response]]] = field(default_factory=list)
    taken: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    def answer(self, status: int, **headers: str) -> None:
        """Answer so, once."""

        async def say(_: web.Request) -> web.Response:
            return web.Response(status=status, text=f"said {status}", headers=headers)

        self.answers.append(say)

    async def take(self, request: web.Request) -> web.Response:
        """Take whatever comes."""
        self.taken.append((dict(request.headers), await request.read()))
        return await self.answers.pop(0)(request) if self.answers else web.Response(status=204)

    def events(self, secret: str) -> list[dict[str, Any]]:
        """What was taken, its signatures verified by the standard's own library."""
        return [Webhook(secret).verify(body, headers) for headers, body in self.taken]

    def ids(self) -> list[str]:
        """The webhook-id of each attempt."""
        return [headers["webhook-id"] for headers, _ in self.taken]


@contextlib.asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """A receiver on a port of its own."""
    receiver = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", receiver.take)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/in"
        yield receiver
    finally:
        await runner.cleanup()


@dataclass
class Platform:
    """A store with channels and rules, and the master key that seals them."""

    database: Database
    master: MasterKeys
    master_file: Path

    async def channel(self, name: str, url: str) -> Address:
        """Enter a channel as the gateway does."""
        address = parse_address(url)
        async with connection(self.database) as opened:
            await opened.execute(
                "INSERT INTO notice_channel (name, kind, shown, sealed, master, author)"
                " VALUES ($1, $2, $3, $4, $5, 'test')",
                name, address.kind, address.shown, self.master.seal(sealed_for(name), address.values()),
                self.master.newest,
            )  # fmt: skip
        return address

    async def rule(self, name: str, **values: Any) -> Rule:
        """Enter a rule as the gateway does."""
        rule = Rule(**{"channel": "ops", **NOW, **values})
        names = [one.replace("_", "\\_").replace("*", "%") for one in rule.names]
        async with connection(self.database) as opened:
            await opened.execute(
                "INSERT INTO notice_rule (name, channel, enabled, events, document, author)"
                " VALUES ($1, $2, $3, $4, $5, 'test')",
                name, rule.channel, rule.enabled, names, rule.model_dump_json(),
            )  # fmt: skip
        return rule

    @contextlib.asynccontextmanager
    async def telling(self, *, private: bool = True, timeout_s: float = 20.0) -> AsyncIterator[None]:
        """Notifications of one worker."""
        stop = asyncio.Event()
        async with open_pool(
            self.database.dsn("wattline_ingestor"), min_size=1, max_size=5, application_name="test"
        ) as pool:
            limits = Limits(timeout_s, private, self.master_file)
            notices = Notices(pool, NoticeMetrics(CollectorRegistry()), limits, 0.1)
            task = asyncio.create_task(notices.run(stop))
            try:
                yield
            finally:
                stop.set()
                async with asyncio.timeout(60):
                    await task

    async def deliveries(self, channel: str = "ops") -> list[dict[str, Any]]:
        """The messages of a channel in their order."""
        return await rows(
            self.database, "SELECT * FROM notice_delivery WHERE channel = $1 ORDER BY made_at, id", channel
        )

    async def execute(self, sql: str, *values: Any) -> None:
        """Change the store as its owner."""
        async with connection(self.database) as opened:
            await opened.execute(sql, *values)

    async def devices(self, count: int, *, online: bool) -> None:
        """So many devices, online or away."""
        await self.execute(
            "INSERT INTO device (name, online, status_at) SELECT 'pi-' || n, $2, now() - INTERVAL '1 hour' "
            "FROM generate_series(1, $1::integer) AS n ON CONFLICT (name) DO UPDATE SET online = $2",
            count, online,
        )  # fmt: skip


def platform_of(database: Database, folder: Path) -> Platform:
    """A platform whose master key lies in a folder."""
    master = new_master_keys()
    master.write(folder / "master-key")
    return Platform(database, master, folder / "master-key")
