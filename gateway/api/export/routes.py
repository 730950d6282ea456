"""The route that exports readings and roll-ups as a stream."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BeforeValidator, Field

from gateway.api.reads import Reads
from gateway.api.route import Answer, Call, Route, Stream
from gateway.faults import Fault, Kind, Refusal, invalid, unknown
from gateway.models import ApiModel
from store.export.formats import MEDIA, encoded
from store.export.selection import Export, Selection, Step, What
from store.export.store import export_unknown

ROWS_HEADER = "Wattline-Rows"
"""About how many rows come, for a progress bar."""


AHEAD = timedelta(days=366)
"""No reading is of a time so far ahead."""


def _listed(value: Any) -> Any:
    if isinstance(value, str):
        return tuple(part for part in value.split(",") if part)
    return value


Listed = Annotated[tuple[str, ...], BeforeValidator(_listed), Field(min_length=1, max_length=1000)]


class ExportQuery(ApiModel):
    """Which readings: `from` <= time < `to`, RFC 3339 with an offset."""

    format: Literal["csv", "parquet"] = Field(default="csv", description="The file's format.")
    start: AwareDatetime | None = Field(default=None, alias="from", description="24 hours before `to` without it.")
    end: AwareDatetime | None = Field(default=None, alias="to", description="Now without it.")
    step: Step = Field(default="raw", description="Readings as they are, or by interval.")
    what: What = Field(default="rollup", description="Of intervals: roll-ups, or what registers consumed.")
    device: Listed | None = Field(default=None, description="Devices, with commas between; all without it.")
    meter: Listed | None = Field(default=None, description="Keys of meters, with commas between; all without it.")
    obis: Listed | None = Field(default=None, description="OBIS codes, with commas between; all without it.")

    def selection(self) -> Selection:
        """The same, with its range made whole. Raises Refusal."""
        try:
            end = (self.end or datetime.now(UTC)).astimezone(UTC)
            start = self.start.astimezone(UTC) if self.start else end - timedelta(days=1)
        except OverflowError as error:
            raise invalid(
                "from" if self.start else "to", "this time is out of the calendar", "years 1 to 9999"
            ) from error
        if start >= end:
            raise invalid("from", f"{start.isoformat()} is not before `to` ({end.isoformat()})", "give an earlier time")
        if self.step == "raw" and self.what == "consumption":
            raise invalid("step", "consumption is of intervals", "give 15m, 1h, 1d or 1mo")
        # nothing is stored of a later time, and years of nothing would be asked for page by page
        end = min(end, max(start, datetime.now(UTC) + AHEAD))
        return Selection(start, end, self.step, self.what, self.device, self.meter, self.obis)


class ExportRow(ApiModel):
    """A row of an export, in the order of time; which columns there are depends on `step` and `what`.

    Readings (step raw) have `value`, `source` and `clock`; registers and means by step have `first_at` to `readings`;
    consumption has `bucket_end`, `value`, `estimated` and `flag`.
    """

    time: datetime
    device: str | None
    meter: str
    obis: str
    unit: str
    value: float | None = None
    source: str | None = None
    clock: str | None = None
    first_at: datetime | None = None
    first_value: float | None = None
    last_at: datetime | None = None
    last_value: float | None = None
    min_value: float | None = None
    max_value: float | None = None
    mean_value: float | None = None
    readings: int | None = None
    bucket_end: datetime | None = None
    estimated: bool | None = None
    flag: str | None = None


class ExportRoutes:
    """Exports; each is read page by page while it is sent, so that its size does not matter."""

    def __init__(self, reads: Reads) -> None:
        self._reads = reads

    def routes(self) -> list[Route]:
        """The routes served here."""
        summary = "Readings, roll-ups or consumption of any range and selection as a CSV or Parquet file."
        media = tuple(kind.partition(";")[0] for kind in MEDIA.values())
        return [
            Route("GET", "/export", "export", summary, self.export, ExportRow, ExportQuery, sends=media),
        ]

    async def export(self, call: Call) -> Answer:
        """GET /export."""
        query: ExportQuery = call.query
        selection = query.selection()
        await self._check_known(selection)
        export = await Export.prepare(self._reads, selection)
        name = f"wattline-{selection.start:%Y%m%d}-{selection.end:%Y%m%d}-{selection.step}.{query.format}"
        headers = {ROWS_HEADER: str(export.rows), "Content-Disposition": f'attachment; filename="{name}"'}
        return Answer(Stream(encoded(export, selection, query.format), MEDIA[query.format], headers))

    async def _check_known(self, selection: Selection) -> None:
        """Refuse names that nothing has: an empty file would say that nothing was read. Raises Refusal: unknown."""
        found = await export_unknown(self._reads, selection.devices, selection.meters, selection.obis)
        if found is None:
            return
        if found.kind != "obis":
            raise unknown(found.kind, found.name)
        reason = f"no meter has readings of {found.name[:100]!r}"
        raise Refusal(Kind.UNKNOWN, reason, [Fault("obis", reason, "write a code as 1-0:1.8.0")])
