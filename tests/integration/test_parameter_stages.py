"""Staged changes of parameters on a real broker and database: steps, health, rolling back, restarts, two gateways."""

from typing import Any

import pytest

from tests.rigs.gateway import Gateway, connection, events, gateway, rows, watching
from tests.rigs.parameters import call, done, register
from tests.rigs.servers import Broker, Database
from tests.rigs.stages import FLEET, changed, devices, settings
from tests.rigs.waiting import until

QUICK: dict[str, Any] = {"settle_s": 0.3, "timeout_s": 30}


async def in_state(running: Gateway, stage: int, state: str) -> Any:
    async def reached() -> Any:
        found = await running.get(f"/stages/{stage}")
        return found if found["state"] == state else None

    return await until(reached, f"staged change {stage} is {state}")


async def test_a_change_goes_on_while_devices_do_well(broker: Broker, database: Database) -> None:
    """One device, then more, then all; each reports and keeps reading before the next get it; then it is a version."""
    async with watching(broker) as seen, gateway(settings(broker, database)) as running:
        async with devices(broker, database, seen) as fleet:
            fleet.reads |= set(FLEET)
            await until(lambda: rows(database, "SELECT FROM message LIMIT 1"), "readings come")
            sizes: list[int] = []
            begun = await done(
                running,
                "POST",
                "/parameters:stage",
                {"parameters": {"reading_interval_s": 5}, "steps": ["20%", "60%"], **QUICK},
            )
            assert (begun["state"], begun["steps"], begun["devices"]) == ("running", ["20%", "60%", "100%"], 1)
            assert (await running.get("/parameters"))["layers"][0]["version"] == 0
            assert (await running.get("/parameters"))["stage"] == begun["id"]

            async def finished() -> bool:
                stage = await running.get(f"/stages/{begun['id']}")
                if not sizes or sizes[-1] != stage["devices"]:
                    sizes.append(stage["devices"])
                return bool(stage["state"] == "done")

            await until(finished, "the change is everywhere")
            assert sizes == [1, 3, 5]
            assert changed(seen) == FLEET
            stage = await running.get(f"/stages/{begun['id']}")
            assert (stage["healthy"], stage["version"], stage["step"]) == (5, 1, 3)
            page = await running.get(f"/stages/{begun['id']}/devices", limit=2, state="healthy")
            assert [one["device"] for one in page["items"]] == ["d0", "d1"]
            history = (await running.get("/parameters/history"))["items"]
            assert [(one["version"], one["author"], one["parameters"]) for one in history] == [
                (1, "local (for eva)", {"reading_interval_s": 5.0})
            ]
            assert {desired.version for name in FLEET if (desired := seen.desired(name))} == {2}
    shares = [one["detail"]["share"] for one in await events(database, "stage_step")]
    assert shares == ["20%", "60%", "100%"]
    assert await rows(database, "SELECT state, devices, healthy FROM stage_overview") == [
        {"state": "done", "devices": 5, "healthy": 5}
    ]


@pytest.mark.parametrize("fault", ["refused", "mute", "event"])
async def test_a_change_that_does_harm_is_rolled_back(broker: Broker, database: Database, fault: str) -> None:
    """Refused, readings stay out, or the device itself went back: the rest never gets it, those who had it lose it."""
    async with watching(broker) as seen, gateway(settings(broker, database)) as running:
        async with devices(broker, database, seen) as fleet:
            fleet.reads |= set(FLEET)
            await until(lambda: rows(database, "SELECT FROM message LIMIT 1"), "readings come")
            if fault == "refused":
                fleet.how = dict.fromkeys(FLEET, "refused")
            body = {"parameters": {"reading_interval_s": 0.5, "publish_interval_s": 0.2}, "steps": ["device=d0"]}
            begun = await done(running, "POST", "/parameters:stage", {**body, **QUICK, "settle_s": 2})
            if fault == "mute":
                fleet.reads.clear()
            if fault == "event":
                async with connection(database) as opened:
                    await opened.execute(
                        "INSERT INTO event (received_at, at, device_id, source, event, severity) SELECT now(), now(), "
                        "id, 'device', 'config_reverted', 'error' FROM device WHERE name = 'd0'"
                    )
            fleet.how |= {} if fault == "refused" else {"d0": "applied"}
            stage = await in_state(running, begun["id"], "rolled_back")
            why = {"refused": "refused", "mute": "no reading for", "event": "event config_reverted"}[fault]
            assert "1 of 1 device failed, such as d0" in stage["why"]
            assert (await running.get(f"/stages/{begun['id']}/devices"))["items"][0]["state"] == "failed"
            assert why in stage["why"]
            await until(lambda: not changed(seen, 0.5), "it is taken back")
            assert all(seen.desired(name).version == 1 for name in FLEET[1:])  # type: ignore[union-attr]
            assert (await running.get("/parameters"))["layers"][0]["version"] == 0
    told = await events(database, "stage_rolled_back")
    assert [(one["severity"], one["detail"]["step"]) for one in told] == [("error", 1)]
    assert [one["detail"]["version"] for one in await events(database, "stage_device_failed")] == [2]


