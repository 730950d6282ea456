"""Panels in the one look that all dashboards share, as builders of Grafana's foundation SDK."""

from dataclasses import dataclass
from typing import Self

from grafana_foundation_sdk.builders import barchart, bargauge, common, heatmap, stat, table, timeseries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import common as shapes
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode

from grafana.fields import BY_LETTER, NO_STATE, NUMBER_PX, SERIES, TIME_PX, Field, override, texts, thresholds
from grafana.sql import SOURCE, SqlQuery

NO_DATA = "No data"
"""What every panel says without data: Grafana shows it on errors too, so that it must judge nothing."""
AXIS = "Axis"
"""The second query of a chart, which says where its axis ends."""
_ANY = "/.*/"
_BLUE = model.FieldColor(mode=model.FieldColorModeId.FIXED, fixed_color=SERIES[0])
_CALM = model.FieldColor(mode=model.FieldColorModeId.FIXED, fixed_color=NO_STATE)
_BY_STEPS = model.FieldColor(mode=model.FieldColorModeId.THRESHOLDS)


class Made(Builder[model.Panel]):
    """A panel that is ready, as the dashboard's builder wants it."""

    def __init__(self, panel: model.Panel) -> None:
        self._panel = panel

    def build(self) -> model.Panel:
        """The panel itself."""
        return self._panel


class _Shifted(model.Panel):
    """A panel that shows another time than its dashboard and does not say `timeshift -1d/d` for it, as its words do."""

    @classmethod
    def of(cls, made: model.Panel) -> Self:
        """The same panel."""
        shifted = cls()
        vars(shifted).update(vars(made))
        return shifted

    def to_json(self) -> dict[str, object]:
        """As Grafana has it; the SDK does not know this setting."""
        return {**super().to_json(), "hideTimeOverride": True}


@dataclass(frozen=True, slots=True)
class Frame:
    """What every panel has: a title, what it tells, and its size of 24 columns."""

    title: str
    about: str
    w: int
    h: int
    span: str | None = None
    """How far back it looks where the dashboard's own range is too short for it, such as 14d."""
    shift: str | None = None
    """How far that lies back."""

    def around(
        self, builder: Builder[model.Panel], default: Field, columns: tuple[Field, ...], color: model.FieldColor
    ) -> Made:
        """The panel in this frame, its values shown as `default` says and its columns as `columns` do."""
        panel = builder.build() if self.shift is None else _Shifted.of(builder.build())
        panel.title, panel.description, panel.datasource = self.title, self.about, SOURCE
        panel.grid_pos, panel.time_from, panel.time_shift = model.GridPos(w=self.w, h=self.h), self.span, self.shift
        config = panel.field_config or model.FieldConfigSource()
        values = config.defaults
        values.unit, values.decimals, values.no_value = default.unit, default.decimals, NO_DATA
        values.mappings = [texts(default.texts)] if default.texts else []
        values.thresholds = thresholds(default.steps or ((None, NO_STATE),))
        values.color = values.color or color
        if default.link is not None:
            values.links = [model.DashboardLink(title=default.link[0], url=default.link[1])]
        config.overrides = [column.override() for column in columns]
        panel.field_config = config
        return Made(panel)


def number(frame: Frame, query: str, default: Field, *columns: Field, words: bool = False) -> Made:
    """One or more large numbers, a column each; with `words` texts of the store beside them."""
    reduce = common.ReduceDataOptions().calcs(["lastNotNull"]).values(False).fields(_ANY if words else "")
    columns = (Field(_ANY), *columns) if words else columns
    color = shapes.BigValueColorMode.VALUE
    panel = stat.Panel().reduce_options(reduce).graph_mode(shapes.BigValueGraphMode.NONE).color_mode(color)
    return frame.around(panel.with_target(SqlQuery(query)), default, columns, _BY_STEPS if default.steps else _CALM)


def rows(frame: Frame, query: str, *columns: Field, sort_by: str | None = None, descending: bool = True) -> Made:
    """A table of rows and columns."""
    panel = table.Panel().show_header(True).cell_height(shapes.TableCellHeight.SM)
    if sort_by is not None:
        panel.sort_by([common.TableSortByFieldState().display_name(sort_by).desc(descending)])
    # the frame's text is for a table without rows, and not for each cell without a value
    made = frame.around(panel.with_target(SqlQuery(query)), Field(), (Field(_ANY), *columns), _CALM)
    wide = override("byType", "time", [("custom.width", TIME_PX)])
    config = made.build().field_config
    if config is not None:
        config.overrides.insert(1, wide)
    _custom(made, {"align": "auto", "filterable": True, "minWidth": NUMBER_PX})
    return made


def lines(
    frame: Frame, query: str, default: Field, *columns: Field, interval: str = "10s", limits: bool = False,
    fill: int = 8,
) -> Made:  # fmt: skip
    """Lines over time, one a metric or column; a gap stays a gap. `limits` draws the thresholds as lines."""
    panel = _time_series(interval, shapes.GraphDrawStyle.LINE).fill_opacity(fill).span_nulls(False)
    if limits:
        style = common.GraphThresholdsStyleConfig().mode(shapes.GraphTresholdsStyleMode.LINE)
        panel.thresholds_style(style)
    panel.with_target(SqlQuery(query, "time_series"))
    return _bounded(frame.around(panel, default, columns, _BLUE), query)


