"""`wattline grafana provision` against a server that keeps state and answers as Grafana's HTTP API documents."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli.__main__ import main
from grafana.boards.base import MADE_TAG
from grafana.build import BOARDS
from grafana.rules import rules
from grafana.settings import GrafanaSettings
from tests.rigs.grafana.server import TOKEN, FakeGrafana

ENVIRONMENT = {"WATTLINE_GRAFANA_DB__HOST": "db.example", "WATTLINE_GRAFANA_DB__PASSWORD": "hush"}
OPS = '{"name": "ops", "type": "slack", "settings": {"url": "http://hook.example/secret", "recipient": "#ops"}}'
CALL = '{"name": "call", "type": "webhook", "settings": {"url": "http://call.example"}}'


RULES = len(rules(GrafanaSettings.model_construct()))
ALL = 2 + 1 + len(BOARDS) + RULES
"""Folders, data source, dashboards and rules: what a first run makes."""
VERSIONS = ["9.4.7", "10.4.1", "11.2.0", "12.3.0", "13.0.1"]


@pytest.fixture
def fake() -> Iterator[FakeGrafana]:
    with FakeGrafana().running() as server:
        yield server


def run(fake: FakeGrafana, *options: str, token: str = TOKEN, **environment: str) -> Result:
    fake.writes.clear()
    arguments = ["grafana", "provision", "--url", fake.url, "--token", token, *options]
    names = {f"WATTLINE_GRAFANA_{name}": value for name, value in environment.items()}
    return CliRunner().invoke(main, arguments, env={**ENVIRONMENT, **names})


def state(fake: FakeGrafana) -> dict[str, Any]:
    kept = ("folders", "sources", "dashboards", "rules", "contacts", "policies")
    return copy.deepcopy({name: getattr(fake, name) for name in kept})


def good(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("version", VERSIONS)
def test_a_fresh_grafana_gets_all_and_a_second_run_changes_nothing(version: str) -> None:
    """Two folders, data source, all dashboards and rules; the second run writes nothing."""
    with FakeGrafana(version=version).running() as fake:
        assert f"{ALL} of {ALL} changed" in good(run(fake))
        assert set(fake.folders) == {"wattline", "wattline-alerts"}
        assert len(fake.dashboards) == len(BOARDS)
        assert {each["meta"]["folderUid"] for each in fake.dashboards.values()} == {"wattline"}
        assert {rule["provenance"] for rule in fake.rules.values()} == {"api"}
        assert len(fake.rules) == RULES
        source = fake.sources["wattline"]
        assert (source["url"], source["user"], source["jsonData"]["database"]) == (
            "db.example:5432", "wattline_grafana", "wattline")  # fmt: skip
        assert source["secureJsonData"] == {"password": "hush"}
        before = state(fake)
        assert "nothing to do" in good(run(fake))
        assert fake.writes == []
        assert state(fake) == before


def test_each_dashboard_is_asked_for_once(fake: FakeGrafana) -> None:
    """Whether it is made, or as it should be already: a Grafana far away is asked no more than it must be."""
    for _ in range(2):
        fake.reads.clear()
        good(run(fake))
        asked = [path for path in fake.reads if "/dashboards/uid/" in path]
        assert len(asked) == len(set(asked)) == len(BOARDS)


def test_a_dry_run_shows_and_writes_nothing(fake: FakeGrafana) -> None:
    """The table says what would be; Grafana stays as it was."""
    output = good(run(fake, "--dry-run"))
    assert f"{ALL} of {ALL} would change" in output
    assert "would be" in output
    assert fake.writes == []
    assert state(fake) == state(FakeGrafana())


def test_what_differs_is_put_right_and_named(fake: FakeGrafana) -> None:
    """An edit in the UI and a changed setting are updated, with the place; what is the same is not written."""
    good(run(fake))
    fake.dashboards["wattline-fleet"]["dashboard"]["title"] = "Mine now"
    fake.dashboards["wattline-meter"]["meta"]["folderUid"] = "elsewhere"
    output = good(run(fake, LIMITS__JUMP_KW="55", DB__HOST="other.example"))
    assert f"4 of {ALL} changed" in output
    for cell in ("title", "folder", "url", "data[1].model.expression"):
        assert cell in output
    assert len(fake.writes) == 4
    assert fake.dashboards["wattline-fleet"]["dashboard"]["title"] == "Wattline fleet"
    assert fake.dashboards["wattline-meter"]["meta"]["folderUid"] == "wattline"
    assert fake.rules["wattline-jump"]["data"][1]["model"]["expression"] == "$A > 55"
    assert fake.sources["wattline"]["secureJsonData"] == {"password": "hush"}
    assert "nothing to do" in good(run(fake, LIMITS__JUMP_KW="55", DB__HOST="other.example"))


def test_a_paused_rule_stays_paused(fake: FakeGrafana) -> None:
    """Pausing is for those who watch: it is no difference, and an update keeps it."""
    good(run(fake))
    fake.rules["wattline-jump"]["isPaused"] = True
    assert "nothing to do" in good(run(fake))
    good(run(fake, LIMITS__JUMP_KW="55"))
    assert fake.rules["wattline-jump"]["isPaused"] is True


def test_what_is_no_more_goes_and_what_is_foreign_stays(fake: FakeGrafana) -> None:
    """Only what bears our uid and our mark, in our folder, is removed."""
    good(run(fake))
    ours, rule = fake.dashboards["wattline-fleet"], fake.rules["wattline-jump"]

    def board(uid: str, folder: str = "wattline", tags: tuple[str, ...] = (MADE_TAG,)) -> None:
        made = {**ours["dashboard"], "uid": uid, "title": uid, "tags": list(tags)}
        fake.dashboards[uid] = {"dashboard": made, "meta": {"folderUid": folder}}

    board("wattline-old")
    board("copy-of-fleet")
    board("wattline-theirs", tags=())
    board("wattline-moved", folder="theirs")
    fake.rules["wattline-old"] = {**rule, "uid": "wattline-old", "title": "Old"}
    fake.rules["theirs"] = {**rule, "uid": "theirs"}
    fake.rules["wattline-elsewhere"] = {**rule, "uid": "wattline-elsewhere", "folderUID": "theirs"}
    fake.rules["wattline-unlabelled"] = {**rule, "uid": "wattline-unlabelled", "labels": {}}
    output = good(run(fake))
    assert f"2 of {ALL + 2} changed" in output
    assert output.count("removed") == 2
    assert "wattline-old" not in fake.dashboards
    assert "wattline-old" not in fake.rules
    assert {"copy-of-fleet", "wattline-theirs", "wattline-moved"} <= set(fake.dashboards)
    assert {"theirs", "wattline-elsewhere", "wattline-unlabelled"} <= set(fake.rules)


def test_contact_points_and_our_route_among_foreign_ones(fake: FakeGrafana) -> None:
    """Our route stands first, theirs keep their place; hidden secrets are no difference; all goes when unset."""
    theirs = {"receiver": "their team", "object_matchers": [["team", "=", "x"]]}
    fake.policies["routes"] = [theirs]
    fake.contacts["abc"] = {"uid": "abc", "name": "their team", "type": "email", "settings": {}}
    routes = '[{"contact": "call", "match": {"severity": "critical"}}, {"contact": "ops"}]'
    set_to = {"CONTACT_POINTS": f"[{OPS}, {CALL}]", "ROUTES": routes}
    assert f"{ALL + 3} of {ALL + 3} changed" in good(run(fake, "--policies", **set_to))
    ours, other = fake.policies["routes"]
    assert (ours["receiver"], ours["object_matchers"]) == ("Wattline ops", [["platform", "=", "wattline"]])
    assert [route["receiver"] for route in ours["routes"]] == ["Wattline call"]
    assert other == theirs
    assert fake.policies["receiver"] == "grafana-default-email"
    assert "provenance" not in fake.policies, "the tree is not ours to lock"
    assert fake.contacts["wattline-ops"]["settings"]["url"] == "http://hook.example/secret"
    assert "nothing to do" in good(run(fake, "--policies", **set_to))
    good(run(fake, "--policies", CONTACT_POINTS=f"[{OPS}]"))
    assert "wattline-call" not in fake.contacts
    assert "nothing to do" in good(run(fake, CONTACT_POINTS=f"[{OPS}]"))
    good(run(fake, "--policies"))
    assert fake.policies["routes"] == [theirs]
    assert set(fake.contacts) == {"abc"}


@pytest.mark.parametrize("version", VERSIONS)
def test_the_tree_of_policies_is_left_alone_unless_asked(version: str) -> None:
    """Without --policies no route is written nor taken away, and a contact point that a route uses stays."""
    with FakeGrafana(version=version).running() as fake:
        before = copy.deepcopy(fake.policies)
        output = good(run(fake, CONTACT_POINTS=f"[{OPS}]"))
        assert "--policies" in output
        assert not [each for each in fake.writes if "policies" in each]
        assert fake.edit_policies(before), "people edit their tree as before"
        output = good(run(fake, "--policies", CONTACT_POINTS=f"[{OPS}]"))
        assert fake.edit_policies(fake.policies) == (fake.major >= 10), "what 9.4 costs"
        assert ("locks" in output) == (fake.major < 10)
        output = good(run(fake))
        assert "a notification policy uses it" in output
        assert set(fake.contacts) == {"wattline-ops"}
        good(run(fake, "--policies"))
        assert not fake.contacts
        assert fake.policies["routes"] == []


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("editable", [False, True])
def test_what_a_setting_changes_is_changed(version: str, editable: bool) -> None:
    """A rule and a contact point of either kind take another value, in each Grafana as it says who made them."""
    options = ["--editable"] if editable else []
    with FakeGrafana(version=version).running() as fake:
        good(run(fake, *options, CONTACT_POINTS=f"[{CALL}]"))
        assert [rule.get("provenance", "") for rule in fake.rules.values()] == ["" if editable else "api"] * RULES
        changed = {"LIMITS__JUMP_KW": "55", "CONTACT_POINTS": f"[{CALL.replace('call.example', 'other.example')}]"}
        assert f"2 of {ALL + 2} changed" in good(run(fake, *options, **changed))
        assert fake.rules["wattline-jump"]["data"][1]["model"]["expression"] == "$A > 55"
        assert fake.contacts["wattline-call"]["settings"]["url"] == "http://other.example"
        assert fake.rules["wattline-jump"].get("provenance", "") == ("" if editable else "api")
        assert "nothing to do" in good(run(fake, **changed))


@pytest.mark.parametrize("version", VERSIONS)
def test_provenance_is_kept_whoever_set_it(version: str) -> None:
    """A locked rule stays locked and an open one open, whatever this run asks for; a data source of files stays."""
    with FakeGrafana(version=version).running() as fake:
        good(run(fake, "--editable"))
        fake.rules["wattline-jump"]["provenance"] = "api"
        fake.sources["wattline"]["readOnly"] = True
        output = good(run(fake, "--editable", LIMITS__JUMP_KW="66", DB__HOST="x.example"))
        assert output.count("left alone") == 1
        assert fake.rules["wattline-jump"]["provenance"] == "api"
        assert fake.rules["wattline-jump"]["data"][1]["model"]["expression"] == "$A > 66"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_grafana_with_our_files_is_told_so_before_anything_is_written(version: str) -> None:
    """Its rules, its dashboards or both come from files: the message says which, and what to do."""
    with FakeGrafana(version=version).running() as fake:
        good(run(fake))
        fake.folders["random"] = fake.folders.pop("wattline-alerts") | {"uid": "random"}
        for rule in fake.rules.values():
            rule.update(provenance="file", folderUID="random")
        before = state(fake)
        result = run(fake, LIMITS__JUMP_KW="77")
        assert result.exit_code == 1
        for words in ("alert rules from files", "wattline grafana write", "Nothing was written"):
            assert words in " ".join(result.output.split())
        assert state(fake) == before
        assert fake.writes == []
        assert "nothing to do" in good(run(fake, "--no-alerts"))
        fake.dashboards["wattline-fleet"]["meta"]["provisioned"] = True
        assert "dashboards and alert rules from files" in " ".join(run(fake).output.split())
        assert run(fake, "--no-alerts").exit_code == 1
        assert fake.writes == []


def test_somebody_saves_at_the_same_moment(fake: FakeGrafana) -> None:
    """A version that rose meanwhile is read again and written over once; the saved text is ours."""
    good(run(fake))
    held = fake.dashboards["wattline-fleet"]["dashboard"]
    held["title"] = "Mine"

    def save(server: FakeGrafana) -> None:
        held["version"] += 1

    fake.before_save = save
    assert f"1 of {ALL} changed" in good(run(fake))
    assert fake.dashboards["wattline-fleet"]["dashboard"]["title"] == "Wattline fleet"
    assert fake.dashboards["wattline-fleet"]["dashboard"]["version"] == 3


def test_a_folder_of_that_title_is_somebody_else_s() -> None:
    """Older Grafanas have unique titles: the message says which folder is in the way."""
    with FakeGrafana(version="9.4.7").running() as fake:
        fake.folders["abc"] = {"uid": "abc", "title": "Wattline"}
        result = run(fake)
        assert result.exit_code == 1
        assert "another folder 'Wattline' (uid abc): rename that one first" in result.output
        assert fake.writes == [], "nothing was touched"


def test_a_grafana_below_a_path() -> None:
    """serve_from_sub_path: the address may end in a path."""
    with FakeGrafana().running("/grafana") as fake:
        assert fake.url.endswith("/grafana")
        good(run(fake))
        assert len(fake.dashboards) == len(BOARDS)


def test_the_password_is_set_anew_only_when_asked(fake: FakeGrafana) -> None:
    """Grafana never shows it: another password is sent with --set-password alone."""
    good(run(fake))
    assert "nothing to do" in good(run(fake, DB__PASSWORD="new"))
    assert f"1 of {ALL} changed" in good(run(fake, "--set-password", DB__PASSWORD="new"))
    assert fake.sources["wattline"]["secureJsonData"] == {"password": "new"}
    assert "new" not in run(fake, "--set-password", DB__PASSWORD="new").output


def test_a_data_source_that_others_keep(fake: FakeGrafana) -> None:
    """Without the database's address an existing data source is used as it is, and a missing one is an error."""
    fake.sources["mine"] = {"uid": "mine", "name": "Mine", "readOnly": True, "version": 1}
    output = good(run_without_host(fake, "mine"))
    assert "left alone" in output
    assert fake.rules["wattline-jump"]["data"][0]["datasourceUid"] == "mine"
    missing = run_without_host(fake, "gone")
    assert missing.exit_code == 1
    assert "WATTLINE_GRAFANA_DB__HOST" in missing.output


