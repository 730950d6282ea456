"""What every dashboard has: its frame, its variables, its links to the others, and marks of what happened."""

from collections.abc import Iterable
from typing import Self

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.models import dashboard as model

from grafana.fields import Field
from grafana.panels import Made
from grafana.settings import GrafanaSettings
from grafana.sql import SOURCE, TYPE, SqlAnnotation, load

TAG = "wattline"
MADE_TAG = "wattline-provisioned"
"""With a uid that begins so, this tells a dashboard of ours from one that somebody else keeps in the folder."""
PREFIX = "wattline-"
BOARDS = {
    "fleet": "Fleet",
    "meter": "Meter",
    "volume": "Gas, water, heat",
    "load-profile": "Load profile",
    "data-quality": "Data quality",
    "parameters": "Parameters",
    "platform": "Platform",
}
"""Every dashboard and what the links of the others call it, in their order."""
_ONE_METER = ("meter", "load-profile")
"""These have the same choice of one meter, which a link between them keeps; nobody else's choice is one of theirs."""
_TIMES = "${__url_time_range}&${datasource:queryparam}"
_KEPT = "${datasource:queryparam}&${device:queryparam}"
_RANGE = f"${{__url_time_range}}&{_KEPT}"
OPEN_METER = (
    "Show this meter",
    f"/d/${{__data.fields.Board}}?{_RANGE}&var-meter=${{__data.fields.Meter:percentencode}}",
)
OPEN_DEVICE = (
    "Data quality of this device",
    f"/d/{PREFIX}data-quality?{_TIMES}&var-device=${{__data.fields.Device:percentencode}}",
)
ONLINE = (("0", "offline", "red"), ("1", "online", "green"))
STATE_OF_READINGS = (
    ("0", "silent", "red"),
    ("1", "coming", "green"),
    ("2", "removed", "blue"),
    ("3", "none yet", "blue"),
)
METER = Field("Meter", link=OPEN_METER, width_px=140)
DEVICE = Field("Device", link=OPEN_DEVICE)
BOARD = Field("Board", hidden=True)
"""Which dashboard shows a meter: the query says it, and the link reads it."""

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
    one_device: bool = False,
) -> model.Dashboard:
    """A whole dashboard; `marks` are names of annotations below, `one_device` only of the chosen meter's device."""
    board = builders.Dashboard(title).uid(PREFIX + name).description(about).tags([TAG, MADE_TAG])
    board.time(since, "now").refresh(refresh).timezone("browser").tooltip(
        model.DashboardCursorSync.CROSSHAIR
    ).editable()
    for other, link_title in BOARDS.items():
        if other != name:
            board.link(_link(name, other, link_title))
    for mark in marks:
        board.annotation(_Ready(_mark(*MARKS[mark], "meter_device" if one_device else "chosen_devices")))
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
    made.templating = model.DashboardDashboardTemplating(list_val=[_Named.of(each) for each in variables])
    return made


class _Named(model.VariableModel):
    """A variable without an id: Grafana before scenes keeps variables by it, and the SDK gives all of them the same."""

    @classmethod
    def of(cls, made: model.VariableModel) -> Self:
        """The same variable."""
        named = cls()
        vars(named).update(vars(made))
        return named

    def to_json(self) -> dict[str, object]:
        """As Grafana has it."""
        return {name: value for name, value in super().to_json().items() if name != "id"}


def _link(name: str, other: str, title: str) -> builders.DashboardLink:
    # a link to all dashboards of a tag would hand each every variable, and all meters are no choice of one
    kept = f"{_KEPT}&${{meter:queryparam}}" if {name, other} == set(_ONE_METER) else _KEPT
    made = builders.DashboardLink(title).type(model.DashboardLinkType.LINK).icon("dashboard")
    return made.url(f"/d/{PREFIX}{other}?{kept}").keep_time(True).include_vars(False)


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


def _mark(title: str, query: str, color: str, on: bool, marked: str) -> model.AnnotationQuery:
    target = SqlAnnotation(query, marked)
    return model.AnnotationQuery(
        name=title, datasource=SOURCE, enable=on, hide=False, icon_color=color, target=target
    )  # fmt: skip


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


def one_meter(query: str = "meters_of_electricity") -> model.VariableModel:
    """A choice of one meter of the chosen devices, or of a sub-meter behind one of them."""
    return _choice("meter", "Meter", query, several=False)


def range_end(name: str) -> model.VariableModel:
    """Where the dashboard's range begins (`since`) or ends (`until`), for panels with a range of their own."""
    made = _choice(name, name, f"range_{name}", several=False)
    made.hide, made.skip_url_sync = model.VariableHide.HIDE_VARIABLE, True
    return made


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
