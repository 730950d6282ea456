"""`wattline update` as an operator types it: publish, see, pause, go on, go back, on a real broker and database."""

import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass

from cli.config.command import config
from cli.options import login
from cli.updates import update
from tests.rigs.cli import typed
from tests.rigs.gateway import Gateway, Watcher, gateway, watching
from tests.rigs.parameters import done, register
from tests.rigs.servers import Broker, Database
from tests.rigs.stages import settings
from tests.rigs.updaters import NEW, OLD, SOURCE, WHY, Updaters, releases, updaters
from tests.rigs.waiting import until

DEVICES = ("d0", "d1", "d2")
QUICK = ("--settle", "0.2", "--timeout", "30")


@dataclass
class Site:
    """Three devices, of one group, that run the old release because somebody has published it."""

    running: Gateway
    seen: Watcher
    fleet: Updaters

    async def told(self, *words: str) -> str:
        """What a command says that must succeed."""
        found = await typed(self.running, update, *words)
        assert found.exit_code == 0, found.output
        return found.output

    async def ended(self) -> None:
        """No update is under way any more."""

        async def none() -> bool:
            stages = (await self.running.get("/stages"))["items"]
            return all(one["state"] not in ("running", "paused") for one in stages)

        await until(none, "no update is under way")

    async def runs(self, release: str, *devices: str) -> None:
        """So do these."""
        await until(lambda: all(self.fleet.running.get(one) == release for one in devices), f"they run {release}")


@contextlib.asynccontextmanager
async def site(broker: Broker, database: Database) -> AsyncIterator[Site]:
    async with watching(broker) as seen, gateway(settings(broker, database)) as running:
        await register(broker, seen, *DEVICES)
        await done(running, "PUT", "/groups/all", {"selector": "device"})
        async with updaters(broker, database, DEVICES) as fleet:
            made = Site(running, seen, fleet)
            began = await made.told(
                "publish", OLD, "--source", SOURCE, "--share", "100", *QUICK, "--reason", "the first"
            )
            assert began.splitlines() == [
                f"release {OLD} for fleet, staged change 1: 3 devices have it first",
                "see: wattline update status",
            ]
            await made.runs(OLD, *DEVICES)
            await made.ended()
            yield made


async def test_a_bad_release_stops_and_people_stop_and_take_back(broker: Broker, database: Database) -> None:
    """It is seen which device went back and why; one that is under way is paused, goes on, and is taken back."""
    async with site(broker, database) as here:
        here.fleet.how = {"d1": "rolled_back"}
        await here.told("publish", NEW, "--group", "all", "--first", "d1", *QUICK)
        await here.ended()
        assert releases(here.seen, "d0", "d2") == [OLD, OLD]

        async def said() -> str:
            return await here.told("show", "d1")

        async def confirmed() -> bool:
            return (await said()).startswith(f"d1: runs {OLD}; is to run {OLD}: confirmed\n")

        await until(confirmed, "it runs what it ran before")
        assert WHY in await said()

        # one device may try it again
        here.fleet.how = {"d1": "refused"}
        await here.told("publish", NEW, "--device", "d1")

        async def given_up() -> bool:
            return f"is to run {NEW}: refused (release: {WHY})" in await said()

        await until(given_up, "it refuses it")
        here.fleet.how = {}
        assert f"is to run {NEW}: not reported yet" in await here.told("retry", "d1", "--reason", "new cable")
        await here.runs(NEW, "d1")
        await done(here.running, "PATCH", "/devices/d1/parameters", {"software_release": None})
        await here.runs(OLD, "d1")

        here.fleet.how = {"d1": "trial"}
        await here.told("publish", NEW, "--first", "d1", "--share", "100", *QUICK)

        async def on_trial() -> bool:
            return f"d1      {NEW}  {NEW}   trial" in await here.told("status")

        await until(on_trial, "it is tried")
        assert await here.told("pause", "--reason", "lunch") == "staged change 3 is paused\n"
        paused = await here.told("status")
        assert "staged change 3 of fleet is paused: step 1 of 2, 1 device with it, 0 failed; lunch" in paused
        here.fleet.how = {}
        assert await here.told("resume") == "staged change 3 is running\n"
        assert await here.told("rollback", "--reason", "not now") == "staged change 3 is taken back\n"
        await until(lambda: releases(here.seen, *DEVICES) == [OLD, OLD, OLD], "it is taken back")


