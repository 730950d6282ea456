"""Brings a Grafana to what the settings say: folders, data source and dashboards; alerts stand in provision_alerts."""

from collections.abc import Iterator
from typing import Any

from broker.errors import PermanentError
from grafana.api import ConflictError, Grafana
from grafana.boards.base import MADE_TAG, PREFIX
from grafana.build import dashboards
from grafana.changes import Change, differences, summary
from grafana.files import FOLDER, data_source
from grafana.provision_alerts import AlertProvisioner
from grafana.rules import FOLDER_TITLE, FOLDER_UID
from grafana.settings import GrafanaSettings

_MESSAGE = "wattline grafana provision"
_BY_FILES = "provisioned from files on Grafana's server"


class Provisioner:
    """One run. `dry` writes nothing; `editable` lets people change new rules in Grafana's own pages.

    `policies` puts our route into the tree of notification policies, which is otherwise left alone.
    """

    def __init__(
        self,
        grafana: Grafana,
        settings: GrafanaSettings,
        *,
        dry: bool = False,
        editable: bool = False,
        alerts: bool = True,
        policies: bool = False,
        set_password: bool = False,
    ) -> None:
        self._grafana = grafana
        self._settings = settings
        self._dry = dry
        self._writing = False
        self._set_password = set_password
        self.changes: list[Change] = []
        """What was done so far, also where the run ends with an error."""
        self._boards = dashboards(settings)
        self._held: dict[str, Any] = {}
        """What Grafana has of each dashboard, by uid, as it was when it was looked at first: its version guards it."""
        self._alerts = (
            AlertProvisioner(grafana, settings, self._write, editable=editable, policies=policies) if alerts else None
        )

    def run(self) -> list[Change]:
        """Bring all of it up to date; a second run changes nothing. Raises PermanentError.

        It goes over all of it before it writes any of it: what would end half way is found while nothing is touched.
        """
        self._grafana.version()
        self._held = {board["uid"]: self._held_board(board) for board in self._boards}
        self._refuse_files()
        planned = list(self._steps())
        if self._dry or not any(change.writes for change in planned):
            self.changes = planned
            return planned
        self._writing = True
        for change in self._steps():
            self.changes.append(change)
        return self.changes

    def _steps(self) -> Iterator[Change]:
        yield self._folder(*FOLDER)
        yield self._data_source()
        yield from map(self._dashboard, self._boards)
        yield from self._remove_dashboards({board["uid"] for board in self._boards})
        if self._alerts is not None:
            yield self._folder(FOLDER_UID, FOLDER_TITLE)
            yield from self._alerts.run()

    def _refuse_files(self) -> None:
        """End before anything is written where Grafana has these from files: then they are changed there."""
        held = (each for each in self._held.values() if each)
        theirs = ["dashboards"] if any(each["meta"].get("provisioned") for each in held) else []
        if self._alerts is not None and self._alerts.from_files():
            theirs.append("alert rules")
        if theirs:
            raise PermanentError(
                f"{self._grafana.url} has Wattline's {' and '.join(theirs)} from files on its server and takes changes "
                "only there: write the files anew (wattline grafana write FOLDER) and restart it; or take Wattline's "
                "files away from its provisioning folder, restart it, and run this again. Nothing was written."
            )

    def _folder(self, uid: str, title: str) -> Change:
        folders, what = self._grafana.api.folder, f"the folder {title!r}"
        found = self._grafana.find(what, folders.get_folder, uid)
        if found is not None:
            return Change("folder", found["title"], "unchanged")  # its title is a matter of taste
        # until Grafana 11 titles are unique
        same = [each for each in self._grafana.ask("folders", folders.get_all_folders) if each["title"] == title]
        if same and self._grafana.older_than(11):
            raise ConflictError(f"Grafana has another folder {title!r} (uid {same[0]['uid']}): rename that one first")
        self._write(what, folders.create_folder, title, uid)
        return Change("folder", title, "created")

    def _data_source(self) -> Change:
        uid, sources = self._settings.datasource_uid, self._grafana.api.datasource
        what = f"the data source {uid!r}"
        found = self._grafana.find(what, sources.get_datasource_by_uid, uid)
        database = self._settings.db
        if database.host is None:
            if found is None:
                raise PermanentError(
                    f"Grafana has no data source of uid {uid!r}: set WATTLINE_GRAFANA_DB__HOST and _DB__PASSWORD, "
                    "or name another in WATTLINE_GRAFANA_DATASOURCE_UID"
                )
            return Change("data source", found["name"], "left alone", "WATTLINE_GRAFANA_DB__HOST is not set")
        wanted = data_source(self._settings, f"{database.host}:{database.port}", database.name, database.sslmode)
        if found is None:
            if not database.password:
                raise PermanentError(f"{what} needs the password of {database.user}: set WATTLINE_GRAFANA_DB__PASSWORD")
            self._write(what, sources.create_datasource, {**wanted, **self._secret()})
            return Change("data source", wanted["name"], "created")
        if found.get("readOnly"):
            return Change("data source", found["name"], "left alone", _BY_FILES)
        changed = differences(wanted, found)
        if self._set_password or (database.password and not found.get("secureJsonFields", {}).get("password")):
            changed.append("password")
        if not changed:
            return Change("data source", found["name"], "unchanged")
        secret = self._secret() if "password" in changed else {}
        version = {"version": found["version"]} if "version" in found else {}
        self._write(what, sources.update_datasource_by_uid, uid, {**wanted, **secret, **version})
        return Change("data source", wanted["name"], "updated", summary(changed))

    def _secret(self) -> dict[str, Any]:
        password = self._settings.db.password
        if not password:
            raise PermanentError("there is no password to set: give WATTLINE_GRAFANA_DB__PASSWORD")
        return {"secureJsonData": {"password": password.get_secret_value()}}

    def _dashboard(self, board: dict[str, Any]) -> Change:
        for attempt in (1, 2):
            try:
                return self._save(board)
            except ConflictError:
                if attempt == 2:  # once somebody saved between our look and our write; twice is a quarrel
                    raise
                self._held[board["uid"]] = self._held_board(board)
        raise AssertionError("unreachable")

    def _save(self, board: dict[str, Any]) -> Change:
        what, title = f"the dashboard {board['title']!r}", board["title"]
        found = self._held[board["uid"]]
        wanted = {key: value for key, value in board.items() if key != "version"}
        payload: dict[str, Any] = {"folderUid": FOLDER[0], "message": _MESSAGE, "overwrite": False}
        if found is None:
            payload["dashboard"] = {**wanted, "id": None}
            self._write(what, self._grafana.api.dashboard.update_dashboard, payload)
            return Change("dashboard", title, "created")
        changed = differences(wanted, found["dashboard"])
        if found["meta"].get("folderUid") != FOLDER[0]:
            changed.insert(0, "folder")
        if not changed:
            return Change("dashboard", title, "unchanged")
        held = found["dashboard"]
        payload["dashboard"] = {**wanted, "id": held.get("id"), "version": held["version"]}
        self._write(what, self._grafana.api.dashboard.update_dashboard, payload)
        return Change("dashboard", title, "updated", summary(changed))

    def _held_board(self, board: dict[str, Any]) -> Any:
        what = f"the dashboard {board['title']!r}"
        return self._grafana.find(what, self._grafana.api.dashboard.get_dashboard, board["uid"])

    def _remove_dashboards(self, wanted: set[str]) -> Iterator[Change]:
        search = self._grafana.api.search.search_dashboards
        found = self._grafana.ask("the list of dashboards", search, tag=MADE_TAG, type_="dash-db", limit=5000)
        for each in found:
            if each.get("folderUid") == FOLDER[0] and each["uid"].startswith(PREFIX) and each["uid"] not in wanted:
                what = f"the dashboard {each['title']!r}"
                self._write(what, self._grafana.api.dashboard.delete_dashboard, each["uid"])
                yield Change("dashboard", each["title"], "removed", "no longer a part of Wattline")

    def _write(self, what: str, call: Any, *arguments: Any) -> None:
        if self._writing:
            self._grafana.ask(what, call, *arguments)
