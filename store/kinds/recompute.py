"""Roll-ups of a meter over a range of time made anew."""

from typing import Final, Self

from pydantic import AwareDatetime, Field, model_validator

from store.kinds.kind import JobArguments, Kind


class RecomputeArguments(JobArguments):
    """Which roll-ups; `since` <= time < `until`, widened to whole days of the store's zone."""

    meter: str = Field(min_length=1, max_length=96, description="The meter's key.")
    since: AwareDatetime = Field(description="From when on, RFC 3339 with an offset.")
    until: AwareDatetime = Field(description="Until when.")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.since >= self.until:
            raise ValueError("until is not after since")
        return self


RECOMPUTE: Final = Kind(
    "recompute",
    RecomputeArguments,
    "Roll-ups of a meter made anew from its readings, after readings were deleted or changed by hand.",
    unit="days",
    concurrent=1,
    attempts=5,
    by_hand=True,
)