async def test_the_release_before_comes_back_and_lists_say_who_runs_what(broker: Broker, database: Database) -> None:
    """Where nothing is under way the one before is published; one device may have another; pages and counts tell."""
    async with site(broker, database) as here:
        await here.told("publish", NEW, "--share", "100", *QUICK)
        await here.runs(NEW, *DEVICES)
        await here.ended()
        again = json.loads(await here.told("rollback", "--share", "50", *QUICK, "--json"))
        assert (again["values"], again["steps"]) == ({"software_release": OLD}, ["50%", "100%"])
        await here.runs(OLD, *DEVICES)
        await here.ended()
        one = json.loads(await here.told("publish", NEW, "--device", "d2", "--json"))
        assert (one["device"], one["desired"], one["source"]) == ("d2", NEW, SOURCE)
        await here.runs(NEW, "d2")

        got = (await typed(here.running, config, "get", "d2")).output
        assert [line.split() for line in got.splitlines() if line.startswith("software_release")] == [
            ["software_release", NEW, "device:d2"]
        ]
        wanted = {(OLD, OLD, "confirmed", 2), (NEW, NEW, "confirmed", 1)}

        async def counted() -> bool:
            counts = (await here.running.get("/software/releases", group="all"))["items"]
            return {(one["running"], one["desired"], one["state"], one["devices"]) for one in counts} == wanted

        await until(counted, "all of it is counted")
        page = await here.running.get("/software", limit=1, running=OLD)
        assert [one["device"] for one in page["items"]] == ["d0"]
        rest = await here.running.get("/software", running=OLD, cursor=page["next"])
        assert [(one["device"], one["author"]) for one in rest["items"]] == [("d1", f"local (for {login()})")]
        assert (await here.running.get("/software", state="rolled_back"))["items"] == []
        await here.told("publish", NEW, "--device", "d2", "--probation", "60")
        back = json.loads(await here.told("clear", "d2", "--reason", "tried", "--json"))
        assert (back["device"], back["desired"]) == ("d2", OLD)
        own = await here.running.get("/devices/d2/parameters")
        said = [name for one in own["layers"] if one["scope"] == "device:d2" for name in one["parameters"]]
        assert said == []
        await here.runs(OLD, "d2")
        assert "is to run" in await here.told("clear", "d2")


async def test_mistakes_are_told_plainly(broker: Broker, database: Database) -> None:
    """Each ends with a sentence that names what is wrong, and nothing is begun."""
    async with watching(broker) as seen, gateway(settings(broker, database)) as running:
        await register(broker, seen, "d1")
        await done(running, "PUT", "/groups/all", {"selector": "device"})
        for words, sentence in (
            (("pause",), "no update of fleet is under way"),
            (("rollback", "--group", "all"), "group all has named no other release before"),
            (("publish", "newest"), "software_release"),
            (("publish", NEW), "nothing says where release 0.3.0 is"),
            (("publish", NEW, "--source", "ftp://x"), "software_source"),
            (("publish", NEW, "--group", "all", "--device", "d1"), "give --group or --device, not both"),
            (("status", "--group", "nowhere"), "no group 'nowhere'"),
            (("show", "nobody"), "no device 'nobody'"),
            (("retry", "d1"), "no release is desired of d1"),
            (("retry", "nobody"), "no device 'nobody'"),
        ):
            refused = await typed(running, update, *words)
            assert refused.exit_code in (1, 2), words
            assert sentence in refused.output, (words, refused.output)
        assert (await running.get("/stages"))["items"] == []
