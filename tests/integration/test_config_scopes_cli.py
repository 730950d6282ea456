"""`wattline config` for groups, history, staged changes and watching, as an engineer types it."""

import asyncio
import json
import signal

from broker.contract.topics import Kind
from cli.config.command import config
from tests.rigs import forking
from tests.rigs.cli import typed
from tests.rigs.gateway import entered, gateway, gateway_settings, report, send, watching
from tests.rigs.parameters import done, register, shown
from tests.rigs.servers import Broker, Database
from tests.rigs.waiting import until


async def test_groups_history_rollback(broker: Broker, database: Database) -> None:
    """A group is made, set, compared, rolled back and removed; tables for people, JSON for programs."""
    async with watching(broker) as seen, gateway(gateway_settings(broker, database)) as running:
        await register(broker, seen, "d1")
        await register(broker, seen, "d2", knows=("reading_interval_s",))
        await done(running, "PATCH", "/devices/d1/labels", {"site": "warsaw"})
        made = await typed(
            running, config, "group", "set", "warsaw", "site=warsaw", "--priority", "5", "--reason", "pilot"
        )
        assert made.output == "warsaw: 1 device, 0 changed\n"
        assert (await typed(running, config, "group", "list")).output.splitlines()[1].split()[:3] == [
            "warsaw",
            "site=warsaw",
            "5",
        ]
        assert "  d1" in (await typed(running, config, "group", "show", "warsaw")).output
        setting = await typed(running, config, "set", "--group", "warsaw", "reading_interval_s=5", "log_level=debug")
        assert setting.output == "group warsaw: own parameters version 1; 1 device changed\n"
        await until(lambda: shown(seen, "d1", "reading_interval_s") == 5, "the group's device has it")
        await typed(
            running, config, "set", "--group", "warsaw", "reading_interval_s=7", "--author", "eva", "--reason", "slower"
        )
        lines = (await typed(running, config, "history", "--group", "warsaw")).output.splitlines()
        assert lines[1].split()[0] == "2"
        assert "eva" in lines[1]
        assert "reading_interval_s: 5.0 -> 7.0" in lines[1]
        diff = json.loads((await typed(running, config, "diff", "--group", "warsaw", "--from", "0", "--json")).output)
        assert {one["field"] for one in diff["changes"]} == {"reading_interval_s", "log_level"}
        back = await typed(running, config, "rollback", "--group", "warsaw", "--reason", "too slow")
        assert back.output == "group warsaw: own parameters version 3; 1 device changed\n"
        got = (await typed(running, config, "get", "d1")).output
        assert {line.split()[0]: line.split()[2] for line in got.splitlines()[:-1]}["log_level"] == "group:warsaw"
        left = await typed(running, config, "set", "--fleet", "raw_frames=true")
        assert "raw_frames is left out for 1 device with software that lacks it: d2" in left.output
        assert "left out: its software does not know it" in (await typed(running, config, "get", "d2")).output
        refused = await typed(running, config, "set", "d2", "raw_frames=false")
        assert refused.exit_code == 1
        assert "raw_frames: the software of d2 does not know it" in refused.output
        assert (
            await typed(running, config, "group", "remove", "warsaw")
        ).output == "warsaw is removed, 1 device changed\n"


