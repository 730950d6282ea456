"""A server that keeps state and answers as Grafana's HTTP API does, with its errors; no dashboard is drawn.

`version` tells which Grafana it is like. What 9.4 does otherwise than later ones was seen on a real 9.4 and read in the
code of both: its list of rules leaves provenance out, and contact points and policies become the API's own however they
are sent. Whoever changes another hand's rule gets 500 from all of them.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
TOKEN = "glsa_test"


@dataclass
class FakeGrafana:
    """What is in it; tests look at it, put foreign things into it, and tell it to be difficult."""

    version: str = "11.2.0"
    role: str = "Admin"
    unified_alerting: bool = True
    folders: dict[str, dict[str, Any]] = field(default_factory=dict)
    sources: dict[str, dict[str, Any]] = field(default_factory=dict)
    dashboards: dict[str, dict[str, Any]] = field(default_factory=dict)
    """uid: {"dashboard": ..., "meta": ...}."""
    rules: dict[str, dict[str, Any]] = field(default_factory=dict)
    contacts: dict[str, dict[str, Any]] = field(default_factory=dict)
    policies: dict[str, Any] = field(
        default_factory=lambda: {"receiver": "grafana-default-email", "group_by": ["grafana_folder", "alertname"]}
    )
    writes: list[str] = field(default_factory=list)
    """Method and path of every request that was to change something."""
    reads: list[str] = field(default_factory=list)
    """The path of every request that was to change nothing."""
    before_save: Callable[["FakeGrafana"], None] | None = None
    """Called once, before a dashboard is saved: what somebody else does meanwhile."""
    fails_after: int | None = None
    """After so many writes each further one ends with 500."""
    url: str = ""

    @contextmanager
    def running(self, prefix: str = "") -> Iterator["FakeGrafana"]:
        """Serve on a free port, in a loop of its own, because grafana-client blocks."""
        loop, ready = asyncio.new_event_loop(), threading.Event()

        async def start() -> web.AppRunner:
            app = web.Application(middlewares=[self._guard])
            api = web.Application()
            for method, path, handler in self._routes():
                api.router.add_route(method, path, handler)
            app.add_subapp(f"{prefix}/api", api)
            runner = web.AppRunner(app)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}{prefix}"
            ready.set()
            return runner

        runner = loop.create_task(start())
        thread = threading.Thread(target=loop.run_forever, name="fake grafana")
        thread.start()
        assert ready.wait(10)
        try:
            yield self
        finally:
            asyncio.run_coroutine_threadsafe(runner.result().cleanup(), loop).result(10)
            loop.call_soon_threadsafe(loop.stop)
            thread.join(10)
            loop.close()

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return _said(401, "Invalid API key")
        # whom Grafana does not call an admin may not even read these
        kept = any(part in request.path for part in ("/datasources", "/v1/provisioning"))
        if self.role == "Viewer" and request.method == "GET" and kept:
            return _said(403, "You'll need additional permissions to perform this action. Permissions needed: any")
        if request.method != "GET":
            self.writes.append(f"{request.method} {request.path}")
            if self.fails_after is not None and len(self.writes) > self.fails_after:
                return _said(500, "database is locked")
            if self.role == "Viewer":
                return _said(403, "You'll need additional permissions to perform this action. Permissions needed: any")
        else:
            self.reads.append(request.path)
        if "/v1/provisioning" in request.path and not self.unified_alerting:
            return _said(404, "Not found")
        return await handler(request)

    def _routes(self) -> list[tuple[str, str, Handler]]:
        return [
            ("GET", "/frontend/settings", self._settings),
            ("GET", "/folders", self._get_folders),
            ("GET", "/folders/{uid}", self._get_folder),
            ("POST", "/folders", self._post_folder),
            ("GET", "/datasources/uid/{uid}", self._get_source),
            ("POST", "/datasources", self._post_source),
            ("PUT", "/datasources/uid/{uid}", self._put_source),
            ("GET", "/search", self._search),
            ("GET", "/dashboards/uid/{uid}", self._get_dashboard),
            ("POST", "/dashboards/db", self._post_dashboard),
            ("DELETE", "/dashboards/uid/{uid}", self._delete_dashboard),
            ("GET", "/v1/provisioning/alert-rules", self._get_rules),
            ("POST", "/v1/provisioning/alert-rules", self._post_rule),
            ("GET", "/v1/provisioning/alert-rules/{uid}", self._get_rule),
            ("PUT", "/v1/provisioning/alert-rules/{uid}", self._put_rule),
            ("DELETE", "/v1/provisioning/alert-rules/{uid}", self._delete_rule),
            ("GET", "/v1/provisioning/contact-points", self._get_contacts),
            ("POST", "/v1/provisioning/contact-points", self._post_contact),
            ("PUT", "/v1/provisioning/contact-points/{uid}", self._put_contact),
            ("DELETE", "/v1/provisioning/contact-points/{uid}", self._delete_contact),
            ("GET", "/v1/provisioning/policies", self._get_policies),
            ("PUT", "/v1/provisioning/policies", self._put_policies),
        ]

    async def _settings(self, request: web.Request) -> web.Response:
        return web.json_response({"buildInfo": {"version": self.version}})

    async def _get_folders(self, request: web.Request) -> web.Response:
        return web.json_response(list(self.folders.values()))

    async def _get_folder(self, request: web.Request) -> web.Response:
        found = self.folders.get(request.match_info["uid"])
        return web.json_response(found) if found else _said(404, "folder not found")

    async def _post_folder(self, request: web.Request) -> web.Response:
        body = await request.json()
        # until nested folders came in Grafana 11, titles were unique
        if self.major < 11 and any(each["title"] == body["title"] for each in self.folders.values()):
            return _said(409, "a folder with the same name already exists in the current location")
        if body["uid"] in self.folders:
            return _said(412, "the folder has been changed by someone else")
        self.folders[body["uid"]] = {"id": len(self.folders) + 1, "version": 1, **body}
        return web.json_response(self.folders[body["uid"]])

    async def _get_source(self, request: web.Request) -> web.Response:
        found = self.sources.get(request.match_info["uid"])
        return web.json_response(_hidden(found)) if found else _said(404, "Data source not found")

    async def _post_source(self, request: web.Request) -> web.Response:
        body = await request.json()
        if body["uid"] in self.sources or any(each["name"] == body["name"] for each in self.sources.values()):
            return _said(409, "data source with the same name already exists")
        self.sources[body["uid"]] = {
            "id": len(self.sources) + 1,
            "readOnly": False,
            "version": 1,
            **self._renamed(body),
        }
        return web.json_response({"message": "Datasource added", "datasource": _hidden(self.sources[body["uid"]])})

    async def _put_source(self, request: web.Request) -> web.Response:
        held, body = self.sources.get(request.match_info["uid"]), await request.json()
        if held is None:
            return _said(404, "Data source not found")
        if held["readOnly"]:
            return _said(403, "Cannot update read-only data source")
        if "version" in body and body["version"] != held["version"]:
            return _said(409, "Datasource has already been updated by someone else. Please reload and try again")
        secrets = {**held.get("secureJsonData", {}), **body.get("secureJsonData", {})}
        held.update({**self._renamed(body), "secureJsonData": secrets, "version": held["version"] + 1})
        return web.json_response({"message": "Datasource updated", "datasource": _hidden(held)})

    def _renamed(self, body: dict[str, Any]) -> dict[str, Any]:
        return {**body, "type": "grafana-postgresql-datasource"} if self.major >= 11 else body

    @property
    def major(self) -> int:
        """The first number of its version."""
        return int(self.version.split(".")[0])

    def _notifying(self, request: web.Request) -> str:
        """Whose contact points and policies become: 9.4 ignores X-Disable-Provenance there."""
        return "api" if self.major < 10 else _provenance(request)

    def _transition(self, held: dict[str, Any], wanted: str) -> web.Response | None:
        """Grafana lets nobody change what another hand provisioned; of the errors only the words are of the version."""
        stored = held.get("provenance", "")
        if not stored or stored == wanted:
            return None
        verb = "changed" if self.major < 10 else "change"
        return _said(500, f"cannot {verb} provenance from '{stored}' to '{wanted}'")

    def edit_policies(self, tree: dict[str, Any]) -> bool:
        """What a person does in Grafana's own pages, and whether Grafana allows it."""
        if self.policies.get("provenance"):
            return False
        self.policies = tree
        return True

    async def _search(self, request: web.Request) -> web.Response:
        tags = set(request.query.getall("tag", []))
        found = [
            {
                "uid": uid,
                "title": each["dashboard"]["title"],
                "type": "dash-db",
                "folderUid": each["meta"].get("folderUid", ""),
            }
            for uid, each in self.dashboards.items()
            if tags <= set(each["dashboard"].get("tags", []))
        ]
        return web.json_response(found)

    async def _get_dashboard(self, request: web.Request) -> web.Response:
        found = self.dashboards.get(request.match_info["uid"])
        return web.json_response(found) if found else _said(404, "Dashboard not found")

    async def _post_dashboard(self, request: web.Request) -> web.Response:
        body = await request.json()
        meanwhile, self.before_save = self.before_save, None
        if meanwhile is not None:
            meanwhile(self)
        board = body["dashboard"]
        held = self.dashboards.get(board["uid"])
        if body["folderUid"] not in self.folders:
            return _said(400, "folder not found")
        if held is not None and held["meta"].get("provisioned"):
            return _said(400, "Cannot save provisioned dashboard")
        if held is not None and not body.get("overwrite") and board.get("version") != held["dashboard"]["version"]:
            return _said(412, "The dashboard has been changed by someone else", status="version-mismatch")
        version = held["dashboard"]["version"] + 1 if held else 1
        number = held["dashboard"]["id"] if held else len(self.dashboards) + 1
        self.dashboards[board["uid"]] = {
            "dashboard": {**board, "id": number, "version": version},
            "meta": {"folderUid": body["folderUid"], "provisioned": False},
        }
        return web.json_response({"uid": board["uid"], "id": number, "status": "success", "version": version})

    async def _delete_dashboard(self, request: web.Request) -> web.Response:
        if self.dashboards.pop(request.match_info["uid"], None) is None:
            return _said(404, "Dashboard not found")
        return _said(200, "Dashboard deleted")

    async def _get_rules(self, request: web.Request) -> web.Response:
        hidden = {"provenance"} if self.major < 10 else set()
        shown = [{key: value for key, value in rule.items() if key not in hidden} for rule in self.rules.values()]
        return web.json_response(shown)

    async def _get_rule(self, request: web.Request) -> web.Response:
        found = self.rules.get(request.match_info["uid"])
        if found is None:
            return _said(500, "could not find alert rule") if self.major < 10 else web.Response(status=404)
        return web.json_response(found)

    async def _post_rule(self, request: web.Request) -> web.Response:
        body = await request.json()
        if body["folderUID"] not in self.folders:
            return _said(400, "invalid alert rule: folder does not exist")
        if body["uid"] in self.rules:
            return _said(409, "rule UID is already used")
        refused = _unknown_state(body, self.major)
        if refused is not None:
            return refused
        self.rules[body["uid"]] = self._stored(body, _provenance(request))
        return web.json_response(self.rules[body["uid"]], status=201)

    async def _put_rule(self, request: web.Request) -> web.Response:
        uid = request.match_info["uid"]
        if uid not in self.rules:
            return _said(404, "")
        refused = self._transition(self.rules[uid], _provenance(request))
        if refused is not None:
            return refused
        self.rules[uid] = self._stored(await request.json(), _provenance(request))
        return web.json_response(self.rules[uid])

    def _stored(self, body: dict[str, Any], provenance: str) -> dict[str, Any]:
        made = {"id": 1, "updated": "2026-11-24T00:00:00Z", **body}
        for query in made["data"]:
            query["model"] = {"intervalMs": 1000, "maxDataPoints": 43200, **query["model"]}
            query.setdefault("queryType", "")
        return {**made, **({"provenance": provenance} if provenance else {})}

    async def _delete_rule(self, request: web.Request) -> web.Response:
        held = self.rules.get(request.match_info["uid"])
        # 9.4 deletes as itself, whatever is asked
        asked = "api" if self.major < 10 else _provenance(request)
        refused = self._transition(held, asked) if held else None
        if refused is not None:
            return refused
        self.rules.pop(request.match_info["uid"], None)
        return web.Response(status=204)

    async def _get_contacts(self, request: web.Request) -> web.Response:
        return web.json_response([_redacted(each) for each in self.contacts.values()])

    async def _post_contact(self, request: web.Request) -> web.Response:
        body = await request.json()
        if body["uid"] in self.contacts:
            return _said(400, "receiver configuration with UID already exists in contact points")
        provenance = self._notifying(request)
        self.contacts[body["uid"]] = {**body, **({"provenance": provenance} if provenance else {})}
        return web.json_response(_redacted(self.contacts[body["uid"]]), status=202)

    async def _put_contact(self, request: web.Request) -> web.Response:
        uid = request.match_info["uid"]
        if uid not in self.contacts:
            return _said(404, "contact point not found")
        provenance = self._notifying(request)
        refused = self._transition(self.contacts[uid], provenance)
        if refused is not None:
            return refused
        self.contacts[uid] = {**await request.json(), "uid": uid, **({"provenance": provenance} if provenance else {})}
        return _said(202, "contactpoint updated")

    async def _delete_contact(self, request: web.Request) -> web.Response:
        held = self.contacts.get(request.match_info["uid"])
        routes = [self.policies, *self.policies.get("routes", [])]
        routes += [each for route in routes[1:] for each in route.get("routes", [])]
        if held and any(route.get("receiver") == held["name"] for route in routes):
            return _said(500 if self.major < 10 else 409, "contact point is currently used by a notification policy")
        self.contacts.pop(request.match_info["uid"], None)
        return _said(202, "contactpoint deleted")

    async def _get_policies(self, request: web.Request) -> web.Response:
        return web.json_response(self.policies)

    async def _put_policies(self, request: web.Request) -> web.Response:
        body = await request.json()
        provenance = self._notifying(request)
        # 9.4 takes the tree from whoever sends it, and marks it for good
        refused = None if self.major < 10 else self._transition(self.policies, provenance)
        if refused is not None:
            return refused
        names = {each["name"] for each in self.contacts.values()} | {"grafana-default-email", "their team"}
        for route in [body, *body.get("routes", [])]:
            if route["receiver"] not in names:
                return _said(400, f"invalid object specification: receiver '{route['receiver']}' does not exist")
        self.policies = {**body, **({"provenance": provenance} if provenance else {})}
        return _said(202, "policies updated")


def _said(code: int, message: str, **more: str) -> web.Response:
    return web.json_response({"message": message, **more}, status=code)


def _provenance(request: web.Request) -> str:
    return "" if "X-Disable-Provenance" in request.headers else "api"


def _unknown_state(rule: dict[str, Any], major: int) -> web.Response | None:
    """What a rule may say of errors and of no data; KeepLast came after 9.4."""
    known = {"OK", "Alerting", *(() if major < 10 else ("KeepLast",))}
    for field_name, more in (("execErrState", "Error"), ("noDataState", "NoData")):
        if rule[field_name] not in known | {more}:
            return _said(400, f"unknown state {rule[field_name]} of {field_name}")
    return None


def _hidden(source: dict[str, Any]) -> dict[str, Any]:
    shown = {key: value for key, value in source.items() if key != "secureJsonData"}
    return {**shown, "secureJsonFields": dict.fromkeys(source.get("secureJsonData", {}), True)}


def _redacted(contact: dict[str, Any]) -> dict[str, Any]:
    secret = {"url"} if contact["type"] == "slack" else {"password"}
    settings = {key: "[REDACTED]" if key in secret else value for key, value in contact["settings"].items()}
    return {**contact, "settings": settings}
