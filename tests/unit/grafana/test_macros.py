"""The rig that stands for Grafana expands what Grafana's own documentation and tests say it expands."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.rigs.grafana.macros import Context

FROM, TO = datetime(2018, 4, 12, 18, 0, tzinfo=UTC), datetime(2018, 4, 12, 18, 5, tzinfo=UTC)


def expanded(sql: str, **more: Any) -> str:
    return Context(FROM, TO, 300, **more).expand(sql)


@pytest.mark.parametrize(
    ("sql", "wanted"),
    [
        ("$__timeFilter(t)", "t BETWEEN '2018-04-12T18:00:00.000000Z' AND '2018-04-12T18:05:00.000000Z'"),
        ("$__timeFrom()", "'2018-04-12T18:00:00.000000Z'"),
        ("$__timeGroup(t, $__interval) AS x", "time_bucket('300.000s',t) AS x"),
        ("GROUP BY $__timeGroup(t,'5m'), x", "GROUP BY time_bucket('300.000s',t) AS \"time\", x"),
        ("$__timeGroupAlias(t,'1d')", "time_bucket('86400.000s',t) AS \"time\""),
        ("$__unixEpochFilter(t)", "t >= 1523556000 AND t <= 1523556300"),
        ("$__unixEpochGroup(t,'5m')", "floor((t)/300)*300"),
        ("$__interval_ms / 2", "300000 / 2"),
    ],
)
def test_macros(sql: str, wanted: str) -> None:
    """As pkg/tsdb/grafana-postgresql-datasource/macros.go has it; a comma after $__timeGroup makes it an alias."""
    assert expanded(sql) == wanted


def test_without_timescaledb() -> None:
    """The data source's switch turns time_bucket off."""
    assert expanded("$__timeGroup(t,'5m')", timescale=False) == "floor(extract(epoch from t)/300)*300"


@pytest.mark.parametrize(
    ("sql", "value", "wanted"),
    [
        ("IN (${m:sqlstring})", ["a", "O'B"], "IN ('a','O''B')"),
        ("= ${m:sqlstring}", "O'B", "= 'O''B'"),
        ("IN ($m)", ["a", "b"], "IN ('a','b')"),
        ("'$m'", "O'B", "'O''B'"),
        ("${m:csv}", ["1", "2"], "1,2"),
    ],
)
def test_variables(sql: str, value: str | list[str], wanted: str) -> None:
    """Quoted by the format, or by the SQL data source where there is none and there may be several."""
    assert expanded(sql, chosen={"m": value}) == wanted


def test_what_grafana_does_not_know_is_an_error() -> None:
    """A wrong macro, or one whose argument holds a bracket, does not pass unseen."""
    for wrong in ("$__timeGrup(t)", "$__timeGroup(now(), '5m')"):
        with pytest.raises((AssertionError, IndexError)):
            expanded(wrong)
