"""Whether each Grafana from 9.4 to 13 knows every field of the dashboards, by its own types."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from grafana.build import dashboards
from grafana.settings import GrafanaSettings
from tests.rigs.grafana.known_fields import PANELS, Known, known, types

KNOWN = known()
BOARDS = dashboards(GrafanaSettings.model_construct())
ANNOTATION = {
    f"dashboard.annotations.list[].target.{name}"
    for name in ("datasource", "editorMode", "format", "rawQuery", "rawSql", "refId")
}
"""A query of the data source's; the schema types the targets of Grafana's own annotations only."""
INTERVAL = {f"dashboard.templating.list[].{name}" for name in ("auto", "auto_count", "auto_min")}
"""The SDK writes what is for variables of the kind interval into all; other kinds don't read it."""
VARIABLES = {
    f"dashboard.templating.list[].{name}"
    for name in ("current", "includeAll", "multi", "options", "refresh", "regex", "sort")
}
"""What every Grafana reads, though the first types had only a variable's name in them."""
DROPPED = {"dashboard.style"}
"""9.4 reads the style, which is a person's own setting since."""
SHIFTED = {"panel.hideTimeOverride"}
"""Read by every Grafana (PanelModel has it since 4), and typed since 10.4."""
TOOLTIP = {"heatmap.options.tooltip.show"}
"""Later ones take it for `mode: single` (heatmapMigrationHandler)."""
FOOTER = {"table.options.footer"}
"""Off in ours; since 12 it is a matter of columns and this is not read."""
EXPLAINED = {
    "9.4.7": SHIFTED | ANNOTATION | INTERVAL | VARIABLES,
    "10.0.0": SHIFTED | ANNOTATION | INTERVAL | VARIABLES,
    "10.4.19": ANNOTATION | INTERVAL | DROPPED | TOOLTIP,
    "11.6.0": ANNOTATION | INTERVAL | DROPPED | TOOLTIP,
    "12.4.0": ANNOTATION | INTERVAL | DROPPED | TOOLTIP | FOOTER,
    "13.2.3": ANNOTATION | INTERVAL | DROPPED | TOOLTIP | FOOTER,
}
SHARED = {
    "barchart.options": {"legend": "VizLegendOptions", "tooltip": "VizTooltipOptions"},
    "bargauge.options": {"reduceOptions": "ReduceDataOptions"},
    "stat.options": {"reduceOptions": "ReduceDataOptions"},
    "timeseries.options": {"legend": "VizLegendOptions", "tooltip": "VizTooltipOptions"},
    "timeseries.custom": {"": "GraphFieldConfig"},
    "table.custom": {"": "TableFieldOptions"},
}
"""What panels have in common, for the versions whose package has no types of the panels themselves."""


def strangers(version: Known, board: dict[str, Any]) -> Iterator[str]:
    """Fields of a dashboard that this version's types don't have."""
    board = copy.deepcopy(board)
    panels = board.pop("panels")
    yield from version.strangers(board, "Dashboard", path="dashboard")
    for panel in panels:
        kind = panel["type"]
        if kind == "row":
            yield from version.strangers(panel, "RowPanel", path="row")
            continue
        own = {"options": panel.pop("options"), "custom": panel["fieldConfig"]["defaults"].pop("custom", {})}
        yield from version.strangers(panel, "Panel", path="panel")
        for part, root in (("options", "Options"), ("custom", "FieldConfig")):
            path = f"{kind}.{part}"
            if version.has("stat/Options"):
                yield from version.strangers(own[part], f"{kind}/{root}", path=path)
                continue
            for name, of in SHARED.get(path, {}).items():
                yield from version.strangers(own[part].get(name) if name else own[part], of, path=path)


@pytest.mark.parametrize("name", EXPLAINED)
def test_every_field_is_known_or_explained(name: str) -> None:
    """What a version does not know is exactly what we know to do no harm there."""
    found = {path for board in BOARDS for path in strangers(KNOWN[name], board)}
    assert found == EXPLAINED[name]


def test_all_versions_are_looked_at() -> None:
    """From 9.4 to 13; from 10.4 on with the options of every kind of panel that we use."""
    assert set(KNOWN) == set(EXPLAINED)
    assert {int(name.split(".")[0]) for name in KNOWN} == {9, 10, 11, 12, 13}
    used = {panel["type"] for board in BOARDS for panel in board["panels"]} - {"row"}
    assert used == set(PANELS)
    for name, version in KNOWN.items():
        assert version.has("Dashboard")
        assert version.has("GraphFieldConfig")
        assert all(version.has(f"{kind}/Options") for kind in PANELS) == (name not in ("9.4.7", "10.0.0"))


def test_a_field_that_a_version_does_not_know_is_found() -> None:
    """Wherever it stands: on the dashboard, in a panel, its options, its field's settings, or in what panels share."""
    board = copy.deepcopy(BOARDS[0])
    board["colour"] = "dark"
    panel = next(each for each in board["panels"] if each["type"] == "timeseries")
    panel["hight"] = 3
    panel["options"]["legend"]["showLegends"] = True
    panel["fieldConfig"]["defaults"]["custom"]["lineWitdh"] = 1
    panel["fieldConfig"]["defaults"]["decimal"] = 1
    for name, version in KNOWN.items():
        found = set(strangers(version, board)) - EXPLAINED[name]
        wanted = {
            "dashboard.colour",
            "panel.hight",
            "timeseries.custom.lineWitdh",
            "panel.fieldConfig.defaults.decimal",
        }
        assert wanted <= found, name
        assert any(path.endswith(".showLegends") for path in found), name


def test_types_are_read_as_typescript_has_them() -> None:
    """Comments, optional and quoted members, nested objects, lists, unions, and what a type extends."""
    made = types("""
        /** interface Wrong { a: B } */
        export interface Panel extends common.Base, Other<'x'> {
            title?: string; // legend: Legend
            'grid-pos': { x: number; inner?: { deep: Deep } };
            links?: Array<Link>;
            kind: (Row | Column);
        }
        declare type Choice = (Left | Right);
    """)
    assert set(made) == {"Panel", "Panel.grid-pos", "Panel.grid-pos.inner", "Choice"}
    panel = made["Panel"]
    assert panel[""] == ["Base", "Other"]
    assert set(panel) - {""} == {"title", "grid-pos", "links", "kind"}
    assert (panel["links"], panel["kind"]) == (["Array", "Link"], ["Row", "Column"])
    assert made["Panel.grid-pos"].keys() >= {"x", "inner"}
    assert made["Choice"][""] == ["Left", "Right"]
