"""Routes about meters and their readings."""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta

from broker.contract.obis import name_of
from gateway.api.meters.models import (
    FramePage,
    FrameView,
    LatestReadings,
    MeterDetail,
    MeterPage,
    MetersQuery,
    MeterSummary,
    ReadingPage,
    ReadingsQuery,
    ReadingView,
    SeriesView,
)
from gateway.api.meters.store import (
    StoredDetail,
    latest_of_meter,
    list_frames,
    list_meters,
    meter_detail,
    readings_of_meter,
    series_of_meter,
    spec_in_use,
)
from gateway.api.pages import CURSOR_FIX, page_of, text_cursor, timed_cursor
from gateway.api.reads import Reads
from gateway.api.route import Answer, Call, Route
from gateway.faults import invalid, unknown
from gateway.fleet.devices import check_device
from gateway.fleet.meters import addresses_of, facts_of
from gateway.keys.rules import usable
from gateway.models import PageQuery
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
        await check_device(self._pool, query.device)
        rows = await list_meters(self._pool, after, query.device, query.removed, query.limit + 1)
        page, more = page_of(rows, query.limit, "meter")
        return Answer(MeterPage(items=page, next=more))

    async def detail(self, call: Call) -> Answer:
        """GET /meters/{meter}."""
        meter = await self._meter(call)
        series = await series_of_meter(self._pool, meter.id)
        return Answer(
            MeterDetail(
                **{name: getattr(meter, name) for name in MeterSummary.model_fields},
                facts=facts_of(meter.facts),
                secrets=usable(
                    meter.authentication,
                    key_ref=meter.key_ref,
                    password_ref=meter.password_ref,
                    ciphered="key_state" in meter.facts,
                ),
                addresses=addresses_of(meter.facts),
                series=tuple(SeriesView(**asdict(one), name=name_of(one.obis)) for one in series),
            )
        )

    async def latest(self, call: Call) -> Answer:
        """GET /meters/{meter}/latest."""
        meter = await self._meter(call)
        items = await latest_of_meter(self._pool, meter.id)
        spec = await spec_in_use(self._pool, meter.id)
        return Answer(LatestReadings(meter=meter.meter, spec=spec, items=tuple(items)))

    async def readings(self, call: Call) -> Answer:
        """GET /meters/{meter}/readings."""
        query: ReadingsQuery = call.query
        meter = await self._meter(call)
        start, end = _range(query)
        after_at, after_series = _reading_cursor(query)
        rows = await readings_of_meter(
            self._reads, meter.id, query.obis, start, end, after_at, after_series, query.limit + 1
        )
        page, more = page_of(rows, query.limit, "at", "series_id")
        items = tuple(ReadingView.model_validate(one, from_attributes=True) for one in page)
        return Answer(
            ReadingPage(
                meter=meter.meter,
                start=start,
                end=end,
                items=items,
                next=more,
            )
        )

    async def frames(self, call: Call) -> Answer:
        """GET /meters/{meter}/frames."""
        query: PageQuery = call.query
        meter = await self._meter(call)
        rows = await list_frames(self._reads, meter.id, *timed_cursor(query.cursor), query.limit + 1)
        page, more = page_of(rows, query.limit, "received_at", "id")
        items = tuple(
            FrameView(
                **{name: getattr(one, name) for name in FrameView.model_fields if name != "hex"}, hex=one.data.hex()
            )
            for one in page
        )
        return Answer(FramePage(meter=meter.meter, items=items, next=more))

    async def _meter(self, call: Call) -> StoredDetail:
        found = await meter_detail(self._pool, call.path["meter"])
        if found is None:
            raise unknown("meter", call.path["meter"])
        return found


def _range(query: ReadingsQuery) -> tuple[datetime, datetime]:
    """The range asked for, in UTC. Raises Refusal where it runs backwards or leaves the calendar."""
    try:
        end = (query.end or datetime.now(UTC)).astimezone(UTC)
        start = query.start.astimezone(UTC) if query.start else end - DAY
    except OverflowError as error:
        raise invalid("from" if query.start else "to", "this time is out of the calendar", "years 1 to 9999") from error
    if start >= end:
        raise invalid("from", f"{start.isoformat()} is not before `to` ({end.isoformat()})", "give an earlier time")
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
    raise invalid("cursor", "this is no cursor of this list", CURSOR_FIX)
