"""A real browser on a real gateway, and what it complains about."""

import contextlib
import json
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import Browser, BrowserContext, Error, Page, Playwright, Response, async_playwright
from pydantic import SecretStr

from broker.contract.topics import Kind
from deploy.local.browser import provide_browser
from deploy.local.settings import LocalSettings
from tests.rigs.gateway import (
    Gateway,
    connection,
    entered,
    gateway,
    gateway_settings,
    p1_meter,
    registration,
    rows,
    send,
)
from tests.rigs.servers import Broker, Database
from tests.rigs.strict_html import faults
from tests.rigs.waiting import until

TOKEN = "s3cret-of-the-console-tests"
KEY = "KFM:E0026000123456789"


@cache
def _program() -> Path:
    return provide_browser(LocalSettings(), print)


@dataclass
class Browsing:
    """A browser logged in at a gateway; `complaints` are script errors, refused content, and failed loads."""

    running: Gateway
    context: BrowserContext
    page: Page
    complaints: list[str] = field(default_factory=list)
    malformed: list[str] = field(default_factory=list)
    """What is wrong with the HTML of any page or part that came."""

    async def read(self, response: Response) -> None:
        """Read what came as strictly as no browser does."""
        if response.headers.get("content-type", "").startswith("text/html"):
            with contextlib.suppress(Error):  # a page that was left meanwhile has no body any more
                found = faults(await response.text())
                self.malformed += [f"{urlsplit(response.url).path}: {fault}" for fault in found]

    def hear(self, kind: str, text: str) -> None:
        """Note an error of the console; htmx calls a request that a newer one replaced one too."""
        if kind == "error" and not text.startswith(("htmx:afterRequest", "htmx:sendAbort")):
            self.complaints.append(text)

    async def go(self, path: str) -> None:
        """Open a path and wait until its scripts have run."""
        await self.page.goto(self.running.url + path, wait_until="load")

    async def log_in(self, token: str) -> None:
        """Through the form."""
        await self.go("/login")
        await self.page.get_by_label("Token").fill(token)
        await self.page.get_by_role("button", name="Log in").click()
        await self.page.wait_for_url(lambda url: "/login" not in url)

    async def live(self) -> None:
        """Wait until the page follows the stream of changes."""
        await self.page.locator("#live.on").wait_for()

    def accept(self) -> None:
        """Say yes to every question from now on."""
        self.page.on("dialog", lambda dialog: dialog.accept())

    async def call(self, method: str, path: str, body: Any = None, **query: str) -> Any:
        """The API's answer to somebody else's request; text is sent as it is, anything else as JSON."""
        headers = {"Authorization": f"Bearer {TOKEN}"}
        data = body.encode() if isinstance(body, str) else None if body is None else json.dumps(body).encode()
        url = f"{self.running.url}/api/v1{path}"
        async with self.running.http.request(method, url, data=data, params=query, headers=headers) as response:
            document = await response.json(content_type=None)
            assert response.status == 200, document
            return document


@contextlib.asynccontextmanager
async def browsing(
    broker: Broker,
    database: Database,
    *,
    token: str | None = TOKEN,
    settings: dict[str, Any] | None = None,
    **look: Any,
) -> AsyncIterator[Browsing]:
    """A gateway with a token and these `settings`, and a browser; `look` is playwright's, such as `color_scheme`."""
    chosen = {"api_token": SecretStr(TOKEN), "stage_tick_s": 0.1, "judge_s": 0.5, **(settings or {})}
    async with gateway(gateway_settings(broker, database, **chosen)) as running, looking(running, **look) as seen:
        if token is not None:
            await seen.log_in(token)
        yield seen


