"""Exports that are too large for a request: a file, to be fetched when it is there."""

from datetime import timedelta
from typing import Annotated, Final, Literal, Self

from pydantic import AwareDatetime, Field, model_validator

from store.kinds.kind import JobArguments, Kind

Names = Annotated[tuple[Annotated[str, Field(max_length=128)], ...], Field(min_length=1, max_length=1000)]


class ExportArguments(JobArguments):
    """Which readings, as `GET /api/v1/export` takes them: `since` <= time < `until`."""

    since: AwareDatetime = Field(description="From when on, RFC 3339 with an offset.")
    until: AwareDatetime = Field(description="Until when.")
    format: Literal["csv", "parquet"] = Field(default="csv", description="csv or parquet.")
    step: Literal["raw", "15m", "1h", "1d", "1mo"] = Field(default="raw", description="raw, 15m, 1h, 1d or 1mo.")
    what: Literal["rollup", "consumption"] = Field(
        default="rollup", description="Of intervals: rollup, or consumption of registers."
    )
    devices: Names | None = Field(default=None, description='Only these, as ["pi-1"].')
    meters: Names | None = Field(default=None, description='Only these, as ["LGZ:12345678"].')
    obis: Names | None = Field(default=None, description='Only these codes, as ["1-0:1.8.0"].')
    kept_days: int = Field(default=7, ge=1, le=90, description="Days for which the file can be fetched.")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.since >= self.until:
            raise ValueError("until is not after since")
        if self.step == "raw" and self.what == "consumption":
            raise ValueError("consumption is of intervals: give step 15m, 1h, 1d or 1mo")
        return self

    @property
    def kept(self) -> timedelta:
        """For how long the file can be fetched."""
        return timedelta(days=self.kept_days)


EXPORT: Final = Kind(
    "export",
    ExportArguments,
    "Readings, roll-ups or consumption as a CSV or Parquet file, kept for some days to be fetched.",
    unit="rows",
    concurrent=2,
    attempts=3,
    by_hand=True,
)