def bars(frame: Frame, query: str, default: Field, *columns: Field, interval: str = "10s") -> Made:
    """Bars over time, one a metric or column, on top of one another from zero; without columns coloured by name."""
    panel = _time_series(interval, shapes.GraphDrawStyle.BARS).fill_opacity(70).axis_soft_min(0)
    panel.bar_alignment(shapes.BarAlignment.AFTER)  # a bar stands on the interval that its time begins
    panel.stacking(common.StackingConfig().mode(shapes.StackingMode.NORMAL).group("A"))
    panel.with_target(SqlQuery(query, "time_series"))
    return _bounded(frame.around(panel, default, columns or BY_LETTER, _BLUE), query, "axis_stacked")


def _time_series(interval: str, style: shapes.GraphDrawStyle) -> timeseries.Panel:
    legend = common.VizLegendOptions().display_mode(shapes.LegendDisplayMode.TABLE).show_legend(True)
    legend.placement(shapes.LegendPlacement.BOTTOM).calcs(["lastNotNull", "max"])
    tooltip = common.VizTooltipOptions().mode(shapes.TooltipDisplayMode.MULTI).sort(shapes.SortOrder.DESCENDING)
    panel = timeseries.Panel().interval(interval).legend(legend).tooltip(tooltip).draw_style(style).line_width(1)
    return panel.show_points(shapes.VisibilityMode.AUTO)


def categories(
    frame: Frame, query: str, x: str, default: Field, *columns: Field, bounded_by: str | None = None
) -> Made:
    """Bars side by side over the texts of column `x`, one a numeric column."""
    legend = common.VizLegendOptions().display_mode(shapes.LegendDisplayMode.LIST).show_legend(True)
    legend.placement(shapes.LegendPlacement.BOTTOM).calcs([])
    panel = barchart.Panel().x_field(x).legend(legend).show_value(shapes.VisibilityMode.NEVER).fill_opacity(70)
    panel.x_tick_label_spacing(100).group_width(0.8).bar_width(0.95)
    panel.tooltip(common.VizTooltipOptions().mode(shapes.TooltipDisplayMode.MULTI).sort(shapes.SortOrder.NONE))
    # Grafana would print the panel's words for no data at each tick that it leaves out
    axis = Field(x, "string", empty="")
    made = frame.around(panel.with_target(SqlQuery(query)), default, (axis, *columns), _BLUE)
    return _bounded(made, bounded_by or query)


def ranking(frame: Frame, query: str, default: Field) -> Made:
    """Horizontal gauges from zero, a row each, by its first text column."""
    reduce = common.ReduceDataOptions().calcs(["lastNotNull"]).values(True).fields("").limit(25)
    panel = bargauge.Panel().reduce_options(reduce).orientation(shapes.VizOrientation.HORIZONTAL)
    panel.display_mode(shapes.BarGaugeDisplayMode.BASIC).show_unfilled(True).min(0)
    return frame.around(panel.with_target(SqlQuery(query)), default, (), _BLUE)


def heat(frame: Frame, query: str, default: Field) -> Made:
    """A heat map of rows: a metric is a row, a time a column."""
    color = heatmap.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Turbo").steps(64).exponent(0.5)
    panel = heatmap.Panel().calculate(False).color(color.fill("dark-orange").reverse(False))
    panel.cell_gap(0).show_legend().show_tooltip().hide_y_histogram().show_value(shapes.VisibilityMode.NEVER)
    panel.rows_frame(heatmap.RowsHeatmapOptions().layout(shapes.HeatmapCellLayout.UNKNOWN).value("Power"))
    panel.y_axis(heatmap.YAxisConfig().axis_placement(shapes.AxisPlacement.LEFT).reverse(True))
    cells = heatmap.CellValues().unit(default.unit or "none").decimals(default.decimals or 0)
    panel.cell_values(cells).with_target(SqlQuery(query, "time_series"))
    made = frame.around(panel, default, (), _CALM)
    _custom(made, {})
    return made


def _bounded(made: Made, query: str, axis: str = "axis") -> Made:
    """A chart whose axis ends where all but a few values do, so that one wrong value does not flatten the others.

    What lies beyond leaves the picture and keeps its number in tooltip and legend. Grafana before 10 has no other
    limit of an axis than a field's own, which only this transformation can take from a query.
    """
    panel = made.build()
    panel.targets = [*(panel.targets or []), SqlQuery(axis, ref_id=AXIS, parts={"chart": query})]
    mappings = [{"fieldName": end, "handlerKey": end, "reducerId": "lastNotNull"} for end in ("min", "max")]
    options = {"configRefId": AXIS, "mappings": mappings}
    panel.transformations = [model.DataTransformerConfig(id_val="configFromData", options=options)]
    return made


def _custom(made: Made, options: dict[str, object]) -> None:
    config = made.build().field_config
    if config is not None:
        config.defaults.custom = options
