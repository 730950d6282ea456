"""What an operator decides about the store: zone, retention, compression, partitions, drives."""

import difflib
import re
from typing import Annotated, Any, Self
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from broker.errors import PermanentError
from broker.plain_errors import plain_reason

FOREVER = "forever"
NONE = "none"
_DAYS = {"h": 1 / 24, "d": 1, "w": 7, "y": 365}
_SPAN = re.compile(r"([1-9]\d{0,5})([hdwy])")


class SettingError(PermanentError):
    """A setting of the store that can't hold; `field` names it and `fix` says what would."""

    def __init__(self, field: str, reason: str, fix: str) -> None:
        super().__init__(f"--{field.replace('_', '-')} (WATTLINE_STORE_{field.upper()}): {reason}; {fix}")
        self.field = field
        self.fix = fix


def days(span: str) -> float:
    """A span such as 36h, 90d, 12w or 10y in days; `forever` is infinite. Raises ValueError."""
    if span == FOREVER:
        return float("inf")
    match = _SPAN.fullmatch(span)
    if match is None:
        raise ValueError(f"{span[:40]!r} is no span of time; write 36h, 90d, 12w, 10y or {FOREVER}")
    return int(match[1]) * _DAYS[match[2]]


def _span(text: str) -> str:
    days(text)
    return text


def _zone(name: str) -> str:
    if name not in available_timezones():
        meant = _meant_zone(name)
        fix = f"did you mean {meant}?" if meant else "write an IANA name such as Europe/Warsaw"
        raise ValueError(f"{name[:40]!r} is no time zone; {fix}")
    return name


def _meant_zone(name: str) -> str | None:
    """The zone that a name in other letters, a city alone, or a slip of the keyboard may stand for."""
    zones = {zone.casefold(): zone for zone in sorted(available_timezones())}
    cities = {key.rpartition("/")[2]: zone for key, zone in zones.items() if "/" in key}
    key = name.strip().replace(" ", "_").casefold()
    known = cities | zones
    return next((known[close] for close in difflib.get_close_matches(key, known, n=1, cutoff=0.75)), None)


def _once(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{name} is named twice; name each tablespace once")
    return names


Span = Annotated[str, AfterValidator(_span)]
Tablespace = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}$")]


class StoreSettings(BaseModel):
    """All of them, with defaults; `wattline migrate` takes them as options or from WATTLINE_STORE_..."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    zone: Annotated[str, AfterValidator(_zone)] = Field("UTC", description="time zone of local days and months")
    keep_readings: Span = Field("3650d", description="how long readings are kept")
    keep_rollup_15m: Span = Field(FOREVER, description="how long quarter-hours are kept")
    keep_rollup_1h: Span = Field(FOREVER, description="how long hours are kept; days and months always are")
    keep_messages: Span = Field("90d", description="how long the ledger is kept")
    keep_frames: Span = Field("365d", description="how long raw frames and quarantine are kept")
    keep_events: Span = Field("365d", description="how long events are kept")
    compress_after: Span = Field(
        "7d",
        description="age at which readings and ledger are compressed, by the Community edition alone; forever: never",
    )
    max_power_kw: float = Field(
        300.0,
        ge=0,
        le=1_000_000,
        allow_inf_nan=False,
        description="no meter takes or gives more: a register that jumps further is not counted; 0 counts all jumps",
    )
    profile_tolerance_percent: float = Field(
        5.0,
        ge=0,
        le=1000,
        allow_inf_nan=False,
        description="by how much of the energy a meter's load profile and registers may differ untold; 0: never told",
    )
    hash_partitions: int = Field(
        1, ge=1, le=64, description="parts of each day's readings, by hash of the series; before the first reading only"
    )
    tablespaces: Annotated[tuple[Tablespace, ...], AfterValidator(_once)] = Field(
        (), description="tablespaces, with commas, over which new chunks of readings are spread; none: the default one"
    )

    @model_validator(mode="before")
    @classmethod
    def _commas(cls, values: Any) -> Any:
        if isinstance(values, dict) and isinstance(values.get("tablespaces"), str):
            parts = tuple(part for part in values["tablespaces"].split(",") if part not in ("", NONE))
            return values | {"tablespaces": parts}
        return values

    @model_validator(mode="after")
    def _spans_fit(self) -> Self:
        for name, least in (
            ("keep_readings", 7),
            ("keep_rollup_15m", 93),
            ("keep_rollup_1h", 31),
            ("keep_messages", 1),
        ):
            if days(getattr(self, name)) < least:
                raise ValueError(f"{name}|{getattr(self, name)} is less than roll-ups need|give {least}d or more")
        if days(self.compress_after) < 1:
            raise ValueError(f"compress_after|{self.compress_after} is less than a chunk|give 1d or more")
        if self.compress_after != FOREVER and days(self.compress_after) >= days(self.keep_readings):
            raise ValueError(
                f"compress_after|{self.compress_after} leaves nothing to compress where keep_readings is "
                f"{self.keep_readings}|give less than keep_readings, or forever"
            )
        return self

    def stored(self) -> dict[str, str]:
        """As table store_setting has them."""
        return {name: _text(value) for name, value in self.model_dump().items()}


def _text(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return ",".join(value) if isinstance(value, tuple) else str(value)


def merged(saved: dict[str, str], given: dict[str, str]) -> StoreSettings:
    """The settings that hold: those given now over those saved before, over the defaults. Raises SettingError."""
    known = StoreSettings.model_fields.keys()
    values = {name: value for name, value in saved.items() if name in known} | given
    try:
        return StoreSettings.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        reason = plain_reason(first)
        if not first["loc"]:
            raise SettingError(*reason.split("|")) from error
        reason, _, fix = reason.partition("; ")
        raise SettingError(str(first["loc"][0]), reason, fix or "see docs/STORE.md") from error
