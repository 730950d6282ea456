"""The dashboard's JSON and the provisioning files, as Grafana would load them."""

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import yaml
from click.testing import CliRunner

from grafana.build import FOLDER, main, rendered
from grafana.fleet import SOURCE_UID, UID, dashboard

PROVISIONING = FOLDER.parent / "provisioning"
BUILT_IN = {"__interval", "__timeFilter", "__timeGroup", "__value", "__text"}


def targets(board: dict[str, Any]) -> list[str]:
    return [target["rawSql"] for panel in board["panels"] for target in panel["targets"]]


def test_committed_files_are_current() -> None:
    """The JSON in the tree is what the definitions give, and --check tells where it is not."""
    for name, text in rendered().items():
        assert (FOLDER / name).read_text("utf-8") == text
    assert CliRunner().invoke(main, ["--check"]).exit_code == 0


def test_check_refuses_a_stale_file(tmp_path: Path) -> None:
    """A missing or edited file fails the check by its name; another zone is a matter of one option."""
    stale = CliRunner().invoke(main, ["--check", "--folder", str(tmp_path)])
    assert stale.exit_code == 1
    assert "wattline-fleet.json is not current" in stale.output
    assert CliRunner().invoke(main, ["--folder", str(tmp_path), "--zone", "Europe/Oslo"]).exit_code == 0
    board = json.loads((tmp_path / "wattline-fleet.json").read_text())
    zones = [variable["query"] for variable in board["templating"]["list"] if variable["name"] == "zone"]
    assert zones == ["Europe/Oslo"]


def test_the_dashboard_is_addressed_by_stable_uids() -> None:
    """Dashboard and data source keep their uids, and every panel asks the data source of the variable."""
    board = dashboard()
    assert (board["uid"], board["id"]) == (UID, None)
    for panel in board["panels"]:
        assert panel["datasource"]["uid"] == "${datasource}"
        assert all(target["datasource"]["uid"] == "${datasource}" for target in panel["targets"])
    source = board["templating"]["list"][0]
    assert (source["type"], source["current"]["value"]) == ("datasource", SOURCE_UID)


def test_every_variable_in_a_query_is_defined_before_it_is_used() -> None:
    """A query names only Grafana's macros, and variables that the dashboard has; a variable only earlier ones."""
    board = dashboard()
    known = set(BUILT_IN)
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            assert set(re.findall(r"\$(\w+)", variable["query"])) <= known, variable["name"]
        known.add(variable["name"])
    for sql in targets(board):
        assert set(re.findall(r"\$(\w+)", sql)) <= known
        assert not re.search(r"^\{\w+\}$", sql, re.MULTILINE)


def test_panels_have_their_own_ids_and_places() -> None:
    """No id twice, nothing beyond 24 columns, nothing on top of another."""
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = [panel["gridPos"] for panel in panels]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    for one, other in combinations(places, 2):
        apart = (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        )
        assert apart, (one, other)


def test_overrides_name_columns_that_the_queries_give() -> None:
    """An override whose column was renamed would silently do nothing."""
    for panel in dashboard()["panels"]:
        for override in panel["fieldConfig"]["overrides"]:
            assert f'AS "{override["matcher"]["options"]}"' in panel["targets"][0]["rawSql"]


def test_the_data_source_is_provisioned_from_the_environment() -> None:
    """Address and password come from variables, the role is Grafana's own, and the uid is the dashboard's default."""
    (source,) = yaml.safe_load((PROVISIONING / "datasources" / "wattline.yaml").read_text())["datasources"]
    assert source["uid"] == SOURCE_UID
    assert source["type"] == "postgres"
    assert source["user"] == "wattline_grafana"
    assert source["url"] == "$WATTLINE_DB_HOST:$WATTLINE_DB_PORT"
    assert source["database"] == source["jsonData"]["database"] == "$WATTLINE_DB_NAME"
    assert source["jsonData"]["timescaledb"] is True
    assert source["secureJsonData"] == {"password": "$WATTLINE_GRAFANA_DB_PASSWORD"}


def test_the_dashboards_are_provisioned_from_a_folder() -> None:
    """The provider reads the folder that a variable names and keeps hands off what the store decides."""
    (provider,) = yaml.safe_load((PROVISIONING / "dashboards" / "wattline.yaml").read_text())["providers"]
    assert provider["type"] == "file"
    assert provider["options"]["path"] == "$WATTLINE_DASHBOARDS"
    assert provider["allowUiUpdates"] is False
