"""Parameters in layers on a real broker and database: groups, history, rollback, and what software does not know."""

import asyncio
import json
from typing import Any

from broker.contract.messages import Parameters
from broker.contract.topics import Kind
from tests.rigs.gateway import entered, events, gateway, gateway_settings, registration, rows, send, watching
from tests.rigs.parameters import call, done, register, shown
from tests.rigs.servers import Broker, Database
from tests.rigs.waiting import until


async def test_groups_lie_between_fleet_and_device(broker: Broker, database: Database) -> None:
    """Fleet, groups by priority, device: the upper one wins, a label decides at once, and each value has its layer."""
    async with watching(broker) as seen, gateway(gateway_settings(broker, database)) as running:
        await register(broker, seen, "d1", "d2")
        await done(running, "PATCH", "/devices/d1/labels", {"site": "warsaw", "model": "pi4"})
        group = await done(running, "PUT", "/groups/warsaw", {"selector": " site = warsaw ", "priority": 10})
        assert (group["selector"], group["devices"], group["changed"]) == ("site=warsaw", 1, [])
        await done(running, "PUT", "/groups/pi4", {"selector": "model=pi4", "priority": 20})
        await done(running, "PATCH", "/parameters", {"reading_interval_s": 60, "log_level": "warning"})
        low = await done(running, "PATCH", "/groups/warsaw/parameters", {"reading_interval_s": 30, "raw_frames": True})
        assert low["changed"] == ["d1"]
        await done(running, "PATCH", "/groups/pi4/parameters", {"reading_interval_s": 20})
        await until(lambda: shown(seen, "d1", "reading_interval_s") == 20, "the higher priority wins")
        assert shown(seen, "d2", "reading_interval_s") == 60
        view = await running.get("/devices/d1/parameters")
        assert view["groups"] == ["warsaw", "pi4"]
        assert [one["scope"] for one in view["layers"]] == ["fleet", "group:warsaw", "group:pi4", "device:d1"]
        assert view["effective"]["raw_frames"] is True
        assert view["effective"]["log_level"] == "warning"

        await done(running, "PATCH", "/devices/d2/labels", {"site": "warsaw"})
        await until(lambda: shown(seen, "d2", "raw_frames"), "who enters a group gets its parameters at once")
        assert (await running.get("/groups/warsaw/devices"))["items"] == ["d1", "d2"]
        await done(running, "PUT", "/groups/warsaw", {"selector": "site=warsaw,!model", "priority": 10})
        await until(lambda: shown(seen, "d1", "raw_frames") is False, "who leaves it loses them")
        gone = await done(running, "DELETE", "/groups/warsaw")
        assert gone["changed"] == ["d2"]
        await until(lambda: shown(seen, "d2", "raw_frames") is False, "a group that is gone gives nothing")
        assert (await call(running, "GET", "/groups/warsaw/parameters"))[0] == 404
        again = await done(running, "PUT", "/groups/warsaw", {"selector": "site=warsaw"})
        assert again["changed"] == []
        assert [one["group"] for one in (await running.get("/groups"))["items"]] == ["pi4", "warsaw"]


