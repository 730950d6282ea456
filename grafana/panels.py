"""Panels in the one look that all dashboards share, as builders of Grafana's foundation SDK."""

from dataclasses import dataclass

from grafana_foundation_sdk.builders import barchart, bargauge, common, heatmap, stat, table, timeseries
from grafana_foundation_sdk.builders.dashboard import FieldColor
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import common as shapes
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode

from grafana.sql import SOURCE, SqlQuery

Steps = tuple[tuple[float | None, str], ...]
"""From which value on a colour holds; the first is from None."""
PLAIN: Steps = ((None, "green"),)
NONE_IS_GOOD: Steps = ((None, "green"), (1, "orange"))
BAD: Steps = ((None, "green"), (1, "red"))
EMPTY = "Nothing in this range"
_ANY = ".*"


@dataclass(frozen=True, slots=True)
class Field:
    """How a column or a value is shown: `unit` is one of Grafana's, `texts` maps values to (text, colour)."""

    name: str = ""
    unit: str | None = None
    decimals: int | None = None
    steps: Steps = ()
    texts: tuple[tuple[str, str, str], ...] = ()
    link: tuple[str, str] | None = None
    """Title and address of what a click opens."""
    empty: str = "-"
    """What stands where there is no value."""

    def override(self) -> model.DashboardFieldConfigSourceOverrides:
        """The override of a panel's field config for this column."""
        pairs: list[tuple[str, object]] = [
            ("unit", self.unit),
            ("decimals", self.decimals),
            ("noValue", self.empty),
        ]
        if self.steps:
            pairs += [("thresholds", thresholds(self.steps)), ("custom.cellOptions", {"type": "color-text"})]
            pairs += [("color", {"mode": "thresholds"})]
        if self.texts:
            pairs += [("mappings", [texts(self.texts)]), ("custom.cellOptions", {"type": "color-text"})]
        if self.link is not None:
            pairs.append(("links", [{"title": self.link[0], "url": self.link[1]}]))
        return model.DashboardFieldConfigSourceOverrides(
            matcher=model.MatcherConfig(id_val="byRegexp" if self.name == _ANY else "byName", options=self.name),
            properties=[
                model.DynamicConfigValue(id_val=name, value=value) for name, value in pairs if value is not None
            ],
        )


class Made(Builder[model.Panel]):
    """A panel that is ready, as the dashboard's builder wants it."""

    def __init__(self, panel: model.Panel) -> None:
        self._panel = panel

    def build(self) -> model.Panel:
        """The panel itself."""
        return self._panel


@dataclass(frozen=True, slots=True)
class Frame:
    """What every panel has: a title, what it tells, its size of 24 columns, and what it says without data."""

    title: str
    about: str
    w: int
    h: int
    empty: str = EMPTY
    span: str | None = None
    """How far back it looks where the dashboard's own range is too short for it, such as 14d."""

    def around(self, builder: Builder[model.Panel], default: Field, columns: tuple[Field, ...] = ()) -> Made:
        """The panel in this frame, its values shown as `default` says and its columns as `columns` do."""
        panel = builder.build()
        panel.title, panel.description, panel.datasource = self.title, self.about, SOURCE
        panel.grid_pos, panel.time_from = model.GridPos(w=self.w, h=self.h), self.span
        config = panel.field_config or model.FieldConfigSource()
        values = config.defaults
        values.unit, values.decimals, values.no_value = default.unit, default.decimals, self.empty
        values.mappings = [texts(default.texts)] if default.texts else []
        values.thresholds = thresholds(default.steps or PLAIN)
        mode = model.FieldColorModeId.THRESHOLDS if default.steps else model.FieldColorModeId.PALETTE_CLASSIC
        values.color = values.color or model.FieldColor(mode=mode)
        if default.link is not None:
            values.links = [model.DashboardLink(title=default.link[0], url=default.link[1])]
        config.overrides = [column.override() for column in columns]
        panel.field_config = config
        return Made(panel)


def thresholds(steps: Steps) -> model.ThresholdsConfig:
    """Colours by absolute value."""
    made = [model.Threshold(value=value, color=color) for value, color in steps]
    return model.ThresholdsConfig(mode=model.ThresholdsMode.ABSOLUTE, steps=made)


def texts(mapping: tuple[tuple[str, str, str], ...]) -> model.ValueMap:
    """Texts and colours in place of values."""
    options = {
        value: model.ValueMappingResult(text=text, color=color, index=index)
        for index, (value, text, color) in enumerate(mapping)
    }
    return model.ValueMap(options=options)


def number(frame: Frame, query: str, default: Field, *columns: Field, all_rows: bool = False) -> Made:
    """One or more large numbers: a column each, or with `all_rows` a row each."""
    reduce = common.ReduceDataOptions().calcs(["lastNotNull"]).values(all_rows).fields("")
    color = shapes.BigValueColorMode.VALUE
    panel = stat.Panel().reduce_options(reduce).graph_mode(shapes.BigValueGraphMode.NONE).color_mode(color)
    return frame.around(panel.with_target(SqlQuery(query)), default, columns)


