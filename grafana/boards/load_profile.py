"""The dashboard 'Wattline load profile': how one meter's load is spread over the day and the year."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana.boards.base import custom, dashboard, devices, one_meter, range_end, source
from grafana.fields import KW, KWH, SERIES, Field
from grafana.panels import Frame, categories, heat, lines, number, rows
from grafana.settings import GrafanaSettings

_KW = Field(unit=KW, decimals=2)


def board(settings: GrafanaSettings) -> Dashboard:
    """The whole dashboard."""
    numbers = (
        Field("Load factor", "percentunit", 1),
        Field("Energy", KWH, 1),
        Field("Quarter-hours", "none", 0),
    )
    about_numbers = (
        "Of whole quarter-hours since local midnight of the range's first day, as for all panels here; over a gap "
        "energy is spread evenly. Base load is what 95 % of them exceed; load factor is mean by peak."
    )
    about_heat = (
        "A column a day, a row a quarter-hour, local. Autumn's second hour is in the mean; spring's is empty. Where up "
        "to three quarter-hours are five times as high as all others, the colours end with those."
    )
    about_curve = "How much of the time the power was at least so high."
    typical = Frame(
        "Typical day", "Mean of each local quarter-hour by kind of day, drawn over yesterday.", 12, 10, "now/d", "1d/d"
    )
    kinds = zip(("Monday to Friday", "Saturday", "Sunday"), SERIES, strict=True)
    peaks = Frame("Highest quarter-hours", "The twenty highest: what a demand charge would be by.", 24, 8)
    columns = (Field(name, color=color) for name, color in kinds)
    panels = (
        number(Frame("In figures", about_numbers, 24, 4), "profile_numbers", _KW, *numbers),
        heat(Frame("Quarter-hours by day", about_heat, 24, 14), "profile_heat", _KW),
        categories(
            Frame("Duration curve", about_curve, 12, 10), "profile_duration", "Share of time", _KW,
            bounded_by="quarter_hours"
        ),
        lines(typical, "profile_typical", _KW, *columns, interval="15m", fill=0),
        rows(peaks, "profile_peaks", Field("Quarter-hour from", "dateTimeAsIso"), Field("Power", KW, 2)),
    )  # fmt: skip
    return dashboard(
        "load-profile",
        "Wattline load profile",
        "How a meter's load is spread over days and quarter-hours: heat map, duration curve, typical days, peaks.",
        (("", panels),),
        source(settings),
        devices(),
        one_meter(),
        custom("direction", "Direction", "import", "export"),
        range_end("since"),
        range_end("until"),
        since="now-30d",
        refresh="15m",
        marks=("changes", "swaps"),
        one_device=True,
    )
