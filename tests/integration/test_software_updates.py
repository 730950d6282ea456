"""Software in steps on a real broker and database: by updaters' reports it goes on, halts by itself, and is shown."""

from typing import Any

import pytest

from broker.contract.messages import VERSION_MAX, Reason
from broker.contract.software import SoftwareDesired, SoftwareReported, SoftwareState
from broker.contract.topics import Kind
from tests.rigs.gateway import Gateway, Watcher, connection, entered, events, gateway, rows, send, watching
from tests.rigs.parameters import call, done, register
from tests.rigs.servers import Broker, Database
from tests.rigs.stages import settings
from tests.rigs.updaters import NEW, OLD, SOURCE, WHY, desired_software, publish, releases, reported, updaters
from tests.rigs.waiting import until, until_equal

FLEET = ("d0", "d1", "d2")
GROUP = "/groups/all/parameters"


async def ended(running: Gateway, begun: Any, state: str) -> Any:
    """A staged change once it is in a state."""

    async def found() -> Any:
        stage = await running.get(f"/stages/{begun['id']}")
        return stage if stage["state"] == state else None

    return await until(found, f"staged change {begun['id']} is {state}", timeout_s=120)


async def test_a_bad_release_halts_by_itself_and_the_rest_keep_the_old(broker: Broker, database: Database) -> None:
    """One Pi of three goes back by itself: nobody else gets the release, and it is said who, why and by whom."""
    async with watching(broker) as seen, gateway(settings(broker, database)) as running:
        await register(broker, seen, *FLEET)
        async with updaters(broker, database, FLEET) as fleet:
            await done(running, "PUT", "/groups/all", {"selector": "device"})
            await ended(running, await publish(running, GROUP, OLD), "done")
            assert releases(seen, *FLEET) == [OLD, OLD, OLD]
            before = [desired_software(seen, one) for one in FLEET]
            fleet.how = {"d1": "rolled_back"}
            stage = await ended(running, await publish(running, GROUP, NEW, "d1"), "rolled_back")
            assert stage["why"] == f"1 of 1 device failed, such as d1: rolled_back: release: {WHY}"
            assert (stage["failed"], stage["devices"], stage["author"]) == (1, 1, "local (for eva)")
            await until(lambda: releases(seen, "d1") == [OLD], "the bad one is to run the old one again")
            assert [desired_software(seen, one) for one in ("d0", "d2")] == [before[0], before[2]]
            assert fleet.running == dict.fromkeys(FLEET, OLD)
            member = (await running.get(f"/stages/{stage['id']}/devices"))["items"][0]
            assert (member["version"], member["software"], member["state"]) == (None, 2, "failed")
            kept = (await running.get(f"{GROUP}/history"))["items"]
            assert [(one["version"], one["reason"]) for one in kept] == [(1, "trial")]
            told = await events(database, "software_rolled_back")
            assert [(one["severity"], one["detail"]["release"], one["detail"]["reasons"]) for one in told] == [
                ("warning", NEW, [{"field": "release", "reason": WHY}])
            ]
            # what is wrong with one device's release is no fault of another: it goes on where failures are put up with
            good = await ended(running, await publish(running, GROUP, NEW, "67%", max_failed_percent=50), "done")
            assert (good["healthy"], good["failed"]) == (2, 1)
            assert releases(seen, *FLEET) == [NEW, NEW, NEW]
            assert fleet.running == {"d0": NEW, "d1": OLD, "d2": NEW}
        assert await running.metric("wattline_gateway_software_reports_total", state="rolled_back") == 2
    states = "SELECT state FROM software_log WHERE device = 'd1' AND version = 2 ORDER BY id"
    assert [one["state"] for one in await rows(database, states)] == ["fetching", "trial", "rolled_back"]
    assert [one["detail"]["share"] for one in await events(database, "stage_step")][:2] == ["100%", "d1"]