async def test_a_restart_in_the_middle_and_two_gateways_take_each_step_once(broker: Broker, database: Database) -> None:
    """What is known stands in the store: a gateway that comes back goes on, and of two one does each step."""
    async with watching(broker) as seen:
        async with gateway(settings(broker, database)) as running:
            await register(broker, seen, *FLEET)
            body = {"parameters": {"reading_interval_s": 5}, "steps": ["20%", "60%"], **QUICK}
            begun = await done(running, "POST", "/parameters:stage", body)
            await until(lambda: len(changed(seen)) == 1, "the first device has it")
        async with gateway(settings(broker, database)) as first, gateway(settings(broker, database)):
            async with devices(broker, database, seen):
                assert (await in_state(first, begun["id"], "done"))["healthy"] == 5
                await until(lambda: changed(seen) == FLEET, "all have it")
    assert [one["detail"]["step"] for one in await events(database, "stage_step")] == [1, 2, 3]
    assert len(await events(database, "stage_done")) == 1
    assert len(await rows(database, "SELECT FROM parameter_document")) == 1
    assert len(await rows(database, "SELECT FROM desired_history WHERE version > 1")) == 5


async def test_a_stage_is_paused_resumed_and_aborted_by_people(broker: Broker, database: Database) -> None:
    """While paused nothing goes on; meanwhile the scope can't change otherwise; aborting takes the change back."""
    async with watching(broker) as seen, gateway(settings(broker, database)) as running:
        async with devices(broker, database, seen):
            await done(running, "PUT", "/groups/all", {"selector": "device"})
            scope = "/groups/all/parameters"
            await done(running, "PATCH", scope, {"reading_interval_s": 7})
            body = {"parameters": {"reading_interval_s": 5}, "steps": ["d0,d1"], **QUICK, "settle_s": 60}
            begun = await done(running, "POST", f"{scope}:stage", body)
            act = f"/stages/{begun['id']}"
            assert begun["devices"] == 2
            paused = await done(running, "POST", f"{act}:pause")
            assert (paused["state"], paused["why"]) == ("paused", "trial")
            assert (await done(running, "POST", f"{act}:pause"))["state"] == "paused"
            for method, path, given in (
                ("PATCH", scope, {"raw_frames": True}),
                ("POST", f"{scope}:rollback", None),
                ("POST", f"{scope}:stage", body),
                ("DELETE", "/groups/all", None),
            ):
                status, problem, _ = await call(running, method, path, given)
                assert (status, problem["field"]) == (409, "scope"), path
                assert f"{act}:abort" in problem["errors"][0]["fix"]
            await done(running, "PATCH", "/devices/d0/parameters", {"raw_frames": True})
            await until(lambda: changed(seen) == ["d0", "d1"], "who has it keeps it")
            layers = (await running.get("/devices/d0/parameters"))["layers"]
            assert [one["stage"] for one in layers] == [None, begun["id"], None]
            assert (await done(running, "POST", f"{act}:resume"))["state"] == "running"
            ended = await done(running, "POST", f"{act}:abort")
            assert ended["state"] == "aborted"
            had = (await running.get(f"{act}/devices"))["items"]
            assert [(one["device"], one["state"]) for one in had] == [("d0", "taken_back"), ("d1", "taken_back")]
            assert (await running.get(f"{act}/devices", state="applied"))["items"] == []
            await until(lambda: changed(seen, 7.0) == FLEET, "it is taken back")
            assert seen.desired("d0").parameters.raw_frames  # type: ignore[union-attr]
            assert (await call(running, "POST", f"{act}:resume"))[0] == 409
            assert [one["id"] for one in (await running.get("/stages", state="aborted"))["items"]] == [begun["id"]]


