"""The rules that every board obeys, as one table over the committed JSON, each with a board that breaks it."""

import copy
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from grafana.build import HOME
from tests.rigs.grafana.front_end import (
    BUILT_IN,
    columns,
    interpolated,
    matches,
    panels,
    references,
    table_px,
    variables,
    widths,
)

Board = dict[str, Any]
Rule = Callable[[Board], Iterator[str]]
FILES = sorted((HOME / "dashboards").glob("*.json"))
BOARDS: dict[str, Board] = {file.stem: json.loads(file.read_text("utf-8")) for file in FILES}
STATES = {"green", "orange", "red"}
NEUTRAL = {"No data", "-", "", "never read", "unpriced"}
STAYS = re.compile(
    r"suffix:\S+|currency[A-Z]{3}|s|dtdhms|percent|percentunit|bytes|none|string|dateTimeAsIso|dateTimeFromNow"
)
"""Units that don't turn into another with the value; time and bytes may: nobody compares them with a display."""


def of(board: Board, *kinds: str) -> Iterator[dict[str, Any]]:
    return (panel for panel in panels(board) if panel["type"] in kinds)


def overrides(panel: dict[str, Any], setting: str) -> list[tuple[dict[str, Any], Any]]:
    """Each value that the panel's overrides give a setting, with the matcher."""
    return [(override["matcher"], each["value"]) for override in panel["fieldConfig"]["overrides"]
            for each in override["properties"] if each["id"] == setting]  # fmt: skip


def settings(panel: dict[str, Any], setting: str) -> list[Any]:
    """A setting's default and what overrides make of it."""
    own = panel["fieldConfig"]["defaults"].get(setting)
    return ([] if own is None else [own]) + [value for _, value in overrides(panel, setting)]


def data_links(panel: dict[str, Any]) -> list[str]:
    return [link["url"] for links in settings(panel, "links") for link in links]


def gives(panel: dict[str, Any]) -> list[str]:
    return columns(panel["targets"][0]["rawSql"])


def every_variable_lives(board: Board) -> Iterator[str]:
    """Grafana's store keeps all of them, and they have no id that it would keep them by."""
    if len(variables(board)) < len(board["templating"]["list"]):
        yield f"only {sorted(variables(board))} live"
    yield from (each["name"] for each in board["templating"]["list"] if "id" in each)


def every_panel_lives(board: Board) -> Iterator[str]:
    """Panels have ids of their own."""
    if len(panels(board)) < sum(panel["type"] != "row" for panel in board["panels"]):
        yield "two panels have one id"


def every_reference_resolves(board: Board) -> Iterator[str]:
    """In queries, titles, links, data sources and repeats: to a variable that lives, or one of Grafana's own."""
    live = set(variables(board))
    for text in interpolated(board):
        yield from (name for name in references(text) if name not in live and not BUILT_IN.match(name))


def every_override_finds_a_field(board: Board) -> Iterator[str]:
    """A matcher by name names a column of the query; where rows name the series only the database knows."""
    for panel in panels(board):
        given = gives(panel)
        if panel["targets"][0]["format"] == "time_series" and "metric" in given:
            continue
        for override in panel["fieldConfig"]["overrides"]:
            matcher = override["matcher"]
            if matcher["id"] != "byType" and not any(matches(matcher, column) for column in given):
                yield f"{panel['title']}: {matcher['options']}"


def every_link_arrives(board: Board) -> Iterator[str]:
    """A link opens a board that exists with variables that it has, from columns that the row has."""
    for panel in panels(board):
        for url in data_links(panel):
            given = gives(panel)
            for field in re.findall(r'__data\.fields\.(\w+)|__data\.fields\["([^"]+)"\]', url):
                if (name := field[0] or field[1]) not in given:
                    yield f"{panel['title']}: no column {name}"
            path, _, query = url.removeprefix("/d/").partition("?")
            goals = {path} if "$" not in path else set(re.findall(r"'(wattline-\w+)'", panel["targets"][0]["rawSql"]))
            yield from (
                f"{panel['title']}: {wrong}" for goal in goals or {""} for wrong in _arrives(board, goal, query)
            )


def _arrives(board: Board, goal: str, query: str) -> Iterator[str]:
    if goal not in BOARDS:
        yield f"there is no board {goal!r}"
        return
    here, there = variables(board), variables(BOARDS[goal])
    for name in re.findall(r"var-(\w+)=", query):
        if name not in there:
            yield f"{goal} has no variable {name}"
    for name in re.findall(r"\$\{(\w+):queryparam\}", query):
        if name not in there or name not in here:
            yield f"{name} is no variable of both"
        elif bool(here[name].get("multi")) != bool(there[name].get("multi")):
            yield f"{goal} takes one {name}, and several may be chosen"


