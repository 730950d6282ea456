"""What every dashboard has: its frame, its variables, its links to the others, and marks of what happened."""

from collections.abc import Iterable

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.models import dashboard as model

from grafana.panels import Field, Made
from grafana.settings import GrafanaSettings
from grafana.sql import SOURCE, TYPE, SqlAnnotation, load

TAG = "wattline"
MADE_TAG = "wattline-provisioned"
"""With a uid that begins so, this tells a dashboard of ours from one that somebody else keeps in the folder."""
PREFIX = "wattline-"
_RANGE = "${__url_time_range}&${datasource:queryparam}"
OPEN_METER = (
    "Show this meter",
    f"/d/{PREFIX}meter?{_RANGE}&${{device:queryparam}}&var-meter=${{__data.fields.Meter:percentencode}}",
)
OPEN_DEVICE = (
    "Data quality of this device",
    f"/d/{PREFIX}data-quality?{_RANGE}&var-device=${{__data.fields.Device:percentencode}}",
)
ONLINE = (("0", "offline", "red"), ("1", "online", "green"))
METER = Field("Meter", link=OPEN_METER)
DEVICE = Field("Device", link=OPEN_DEVICE)

Part = tuple[str, tuple[Made, ...]]
"""A row's title and the panels below it; the first row of a dashboard has none."""


def dashboard(
    name: str,
    title: str,
    about: str,
    parts: Iterable[Part],
    *variables: model.VariableModel,
    since: str,
    refresh: str = "1m",
    marks: Iterable[str] = (),
) -> model.Dashboard:
    """A whole dashboard; `marks` are names of annotations below."""
    board = builders.Dashboard(title).uid(PREFIX + name).description(about).tags([TAG, MADE_TAG])
    board.time(since, "now").refresh(refresh).timezone("browser").tooltip(
        model.DashboardCursorSync.CROSSHAIR
    ).editable()
    board.link(
        builders.DashboardLink("Wattline").type(model.DashboardLinkType.DASHBOARDS).tags([TAG])
        .include_vars(True).keep_time(True)
    )  # fmt: skip
    for mark in marks:
        board.annotation(_Ready(_mark(*MARKS[mark])))
    number = 0
    for heading, panels in parts:
        if heading:
            number += 1
            board.with_row(builders.Row(heading).id(number))
        for panel in panels:
            number += 1
            panel.build().id_val = number
            board.with_panel(panel)
    made = board.build()
    made.version = 1
    made.templating = model.DashboardDashboardTemplating(list_val=list(variables))
    return made


class _Ready(builders.AnnotationQuery):
    def __init__(self, made: model.AnnotationQuery) -> None:
        super().__init__()
        self._internal = made


MARKS = {
    "changes": ("Parameter changes", "change_marks", "blue", True),
    "events": ("Warnings of devices", "event_marks", "orange", False),
    "swaps": ("Meters installed and removed", "swap_marks", "purple", True),
}
"""Title, query, colour, and whether it is on at first."""


def _mark(title: str, query: str, color: str, on: bool) -> model.AnnotationQuery:
    return model.AnnotationQuery(
        name=title, datasource=SOURCE, enable=on, hide=False, icon_color=color, target=SqlAnnotation(query)
    )


def source(settings: GrafanaSettings) -> model.VariableModel:
    """The data source, so that a dashboard can be shown against another database."""
    current = model.VariableOption(selected=True, text="Wattline", value=settings.datasource_uid)
    made = builders.DatasourceVariable("datasource").label("Data source").type(TYPE).current(current).multi(False)
    return made.include_all(False).regex("").build()


def devices() -> model.VariableModel:
    """A choice of several devices, all at first."""
    return _choice("device", "Device", "devices", several=True)


def meters() -> model.VariableModel:
    """A choice of several meters of the chosen devices, all at first."""
    return _choice("meter", "Meter", "meters", several=True)


def one_meter() -> model.VariableModel:
    """A choice of one meter of the chosen devices, or of a sub-meter behind one of them."""
    return _choice("meter", "Meter", "meters_and_submeters", several=False)


def _choice(name: str, label: str, query: str, *, several: bool) -> model.VariableModel:
    made = builders.QueryVariable(name).label(label).query(load(query)).datasource(SOURCE).multi(several)
    made.refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED).include_all(several).regex("")
    if several:
        made.current(model.VariableOption(selected=True, text=["All"], value=["$__all"]))
    return made.sort(model.VariableSort.DISABLED).build()


def constant(name: str, label: str, value: str) -> model.VariableModel:
    """A value that the installation sets and viewers do not."""
    made = builders.ConstantVariable(name).label(label).value(value).build()
    made.current = model.VariableOption(selected=True, text=value, value=value)
    made.skip_url_sync = True
    return made


def silent_after(settings: GrafanaSettings) -> model.VariableModel:
    """After how many minutes at least a meter is silent, as the alert rule has it."""
    return constant("silent_min", "Minutes until a meter is silent", str(settings.limits.meter_silent_min))


def custom(name: str, label: str, *values: str) -> model.VariableModel:
    """A choice of one of a few fixed values, the first at first."""
    made = builders.CustomVariable(name).label(label).values(",".join(values)).multi(False).include_all(False)
    options = [model.VariableOption(selected=value == values[0], text=value, value=value) for value in values]
    return made.options(options).current(options[0]).build()