async def test_history_diff_and_rollback_of_each_scope(broker: Broker, database: Database) -> None:
    """Each version says who, when, why and what; any earlier one is brought back by one command as the next version."""
    async with watching(broker) as seen, gateway(gateway_settings(broker, database)) as running:
        await register(broker, seen, "d1")
        await done(running, "PUT", "/groups/all", {"selector": "device"})
        for scope in ("", "/groups/all", "/devices/d1"):
            path = f"{scope}/parameters"
            await done(running, "PATCH", path, {"reading_interval_s": 5})
            await done(running, "PATCH", path, {"reading_interval_s": 7, "log_level": "debug"})
            await done(running, "PATCH", path, {"reading_interval_s": None})
            page = await running.get(f"{path}/history", limit=2)
            newest, before = page["items"]
            assert (newest["version"], newest["author"], newest["reason"]) == (3, "local (for eva)", "trial")
            assert newest["changes"] == [{"field": "reading_interval_s", "before": 7.0, "after": None}]
            assert len(before["changes"]) == 2
            first = (await running.get(f"{path}/history", cursor=page["next"]))["items"]
            assert [one["version"] for one in first] == [1]
            assert first[0]["parameters"] == {"reading_interval_s": 5.0}
            diff = await running.get(f"{path}/diff", **{"from": 1, "to": 3})
            assert {one["field"] for one in diff["changes"]} == {"reading_interval_s", "log_level"}
            assert (await running.get(f"{path}/diff"))["from"] == 2
            back = await done(running, "POST", f"{path}:rollback?to=1")
            assert back["layers"][-1]["version"] == 4
            assert back["layers"][-1]["hash"] == first[0]["hash"]
            undone = await done(running, "POST", f"{path}:rollback")
            assert undone["layers"][-1]["parameters"] == {"log_level": "debug"}
            empty = await done(running, "POST", f"{path}:rollback?to=0")
            assert empty["layers"][-1]["parameters"] == {}
        await until(lambda: (d := seen.desired("d1")) and d.parameters == Parameters(), "all is given back")
        status, document, _ = await call(running, "POST", "/parameters:rollback?to=99")
        assert (status, document["field"]) == (422, "to")
        assert "0 to 6" in document["errors"][0]["fix"]
        status, document, _ = await call(running, "GET", "/parameters/diff?from=9")
        assert (status, document["field"]) == (422, "from")
    told = await events(database, "parameters_changed")
    assert told[0]["detail"] == {
        "scope": "fleet", "version": 1, "author": "local (for eva)", "reason": "trial",
        "changes": ["reading_interval_s"],
    }  # fmt: skip
    assert len(told) == 18


async def test_a_stale_change_is_refused_with_what_holds(broker: Broker, database: Database) -> None:
    """If-Match of a group, as of all: once through; the second writer gets 412 with the present document and ETag."""
    async with watching(broker) as seen, gateway(gateway_settings(broker, database)) as running:
        await register(broker, seen, "d1")
        await done(running, "PUT", "/groups/all", {"selector": "device"})
        for path in ("/groups/all/parameters", "/parameters", "/devices/d1/parameters"):
            etag = (await call(running, "GET", path))[2]["ETag"]
            first = await call(running, "PATCH", path, {"reading_interval_s": 5}, If_Match=etag)
            assert first[0] == 200
            status, problem, headers = await call(running, "PATCH", path, {"reading_interval_s": 6}, If_Match=etag)
            assert (status, problem["field"]) == (412, "If-Match")
            assert problem["current"]["effective"]["reading_interval_s"] == 5
            again = await call(running, "PATCH", path, {"reading_interval_s": 6}, If_Match=headers["ETag"])
            assert again[0] == 200
        etag = (await call(running, "GET", "/groups/all"))[2]["ETag"]
        assert (await call(running, "PUT", "/groups/all", {"selector": "device=d1"}, If_Match=etag))[0] == 200
        assert (await call(running, "DELETE", "/groups/all", If_Match=etag))[0] == 412


async def test_a_group_that_somebody_removed_meanwhile_is_not_made_again(broker: Broker, database: Database) -> None:
    """A change with If-Match, any at all, is of a group that is there: 412 where it is gone, and it stays gone."""
    async with gateway(gateway_settings(broker, database)) as running:
        await done(running, "PUT", "/groups/all", {"selector": "device"})
        etag = (await call(running, "GET", "/groups/all"))[2]["ETag"]
        await done(running, "DELETE", "/groups/all")
        for given in (etag, "*"):
            status, problem, headers = await call(
                running, "PUT", "/groups/all", {"selector": "device=d1"}, If_Match=given
            )
            assert (status, problem["field"], headers.get("ETag")) == (412, "If-Match", None)
            assert problem["detail"] == "the group 'all' is not there"
        assert (await call(running, "GET", "/groups/all"))[0] == 404