def every_top_link_arrives(board: Board) -> Iterator[str]:
    """Links at the top name their board and what they hand over: all of ours, and a meter only between two of one."""
    opened = [link["url"].removeprefix("/d/").partition("?")[0] for link in board["links"]]
    if sorted(opened) != sorted(set(BOARDS) - {board["uid"]}):
        yield f"they open {opened}"
    for link in board["links"]:
        if link["type"] != "link" or link["includeVars"] or not link["keepTime"]:
            yield f"{link['title']} is of type {link['type']}"
        path, _, query = link["url"].removeprefix("/d/").partition("?")
        yield from _arrives(board, path, query)
        if not {"datasource", "device"} <= references(query):
            yield f"{link['title']} loses the choice"


def no_data_judges_nothing(board: Board) -> Iterator[str]:
    """What Grafana says without data it says on errors too: neither good nor bad, and in no colour."""
    for panel in panels(board):
        defaults = panel["fieldConfig"]["defaults"]
        if defaults["noValue"] != "No data":
            yield f"{panel['title']}: {defaults['noValue']}"
        yield from (f"{panel['title']}: {words}" for words in settings(panel, "noValue") if words not in NEUTRAL)


def units_stay(board: Board) -> Iterator[str]:
    """A register and a power keep their unit however large they are."""
    for panel in panels(board):
        yield from (f"{panel['title']}: {unit}" for unit in settings(panel, "unit") if not STAYS.fullmatch(unit))


def colours_mean_state(board: Board) -> Iterator[str]:
    """Green, orange and red come of limits and states alone; Grafana's palette begins with them."""
    for panel in panels(board):
        for color in settings(panel, "color"):
            if color["mode"] == "palette-classic":
                yield f"{panel['title']}: a palette"
            if color.get("fixedColor", "").split("-")[-1] in STATES:
                yield f"{panel['title']}: always {color['fixedColor']}"
        for steps in settings(panel, "thresholds"):
            if len(steps["steps"]) == 1 and steps["steps"][0]["color"] in STATES:
                yield f"{panel['title']}: one colour whatever the value"


def axes_print_their_ticks(board: Board) -> Iterator[str]:
    """A bar chart's x field says nothing at ticks that are left out."""
    for panel in of(board, "barchart"):
        x = {"id": "byName", "options": panel["options"]["xField"]}
        if (x, "") not in overrides(panel, "noValue") or (x, "string") not in overrides(panel, "unit"):
            yield panel["title"]


def gauges_start_at_zero(board: Board) -> Iterator[str]:
    """Else the smallest bar is none."""
    yield from (panel["title"] for panel in of(board, "bargauge") if panel["fieldConfig"]["defaults"].get("min") != 0)


def tables_fit_the_screen(board: Board) -> Iterator[str]:
    """All columns of each table are on a screen of 1 600 px, times whole and none narrower than a word."""
    for panel in of(board, "table"):
        if panel["fieldConfig"]["defaults"]["custom"].get("minWidth") != 90:
            yield f"{panel['title']}: minWidth"
        if ({"id": "byType", "options": "time"}, 165) not in overrides(panel, "custom.width"):
            yield f"{panel['title']}: times"
        by_unit = {matcher["options"] for matcher, unit in overrides(panel, "unit") if unit.startswith("dateTime")}
        shared = widths(panel, [(column, column in by_unit) for column in gives(panel)])
        if sum(shared.values()) > table_px(panel) + 0.5:
            yield f"{panel['title']}: {sum(shared.values()):.0f} px of {table_px(panel):.0f}: {shared}"
        yield from (f"{panel['title']}: {name}" for name, px in shared.items() if px < 55)


def bars_stand_on_zero(board: Board) -> Iterator[str]:
    """Bars over time are stacked from zero, and export hangs below the line."""
    for panel in of(board, "timeseries"):
        custom, sql = panel["fieldConfig"]["defaults"]["custom"], panel["targets"][0]["rawSql"]
        if custom["drawStyle"] != "bars":
            continue
        if custom.get("axisSoftMin") != 0 or custom.get("stacking", {}).get("mode") != "normal":
            yield panel["title"]
        export = {"id": "byName", "options": "export"}
        if "direction AS metric" in sql and (export, "negative-Y") not in overrides(panel, "custom.transform"):
            yield f"{panel['title']}: export"


def lines_with_limits_have_no_fill(board: Board) -> Iterator[str]:
    """Voltage is a line between its limits, and no area from zero; a day of quarter-hours is lines, too."""
    for panel in of(board, "timeseries"):
        custom = panel["fieldConfig"]["defaults"]["custom"]
        if custom.get("thresholdsStyle", {}).get("mode") == "line" and custom["fillOpacity"]:
            yield panel["title"]
    for panel in of(board, "barchart"):
        if panel["title"] == "Typical day":
            yield panel["title"]


def one_value_does_not_flatten(board: Board) -> Iterator[str]:
    """Each chart takes the end of its axis from a query over the same values."""
    for panel in of(board, "timeseries", "barchart"):
        chart, *axis = panel["targets"]
        bounds = [each for each in panel.get("transformations", []) if each["id"] == "configFromData"]
        if len(axis) != 1 or len(bounds) != 1 or bounds[0]["options"]["configRefId"] != axis[0]["refId"]:
            yield panel["title"]
        elif chart["refId"] == axis[0]["refId"] or columns(axis[0]["rawSql"])[-2:] != ["max", "min"]:
            yield f"{panel['title']}: {columns(axis[0]['rawSql'])}"


