"""Panels, queries and variables as Grafana's dashboard JSON has them (schema 37: Grafana 9.4 and later)."""

from dataclasses import dataclass, field
from typing import Any

from grafana.sql import load

TYPE = "postgres"
"""The data source's plugin; later Grafanas know it under this alias."""
SOURCE = {"type": TYPE, "uid": "${datasource}"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a panel stands on the grid of 24 columns."""

    x: int
    y: int
    w: int
    h: int


@dataclass(frozen=True, slots=True)
class Column:
    """How one column or value is shown; `unit` is one of Grafana's units."""

    name: str
    unit: str | None = None
    decimals: int | None = None
    mappings: tuple[dict[str, Any], ...] = field(default=())

    def override(self) -> dict[str, Any]:
        """The override of a panel's field config."""
        properties: list[dict[str, Any]] = []
        if self.unit is not None:
            properties.append({"id": "unit", "value": self.unit})
        if self.decimals is not None:
            properties.append({"id": "decimals", "value": self.decimals})
        if self.mappings:
            properties.append({"id": "mappings", "value": list(self.mappings)})
            properties.append({"id": "custom.cellOptions", "value": {"type": "color-text"}})
        return {"matcher": {"id": "byName", "options": self.name}, "properties": properties}


def target(query: str, shape: str) -> dict[str, Any]:
    """A query of a panel; `shape` is `table` or `time_series`."""
    return {
        "datasource": SOURCE,
        "editorMode": "code",
        "format": shape,
        "rawQuery": True,
        "rawSql": load(query),
        "refId": "A",
    }


def stat(number: int, title: str, query: str, place: Place, columns: tuple[Column, ...], about: str) -> dict[str, Any]:
    """One or more large numbers."""
    options = {
        "colorMode": "value",
        "graphMode": "none",
        "justifyMode": "auto",
        "orientation": "auto",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "textMode": "auto",
    }
    return _panel(number, "stat", title, place, target(query, "table"), options, {}, columns, about)


def table(number: int, title: str, query: str, place: Place, columns: tuple[Column, ...], about: str) -> dict[str, Any]:
    """Rows and columns."""
    options = {"cellHeight": "sm", "footer": {"show": False, "reducer": ["sum"], "fields": ""}, "showHeader": True}
    custom = {"align": "auto", "filterable": True}
    return _panel(number, "table", title, place, target(query, "table"), options, {"custom": custom}, columns, about)


def time_series(number: int, title: str, query: str, place: Place, unit: str, about: str) -> dict[str, Any]:
    """Lines over time, one a metric; a gap stays a gap."""
    options = {
        "legend": {"calcs": ["lastNotNull", "max"], "displayMode": "table", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    custom = {"drawStyle": "line", "fillOpacity": 5, "lineWidth": 1, "showPoints": "auto", "spanNulls": 900_000}
    defaults = {"custom": custom, "unit": unit}
    panel = _panel(number, "timeseries", title, place, target(query, "time_series"), options, defaults, (), about)
    return {**panel, "interval": "10s"}


def query_variable(name: str, label: str, query: str) -> dict[str, Any]:
    """A choice of several values, all by default, that follows the data."""
    sql = load(query)
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": SOURCE,
        "definition": sql,
        "query": sql,
        "refresh": 2,
        "regex": "",
        "sort": 0,
        "multi": True,
        "includeAll": True,
        "hide": 0,
        "skipUrlSync": False,
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        "options": [],
    }


def constant(name: str, label: str, value: str) -> dict[str, Any]:
    """A value that the installation sets and viewers do not."""
    return {
        "name": name,
        "label": label,
        "type": "constant",
        "query": value,
        "hide": 2,
        "skipUrlSync": True,
        "current": {"selected": False, "text": value, "value": value},
        "options": [{"selected": True, "text": value, "value": value}],
    }


def source_variable(uid: str) -> dict[str, Any]:
    """The data source, so that the dashboard can be shown against another database."""
    return {
        "name": "datasource",
        "label": "Data source",
        "type": "datasource",
        "query": TYPE,
        "regex": "",
        "refresh": 1,
        "multi": False,
        "includeAll": False,
        "hide": 0,
        "skipUrlSync": False,
        "current": {"selected": True, "text": "Wattline", "value": uid},
        "options": [],
    }


def _panel(
    number: int,
    kind: str,
    title: str,
    place: Place,
    query: dict[str, Any],
    options: dict[str, Any],
    defaults: dict[str, Any],
    columns: tuple[Column, ...],
    about: str,
) -> dict[str, Any]:
    steps = {"mode": "absolute", "steps": [{"color": "green", "value": None}]}
    return {
        "id": number,
        "type": kind,
        "title": title,
        "description": about,
        "datasource": SOURCE,
        "gridPos": {"x": place.x, "y": place.y, "w": place.w, "h": place.h},
        "targets": [query],
        "options": options,
        "fieldConfig": {
            "defaults": {"color": {"mode": "palette-classic"}, "thresholds": steps, "mappings": [], **defaults},
            "overrides": [column.override() for column in columns],
        },
    }