def rows(frame: Frame, query: str, *columns: Field, sort_by: str | None = None, descending: bool = True) -> Made:
    """A table of rows and columns."""
    panel = table.Panel().show_header(True).cell_height(shapes.TableCellHeight.SM)
    if sort_by is not None:
        panel.sort_by([common.TableSortByFieldState().display_name(sort_by).desc(descending)])
    # the frame's text is for a table without rows, and not for each cell without a value
    made = frame.around(panel.with_target(SqlQuery(query)), Field(), (Field(_ANY), *columns))
    _custom(made, {"align": "auto", "filterable": True})
    return made


def lines(
    frame: Frame, query: str, default: Field, *columns: Field, interval: str = "10s", limits: bool = False
) -> Made:
    """Lines over time, one a metric or column; a gap stays a gap. `limits` draws the thresholds as lines."""
    panel = _time_series(interval, shapes.GraphDrawStyle.LINE).fill_opacity(8).span_nulls(False)
    if limits:
        style = common.GraphThresholdsStyleConfig().mode(shapes.GraphTresholdsStyleMode.LINE)
        panel.thresholds_style(style).color_scheme(FieldColor().mode(model.FieldColorModeId.PALETTE_CLASSIC))
    return frame.around(panel.with_target(SqlQuery(query, "time_series")), default, columns)


def bars(
    frame: Frame, query: str, default: Field, *columns: Field, interval: str = "10s", stacked: bool = True
) -> Made:
    """Bars over time, one a metric or column, on top of one another."""
    panel = _time_series(interval, shapes.GraphDrawStyle.BARS).fill_opacity(70)
    panel.bar_alignment(shapes.BarAlignment.AFTER)  # a bar stands on the interval that its time begins
    if stacked:
        panel.stacking(common.StackingConfig().mode(shapes.StackingMode.NORMAL).group("A"))
    return frame.around(panel.with_target(SqlQuery(query, "time_series")), default, columns)


def _time_series(interval: str, style: shapes.GraphDrawStyle) -> timeseries.Panel:
    legend = common.VizLegendOptions().display_mode(shapes.LegendDisplayMode.TABLE).show_legend(True)
    legend.placement(shapes.LegendPlacement.BOTTOM).calcs(["lastNotNull", "max"])
    tooltip = common.VizTooltipOptions().mode(shapes.TooltipDisplayMode.MULTI).sort(shapes.SortOrder.DESCENDING)
    panel = timeseries.Panel().interval(interval).legend(legend).tooltip(tooltip).draw_style(style).line_width(1)
    return panel.show_points(shapes.VisibilityMode.AUTO)


def categories(frame: Frame, query: str, x: str, default: Field, *columns: Field) -> Made:
    """Bars side by side over the texts of column `x`, one a numeric column."""
    legend = common.VizLegendOptions().display_mode(shapes.LegendDisplayMode.LIST).show_legend(True)
    legend.placement(shapes.LegendPlacement.BOTTOM).calcs([])
    panel = barchart.Panel().x_field(x).legend(legend).show_value(shapes.VisibilityMode.NEVER).fill_opacity(70)
    panel.x_tick_label_spacing(100).group_width(0.8).bar_width(0.95)
    panel.tooltip(common.VizTooltipOptions().mode(shapes.TooltipDisplayMode.MULTI).sort(shapes.SortOrder.NONE))
    return frame.around(panel.with_target(SqlQuery(query)), default, columns)


def ranking(frame: Frame, query: str, default: Field) -> Made:
    """Horizontal gauges, a row each, by its first text column."""
    reduce = common.ReduceDataOptions().calcs(["lastNotNull"]).values(True).fields("").limit(25)
    panel = bargauge.Panel().reduce_options(reduce).orientation(shapes.VizOrientation.HORIZONTAL)
    panel.display_mode(shapes.BarGaugeDisplayMode.BASIC).show_unfilled(True)
    return frame.around(panel.with_target(SqlQuery(query)), default)


def heat(frame: Frame, query: str, default: Field) -> Made:
    """A heat map of rows: a metric is a row, a time a column."""
    color = heatmap.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Turbo").steps(64).exponent(0.5)
    panel = heatmap.Panel().calculate(False).color(color.fill("dark-orange").reverse(False))
    panel.cell_gap(0).show_legend().show_tooltip().hide_y_histogram().show_value(shapes.VisibilityMode.NEVER)
    panel.rows_frame(heatmap.RowsHeatmapOptions().layout(shapes.HeatmapCellLayout.UNKNOWN).value("Power"))
    panel.y_axis(heatmap.YAxisConfig().axis_placement(shapes.AxisPlacement.LEFT).reverse(True))
    cells = heatmap.CellValues().unit(default.unit or "none").decimals(default.decimals or 0)
    made = frame.around(panel.cell_values(cells).with_target(SqlQuery(query, "time_series")), default)
    _custom(made, {})
    return made


def _custom(made: Made, options: dict[str, object]) -> None:
    config = made.build().field_config
    if config is not None:
        config.defaults.custom = options
