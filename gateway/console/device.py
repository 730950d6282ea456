"""A device: its meters with live readings, its events, and its reported facts."""

from collections.abc import Collection
from typing import Any, Final

from aiohttp import web

from gateway.console.browser import BrowserRequest, ConsoleApi

HOURS: Final = (1, 6, 24)
POWER: Final = ("1-0:16.7.0", "1-0:1.7.0", "1-1:1.7.0")
"""What a chart shows first, where the meter has it."""
EVENTS: Final = 20
EVENTS_READ: Final = "200"
ROUTINE: Final = ("decode_counts",)


class DevicePages:
    """GET /devices/{device} and its parts."""

    def __init__(self, console: ConsoleApi) -> None:
        self._console = console

    def routes(self) -> list[web.RouteDef]:
        """The routes served here."""
        page = self._console.page
        return [
            web.get("/devices/{device}", page(self.device)),
            web.get("/devices/{device}/state", page(self.state)),
            web.get("/devices/{device}/seen", page(self.seen)),
            web.get("/devices/{device}/events", page(self.events)),
            web.get("/devices/{device}/meters", page(self.meters)),
            web.get("/meters/{meter}/chart", page(self.chart)),
            web.get("/meters/{meter}/latest", page(self.latest)),
            web.get("/meters/{meter}/frames", page(self.frames)),
        ]

    async def device(self, browser: BrowserRequest) -> web.StreamResponse:
        """The whole page."""
        found = await self._device(browser)
        return browser.render("device.html", device=found, **await self._meters(browser, found))

    async def state(self, browser: BrowserRequest) -> web.StreamResponse:
        """State and drift."""
        return browser.render("device_state.html", device=await self._device(browser))

    async def seen(self, browser: BrowserRequest) -> web.StreamResponse:
        """When it was last heard of; readings come so often that the stream of changes leaves them out."""
        return browser.render("device_seen.html", device=await self._device(browser))

    async def meters(self, browser: BrowserRequest) -> web.StreamResponse:
        """The meters, after one came or got a spec."""
        found = await self._device(browser)
        return browser.render("device_meters.html", device=found, **await self._meters(browser, found))

    async def events(self, browser: BrowserRequest) -> web.StreamResponse:
        """The newest events; counts of telegrams come so often that they would leave no room for the others."""
        found = await browser.ask("listEvents", query={"device": browser.path["device"], "limit": EVENTS_READ})
        telling = [one for one in found.items if one.event not in ROUTINE]
        return browser.render("device_events.html", events={"items": telling[:EVENTS]}, device=browser.path["device"])

    async def chart(self, browser: BrowserRequest) -> web.StreamResponse:
        """A chart of one quantity."""
        meter, query = browser.path["meter"], browser.request.query
        detail = await browser.ask("getMeter", {"meter": meter})
        hours = next((hours for hours in HOURS if str(hours) == query.get("hours")), HOURS[0])
        return browser.render("chart.html", chart=_chart(detail, query.get("obis"), hours), hours=HOURS)

    async def latest(self, browser: BrowserRequest) -> web.StreamResponse:
        """The newest reading of each quantity."""
        found = await browser.ask("getLatest", {"meter": browser.path["meter"]})
        return browser.render("latest.html", latest=found)

    async def frames(self, browser: BrowserRequest) -> web.StreamResponse:
        """Raw frames that are kept of a meter."""
        asked, path = {"cursor": browser.request.query.get("cursor"), "limit": "20"}, {"meter": browser.path["meter"]}
        found = await browser.ask("getFrames", path, asked)
        if browser.partial:
            return browser.render("frames_list.html", frames=found)
        unknown = (await browser.ask("listUnknown", query=path)).items
        group = unknown[0].group if unknown else None
        return browser.render("frames.html", frames=found, meter=await browser.ask("getMeter", path), group=group)

    async def _device(self, browser: BrowserRequest) -> Any:
        return await browser.ask("getDevice", {"device": browser.path["device"]})

    async def _meters(self, browser: BrowserRequest, device: Any) -> dict[str, Any]:
        """The chart of each meter that has something to draw, which secrets it can use, and how it stands with them."""
        charts, key_states, secrets = {}, {}, {}
        for meter in device.meters:
            if meter.removed_at is None:
                detail = await browser.ask("getMeter", {"meter": meter.meter})
                charts[meter.meter] = _chart(detail, None, HOURS[0])
                key_states[meter.meter] = detail.facts.get("key_state", "")
                secrets[meter.meter] = secret_words(detail.secrets)
        drawn = {meter: chart for meter, chart in charts.items() if chart is not None}
        return {"charts": drawn, "key_states": key_states, "secrets": secrets}


def secret_words(secrets: Collection[str]) -> str:
    """What a meter can use, as a link to its page calls it: `key`, `password`, `key and password`, or nothing."""
    words = ("key", "encryption" in secrets), ("password", "password" in secrets)
    return " and ".join(word for word, is_so in words if is_so)


def _chart(detail: Any, obis: str | None, hours: int) -> dict[str, Any] | None:
    """What to draw of a meter; None where it has no series."""
    series = sorted(detail.series, key=lambda one: one.obis)
    if not series:
        return None
    codes = {one.obis: one for one in series}
    wanted = next((code for code in (obis, *POWER) if code in codes), series[0].obis)
    return {"meter": detail.meter, "one": codes[wanted], "series": series, "range_h": hours}