async def test_who_has_no_updater_neither_blocks_nor_counts(broker: Broker, database: Database) -> None:
    """Alone it pauses the change, as nothing is proved; beside others it is passed over, and gets its release."""
    async with watching(broker) as seen, gateway(settings(broker, database)) as running:
        await register(broker, seen, "d0", "d1")
        async with updaters(broker, database, ["d0", "d1"]) as fleet:
            fleet.how = {"d1": "silent"}
            alone = await publish(running, "/parameters", NEW, "d1", timeout_s=0.5)
            why = (await ended(running, alone, "paused"))["why"]
            assert why == "of 1 device none could be judged, such as d1: no updater of it has ever reported"
            [member] = (await running.get(f"/stages/{alone['id']}/devices"))["items"]
            assert (member["state"], member["why"]) == ("unreachable", "no updater of it has ever reported")
            await done(running, "POST", f"/stages/{alone['id']}:abort")
            await until(lambda: releases(seen, "d1") == [None], "nothing is desired any more")
            both = await ended(running, await publish(running, "/parameters", NEW, timeout_s=10), "done")
            assert (both["healthy"], both["unreachable"], both["version"]) == (1, 1, 1)
            assert releases(seen, "d0", "d1") == [NEW, NEW]


async def test_who_failed_tries_again_when_people_go_on(broker: Broker, database: Database) -> None:
    """An updater tries a version once: going on gives those that failed another one, and the rest as it was."""
    async with watching(broker) as seen, gateway(settings(broker, database)) as running:
        await register(broker, seen, "d0", "d1")
        async with updaters(broker, database, ["d0", "d1"]) as fleet:
            fleet.how = {"d1": "rolled_back"}
            begun = await publish(running, "/parameters", NEW, "d1", max_failed_percent=100)
            assert "such as d1: rolled_back" in (await ended(running, begun, "paused"))["why"]
            fleet.how = {}
            await done(running, "POST", f"/stages/{begun['id']}:resume")
            stage = await ended(running, begun, "done")
            assert (stage["healthy"], stage["failed"]) == (2, 0)
            assert fleet.running == {"d0": NEW, "d1": NEW}
            members = (await running.get(f"/stages/{begun['id']}/devices"))["items"]
            assert [(one["device"], one["software"]) for one in members] == [("d0", 1), ("d1", 2)]


async def test_software_of_many_changes_in_steps_only(broker: Broker, database: Database) -> None:
    """Whatever would give several devices another release at once is refused, and nothing of it is done."""
    set_ = {"software_release": NEW, "software_source": SOURCE}
    async with watching(broker) as seen, gateway(settings(broker, database)) as running:
        await register(broker, seen, *FLEET)
        await done(running, "PUT", "/groups/none", {"selector": "spare"})
        await done(running, "PATCH", "/groups/none/parameters", set_)
        await done(running, "PUT", "/groups/by-release", {"selector": "software=0.1.0"})
        for method, path, body, status, field in (
            ("PATCH", "/parameters", set_, 409, "software_release"),
            ("PUT", "/parameters", set_, 409, "software_release"),
            ("PUT", "/groups/none", {"selector": "device"}, 409, "software_release"),
            ("PUT", "/groups/none", {"selector": "software=0.1.0"}, 422, "software_release"),
            ("PATCH", "/groups/by-release/parameters", set_, 422, "software_release"),
            ("PATCH", "/devices/d0/parameters", {"software_release": NEW}, 422, "software_source"),
            ("PATCH", "/parameters", {"software_release": "newest"}, 422, "software_release"),
            ("PATCH", "/parameters", {"software_source": "ftp://files"}, 422, "software_source"),
            ("PATCH", "/parameters", {"software_source": "http://anna:secret@files"}, 422, "software_source"),
            ("PATCH", "/parameters", {"software_probation_s": 1}, 422, "software_probation_s"),
        ):  # fmt: skip
            found, problem, _ = await call(running, method, path, body)
            assert (found, problem["field"]) == (status, field), (method, path, body, problem)
        assert releases(seen, *FLEET) == [None, None, None]
        assert await rows(database, "SELECT FROM software_desired") == []
        # of one device it may be at once; what agents obey is not touched by it
        before = seen.desired("d0")
        answer = await done(running, "PATCH", "/devices/d0/parameters", {**set_, "software_probation_s": 30})
        assert (answer["effective"]["software_release"], answer["effective"]["software_probation_s"]) == (NEW, 30.0)
        found_ = await until(lambda: desired_software(seen, "d0"), "it is retained")
        assert (found_.version, found_.source, found_.probation_s, found_.author) == (1, SOURCE, 30, "local (for eva)")
        assert seen.desired("d0") == before
        await done(running, "PATCH", "/devices/d0/parameters", {"software_release": None})
        await until(lambda: releases(seen, "d0") == [None], "nothing is desired any more")


