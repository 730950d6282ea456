"""Reports of energy over a day, a week or a month, by mail."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints, model_validator

from broker.patterns import METER_KEY, NAME, OBIS_CODE, whole
from broker.zones import known_zone
from store.kinds.kind import JobArguments, Kind

Period = Literal["day", "week", "month"]
Code = Annotated[str, StringConstraints(pattern=whole(OBIS_CODE))]
Price = Annotated[Decimal, Field(gt=-1000, lt=1000, allow_inf_nan=False)]
Meters = Annotated[
    tuple[Annotated[str, StringConstraints(pattern=whole(METER_KEY))], ...], Field(min_length=1, max_length=1000)
]


def _of_this_age(at: datetime) -> datetime:
    """A time that has a month before it in every zone's calendar. Raises ValueError."""
    if not 2000 <= at.year <= 2200:
        raise ValueError("write a time of the years 2000 to 2200")
    return at


class ReportArguments(JobArguments):
    """Which period, which meters (those for which all that is given holds), and by which channel it goes."""

    channel: str = Field(
        pattern=whole(NAME), description="The channel of notifications that it goes by, one of e-mail."
    )
    period: Period = Field(description="day, week (from Monday on) or month: the last whole one.")
    before: Annotated[AwareDatetime, AfterValidator(_of_this_age)] | None = Field(
        default=None, description="The last one that had ended then; without it, when the job was asked for."
    )
    zone: Annotated[str, AfterValidator(known_zone)] | None = Field(
        default=None, description="By whose clock days begin, as Europe/Warsaw; without it the store's."
    )
    meters: Meters | None = Field(default=None, description='Only these, as ["LGZ:12345678"].')
    group: str | None = Field(
        default=None, pattern=whole(NAME), description="Only meters of devices of this group of parameters."
    )
    site: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = Field(
        default=None, description="Only meters of devices with this label `site`, * for any run of characters."
    )
    prices: dict[Code, Price] | None = Field(
        default=None, min_length=1, max_length=32, description='What a kWh costs by register, as {"1-0:1.8.0": 0.32}.'
    )
    currency: str | None = Field(default=None, pattern="^[A-Z]{3}$", description="Of the prices, as EUR (ISO 4217).")
    title: str = Field(
        default="Energy report", min_length=1, max_length=120, description="How the mail's subject begins."
    )
    kept_days: int = Field(default=31, ge=1, le=90, description="Days for which its CSV file can be fetched.")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.prices is None) != (self.currency is None):
            raise ValueError("prices and currency belong together: give both, or neither")
        if not self.title.isprintable():
            raise ValueError("title has control characters: write one line of plain text")
        return self

    @property
    def kept(self) -> timedelta:
        """For how long the file can be fetched."""
        return timedelta(days=self.kept_days)


REPORT: Final = Kind(
    "report",
    ReportArguments,
    "Energy by meter and register over a day, a week or a month by mail, with a CSV file.",
    unit="meters",
    concurrent=2,
    # a mail server may be away over a night: about 16 hours
    attempts=12,
    first_s=60.0,
    cap_s=4 * 3600.0,
    by_hand=True,
)
