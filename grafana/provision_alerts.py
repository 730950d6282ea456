"""Brings Grafana's alerting to what the settings say: contact points, our route, and the rules."""

from collections.abc import Callable, Iterator
from typing import Any

from broker.errors import PermanentError
from grafana.api import Grafana, NotThereError
from grafana.boards.base import PREFIX
from grafana.build import plain
from grafana.changes import Action, Change, differences, summary
from grafana.notify import contact_points, is_ours, policy, receivers
from grafana.rules import FOLDER_UID, OURS, rules
from grafana.settings import GrafanaSettings

_TREE = "the notification policies"
_HIDDEN = "[REDACTED]"
_BY_FILES = "provisioned from files on Grafana's server"


class AlertProvisioner:
    """One run, as Provisioner has it, whose `write` is told what to change and changes it or, at first, does not.

    Grafana notes who provisioned a thing and refuses another hand: `api` locks its own pages, none leaves them open.
    What is there keeps what it has.
    """

    def __init__(
        self,
        grafana: Grafana,
        settings: GrafanaSettings,
        write: Callable[..., None],
        *,
        editable: bool,
        policies: bool,
    ) -> None:
        self._grafana = grafana
        self._settings = settings
        self._write = write
        self._editable = editable
        self._policies = policies
        self._api = grafana.api.alertingprovisioning

    def run(self) -> Iterator[Change]:
        """Contact points before the route that names them, and the route away before contact points that go."""
        held = self._held_rules()
        yield from self._contacts()
        yield from self._policy()
        yield from self._remove_contacts()
        yield from self._rules(held)

    def from_files(self) -> bool:
        """Whether rules of ours stand in files on Grafana's server. Raises PermanentError."""
        ours = [rule for rule in self._held_rules() if rule["uid"].startswith(PREFIX)]
        return any(self._provenance(rule) == "file" for rule in ours)

    def _held_rules(self) -> list[dict[str, Any]]:
        try:
            found: list[dict[str, Any]] = self._grafana.ask("alert rules", self._api.get_alertrules_all)
        except NotThereError as error:
            raise PermanentError(f"{error}: turn on unified alerting in grafana.ini, or use --no-alerts") from error
        return found

    def _provenance(self, rule: dict[str, Any]) -> str:
        """Who provisioned a rule. Grafana 9.4 says it of a single rule and leaves it out of the list of all."""
        held = self._grafana.find(f"the alert rule {rule['title']!r}", self._api.get_alertrule, rule["uid"])
        return str((held or {}).get("provenance") or "")

    def _rules(self, held: list[dict[str, Any]]) -> Iterator[Change]:
        wanted = {rule["uid"]: rule for rule in map(plain, rules(self._settings))}
        by_uid = {rule["uid"]: rule for rule in held}
        for uid, rule in wanted.items():
            yield self._rule(rule, by_uid.get(uid))
        for uid, rule in by_uid.items():
            if uid not in wanted and _made_here(rule) and self._provenance(rule) != "file":
                self._write(f"the alert rule {rule['title']!r}", self._api.delete_alertrule, uid)
                yield Change("alert rule", rule["title"], "removed", "no longer a part of Wattline")

    def _rule(self, rule: dict[str, Any], held: dict[str, Any] | None) -> Change:
        what, title = f"the alert rule {rule['title']!r}", rule["title"]
        if held is None:
            self._write(what, self._api.create_alertrule, rule, self._editable)
            return Change("alert rule", title, "created")
        # the organisation is the token's; whether a rule is paused is for those who watch
        wanted = {key: value for key, value in rule.items() if key not in ("orgID", "isPaused")}
        changed = differences(wanted, held)
        if not changed:
            return Change("alert rule", title, "unchanged")
        body = {**rule, "orgID": held.get("orgID", 1), "isPaused": held.get("isPaused", False)}
        self._write(what, self._api.update_alertrule, rule["uid"], body, not self._provenance(held))
        return Change("alert rule", title, "updated", summary(changed))

    def _contacts(self) -> Iterator[Change]:
        held = {point.get("uid"): point for point in self._held_contacts()}
        for point in contact_points(self._settings):
            yield self._contact(point, held.get(point["uid"]))

    def _contact(self, point: dict[str, Any], held: dict[str, Any] | None) -> Change:
        what, name = f"the contact point {point['name']!r}", point["name"]
        if held is None:
            self._write(what, self._api.create_contactpoint, point, self._editable)
            return Change("contact point", name, "created")
        if held.get("provenance") == "file":
            return Change("contact point", name, "left alone", _BY_FILES)
        settings = held.get("settings", {})
        shown = {key: value for key, value in point["settings"].items() if settings.get(key) != _HIDDEN}
        changed = differences({**point, "settings": shown}, held)
        if not changed:
            return Change("contact point", name, "unchanged")
        self._write(what, self._api.update_contactpoint, point["uid"], point, not held.get("provenance"))
        return Change("contact point", name, "updated", summary(changed))

    def _remove_contacts(self) -> Iterator[Change]:
        wanted = {point["uid"] for point in contact_points(self._settings)}
        used = set() if self._policies else receivers(self._tree())
        for point in self._held_contacts():
            uid = str(point.get("uid"))
            if not uid.startswith(PREFIX) or uid in wanted or point.get("provenance") == "file":
                continue
            if point["name"] in used:
                yield Change("contact point", point["name"], "left alone", "a notification policy uses it: --policies")
            else:
                self._write(f"the contact point {point['name']!r}", self._api.delete_contactpoint, uid)
                yield Change("contact point", point["name"], "removed", "no longer in the settings")

    def _held_contacts(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._grafana.ask("contact points", self._api.get_contactpoints)
        return found

    def _tree(self) -> dict[str, Any]:
        found: dict[str, Any] = self._grafana.ask(_TREE, self._api.get_notification_policy_tree)
        return found

    def _policy(self) -> list[Change]:
        """Put our one route first among the root's; the rest of the tree stays as it is."""
        tree, wanted = self._tree(), policy(self._settings)
        held = tree.get("routes") or []
        ours, others = [route for route in held if is_ours(route)], [route for route in held if not is_ours(route)]
        if wanted is None and not ours:
            return []
        if wanted is not None and len(ours) == 1 and not differences({"routes": [], **wanted}, ours[0]):
            return [Change("route", "Wattline", "unchanged")]
        if not self._policies:
            return [Change("route", "Wattline", "left alone", "--policies writes the tree of notification policies")]
        if tree.get("provenance") == "file":
            return [Change("route", "Wattline", "left alone", _BY_FILES)]
        made = {**tree, "routes": [*([wanted] if wanted else []), *others]}
        provenance = made.pop("provenance", None)
        # never locks a tree that people edit: it is not ours alone
        self._write(_TREE, self._api.set_notification_policy_tree, made, not provenance)
        locks = "Grafana 9 locks the whole tree for its own pages by it" if self._grafana.older_than(10) else ""
        action: Action = "removed" if wanted is None else "updated" if ours else "created"
        return [Change("route", "Wattline", action, locks)]


def _made_here(rule: dict[str, Any]) -> bool:
    ours = rule["uid"].startswith(PREFIX) and rule.get("labels", {}).get(OURS[0]) == OURS[1]
    return bool(ours and rule.get("folderUID") == FOLDER_UID)