async def test_who_is_not_there_does_not_fail_the_change(broker: Broker, database: Database) -> None:
    """Offline devices come last and get it when they are back; where none of a step is there, people must say so."""
    async with watching(broker) as seen, gateway(settings(broker, database)) as running:
        async with devices(broker, database, seen, ["d0"]):
            await register(broker, seen, "d1")
            body = {"parameters": {"reading_interval_s": 5}, **QUICK, "timeout_s": 1}
            alone = await done(running, "POST", "/parameters:stage", {**body, "steps": ["d1"]})
            assert "such as d1: offline" in (await in_state(running, alone["id"], "paused"))["why"]
            assert len(await events(database, "stage_device_unreachable")) == 1
            await done(running, "POST", f"/stages/{alone['id']}:abort")
            both = await done(running, "POST", "/parameters:stage", {**body, "steps": ["50%"], "timeout_s": 8})
            stage = await in_state(running, both["id"], "done")
            assert (stage["healthy"], stage["unreachable"]) == (1, 1)
            assert changed(seen) == ["d0", "d1"]


async def test_an_earlier_version_comes_back_in_steps(broker: Broker, database: Database) -> None:
    """A rollback may be staged like any change; devices whose own layer says otherwise are not touched by it."""
    async with watching(broker) as seen, gateway(settings(broker, database)) as running:
        async with devices(broker, database, seen):
            await done(running, "PATCH", "/parameters", {"reading_interval_s": 5})
            await done(running, "PATCH", "/parameters", {"reading_interval_s": 9})
            await done(running, "PATCH", "/devices/d1/parameters", {"reading_interval_s": 9})
            begun = await done(running, "POST", "/parameters:stage", {"rollback_to": 1, "steps": ["50%"], **QUICK})
            stage = await in_state(running, begun["id"], "done")
            assert (stage["version"], stage["healthy"], stage["unchanged"]) == (3, 4, 1)
            await until(lambda: changed(seen) == ["d0", "d2", "d3", "d4"], "the first version holds")


async def test_bad_stages_are_refused_by_field(broker: Broker, database: Database) -> None:
    """Each mistake names its field, and nothing of it is half begun."""
    good = {"parameters": {"reading_interval_s": 5}}
    mistakes: list[tuple[Any, str]] = [
        ({}, "body"),
        ({**good, "rollback_to": 1}, "body"),
        ({"parameters": {"interval": 5}}, "parameters.interval"),
        ({"parameters": {"reading_interval_s": 0}}, "parameters.reading_interval_s"),
        ({"parameters": {}}, "parameters"),
        ({**good, "steps": []}, "steps"),
        ({**good, "steps": ["50%", "10%"]}, "steps.1"),
        ({**good, "steps": ["0%"]}, "steps.0"),
        ({**good, "steps": ["site=="]}, "steps.0.0"),
        ({**good, "steps": ["site=nowhere"]}, "steps.0"),
        ({**good, "settle_s": -1}, "settle_s"),
        ({**good, "timeout_s": 0}, "timeout_s"),
        ({**good, "max_failed_percent": 101}, "max_failed_percent"),
        ({**good, "share": 5}, "share"),
        ({"rollback_to": 7}, "to"),
    ]
    async with watching(broker) as seen, gateway(settings(broker, database)) as running:
        await register(broker, seen, "d1")
        for body, name in mistakes:
            status, problem, _ = await call(running, "POST", "/parameters:stage", body)
            assert (status, problem["field"]) == (422, name), (body, problem)
        for path in ("/stages/99", "/stages/x", "/stages/99/devices"):
            assert (await call(running, "GET", path))[0] == 404
        assert (await call(running, "POST", "/stages/99:abort"))[0] == 404
    assert await rows(database, "SELECT FROM parameter_stage") == []
