"""The dashboards' JSON and the provisioning files, as Grafana would load them."""

import json
import re
from itertools import combinations
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.alerting import Rule
from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana.boards.base import MADE_TAG, PREFIX
from grafana.build import HOME, alerting_file, dashboards, main, plain, rendered
from grafana.rules import rules
from grafana.settings import GrafanaSettings

SETTINGS = GrafanaSettings.model_construct()
BOARDS = dashboards(SETTINGS)
BY_UID = pytest.mark.parametrize("board", BOARDS, ids=[board["uid"] for board in BOARDS])
MACROS = {"__interval", "__interval_ms", "__timeFilter", "__timeGroup", "__timeFrom", "__timeTo"}
BUILT_IN = re.compile(r"^__(url_time_range|data|value|field|series|from|to)")


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def names(sql: str) -> set[str]:
    """Macros and variables that a text uses."""
    return {first or second for first, second in re.findall(r"\$(?:(\w+)|\{(\w+))", sql)}


def links(value: Any) -> list[str]:
    """Every address within a dashboard's JSON."""
    if isinstance(value, dict):
        own = [value["url"]] if isinstance(value.get("url"), str) else []
        return own + [url for each in value.values() for url in links(each)]
    return [url for each in value for url in links(each)] if isinstance(value, list) else []


def test_committed_files_are_current() -> None:
    """The files in the tree are what the definitions give, and --check says so."""
    for name, text in rendered(SETTINGS).items():
        assert (HOME / name).read_text("utf-8") == text, name
    assert CliRunner().invoke(main, ["--check"]).exit_code == 0


@BY_UID
def test_the_json_is_what_the_sdk_s_schema_reads(board: dict[str, Any]) -> None:
    """Read by the SDK's types and written again, nothing is lost and nothing is added."""
    register_default_plugins()
    board = json.loads(json.dumps(board))
    again = plain(Dashboard.from_json(json.loads(json.dumps(board))))
    for panel in panels(board):
        assert panel.pop("hideTimeOverride", True), "the SDK leaves it out, so that ours is written by hand"
    for variable in again["templating"]["list"]:
        assert variable.pop("id"), "the SDK gives all variables one id, which ours do without"
    for made, read in zip(_marks(board), _marks(again), strict=True):
        # the SDK types only the targets of Grafana's own annotations
        made.pop("target"), read.pop("target")
    assert again == board


