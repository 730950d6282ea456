"""Expands variables as Grafana's front end does, and macros as its PostgreSQL data source does (9.4 to 13)."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

Value = str | list[str]
_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_MACRO = re.compile(r"\$([_a-zA-Z0-9]+)\(([^)]*)\)")
_VARIABLE = re.compile(r"\$\{(\w+)(?::(\w+))?\}|\$(\w+)")


@dataclass(frozen=True)
class Context:
    """A range of time, the width of a point, and what a viewer has chosen."""

    since: datetime
    until: datetime
    interval_s: float = 300
    timescale: bool = True
    chosen: dict[str, Value] = field(default_factory=dict)

    def expand(self, sql: str) -> str:
        """The SQL that reaches the database."""
        sql = _VARIABLE.sub(self._variable, sql)
        # the server's own substitutions, longest name first, then the plugin's macros
        sql = sql.replace("$__interval_ms", str(round(self.interval_s * 1000)))
        sql = sql.replace("$__interval", _width(self.interval_s))
        sql = sql.replace("$__unixEpochFrom()", str(int(self.since.timestamp())))
        sql = sql.replace("$__unixEpochTo()", str(int(self.until.timestamp())))
        sql = _MACRO.sub(lambda found: self._macro(sql, found), sql)
        assert "$" not in sql, f"Grafana would leave a $ in: {sql}"
        return sql

    def _variable(self, found: re.Match[str]) -> str:
        name, shape = found.group(1) or found.group(3), found.group(2)
        if name.startswith("__"):
            return found.group(0)
        value = self.chosen[name]
        listed = value if isinstance(value, list) else [value]
        if shape == "sqlstring" or (shape is None and isinstance(value, list)):
            return ",".join("'" + each.replace("'", "''") + "'" for each in listed)
        if shape is None:
            return listed[0].replace("'", "''")
        assert shape in ("csv", "raw"), f"this rig does not know the format {shape}"
        return ",".join(listed)

    def _macro(self, sql: str, found: re.Match[str]) -> str:
        name, arguments = found.group(1), [argument.strip() for argument in found.group(2).split(",")]
        since, until = (f"'{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z'" for at in (self.since, self.until))
        if name == "__timeGroup" and sql[found.end() : found.end() + 1] == ",":
            name = "__timeGroupAlias"  # as before Grafana 5.3
        column, *_ = arguments
        epochs = [int(at.timestamp()) for at in (self.since, self.until)]
        known = {
            "__time": lambda: f'{column} AS "time"',
            "__timeEpoch": lambda: f'extract(epoch from {column}) as "time"',
            "__timeFilter": lambda: f"{column} BETWEEN {since} AND {until}",
            "__timeFrom": lambda: since,
            "__timeTo": lambda: until,
            "__timeGroup": lambda: self._group(arguments),
            "__timeGroupAlias": lambda: self._group(arguments) + ' AS "time"',
            "__unixEpochFilter": lambda: f"{column} >= {epochs[0]} AND {column} <= {epochs[1]}",
            "__unixEpochGroup": lambda: f"floor(({column})/{_seconds(arguments[1]):g})*{_seconds(arguments[1]):g}",
        }
        assert name in known, f"Grafana has no macro {found.group(0)}"
        return known[name]()

    def _group(self, arguments: list[str]) -> str:
        width = _seconds(arguments[1])
        if self.timescale:
            return f"time_bucket('{width:.3f}s',{arguments[0]})"
        return f"floor(extract(epoch from {arguments[0]})/{width:g})*{width:g}"


def _seconds(text: str) -> float:
    found = re.fullmatch(r"(\d+)(ms|[smhdw])", text.strip("'"))
    assert found, f"Grafana can't parse the interval {text}"
    return int(found.group(1)) * _UNITS[found.group(2)]


def _width(seconds: float) -> str:
    for unit in ("d", "h", "m", "s"):
        if seconds >= _UNITS[unit] and seconds % _UNITS[unit] == 0:
            return f"{seconds / _UNITS[unit]:.0f}{unit}"
    return f"{seconds * 1000:.0f}ms"


def last(hours: float, until: datetime, **more: object) -> Context:
    """The range of so many hours up to a moment."""
    return Context(until - timedelta(hours=hours), until, **more)  # type: ignore[arg-type]
