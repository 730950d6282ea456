"""The dashboard 'Wattline fleet': what the meters draw now, what they used today, and who is silent."""

from typing import Any

from grafana.panels import Column, Place, constant, query_variable, source_variable, stat, table, time_series

UID = "wattline-fleet"
SOURCE_UID = "wattline"
ZONE = "Europe/Berlin"
"""Whose midnight begins 'today'; an IANA name that PostgreSQL knows."""
ONLINE = (
    {
        "type": "value",
        "options": {
            "0": {"text": "offline", "color": "red", "index": 0},
            "1": {"text": "online", "color": "green", "index": 1},
        },
    },
)
SOUND = (
    "Import since local midnight by the meters' registers. A register that fell, jumped back or began at zero today "
    "says nothing: its meter is counted beside the sum and not guessed."
)


def dashboard(zone: str = ZONE) -> dict[str, Any]:
    """The whole dashboard for one zone."""
    kw, kwh = Column("Power now", "kwatt", 3), Column("Energy today", "kwatth", 2)
    columns = (
        kw,
        kwh,
        Column("Register", "kwatth", 1),
        Column("Last reading", "dateTimeFromNow"),
        Column("Device seen", "dateTimeFromNow"),
        Column("Online", mappings=ONLINE),
    )
    received = Column("Received", "dateTimeAsIso")
    return {
        "uid": UID,
        "title": "Wattline fleet",
        "description": "Power now, energy today and last seen of all meters.",
        "tags": ["wattline"],
        "schemaVersion": 37,
        "version": 1,
        "id": None,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "fiscalYearStartMonth": 0,
        "weekStart": "",
        "links": [],
        "annotations": {"list": []},
        "templating": {
            "list": [
                source_variable(SOURCE_UID),
                query_variable("device", "Device", "devices"),
                query_variable("meter", "Meter", "meters"),
                constant("zone", "Time zone of today", zone),
            ]
        },
        "panels": [
            stat(1, "Power now", "fleet_power", Place(0, 0, 5, 4), (kw,), "Sum over meters heard in 15 minutes."),
            stat(2, "Energy today", "fleet_energy", Place(5, 0, 7, 4), (kwh,), SOUND),
            stat(3, "Devices", "fleet_devices", Place(12, 0, 6, 4), (), "Online by their last will; registered ever."),
            stat(4, "Quarantined", "fleet_quarantined", Place(18, 0, 6, 4), (), "Frames and payloads kept undecoded."),
            table(5, "Meters", "fleet_meters", Place(0, 4, 24, 9), columns, "All meters now in place. " + SOUND),
            time_series(6, "Power by meter", "meter_power", Place(0, 13, 24, 10), "kwatt", "Import less export."),
            table(7, "Quarantine", "quarantine", Place(0, 23, 24, 8), (received,), "The newest hundred."),
        ],
    }