async def test_staged_changes_and_watching(broker: Broker, database: Database) -> None:
    """A change begins with a share, is seen, stopped, and watched from another terminal."""
    async with watching(broker) as seen, gateway(gateway_settings(broker, database, stage_tick_s=0.1)) as running:
        await register(broker, seen, "d1", "d2")
        watched = ("config", "--url", running.url, "watch", "d1", "d2", "--interval", "0.1", "--json")
        watcher = await forking.start("cli", *watched, stdout=forking.PIPE)
        assert watcher.stdout is not None
        first = [json.loads(await asyncio.wait_for(watcher.stdout.readline(), 30)) for _ in range(2)]
        assert {(one["device"], one["desired_version"]) for one in first} == {("d1", 1), ("d2", 1)}
        careful = await typed(running, config, "set", "--fleet", "raw_frames=true", "--settle", "5")
        assert careful.exit_code == 2
        assert "--settle is for a change in steps: give --stage too" in careful.output
        words = ("set", "--fleet", "raw_frames=true", "--stage", "device=d1", "--stage", "60%,100%", "--settle", "30")
        begun = await typed(running, config, *words, "--reason", "trial")
        assert "staged change 1 of fleet: 1 device has it; steps device=d1, 60%, 100%" in begun.output
        await until(lambda: shown(seen, "d1", "raw_frames"), "the first device has it")
        async with entered(broker, "d1") as device:
            await send(device, broker.topics, Kind.REPORTED, "d1", report(2, raw_frames=True))
        assert "(staged change 1)" in (await typed(running, config, "get", "d1")).output
        listed = (await typed(running, config, "stages")).output.splitlines()[1].split()
        assert listed[:3] == ["1", "fleet", "running"]
        detail = json.loads((await typed(running, config, "stages", "1", "--json")).output)
        assert [one["device"] for one in detail["members"]] == ["d1"]
        shut = await typed(running, config, "set", "--fleet", "log_level=debug")
        assert shut.exit_code == 1
        assert "staged change 1 of fleet is open" in shut.output
        assert (await typed(running, config, "stages", "1", "pause")).output == "staged change 1 is paused\n"
        assert (await typed(running, config, "stages", "1", "abort")).output == "staged change 1 is aborted\n"
        await until(lambda: shown(seen, "d1", "raw_frames") is False, "it is taken back")
        changes = []
        while not changes or changes[-1]["desired_version"] < 3:
            changes.append(json.loads(await asyncio.wait_for(watcher.stdout.readline(), 30)))
        assert {one["device"] for one in changes} == {"d1"}
        assert ("applied", 2) in [(one["reported_state"], one["reported_version"]) for one in changes]
        watcher.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(watcher.wait(), 30) == 0


async def test_mistakes_of_scopes_are_told_plainly(broker: Broker, database: Database) -> None:
    """Each mistake ends with a sentence that names what is wrong, and no traceback."""
    async with gateway(gateway_settings(broker, database)) as running:
        told = {
            ("history",): "name a DEVICE, or say --fleet or --group NAME",
            ("history", "d1", "--group", "g"): "give DEVICE or --group, not both",
            ("diff", "--fleet", "--group", "g"): "give --group or --fleet, not both",
            ("get", "--group", "nowhere"): "no group 'nowhere'",
            ("rollback", "--fleet"): "fleet has no version",
            ("rollback", "--fleet", "--stage", "10%"): "say --to VERSION with --stage",
            ("diff", "--fleet", "--to", "7"): "fleet has no version 7",
            ("group", "set", "g", "site=="): "selector.0",
            ("group", "remove", "g"): "no group 'g'; wattline config group list lists them",
            ("group", "set", "b/ad", "site=x"): "'b/ad' is no group's name; letters, digits, . _ -",
            ("group", "show", "b/ad"): "no group 'b/ad'",
            ("set", "--group", "g"): "nothing to set: give PARAMETER=VALUE",
            (
                "set",
                "d1",
                "raw_frames=true",
                "--wait",
                "nope",
            ): "'nope' is no number of seconds from 0 to 3600; put",
            ("set", "d1", "raw_frames=true", "--stage", "10%"): "one device has no share",
            ("set", "--fleet", "raw_frames=true", "--stage", "ten"): "chooses none of the devices",
            ("set", "--fleet", "raw_frames=true", "--stage", "200%"): "steps.0",
            ("stages", "12"): "no stage '12'",
            ("watch", "nobody"): "no device 'nobody'; wattline device list lists them",
        }
        for words, sentence in told.items():
            result = await typed(running, config, *words)
            assert result.exit_code in (1, 2), (words, result.output)
            assert sentence in result.output, (words, result.output)
            assert "Traceback" not in result.output