def _marks(board: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = board.get("annotations", {}).get("list", [])
    return found


def test_the_schema_refuses_what_is_none() -> None:
    """The round trip is no formality: a mapping of an unknown kind does not pass."""
    board = json.loads(json.dumps(BOARDS[0]))
    panels(board)[0]["fieldConfig"]["defaults"]["mappings"] = [{"type": "guess", "options": {}}]
    with pytest.raises(KeyError):
        Dashboard.from_json(board)


@BY_UID
def test_old_and_new_grafanas_load_it(board: dict[str, Any]) -> None:
    """Classic model, a schema that 9.4 knows, stable uid of at most 40 characters, no id, our tags."""
    assert board["schemaVersion"] <= 37
    assert board["uid"].startswith(PREFIX)
    assert len(board["uid"]) <= 40
    assert "id" not in board
    assert MADE_TAG in board["tags"]
    for panel in panels(board):
        assert panel["type"] in {"stat", "table", "timeseries", "barchart", "bargauge", "heatmap"}
        assert panel["datasource"]["uid"] == "${datasource}"
        assert all(target["datasource"]["uid"] == "${datasource}" for target in panel["targets"])
    source = board["templating"]["list"][0]
    assert (source["type"], source["current"]["value"]) == ("datasource", "wattline")


@BY_UID
def test_every_variable_is_defined_before_it_is_used(board: dict[str, Any]) -> None:
    """A query names only Grafana's macros and variables that the dashboard has; a variable only earlier ones."""
    known = set(MACROS)
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            assert names(variable["query"]) <= known, variable["name"]
        known.add(variable["name"])
    texts = [target["rawSql"] for panel in panels(board) for target in panel["targets"]]
    texts += [mark["target"]["rawSql"] for mark in _marks(board)]
    for sql in texts:
        assert names(sql) <= known
        assert not re.search(r"^\{\w+\}$", sql, re.MULTILINE)
        assert not re.search(r"'\$\{", sql), "a variable that is quoted by hand breaks at a quote in it"
    for url in links(board["panels"]):
        assert {name for name in names(url) if not BUILT_IN.match(name)} <= known


@BY_UID
def test_panels_explain_themselves_and_lie_apart(board: dict[str, Any]) -> None:
    """Each has a title, a description, a text for no data, an id of its own, and a place that no other covers."""
    for panel in panels(board):
        assert panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        if panel["type"] == "table":
            # Grafana would write the text for an empty table into each empty cell
            every = panel["fieldConfig"]["overrides"][0]
            assert every["matcher"] == {"id": "byRegexp", "options": "/.*/"}
            assert every["properties"] == [{"id": "noValue", "value": "-"}]
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    places = [panel["gridPos"] for panel in board["panels"]]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    for one, other in combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        assert beside or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"], (one, other)


def test_rules_are_whole() -> None:
    """The rules have uids of their own, words for people, a condition that exists, and the label of our route."""
    made = [plain(rule) for rule in rules(SETTINGS)]
    assert len({rule["uid"] for rule in made}) == len(made) > 10
    for rule in made:
        assert plain(Rule.from_json(json.loads(json.dumps(rule)))) == rule
        assert rule["condition"] in {query["refId"] for query in rule["data"]}
        assert rule["labels"]["platform"] == "wattline"
        assert rule["labels"]["severity"] in {"warning", "critical"}
        for words in rule["annotations"].values():
            assert words.count("{{") == words.count("}}")
            assert words.count("{{ with") == words.count("{{ end }}")
            assert "$" not in words, "file provisioning would put its environment there"
            assert not re.search(r"(?<!with )\.Values", words), "without a value Grafana would write %!f(<nil>)"


def test_one_rule_tells_of_a_store_that_is_away() -> None:
    """It fires on errors and on no row; the others say nothing then, and not all of the same."""
    said = {rule["uid"]: {rule["execErrState"], rule["noDataState"]} for rule in map(plain, rules(SETTINGS))}
    assert said.pop("wattline-store") == {"Alerting"}
    assert set(map(tuple, said.values())) == {("OK",)}


def test_notifications_open_the_board_of_whom_they_are_about() -> None:
    """The link is whole, its board exists, and device and meter of the labels are variables of it."""
    variables = {board["uid"]: {each["name"] for each in board["templating"]["list"]} for board in BOARDS}
    handed: dict[str, set[str]] = {}
    for rule in map(plain, rules(SETTINGS)):
        url = rule["annotations"]["dashboard"]
        start, _, rest = url.partition("{{ externalURL }}d/")
        assert (start, bool(rest)) == ("", True), url
        path, _, query = rest.partition("?")
        goals = {path} if "{{" not in path else {"wattline-meter", "wattline-volume"}
        names = set(re.findall(r"var-(\w+)=\{\{ urlquery \.Labels\.\1 \}\}", query))
        assert names == set(re.findall(r"var-(\w+)=", query)), url
        assert all(names <= variables[goal] for goal in goals), url
        sql = rule["data"][0]["model"]["rawSql"]
        assert all(re.search(rf"\b{name}\b", sql) for name in names), "a label that the query does not give"
        handed[rule["labels"]["rule"]] = names
    assert {name for name, each in handed.items() if each == {"device", "meter"}} == {
        "meter_silent", "meter_gap", "jump", "key_wanted"}  # fmt: skip
    assert {name for name, each in handed.items() if each == {"device"}} == {
        "device_offline", "outbox", "ledger_hole", "software_rolled_back"}  # fmt: skip


def test_limits_reach_the_rules_and_dashboards() -> None:
    """A setting is the number in its rule's condition, and colours the panel that shows the same."""
    settings = GrafanaSettings(limits={"database_gib": 10, "database_percent": 50, "jump_kw": 17})  # type: ignore[arg-type]
    conditions = {rule["uid"]: rule["data"][1]["model"]["expression"] for rule in map(plain, rules(settings))}
    assert (conditions["wattline-database-size"], conditions["wattline-jump"]) == ("$A > 5", "$A > 17")
    (platform,) = [board for board in dashboards(settings) if board["uid"] == "wattline-platform"]
    (store,) = [panel for panel in panels(platform) if panel["title"] == "Store"]
    assert str(5 * 2**30) in json.dumps(store["fieldConfig"]["overrides"]).replace(".0", "")
    settings = GrafanaSettings(limits={"meter_silent_min": 45})  # type: ignore[arg-type]
    (silent,) = [rule for rule in map(plain, rules(settings)) if rule["uid"] == "wattline-meter-silent"]
    assert "mins => '45'::integer" in silent["data"][0]["model"]["rawSql"]
    assert silent["data"][1]["model"]["expression"] == "$A > 2700"
    for board in dashboards(settings):
        chosen = [each["current"]["value"] for each in board["templating"]["list"] if each["name"] == "silent_min"]
        assert chosen == (["45"] if board["uid"].split("-")[1] in ("fleet", "meter", "volume") else [])


def test_the_alerting_file_is_one_that_grafana_reads() -> None:
    """Rules without what files don't have; contact points and policies only where they are set, with $ escaped."""
    made = alerting_file(SETTINGS)
    assert set(made) == {"apiVersion", "groups"}
    (group,) = made["groups"]
    assert group["folder"] == "Wattline alerts"
    for rule in group["rules"]:
        assert {"uid", "title", "condition", "data", "for", "noDataState", "execErrState", "labels"} <= set(rule)
        assert not {"folderUID", "orgID", "ruleGroup"} & set(rule)
    point = {"name": "ops", "type": "webhook", "settings": {"url": "http://hook.example/a$b"}}
    route = {"contact": "ops", "match": {"meter": "a$b"}}
    settings = GrafanaSettings(contact_points=[point], routes=[route])  # type: ignore[list-item]
    made = alerting_file(settings)
    (contact,) = made["contactPoints"]
    assert contact["name"] == "Wattline ops"
    assert contact["receivers"][0]["settings"]["url"] == "http://hook.example/a$$b"
    assert "policies" not in made, "the tree is whose it is"
    made = alerting_file(settings, policies=True)
    assert made["policies"][0]["receiver"] == "Wattline ops"
    (ours,) = made["policies"][0]["routes"]
    assert ours["object_matchers"] == [["platform", "=", "wattline"]]
    assert ours["routes"][0]["object_matchers"] == [["meter", "=", "a$$b"]]


def test_the_data_source_is_provisioned_from_the_environment() -> None:
    """Address and password come from variables, the role is Grafana's own, and the uid is the dashboards' default."""
    (source,) = yaml.safe_load((HOME / "provisioning" / "datasources" / "wattline.yaml").read_text())["datasources"]
    assert source["uid"] == SETTINGS.datasource_uid
    assert (source["type"], source["user"]) == ("postgres", "wattline_grafana")
    assert source["url"] == "$WATTLINE_DB_HOST:$WATTLINE_DB_PORT"
    assert source["database"] == source["jsonData"]["database"] == "$WATTLINE_DB_NAME"
    assert source["jsonData"]["timescaledb"] is True
    assert source["secureJsonData"] == {"password": "$WATTLINE_GRAFANA_DB_PASSWORD"}


def test_the_data_source_file_follows_the_settings() -> None:
    """A host of the settings is written with $ escaped, the password never; another data source is left alone."""
    database = {"host": "db.example", "port": 6432, "name": "watt$line", "password": "secret$"}
    made = rendered(GrafanaSettings(datasource_uid="other", db=database))  # type: ignore[arg-type]
    text = made["provisioning/datasources/wattline.yaml"]
    (source,) = yaml.safe_load(text)["datasources"]
    assert (source["uid"], source["url"], source["database"]) == ("other", "db.example:6432", "watt$$line")
    assert source["jsonData"]["sslmode"] == "require"
    assert source["secureJsonData"] == {"password": "$WATTLINE_GRAFANA_DB_PASSWORD"}
    assert "secret" not in text
    assert "provisioning/datasources/wattline.yaml" not in rendered(GrafanaSettings(datasource_uid="other"))


def test_the_dashboards_are_provisioned_from_a_folder() -> None:
    """The provider reads the folder that a variable names, into the folder that the API makes too."""
    (provider,) = yaml.safe_load((HOME / "provisioning" / "dashboards" / "wattline.yaml").read_text())["providers"]
    assert (provider["type"], provider["folderUid"]) == ("file", "wattline")
    assert provider["options"]["path"] == "$WATTLINE_DASHBOARDS"
    assert provider["allowUiUpdates"] is False


def test_the_folders_that_grafana_looks_into_are_there() -> None:
    """Each that its provisioning reads holds something, so that git and a mount keep it and Grafana logs no error."""
    for kind in ("alerting", "dashboards", "datasources", "notifiers", "plugins"):
        assert list((HOME / "provisioning" / kind).iterdir()), kind
    # it reads files of these endings, and ours of the last two say nothing
    found = {
        file.parent.name for file in (HOME / "provisioning").rglob("*") if file.suffix in (".yaml", ".yml", ".json")
    }
    assert found == {"alerting", "dashboards", "datasources"}