@contextlib.asynccontextmanager
async def looking(running: Gateway, **look: Any) -> AsyncIterator[Browsing]:
    """A browser before a gateway; nobody is logged in."""
    context = await _KEPT.context(**{"viewport": {"width": 1280, "height": 900}, **look})
    try:
        context.set_default_timeout(60_000)
        page = await context.new_page()
        seen = Browsing(running, context, page)
        page.on("pageerror", lambda error: seen.complaints.append(str(error)))
        page.on("console", lambda said: seen.hear(said.type, said.text))
        page.on("response", seen.read)
        yield seen
        assert seen.malformed == []
    finally:
        await context.close()


class _KeptBrowser:
    """One for all that is looked at in a loop, each time as nobody's: to begin it takes a second of processor."""

    def __init__(self) -> None:
        self._playwright: Playwright | None = None
        self._browser: Browser | None = None

    async def context(self, **look: Any) -> BrowserContext:
        """A new one; where browser or driver has died, of another."""
        if self._browser is not None and self._browser.is_connected():
            with contextlib.suppress(Error):
                return await self._browser.new_context(**look)
        await self.end()
        return await (await self.begin()).new_context(**look)

    async def begin(self) -> Browser:
        self._playwright = await async_playwright().start()
        arguments = ["--disable-gpu"]
        self._browser = await self._playwright.chromium.launch(executable_path=_program(), args=arguments)
        return self._browser

    async def end(self) -> None:
        playwright, browser = self._playwright, self._browser
        self._playwright = self._browser = None
        with contextlib.suppress(Error):
            if browser is not None:
                await browser.close()
        if playwright is not None:
            await playwright.stop()


_KEPT = _KeptBrowser()
begin_browser = _KEPT.begin
"""At the start of a loop in which something is to be looked at again and again, so that it outlives each time."""
end_browser = _KEPT.end
"""To be called at the end of the loop in which something was looked at."""


async def register(broker: Broker, database: Database, device: str, **facts: Any) -> None:
    """Let a device in with one unknown P1 meter, and wait until the gateway has it."""
    await broker.add_device(device)
    async with entered(broker, device) as session:
        document = json.loads(registration(p1_meter(KEY, **facts.pop("meter", {}))))
        document["hardware"]["model"] = facts.pop("model", "Raspberry Pi 4")
        await send(session, broker.topics, Kind.REGISTRATION, device, json.dumps(document).encode())
    sql = "SELECT 1 FROM desired t JOIN device d ON d.id = t.device_id WHERE d.name = $1"
    await until(lambda: rows(database, sql, device), f"{device} is registered")


async def add_readings(database: Database, minutes: int = 90) -> None:
    """Power and energy of the meter, a reading a minute until now."""
    async with connection(database) as opened:
        await opened.execute(
            "INSERT INTO series (meter_id, obis, unit, kind) SELECT id, o, u, k FROM meter, (VALUES "
            "('1-0:1.8.0', 'kWh', 'register'), ('1-0:16.7.0', 'kW', 'instantaneous')) AS s (o, u, k) WHERE key = $1",
            KEY,
        )
        await opened.execute(
            "INSERT INTO reading (time, value, series_id, source) SELECT now() - n * INTERVAL '1 minute', "
            "CASE s.unit WHEN 'kWh' THEN 5321.4 - n * 0.011 "
            "ELSE round((0.6 + 0.5 * sin(n / 9.0) + 0.2 * cos(n / 2.0))::numeric, 3) END, "
            "s.id, 0 FROM series s, generate_series(0, $1) n ON CONFLICT DO NOTHING",
            minutes,
        )


async def add_frames(database: Database, telegram: bytes, count: int = 3) -> None:
    """Raw frames of the meter, as the ingestor keeps them."""
    async with connection(database) as opened:
        for _ in range(count):
            await opened.execute(
                "INSERT INTO frame (received_at, device_id, meter_id, topic, kind, reason, protocol, at, data,"
                " delivery) SELECT clock_timestamp(), device_id, id, 't', 'frame', 'no_spec', 'p1', now(), $2, $3::uuid"
                " FROM meter WHERE key = $1",
                KEY, telegram, secrets.token_hex(16),
            )  # fmt: skip
