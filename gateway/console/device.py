"""A device: its meters with live readings, its events, and its reported facts."""

from typing import Any, Final

from aiohttp import web

from gateway.console.desk import Desk, Visit

HOURS: Final = (1, 6, 24)
POWER: Final = ("1-0:16.7.0", "1-0:1.7.0")
"""What a chart shows first, where the meter has it."""
EVENTS: Final = 20
EVENTS_READ: Final = "200"
ROUTINE: Final = ("decode_counts",)


class DevicePages:
    """GET /devices/{device} and its parts."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[web.RouteDef]:
        """The routes served here."""
        page = self._desk.page
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

    async def device(self, visit: Visit) -> web.StreamResponse:
        """The whole page."""
        found = await self._device(visit)
        return visit.render("device.html", device=found, charts=await self._charts(visit, found))

    async def state(self, visit: Visit) -> web.StreamResponse:
        """State and drift."""
        return visit.render("device_state.html", device=await self._device(visit))

    async def seen(self, visit: Visit) -> web.StreamResponse:
        """When it was last heard of; readings come so often that the stream of changes leaves them out."""
        return visit.render("device_seen.html", device=await self._device(visit))

    async def meters(self, visit: Visit) -> web.StreamResponse:
        """The meters, after one came or got a spec."""
        found = await self._device(visit)
        return visit.render("device_meters.html", device=found, charts=await self._charts(visit, found))

    async def events(self, visit: Visit) -> web.StreamResponse:
        """The newest events; counts of telegrams come so often that they would leave no room for the others."""
        found = await visit.ask("listEvents", query={"device": visit.path["device"], "limit": EVENTS_READ})
        telling = [one for one in found.items if one.event not in ROUTINE]
        return visit.render("device_events.html", events={"items": telling[:EVENTS]}, device=visit.path["device"])

    async def chart(self, visit: Visit) -> web.StreamResponse:
        """A chart of one quantity."""
        meter, query = visit.path["meter"], visit.request.query
        detail = await visit.ask("getMeter", {"meter": meter})
        hours = next((hours for hours in HOURS if str(hours) == query.get("hours")), HOURS[0])
        return visit.render("chart.html", chart=_chart(detail, query.get("obis"), hours), hours=HOURS)

    async def latest(self, visit: Visit) -> web.StreamResponse:
        """The newest reading of each quantity."""
        found = await visit.ask("getLatest", {"meter": visit.path["meter"]})
        return visit.render("latest.html", latest=found)

    async def frames(self, visit: Visit) -> web.StreamResponse:
        """Raw frames that are kept of a meter."""
        asked, path = {"cursor": visit.request.query.get("cursor"), "limit": "20"}, {"meter": visit.path["meter"]}
        found = await visit.ask("getFrames", path, asked)
        if visit.partial:
            return visit.render("frames_list.html", frames=found)
        unknown = (await visit.ask("listUnknown", query=path)).items
        group = unknown[0].group if unknown else None
        return visit.render("frames.html", frames=found, meter=await visit.ask("getMeter", path), group=group)

    async def _device(self, visit: Visit) -> Any:
        return await visit.ask("getDevice", {"device": visit.path["device"]})

    async def _charts(self, visit: Visit, device: Any) -> dict[str, Any]:
        """The chart of each meter that has something to draw."""
        charts = {}
        for meter in device.meters:
            if meter.removed_at is None:
                detail = await visit.ask("getMeter", {"meter": meter.meter})
                charts[meter.meter] = _chart(detail, None, HOURS[0])
        return {meter: chart for meter, chart in charts.items() if chart is not None}


def _chart(detail: Any, obis: str | None, hours: int) -> dict[str, Any] | None:
    """What to draw of a meter; None where it has no series."""
    series = sorted(detail.series, key=lambda one: one.obis)
    if not series:
        return None
    codes = {one.obis: one for one in series}
    wanted = next((code for code in (obis, *POWER) if code in codes), series[0].obis)
    return {"meter": detail.meter, "one": codes[wanted], "series": series, "range_h": hours}