def run_without_host(fake: FakeGrafana, uid: str) -> Any:
    arguments = ["grafana", "provision", "--url", fake.url, "--token", TOKEN]
    return CliRunner().invoke(main, arguments, env={"WATTLINE_GRAFANA_DATASOURCE_UID": uid})


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"token": "wrong"}, "does not know this token"),
        ({"role": "Viewer"}, "give its service account the role Admin"),
        ({"version": "9.3.2"}, "9.3.2 is too old"),
        ({"unified_alerting": False}, "turn on unified alerting"),
    ],
)
def test_errors_say_what_to_do(given: dict[str, Any], says: str) -> None:
    """401, 403, an old version and alerting that is off end with a message and no traceback."""
    token = given.pop("token", TOKEN)
    with FakeGrafana(**given).running() as fake:
        result = run(fake, token=token)
        assert result.exit_code == 1
        assert says in result.output
        assert "Traceback" not in result.output
        assert fake.writes == [], "nothing was touched"


def test_what_can_be_known_before_is_known_before_anything_is_touched() -> None:
    """Alerting that is off, a data source without settings, one without a password: not even a folder is made."""
    with FakeGrafana(unified_alerting=False).running() as fake:
        assert run(fake).exit_code == 1
        fake.unified_alerting = True
        assert run_without_host(fake, "gone").exit_code == 1
        without = run(fake, DB__PASSWORD="")
        assert without.exit_code == 1
        assert "set WATTLINE_GRAFANA_DB__PASSWORD" in without.output
        assert fake.writes == []
        assert state(fake) == state(FakeGrafana())


