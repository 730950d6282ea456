"""Routes about meters and their readings."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from broker.obis import name_of
from gateway.api_cursors import CURSOR_FIX, page_of, text_cursor, timed_cursor
from gateway.api_devices import require_device
from gateway.api_models import (
    FramePage,
    FrameView,
    LatestReadings,
    MeterDetail,
    MeterPage,
    MetersQuery,
    MeterSummary,
    PageQuery,
    ReadingPage,
    ReadingsQuery,
    ReadingView,
    SeriesView,
)
from gateway.api_route import Answer, Call, Route
from gateway.meters import ADDRESSES
from gateway.problem import not_found, wrong
from gateway.reads import Reads
from gateway.sql import load
from store.pool import Pool

DAY = timedelta(days=1)
BEFORE_ALL = datetime(1, 1, 1, tzinfo=UTC)


class MeterRoutes:
    """Meters, their newest readings, and ranges of readings."""

    def __init__(self, pool: Pool, reads: Reads) -> None:
        self._pool = pool
        self._reads = reads

    def routes(self) -> list[Route]:
        """The routes served here."""
        fields = {"meter": "The meter's key, for example LGZ:12345678, percent-encoded."}
        one = "/meters/{meter}"
        newest = "The newest reading of each series."
        kept = "Raw frames that are kept of a meter, the newest first."
        return [
            Route("GET", "/meters", "listMeters", "Meters by key.", self.page, MeterPage, MetersQuery),
            Route("GET", one, "getMeter", "A meter.", self.detail, MeterDetail, path_fields=fields),
            Route("GET", one + "/latest", "getLatest", newest, self.latest, LatestReadings, path_fields=fields),
            Route(
                "GET",
                one + "/readings",
                "getReadings",
                "Readings of a meter in the order of time.",
                self.readings,
                ReadingPage,
                ReadingsQuery,
                path_fields=fields,
            ),
            Route("GET", one + "/frames", "getFrames", kept, self.frames, FramePage, PageQuery, path_fields=fields),
        ]

    async def page(self, call: Call) -> Answer:
        """GET /meters."""
        query: MetersQuery = call.query
        after = text_cursor(query)
        await require_device(self._pool, query.device)
        rows = await self._pool.fetch(load("list_meters"), after, query.device, query.removed, query.limit + 1)
        page, more = page_of(rows, query.limit, "meter")
        return Answer(MeterPage(items=tuple(MeterSummary(**dict(row)) for row in page), next=more))

    async def detail(self, call: Call) -> Answer:
        """GET /meters/{meter}."""
        row = await self._meter(call)
        facts = json.loads(row["facts"])
        series = await self._pool.fetch(load("series_of_meter"), row["id"])
        return Answer(
            MeterDetail(
                **{name: row[name] for name in MeterSummary.model_fields},
                facts={name: str(value) for name, value in facts.items() if not name.startswith("@")},
                addresses=tuple(facts.get(ADDRESSES, ())),
                series=tuple(SeriesView(**dict(one), name=name_of(one["obis"])) for one in series),
            )
        )

    async def latest(self, call: Call) -> Answer:
        """GET /meters/{meter}/latest."""
        row = await self._meter(call)
        rows = await self._pool.fetch(load("latest_of_meter"), row["id"])
        spec = await self._pool.fetchval(load("spec_in_use"), row["id"])
        return Answer(
            LatestReadings(meter=row["meter"], spec=spec, items=tuple(ReadingView(**dict(one)) for one in rows))
        )

    async def readings(self, call: Call) -> Answer:
        """GET /meters/{meter}/readings."""
        query: ReadingsQuery = call.query
        row = await self._meter(call)
        start, end = _range(query)
        after_at, after_series = _reading_cursor(query)
        rows = await self._reads.fetch(
            load("readings_of_meter"),
            row["id"],
            None if query.obis is None else list(query.obis),
            start,
            end,
            after_at,
            after_series,
            query.limit + 1,
        )
        page, more = page_of(rows, query.limit, "at", "series_id")
        items = tuple(
            ReadingView(**{name: value for name, value in one.items() if name != "series_id"}) for one in page
        )
        return Answer(
            ReadingPage(
                meter=row["meter"],
                start=start,
                end=end,
                items=items,
                next=more,
            )
        )

    async def frames(self, call: Call) -> Answer:
        """GET /meters/{meter}/frames."""
        query: PageQuery = call.query
        row = await self._meter(call)
        rows = await self._reads.fetch(load("list_frames"), row["id"], *timed_cursor(query.cursor), query.limit + 1)
        page, more = page_of(rows, query.limit, "received_at", "id")
        items = tuple(
            FrameView(**{name: one[name] for name in FrameView.model_fields if name != "hex"}, hex=one["data"].hex())
            for one in page
        )
        return Answer(FramePage(meter=row["meter"], items=items, next=more))

    async def _meter(self, call: Call) -> Any:
        row = await self._pool.fetchrow(load("meter_detail"), call.path["meter"])
        if row is None:
            raise not_found("meter", call.path["meter"])
        return row


def _range(query: ReadingsQuery) -> tuple[datetime, datetime]:
    """The range asked for, in UTC. Raises ApiError where it runs backwards or leaves the calendar."""
    try:
        end = (query.end or datetime.now(UTC)).astimezone(UTC)
        start = query.start.astimezone(UTC) if query.start else end - DAY
    except OverflowError as error:
        raise wrong("from" if query.start else "to", "this time is out of the calendar", "years 1 to 9999") from error
    if start >= end:
        raise wrong("from", f"{start.isoformat()} is not before `to` ({end.isoformat()})", "give an earlier time")
    return start, end


def _reading_cursor(query: ReadingsQuery) -> tuple[datetime, int]:
    if query.cursor is None:
        return BEFORE_ALL, 0
    match query.cursor:
        case [str() as text, int() as series] if 0 <= series < 2**31:
            try:
                at = datetime.fromisoformat(text)
            except ValueError:
                at = None
            if at is not None and at.tzinfo is not None:
                return at, series
    raise wrong("cursor", "this is no cursor of this list", CURSOR_FIX)
