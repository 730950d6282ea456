"""The dashboard 'Wattline meter': one meter from its wire to its cost."""

import json

from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana.boards.base import (
    DEVICE,
    METER,
    ONLINE,
    Part,
    constant,
    dashboard,
    devices,
    one_meter,
    silent_after,
    source,
)
from grafana.panels import Field, Frame, bars, categories, lines, number, rows
from grafana.settings import GrafanaSettings


def board(settings: GrafanaSettings) -> Dashboard:
    """The whole dashboard."""
    prices = json.dumps({obis: str(price) for obis, price in sorted(settings.prices.items())})
    return dashboard(
        "meter",
        "Wattline meter",
        "One meter: power, voltage, registers, today against yesterday and last week, and what it costs.",
        (_now(), _power(settings), _energy(), _cost(settings), _details()),
        source(settings),
        devices(),
        one_meter(),
        silent_after(settings),
        constant("prices", "Prices of a kWh by register", prices),
        since="now-24h",
        refresh="30s",
        marks=("changes", "swaps", "events"),
    )


def _now() -> Part:
    columns = (
        Field("Power", "kwatt", 3),
        Field("Import register", "kwatth", 1),
        Field("Export register", "kwatth", 1),
        Field("Age of last reading", "s", 0, empty="never read"),
        Field("Readings", texts=(("0", "silent", "red"), ("1", "coming", "green"), ("2", "removed", "blue"))),
        Field("Device", texts=ONLINE),
    )
    about = (
        "The newest values that the meter gave, however old; whether it is silent by its own distance of readings (see "
        "Wattline fleet); and whether its device is connected. A meter without a total register stands at the sum of "
        "its tariffs, which are below."
    )
    energy = "Import by local day, from the registers."
    return "", (
        number(Frame("Newest values", about, 16, 4, "No such meter"), "meter_state", Field(), *columns),
        number(Frame("Import", energy, 8, 4, "No import register"), "meter_energy", Field(unit="kwatth", decimals=2)),
    )


def _power(settings: GrafanaSettings) -> Part:
    low, high = round(settings.nominal_v * 0.9, 1), round(settings.nominal_v * 1.1, 1)
    band = f"EN 50160 wants {low:g} to {high:g} V, 10 % around {settings.nominal_v:g} V."
    volts = Field(unit="volt", decimals=1, steps=((None, "red"), (low, "green"), (high, "red")))
    power = Frame("Power", "Import less export. Readings as they came, or their means over longer ranges.", 12, 9)
    voltage = Frame("Voltage by phase", band, 12, 9, "This meter gives no voltage")
    return "Power and voltage", (
        lines(power, "meter_power", Field(unit="kwatt", decimals=3)),
        lines(voltage, "meter_voltage", volts, limits=True),
    )


def _energy() -> Part:
    compared = Frame(
        "Today, yesterday, last week",
        "Import by local hour; last week is the same weekday.",
        12,
        9,
        "No import register in these days",
    )
    days = Frame(
        "Energy by day", "Import and export of the last 31 local days.", 12, 9, "No register in these days", "31d"
    )
    return "Energy", (
        categories(compared, "meter_compared", "Hour", Field(unit="kwatth", decimals=2)),
        bars(days, "meter_days", Field(unit="kwatth", decimals=1), interval="1d", stacked=False),
    )


def _cost(settings: GrafanaSettings) -> Part:
    money = f"currency:{settings.currency}"
    about = (
        "Energy of each tariff register by its price a kWh (setting WATTLINE_GRAFANA_PRICES), or the total register's "
        "price where it has none; the total register where the meter has no tariffs. The last 31 local days."
    )
    columns = (
        Field("Energy", "kwatth", 2),
        Field("Price", money, 4, empty="unpriced"),
        Field("Cost", money, 2),
    )
    by_day = Frame("Cost by day and tariff", about, 14, 8, "No energy, or no price for its registers", "31d")
    by_tariff = Frame("Cost by tariff", about, 10, 8, "No energy in these days", "31d")
    return "Cost", (
        bars(by_day, "meter_cost_days", Field(unit=money, decimals=2), interval="1d"),
        rows(by_tariff, "meter_cost", *columns),
    )


def _details() -> Part:
    registers = Frame(
        "Registers and values", "The newest value of everything this meter gives.", 12, 10, "No reading yet"
    )
    events = Frame("Events", "Of this meter and its device, the newest hundred of the range.", 12, 10)
    about = "Where it stands or stood last, since when, and which meter was there before."
    points = Frame("Point of delivery", about, 24, 4, "It stands at no point")
    severity = Field(
        "Severity", texts=(("info", "info", "blue"), ("warning", "warning", "orange"), ("error", "error", "red"))
    )
    return "Details", (
        rows(registers, "meter_registers", Field("Time", "dateTimeAsIso"), Field("Value", decimals=3)),
        rows(events, "meter_events", Field("Time", "dateTimeAsIso"), severity),
        rows(points, "meter_points", DEVICE, METER, Field("Since", "dateTimeAsIso")),
    )
