"""A rule as a document: what it is about, of which devices, when it may speak, and in which words."""

import re
from datetime import time
from fnmatch import fnmatchcase
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from broker.patterns import NAME, OBIS_CODE, whole
from broker.zones import known_zone
from store.notices.kinds import KINDS, SEVERITIES, Severity
from store.notices.template import FIELDS, MAX_TEMPLATE, TEXT, TITLE, unknown_fields

Words = Annotated[str, StringConstraints(max_length=MAX_TEMPLATE)]
EventName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_*]{1,64}$")]
Label = Annotated[str, StringConstraints(pattern=whole(NAME))]
_QUIET: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")


class Rule(BaseModel):
    """One rule. Minutes and hours may be fractions."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    about: str = Field(description=f"What it is about: {', '.join(KINDS)}.")
    channel: Label = Field(description="Where it tells it.")
    enabled: bool = True
    events: tuple[EventName, ...] = Field((), max_length=32, description="Of kind `event`: names, `*` for any run.")
    severity: Severity = Field("info", description="Of kind `event`: the lowest that is told.")
    labels: dict[Label, Annotated[str, StringConstraints(max_length=64)]] = Field(
        default_factory=dict,
        max_length=16,
        description="Only devices with these labels (or facts: device, hardware, software, os), `*` for any run.",
    )
    meters: tuple[Annotated[str, StringConstraints(min_length=1, max_length=96)], ...] = Field(
        (), max_length=100, description="Only these meters, `*` for any run."
    )
    after_min: float | None = Field(None, ge=0, le=10_080, description="How long a state must last before it is told.")
    obis: Annotated[str, StringConstraints(pattern=whole(OBIS_CODE))] | None = Field(
        None, description="Of kind `threshold`: which value."
    )
    above: float | None = Field(None, allow_inf_nan=False, description="Of `threshold`: told while it is more.")
    below: float | None = Field(None, allow_inf_nan=False, description="Of `threshold`: told while it is less.")
    above_kwh: float | None = Field(None, ge=0, le=1e12, description="Of `consumption`: told once today's is more.")
    above_cost: float | None = Field(None, ge=0, le=1e12, description="Of `consumption`: the same as a cost.")
    price_per_kwh: float | None = Field(None, ge=0, le=1e6, description="Of `consumption`: what a kWh costs.")
    gather_s: float = Field(30, ge=0, le=3600, description="How long to gather what happens at once into one message.")
    interval_min: float = Field(5, ge=0, le=10_080, description="Between two messages of the rule, at least.")
    repeat_h: float = Field(0, ge=0, le=720, description="Say again so often that a state lasts; 0 for never.")
    resolved: bool = Field(True, description="Say that a state is over.")
    quiet: str | None = Field(None, description="When it says nothing, for example 22:00-06:00; told behind it.")
    zone: str | None = Field(None, description="The time zone of `quiet`; by default the store's.")
    title: Words = Field(TITLE, description=f"Words with any of {', '.join(FIELDS)} in braces.")
    text: Words = TEXT

    @field_validator("about")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in KINDS:
            raise ValueError(f"no kind {value[:64]!r}; one of {', '.join(KINDS)}")
        return value

    @field_validator("quiet")
    @classmethod
    def _a_time(cls, value: str | None) -> str | None:
        if value is not None and _QUIET.fullmatch(value) is None:
            raise ValueError("write it as 22:00-06:00")
        return value

    @field_validator("zone")
    @classmethod
    def _a_zone(cls, value: str | None) -> str | None:
        return None if value is None else known_zone(value)

    @field_validator("title", "text")
    @classmethod
    def _fields(cls, value: str) -> str:
        if unknown := unknown_fields(value):
            raise ValueError(f"{{{unknown[0][:64]}}} is unknown; in braces may stand {', '.join(FIELDS)}")
        return value

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.about == "event") != bool(self.events):
            raise ValueError("`events` belongs to the kind `event`, which needs it: events: [clock_*]")
        if (self.about == "threshold") != (self.obis is not None) or (self.about == "threshold") != self._limited:
            raise ValueError("`threshold` needs `obis` and `above` or `below`; no other kind has them")
        daily = self.above_kwh is not None or self.above_cost is not None
        if (self.about == "consumption") != daily:
            raise ValueError("`consumption` needs `above_kwh`, or `above_cost` with `price_per_kwh`")
        if (self.above_cost is not None) != (self.price_per_kwh is not None):
            raise ValueError("`above_cost` and `price_per_kwh` belong together")
        return self

    @property
    def _limited(self) -> bool:
        return self.above is not None or self.below is not None

    @property
    def names(self) -> tuple[str, ...]:
        """The events that it is about, with `*`; none of a state."""
        return self.events or KINDS[self.about].events

    @property
    def lasting_min(self) -> float:
        """How long a state must last."""
        return KINDS[self.about].after_min if self.after_min is None else self.after_min

    @property
    def quiet_hours(self) -> tuple[time, time] | None:
        """From when to when it says nothing, by its zone's clock."""
        found = _QUIET.fullmatch(self.quiet or "")
        if found is None:
            return None
        return time(int(found[1]), int(found[2])), time(int(found[3]), int(found[4]))

    def takes(self, event: str, severity: str) -> bool:
        """Whether an event of this name is its subject."""
        if self.about == "event" and SEVERITIES.index(self.severity) > _rank(severity):
            return False
        return any(fnmatchcase(event, name) for name in self.names)

    def holds(self, labels: dict[str, str] | None, meter: str | None) -> bool:
        """Whether it is about what happens to a device with these labels and facts, and to this meter."""
        if self.meters and not any(fnmatchcase(meter or "", one) for one in self.meters):
            return False
        known = labels or {}
        return all(name in known and fnmatchcase(known[name], wanted) for name, wanted in self.labels.items())


def _rank(severity: str) -> int:
    return next((place for place, one in enumerate(SEVERITIES) if one == severity), len(SEVERITIES))
