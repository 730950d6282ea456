"""What a dashboard's panels and the alert rules ask, for what a viewer has chosen."""

from datetime import UTC, datetime, timedelta
from typing import Any

from grafana.build import dashboards, plain
from grafana.rules import rules
from grafana.settings import GrafanaSettings
from tests.rigs.grafana.macros import Context
from tests.rigs.grafana.year import DEVICES, METERS, TOTAL, Year, rows

SETTINGS = GrafanaSettings.model_construct()


BOARDS = {board["uid"]: board for board in dashboards(SETTINGS)}


TIMES, NUMBERS, TEXTS = {"timestamptz"}, {"float8", "int8", "int4", "numeric"}, {"text", "varchar"}


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def choices(board: dict[str, Any], *, everything: bool = True, meter: str = TOTAL) -> dict[str, Any]:
    """What a viewer has chosen: all devices and meters, or one of each."""
    made: dict[str, Any] = {}
    for variable in board["templating"]["list"]:
        value = variable.get("current", {}).get("value", "")
        if variable["name"] == "device":
            value = DEVICES if everything else ["d1"]
        elif variable["name"] == "meter":
            value = (METERS if everything else [meter]) if variable["multi"] else meter
        elif variable["name"] in ("since", "until"):
            continue
        made[variable["name"]] = value
    return made


def context(board: dict[str, Any], hours: float | None = None, span: str | None = None, **more: Any) -> Context:
    """The panel's own range, or the dashboard's, or so many hours, and points as a screen would have them."""
    until = min(datetime.now(UTC), more.pop("until", datetime.max.replace(tzinfo=UTC)))
    own = board["time"]["from"].removeprefix("now-")
    # the variables of a dashboard's range have that of the dashboard, whatever a panel's own is
    since = until - timedelta(hours=hours or _hours(own))
    chosen = {"since": f"{since:%Y-%m-%dT%H:%M:%SZ}", "until": f"{until:%Y-%m-%dT%H:%M:%SZ}"}
    chosen |= more.pop("chosen", None) or choices(board)
    if span == "now/d":  # with a shift of 1d/d: all of yesterday
        until = until.replace(hour=0, minute=0, second=0, microsecond=0)
        hours = 24
    hours = hours or _hours(span or own)
    width = next(each for each in (10, 60, 300, 900, 3600, 21600, 86400) if hours * 3600 / each <= 500)
    return Context(until - timedelta(hours=hours), until, width, chosen=chosen, **more)


def _hours(span: str) -> int:
    return int(span[:-1]) * {"h": 1, "d": 24}[span[-1]]


async def ask(year: Year, uid: str, title: str, hours: float | None = None, **more: Any) -> list[dict[str, Any]]:
    """The rows of a panel."""
    board = BOARDS[uid]
    (panel,) = [panel for panel in panels(board) if panel["title"] == title]
    there = context(board, hours, panel.get("timeFrom"), **more)
    return (await rows(year.database, there.expand(panel["targets"][0]["rawSql"])))[1]


async def firing(year: Year, name: str) -> list[dict[str, Any]]:
    """The rows for which a rule's condition holds."""
    (rule,) = [plain(each) for each in rules(SETTINGS) if plain(each)["uid"] == f"wattline-{name}"]
    asked, condition = rule["data"]
    limit = float(condition["model"]["expression"].removeprefix("$A > "))
    now = datetime.now(UTC)
    columns, found = await rows(year.database, Context(now, now).expand(asked["model"]["rawSql"]))
    # Grafana reads one number a row and takes the texts for labels
    assert [of for of in columns.values() if of in NUMBERS] == ["float8"], name
    assert set(columns.values()) <= {"float8", "text"}, name
    return [row for row in found if row["value"] is not None and row["value"] > limit]