async def test_what_software_does_not_know_is_refused_or_left_out_by_name(broker: Broker, database: Database) -> None:
    """A device's own change gets a 422 that names it; of fleet and group it is left out for that device, and told."""
    old = tuple(name for name in Parameters.model_fields if name not in ("raw_frames", "log_level"))
    async with watching(broker) as seen, gateway(gateway_settings(broker, database)) as running:
        await register(broker, seen, "old", knows=old)
        await register(broker, seen, "new")
        carried = json.loads(seen.newest[broker.topics.of(Kind.DESIRED, "old")])
        assert set(carried["parameters"]) == set(old)
        status, problem, _ = await call(running, "PATCH", "/devices/old/parameters", {"raw_frames": True})
        assert (status, problem["field"]) == (422, "raw_frames")
        assert "reading_interval_s" in problem["errors"][0]["fix"]
        fleet = await done(running, "PATCH", "/parameters", {"raw_frames": True, "reading_interval_s": 5})
        assert fleet["not_supported"] == [{"parameter": "raw_frames", "count": 1, "devices": ["old"]}]
        await until(lambda: shown(seen, "old", "reading_interval_s") == 5, "the rest of the change is for it too")
        await until(lambda: shown(seen, "new", "raw_frames"), "the others get all of it")
        assert "raw_frames" not in json.loads(seen.newest[broker.topics.of(Kind.DESIRED, "old")])["parameters"]
        view = await running.get("/devices/old/parameters")
        assert view["not_supported"] == ["raw_frames"]
        assert view["drift"] == []
        told = await events(database, "parameter_not_supported")
        assert [one["detail"]["parameters"] for one in told] == [["raw_frames"]]
        seen_by_grafana = await rows(database, "SELECT device, parameter FROM parameter_unsupported_overview")
        assert seen_by_grafana == [{"device": "old", "parameter": "raw_frames"}]
        # the same device after an update
        async with entered(broker, "old") as device:
            await send(device, broker.topics, Kind.REGISTRATION, "old", registration())
        await until(lambda: shown(seen, "old", "raw_frames"), "the update brings what was left out")
        assert (await running.get("/parameters"))["not_supported"] == []


async def test_bad_groups_are_refused_by_field(broker: Broker, database: Database) -> None:
    """Each mistake names its field and changes nothing."""
    mistakes: list[tuple[str, str, Any, int, str]] = [
        ("PUT", "/groups/g", {"selector": "site=="}, 422, "selector.0"),
        ("PUT", "/groups/g", {"selector": ""}, 422, "selector"),
        ("PUT", "/groups/g", {"selector": "site=a", "priority": "high"}, 422, "priority"),
        ("PUT", "/groups/g", {"selector": "site=a", "priority": 10**9}, 422, "priority"),
        ("PUT", "/groups/g", {"selector": "site=a", "colour": 1}, 422, "colour"),
        ("PUT", "/groups/g", {}, 422, "selector"),
        ("PUT", "/groups/g", [], 422, "body"),
        ("PUT", "/groups/a%20b", {"selector": "site=a"}, 422, "group"),
        ("PATCH", "/groups/none/parameters", {"raw_frames": True}, 404, "group"),
        ("DELETE", "/groups/none", None, 404, "group"),
        ("POST", "/groups/none/parameters:rollback", None, 404, "group"),
        ("GET", "/groups/none/parameters/history", None, 404, "group"),
        ("POST", "/parameters:rollback", None, 409, "to"),
    ]
    async with gateway(gateway_settings(broker, database)) as running:
        for method, path, body, status, field in mistakes:
            found = await call(running, method, path, body)
            assert (found[0], found[1]["field"]) == (status, field), (path, body, found[1])
        tasks = [call(running, "PUT", "/groups/g", {"selector": "site=a"}) for _ in range(4)]
        assert {status for status, _, _ in await asyncio.gather(*tasks)} == {200}
    assert await rows(database, "SELECT name, version FROM parameter_group") == [{"name": "g", "version": 1}]
    assert await rows(database, "SELECT FROM parameter_document") == []