def test_a_run_that_ends_half_way_is_mended_by_the_next() -> None:
    """Wherever it broke off: it says how far it came, and the second run leaves what one whole run does."""
    set_to = {"CONTACT_POINTS": f"[{OPS}, {CALL}]"}
    with FakeGrafana().running() as whole:
        good(run(whole, "--policies", **set_to))
    for done in (0, 1, 2, 7, 10, 12, 13, 21):
        with FakeGrafana(fails_after=done).running() as fake:
            broken = run(fake, "--policies", **set_to)
            assert broken.exit_code == 1
            assert "Server Error 500" in broken.output
            assert (f"{done} of {done} changed" in broken.output) == (done > 0)
            assert ("Run it again" in broken.output) == (done > 0)
            fake.fails_after = None
            assert f"{ALL + 3 - done} of {ALL + 3} changed" in good(run(fake, "--policies", **set_to))
            assert state(fake) == state(whole)


def test_alerting_can_be_left_out() -> None:
    """--no-alerts needs no alerting API and makes no folder for it."""
    with FakeGrafana(unified_alerting=False).running() as fake:
        assert "9 of 9 changed" in good(run(fake, "--no-alerts"))
        assert set(fake.folders) == {"wattline"}


def test_bad_input_is_named(tmp_path: Path) -> None:
    """No address, nobody at the address, no token, a bad setting: each names the field and the fix."""
    command = ["grafana", "provision", "--token", TOKEN, "--url"]
    invoke = CliRunner().invoke
    assert "is no address of Grafana" in invoke(main, [*command, "grafana:3000"]).output
    assert "can't be reached" in invoke(main, [*command, "http://127.0.0.1:9"]).output
    assert "WATTLINE_GRAFANA_TOKEN" in invoke(main, ["grafana", "provision", "--url", "http://127.0.0.1:9"]).output
    bad = invoke(main, [*command, "http://127.0.0.1:9"], env={"WATTLINE_GRAFANA_LIMITS__JUMP_KW": "-1"})
    assert "WATTLINE_GRAFANA_LIMITS__JUMP_KW" in bad.output
    written = invoke(main, ["grafana", "write", str(tmp_path)], env={"WATTLINE_GRAFANA_CURRENCY": "PLN"})
    assert written.exit_code == 0
    assert "currencyPLN" in (tmp_path / "dashboards" / "wattline-meter.json").read_text()
    assert (tmp_path / "provisioning" / "alerting" / "wattline.yaml").is_file()