async def test_what_a_hostile_device_reports_is_its_own_affair(broker: Broker, database: Database) -> None:
    """Versions at the ends, states without end, bytes that are nothing: bounded, and others' updates go on."""
    quota = {"events_per_day": 20, "control_per_min": 60}
    async with watching(broker) as seen, gateway(settings(broker, database, quota=quota)) as running:
        await register(broker, seen, "d0", "d1", "evil")
        async with updaters(broker, database, ["d0", "d1"]), entered(broker, "evil") as evil:

            async def say(payload: bytes) -> None:
                await send(evil, broker.topics, Kind.SOFTWARE_REPORTED, "evil", payload)

            for payload in (b"", b"x", b"{}", b'{"version": 1, "state": "well"}'):
                await say(payload)
            for version in (1, VERSION_MAX - 2000, VERSION_MAX):
                await say(reported(version, "confirmed", NEW, NEW))
            for number in range(80):
                await say(reported(number + 2, ("trial", "confirmed")[number % 2]))  # type: ignore[arg-type]
            # of others it can say nothing: the broker does not let it
            for kind in (Kind.SOFTWARE_REPORTED, Kind.SOFTWARE_DESIRED):
                with pytest.raises(Exception, match=r"(?i)not authori[sz]ed|refused|denied"):
                    await send(evil, broker.topics, kind, "d0", reported(9, "rolled_back"))
            # what it says of itself counts as any device's: so many are put up with
            terms = {"timeout_s": 60, "max_failed_percent": 50}
            stage = await ended(running, await publish(running, "/parameters", NEW, "d0,d1", **terms), "done")
            well = await running.get(f"/stages/{stage['id']}/devices", state="healthy")
            assert [one["device"] for one in well["items"]] == ["d0", "d1"]
            assert releases(seen, "d0", "d1") == [NEW, NEW]
            assert (await rows(database, "SELECT count(*) FROM software_log WHERE device = 'evil'"))[0]["count"] <= 20
            over = "SELECT FROM device_quota WHERE device = 'evil' AND quota = 'control' AND cut > 0"
            await until(lambda: rows(database, over), "it has sent more than its share")
            dealt = {"kind": "software/reported", "result": "refused"}
            await until_equal(lambda: running.metric("wattline_gateway_messages_total", **dealt), 3)
            # it has driven its own number to the end: it gets no more, and nobody else is held up by that
            await say(reported(VERSION_MAX - 1025, "confirmed"))
            await until(lambda: said(database, VERSION_MAX - 1025), "it is taken")
            async with connection(database) as opened:
                await opened.execute("UPDATE software_desired SET version = $1 WHERE device_id = (SELECT id FROM device"
                                     " WHERE name = 'evil')", VERSION_MAX)  # fmt: skip
            good = await ended(running, await publish(running, "/parameters", OLD, "d0,d1", **terms), "done")
            assert good["healthy"] == 2


async def said(database: Database, version: int) -> bool:
    found = await rows(database, "SELECT r.version FROM software_reported r JOIN device d ON d.id = r.device_id "
                       "WHERE d.name = 'evil'")  # fmt: skip
    return [one["version"] for one in found] == [version]


