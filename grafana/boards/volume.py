"""The dashboard 'Wattline gas, water and heat': a meter that counts volume or heat, mostly one behind another."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana.boards.base import dashboard, devices, one_meter, silent_after, source
from grafana.boards.meter import details, standing
from grafana.fields import SERIES, Field
from grafana.panels import Frame, bars, number
from grafana.settings import GrafanaSettings

_UNITS = (
    Field("/^m³/", "suffix:m³", 3, color=SERIES[0]),
    Field("/^GJ/", "suffix:GJ", 3, color=SERIES[1]),
)


def board(settings: GrafanaSettings) -> Dashboard:
    """The whole dashboard."""
    about = (
        "The newest register of what this meter counts, in its own decimals; of a meter that is silent by its own "
        "distance of readings (see Wattline fleet) it is stale."
    )
    days = Frame("Consumption by day", "By the registers, of the last 31 local days.", 24, 9, "31d")
    hours = Frame(
        "Consumption by hour", "By the registers; over a gap it is spread evenly. Many meters read once an hour.", 24, 8
    )
    now = (
        number(Frame("Newest values", about, 14, 4), "volume_state", Field(), *standing(settings), words=True),
        number(Frame("Consumption", "By local day, from the registers.", 10, 4), "volume_today", Field(), words=True),
        bars(days, "volume_days", Field(), *_UNITS, interval="1d"),
        bars(hours, "volume_hours", Field(), *_UNITS, interval="1h"),
    )
    return dashboard(
        "volume",
        "Wattline gas, water and heat",
        "One meter of cubic metres or gigajoules: its register, what it counted by day and hour, its events and place.",
        (("", now), details()),
        source(settings),
        devices(),
        one_meter("meters_of_volume"),
        silent_after(settings),
        since="now-48h",
        refresh="1m",
        marks=("swaps", "events"),
        one_device=True,
    )
