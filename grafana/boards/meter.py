"""The dashboard 'Wattline meter': one meter from its wire to its cost."""

import json

from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana.boards.base import (
    BOARD,
    DEVICE,
    METER,
    ONLINE,
    STATE_OF_READINGS,
    Part,
    constant,
    dashboard,
    devices,
    one_meter,
    silent_after,
    source,
)
from grafana.boards.fleet import DIRECTIONS
from grafana.fields import KW, KWH, SERIES, Field, money
from grafana.panels import Frame, bars, categories, lines, number, rows
from grafana.settings import GrafanaSettings

PHASES = tuple(Field(name, color=color) for name, color in zip(("L1", "L2", "L3"), SERIES, strict=True))
TARIFFS = (
    Field("/^import( T1)?$/", color=SERIES[0]),
    Field("/^import T2$/", color=SERIES[2]),
    Field("/^import T[3-9]$/", color="dark-blue"),
    Field("/^export/", color=SERIES[1]),
)
_SEVERITY = (("info", "info", "blue"), ("warning", "warning", "orange"), ("error", "error", "red"))


def board(settings: GrafanaSettings) -> Dashboard:
    """The whole dashboard."""
    prices = json.dumps({obis: str(price) for obis, price in sorted(settings.prices.items())})
    return dashboard(
        "meter",
        "Wattline meter",
        "One meter: power, voltage, registers, today against yesterday and last week, and what it costs.",
        (_now(settings), _power(settings), _energy(), _cost(settings), details()),
        source(settings),
        devices(),
        one_meter(),
        silent_after(settings),
        constant("prices", "Prices of a kWh by register", prices),
        since="now-24h",
        refresh="30s",
        marks=("changes", "swaps", "events"),
        one_device=True,
    )


def standing(settings: GrafanaSettings) -> tuple[Field, ...]:
    """How fresh a meter's values are: its age turns as the rule of silent meters does."""
    silent_s = settings.limits.meter_silent_min * 60
    return (
        Field("Age of last reading", "s", 0, ((None, "text"), (silent_s, "orange")), empty="never read"),
        Field("Readings", texts=STATE_OF_READINGS),
        Field("Device", texts=ONLINE),
    )


def _now(settings: GrafanaSettings) -> Part:
    about = (
        "The newest values that the meter gave, in its own decimals; of a meter that is silent by its own distance of "
        "readings (see Wattline fleet), and power older than 15 minutes, they are stale. A meter without a total "
        "register stands at the sum of its tariffs, which are below."
    )
    energy = "Import by local day, from the registers."
    return "", (
        number(Frame("Newest values", about, 17, 4), "meter_state", Field(), *standing(settings), words=True),
        number(Frame("Import", energy, 7, 4), "meter_energy", Field(unit=KWH, decimals=2)),
    )


def _power(settings: GrafanaSettings) -> Part:
    low, high = round(settings.nominal_v * 0.9, 1), round(settings.nominal_v * 1.1, 1)
    band = f"EN 50160 wants {low:g} to {high:g} V, 10 % around {settings.nominal_v:g} V."
    volts = Field(unit="suffix:V", decimals=1, steps=((None, "red"), (low, "green"), (high, "red")))
    power = Frame("Power", "Import less export. Readings as they came, or their means over longer ranges.", 12, 9)
    voltage = Frame("Voltage by phase", band, 12, 9)
    return "Power and voltage", (
        lines(power, "meter_power", Field(unit=KW, decimals=3)),
        lines(voltage, "meter_voltage", volts, *PHASES, limits=True, fill=0),
    )


def _energy() -> Part:
    compared = Frame("Today, yesterday, last week", "Import by local hour; last week is the same weekday.", 12, 9)
    days = Frame("Energy by day", "Import, and export below the line, of the last 31 local days.", 12, 9, "31d")
    of_days = zip(("Today", "Yesterday", "Last week"), SERIES, strict=True)
    columns = (Field(name, color=color) for name, color in of_days)
    return "Energy", (
        categories(compared, "meter_compared", "Hour", Field(unit=KWH, decimals=2), *columns),
        bars(days, "meter_days", Field(unit=KWH, decimals=1), *DIRECTIONS, interval="1d"),
    )


def _cost(settings: GrafanaSettings) -> Part:
    unit = money(settings.currency)
    about = (
        "Energy of each tariff register by its price a kWh (setting WATTLINE_GRAFANA_PRICES), or the total register's "
        "price where it has none; the total register where the meter has no tariffs. The last 31 local days."
    )
    columns = (
        Field("Energy", KWH, 2),
        Field("Price", unit, 4, empty="unpriced"),
        Field("Cost", unit, 2),
    )
    by_day = Frame("Cost by day and tariff", about, 14, 8, "31d")
    by_tariff = Frame("Cost by tariff", about, 10, 8, "31d")
    return "Cost", (
        bars(by_day, "meter_cost_days", Field(unit=unit, decimals=2), *TARIFFS, interval="1d"),
        rows(by_tariff, "meter_cost", *columns),
    )


def details() -> Part:
    """What is known of one meter beside its energy."""
    registers = Frame("Registers and values", "The newest value of everything this meter gives, as it gave it.", 13, 10)
    events = Frame("Events", "Of this meter and its device, the newest hundred of the range.", 11, 10)
    about = "Where it stands or stood last, since when, and which meter was there before."
    points = Frame("Point of delivery", about, 24, 4)
    values = (
        Field("Time", "dateTimeAsIso"),
        Field("Value", align="right", width_px=145),
        *(Field(name, width_px=width) for name, width in (("Unit", 60), ("Kind", 120), ("Source", 85), ("Clock", 80))),
    )
    return "Details", (
        rows(registers, "meter_registers", *values),
        rows(
            events,
            "meter_events",
            Field("Time", "dateTimeAsIso"),
            Field("Severity", texts=_SEVERITY),
            Field("Event", width_px=165),
        ),
        rows(points, "meter_points", DEVICE, METER, Field("Since", "dateTimeAsIso"), BOARD),
    )