async def test_a_report_that_comes_late_leaves_a_newer_one(broker: Broker, database: Database) -> None:
    """By the updater's own count, whatever versions and clocks say; a lost memory or an updater of before has none."""
    async with watching(broker) as seen, gateway(settings(broker, database)) as running:
        await register(broker, seen, "d0")
        async with entered(broker, "d0") as device:
            of = {"kind": "software/reported", "result": "stored"}

            async def say(version: int, state: SoftwareState, memory: str, number: int, taken: str) -> None:
                message = SoftwareReported.parse(reported(version, state))
                message = message.model_copy(update={"memory": memory, "number": number})
                before = await running.metric("wattline_gateway_messages_total", **of)
                await send(device, broker.topics, Kind.SOFTWARE_REPORTED, "d0", message.payload())

                async def dealt() -> bool:
                    return await running.metric("wattline_gateway_messages_total", **of) > before

                await until(dealt, "it is dealt with")
                found = await running.get("/devices/d0/software")
                assert f"{found['reported_version']} {found['reported_state']}" == taken, (
                    version,
                    state,
                    memory,
                    number,
                )

            await say(3, "trial", "a", 7, "3 trial")
            await say(3, "rolled_back", "a", 9, "3 rolled_back")
            await say(3, "trial", "a", 8, "3 rolled_back")
            await say(5, "fetching", "a", 6, "3 rolled_back")
            # its version was lowered, as after a platform that lost its own
            await say(1, "fetching", "a", 10, "1 fetching")
            # it comes again on a connection
            await say(1, "trial", "a", 10, "1 trial")
            await say(2, "confirmed", "b", 1, "2 confirmed")
            await say(2, "rolled_back", "", 0, "2 rolled_back")
            await say(2, "confirmed", "b", 1, "2 confirmed")
            # in no new state it tells that its updater was replaced, which is an event once
            why = (Reason(field="updater", reason="that of 0.3.0 ended 5 times in a row"),)
            for _ in range(2):
                word = reported(2, "confirmed", reasons=why)
                await send(device, broker.topics, Kind.SOFTWARE_REPORTED, "d0", word)
            told = await until(lambda: events(database, "software_updater_replaced"), "it is told")
            assert [(one["severity"], one["detail"]["running"]) for one in told] == [("warning", OLD)]


async def test_a_device_at_the_last_version_of_all_can_be_told_to_try_again(broker: Broker, database: Database) -> None:
    """No version is above it: what is desired anew has the same, and reaches the updater all the same."""
    async with watching(broker) as seen, gateway(settings(broker, database)) as running:
        await register(broker, seen, "d0")
        async with updaters(broker, database, ["d0"]) as fleet:
            set_ = {"software_release": NEW, "software_source": SOURCE}
            fleet.how = {"d0": "silent"}
            await done(running, "PATCH", "/devices/d0/parameters", set_)
            await until(lambda: releases(seen, "d0") == [NEW], "it is told")
            async with connection(database) as opened:
                await opened.execute("UPDATE software_desired SET version = $1, announced = $1, document = document"
                                     " || jsonb_build_object('version', $1::bigint)", VERSION_MAX)  # fmt: skip
            async with entered(broker, "d0") as device:
                word = reported(VERSION_MAX, "rolled_back")
                await send(device, broker.topics, Kind.SOFTWARE_REPORTED, "d0", word)

                async def gone_back() -> bool:
                    return (await running.get("/devices/d0/software"))["state"] == "rolled_back"

                await until(gone_back, "its word has come")
            await done(running, "POST", "/devices/d0/software:retry")

            def told_again() -> bool:
                found = desired_software(seen, "d0")
                return found is not None and found.again and found.version == VERSION_MAX

            await until(told_again, "it is told to try again")


async def test_a_platform_restored_from_a_backup_overtakes_its_devices(broker: Broker, database: Database) -> None:
    """Updaters take no version at or below the one that they know: the next one is above it, by one gateway of two."""
    of = settings(broker, database, reconcile_s=1.0)
    async with watching(broker) as seen, gateway(of) as running, gateway(settings(broker, database)):
        await register(broker, seen, "d0")
        async with updaters(broker, database, ["d0"]):
            wanted = {"software_release": NEW, "software_source": SOURCE}
            await done(running, "PATCH", "/devices/d0/parameters", wanted)
            await until(lambda: releases(seen, "d0") == [NEW], "it is to run it")
            async with entered(broker, "d0") as before:
                await send(before, broker.topics, Kind.SOFTWARE_REPORTED, "d0", reported(40, "confirmed", OLD, OLD))
                ahead = await until(lambda: _above(seen, 40), "it is overtaken")
            assert (ahead.version, ahead.release) == (41, NEW)

            async def confirmed() -> bool:
                found = await running.get("/devices/d0/software")
                return (found["desired_version"], found["state"], found["running"]) == (41, "confirmed", NEW)

            await until(confirmed, "it is in step again")
    # of two gateways that may be behind one another each state is told once
    told = await rows(database, "SELECT version, state FROM software_log WHERE version > 1 ORDER BY version")
    assert [(one["version"], one["state"]) for one in told] == [(40, "confirmed"), (41, "confirmed")]
    assert sorted(one["detail"]["version"] for one in await events(database, "software_confirmed")) == [1, 40, 41]


def _above(seen: Watcher, version: int) -> SoftwareDesired | None:
    found = desired_software(seen, "d0")
    return found if found is not None and found.version > version else None
