"""What Grafana's front end makes of a dashboard's JSON: its stores of variables and panels, references, and widths.

As public/app/features/variables and packages/grafana-ui's Table do it in 9.4, which is the strictest of 9.4 to 13.
"""

import re
from collections.abc import Iterator
from typing import Any

SCREEN_PX = 1600
_RAIL_PX, _PADDING_PX, _GAP_PX, _FRAME_PX = 56, 16, 8, 18
_REFERENCE = re.compile(r"\$(\w+)|\[\[(\w+)|\$\{(\w+)")
_PLACES = {"rawSql", "query", "title", "url", "uid", "repeat", "content", "description", "timeFrom", "timeShift"}
"""The keys of a dashboard's JSON whose texts may name a variable."""
BUILT_IN = re.compile(r"^__(url_time_range|data|value|field|series|from|to|interval|interval_ms|time\w+)$")


def variables(board: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The variables that live, by name: the store keeps them by id, or by name without one, and the last one wins."""
    store = {each.get("id") or each["name"]: each for each in board["templating"]["list"]}
    return {each["name"]: each for each in store.values()}


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    """The panels that live, without the rows: of two with one id the last."""
    store = {each["id"]: each for each in board["panels"]}
    return [each for each in store.values() if each["type"] != "row"]


def references(text: str) -> set[str]:
    """The names of variables and macros in a text."""
    return {first or second or third for first, second, third in _REFERENCE.findall(text)}


def interpolated(value: Any) -> Iterator[str]:
    """Every text of a dashboard's JSON in which Grafana puts variables."""
    if isinstance(value, dict):
        for key, each in value.items():
            if isinstance(each, str) and key in _PLACES:
                yield each
            yield from interpolated(each)
    elif isinstance(value, list):
        for each in value:
            yield from interpolated(each)


def columns(sql: str) -> list[str]:
    """The names that the outermost SELECT of our queries gives, which write `AS "Name"`, or `AS name` in charts."""
    depth, outer = 0, []
    for piece in re.split(r"([()])", re.sub(r"--[^\n]*", "", sql)):
        depth += {"(": 1, ")": -1}.get(piece, 0)
        if depth == 0:
            outer.append(piece)
    selected = re.search(r"\bSELECT\b(.*?)(?=(?<!DISTINCT )\bFROM\b|$)", "".join(outer), re.DOTALL)
    names = re.findall(r'\bAS (?:"([^"]+)"|(\w+))', selected[1] if selected else "")
    return [quoted or bare for quoted, bare in names]


def settings_of(panel: dict[str, Any], column: str, *, is_time: bool) -> dict[str, Any]:
    """A column's settings after all overrides that match it, the later ones over the earlier."""
    found = {f"custom.{key}": value for key, value in panel["fieldConfig"]["defaults"].get("custom", {}).items()}
    for override in panel["fieldConfig"]["overrides"]:
        if matches(override["matcher"], column, is_time=is_time):
            found |= {each["id"]: each["value"] for each in override["properties"]}
    return found


def matches(matcher: dict[str, Any], column: str, *, is_time: bool = False) -> bool:
    """Whether an override's matcher finds a field of this name."""
    kind, options = matcher["id"], matcher["options"]
    if kind == "byRegexp":
        pattern, flags = options[1:].rsplit("/", 1)
        assert (options[0], flags in ("", "i")) == ("/", True), options
        return re.search(pattern, column, re.IGNORECASE if flags else 0) is not None
    if kind == "byType":
        assert options == "time"
        return is_time
    assert kind == "byName", kind
    return bool(options == column)


def table_px(panel: dict[str, Any]) -> float:
    """How wide a table of this panel can be on the screen, beside the rail of Grafana's menu."""
    cell = (SCREEN_PX - _RAIL_PX - 2 * _PADDING_PX - 23 * _GAP_PX) / 24
    return panel["gridPos"]["w"] * cell + (panel["gridPos"]["w"] - 1) * _GAP_PX - _FRAME_PX


def widths(panel: dict[str, Any], shown: list[tuple[str, bool]]) -> dict[str, float]:
    """The width of each column, by name and whether it is a time, as the table shares out its own."""
    fixed: dict[str, float] = {}
    least: dict[str, float] = {}
    for column, is_time in shown:
        found = settings_of(panel, column, is_time=is_time)
        if found.get("custom.hidden"):
            continue
        if found.get("custom.width"):
            fixed[column] = found["custom.width"]
        else:
            least[column] = found.get("custom.minWidth") or 150
    rest = table_px(panel) - sum(fixed.values())
    for column, need in sorted(least.items(), key=lambda each: -each[1]):
        share = rest / len(least)
        fixed[column] = max(need, share)
        rest -= fixed[column]
        del least[column]
    return fixed