def marks_are_of_what_is_shown(board: Board) -> Iterator[str]:
    """A board of one meter has the marks of its device, the others those of the chosen devices."""
    one = "meter" in variables(board) and not variables(board)["meter"]["multi"]
    for mark in board.get("annotations", {}).get("list", []):
        sql = mark["target"]["rawSql"]
        if one != ("${meter:sqlstring}" in sql) or one == ("${device:sqlstring}" in sql):
            yield mark["name"]


def meters_that_give_no_power_have_a_board(board: Board) -> Iterator[str]:
    """Each link on a meter asks the row which board is its own."""
    for panel in panels(board):
        for url in data_links(panel):
            if "var-meter=" in url and not url.startswith("/d/${__data.fields.Board}"):
                yield panel["title"]


def spoiled(change: Callable[[Board], None]) -> Callable[[], Board]:
    """The fleet's or the meter's board with a fault in it."""

    def make() -> Board:
        board = copy.deepcopy(BOARDS["wattline-meter"])
        change(board)
        return board

    return make


def _each(board: Board, kind: str) -> dict[str, Any]:
    return next(panel for panel in board["panels"] if panel["type"] == kind)


def _titled(board: Board, title: str) -> dict[str, Any]:
    return next(panel for panel in board["panels"] if panel["title"] == title)


def _one_id(board: Board) -> None:
    for each in board["templating"]["list"]:
        each["id"] = "00000000-0000-0000-0000-000000000000"


def _dashboards_link(board: Board) -> None:
    board["links"] = [{"title": "Wattline", "type": "dashboards", "url": "", "includeVars": True, "keepTime": True}]


def _set(title: str, setting: str, value: Any) -> Callable[[Board], None]:
    def change(board: Board) -> None:
        _titled(board, title)["fieldConfig"]["defaults"][setting] = value

    return change


def _custom(title: str, setting: str, value: Any) -> Callable[[Board], None]:
    def change(board: Board) -> None:
        _titled(board, title)["fieldConfig"]["defaults"]["custom"][setting] = value

    return change


def _without_overrides(title: str) -> Callable[[Board], None]:
    return lambda board: _titled(board, title)["fieldConfig"].update(overrides=[])


def _gauge(board: Board) -> None:
    board["panels"].append(
        {"id": 99, "type": "bargauge", "title": "x", "fieldConfig": {"defaults": {}, "overrides": []}}
    )


def _dead_link(board: Board) -> None:
    _titled(board, "Import")["fieldConfig"]["defaults"]["links"] = [
        {"url": "/d/wattline-meter?var-meter=${__data.fields.Meter}"}
    ]


RULES: dict[Rule, Callable[[Board], None]] = {
    every_variable_lives: _one_id,
    every_panel_lives: lambda board: _each(board, "table").update(id=_each(board, "stat")["id"]),
    every_reference_resolves: _one_id,
    every_override_finds_a_field: lambda board: _titled(board, "Import")["fieldConfig"]["overrides"].append(
        {"matcher": {"id": "byName", "options": "Today?"}, "properties": []}
    ),
    every_link_arrives: _dead_link,
    every_top_link_arrives: _dashboards_link,
    no_data_judges_nothing: _set("Import", "noValue", "Every meter is heard"),
    units_stay: _set("Import", "unit", "kwatth"),
    colours_mean_state: _set("Import", "color", {"mode": "palette-classic"}),
    axes_print_their_ticks: _without_overrides("Today, yesterday, last week"),
    gauges_start_at_zero: _gauge,
    tables_fit_the_screen: _custom("Registers and values", "minWidth", 150),
    bars_stand_on_zero: _without_overrides("Energy by day"),
    lines_with_limits_have_no_fill: _custom("Voltage by phase", "fillOpacity", 8),
    one_value_does_not_flatten: lambda board: _titled(board, "Power").pop("transformations"),
    marks_are_of_what_is_shown: lambda board: board["annotations"]["list"][0]["target"].update(
        rawSql="SELECT 1 WHERE device IN (${device:sqlstring})"
    ),
    meters_that_give_no_power_have_a_board: _dead_link,
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("uid", BOARDS)
def test_every_board_obeys(rule: Rule, uid: str) -> None:
    """Board by board and rule by rule, over the files as they are committed."""
    assert list(rule(BOARDS[uid])) == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_every_rule_can_refuse(rule: Rule) -> None:
    """A board that breaks the rule is found."""
    assert list(rule(spoiled(RULES[rule])())) != []


def test_the_store_of_variables_keeps_the_last_of_one_id() -> None:
    """The model is Grafana's: of variables with one id only the last lives, and nothing stands for the others."""
    board = spoiled(_one_id)()
    assert list(variables(board)) == [board["templating"]["list"][-1]["name"]]
    assert "datasource" in set(every_reference_resolves(board))
