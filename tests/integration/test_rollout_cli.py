"""Rollouts by `wattline spec`, and `wattline device`, as an engineer types them."""

import json
import re

from cli.specs.command import spec
from deploy.device_command import device
from gateway.fleet.labels import FACTS
from tests.rigs.cli import typed
from tests.rigs.gateway import rows
from tests.rigs.rollouts import fleet
from tests.rigs.servers import Broker, Database
from tests.rigs.specs import acme


async def test_a_rollout_from_the_command_line(broker: Broker, database: Database) -> None:
    """Publish for some, look, widen, withdraw, give again, release; each says what it did, mistakes what to write."""
    async with fleet(broker, database, "d1", "d2") as made:

        async def said(*words: str, text: str | None = None, code: int = 0) -> str:
            done = await typed(made.running, spec, *words, text=text)
            assert done.exit_code == code, done.output
            return done.output

        await said("add", "-", text=acme(version=2))
        assert "no condition" not in await said("publish", "acme-one@2", "--canary", "10%,d1", code=1)
        assert "--limit" in await said("publish", "acme-one@2", "--canary", "d1", "--limit", "speed=3", code=2)
        assert "--limit needs --canary" in await said("publish", "acme-one@2", "--limit", "max_kw=0", code=2)
        assert "max_kw" in await said("publish", "acme-one@2", "--canary", "d1", "--limit", "max_kw=-1", code=1)
        done = await said("publish", "acme-one@2", "--canary", "d1", "--limit", "max_kw=50", "--author", "eva")
        assert "acme-one@2: canary for d1; 1 device changed, reads 1 meter" in done
        await made.pis["d1"].given("acme-one@2")
        await made.pis["d1"].read("acme-one@2", 8)
        await made.becomes("good", "verdict")
        shown = await said("rollout", "acme-one@2")
        assert all(word in shown for word in ("canary, good", "1 of 1 device", "implausible_percent", "eva", "20"))
        line = next(one for one in (await said("rollouts")).splitlines() if one.startswith("acme-one@2"))
        assert line.split()[1:6] == ["canary", "d1", "1", "1", "good"]
        assert re.search(r" \d{4}-\d\d-\d\d \d\d:\d\dZ$", line), "the line of a pipe has room for all of it"
        assert "2 devices changed" not in await said("rollout", "acme-one@2", "--to", "d1,d2")
        assert json.loads(await said("rollout", "acme-one@2", "--json"))["limits"]["max_kw"] == 50
        assert "--reason" in await said("withdraw", "acme-one@2", code=2)
        assert "acme-one@2: withdrawn; 2 devices changed" in await said("withdraw", "acme-one@2", "--reason", "odd")
        assert "as before" in await said("withdraw", "acme-one@2", "--reason", "odd")
        assert "withdrawn" in await said("list", "--state", "withdrawn")
        assert json.loads(await said("rollouts", "--state", "canary", "--json")) == []
        assert "acme-one@2: published" in await said("release", "acme-one@2")
        assert "no rollout" in await said("rollout", "acme-one@1", code=1)
        assert "audience" in await said("show", "acme-one@2")
        direct = ("add", "-", "--publish", "--canary", "d2")
        assert "acme-one@3: canary for d2" in await said(*direct, text=acme(version=3))
        assert "--publish" in await said("add", "-", "--canary", "d2", text=acme(version=4), code=2)


async def test_devices_are_listed_shown_and_labelled(broker: Broker, database: Database) -> None:
    """Labels are set, shown, selected by and taken away; what may not be one is named."""
    async with fleet(broker, database, "d1", "d2") as made:

        async def said(*words: str, code: int = 0) -> str:
            done = await typed(made.running, device, *words)
            assert done.exit_code == code, done.output
            return done.output

        assert await said("label", "d1") == "d1: no labels\n"
        assert await said("label", "d1", "site=warsaw", "model=pi4") == "d1: model=pi4, site=warsaw\n"
        assert await said("label", "d1", "model=") == "d1: site=warsaw\n"
        assert "labels.software" in await said("label", "d1", "software=2", code=1)
        assert "no NAME=VALUE" in await said("label", "d1", "site", code=2)
        assert "d9" in await said("label", "d9", "a=b", code=1)
        assert await said("label", "d1", "--replace", "rack=7") == "d1: rack=7\n"
        listed = (await said("list")).splitlines()
        assert [line.split()[0] for line in listed] == ["device", "d1", "d2"]
        assert "rack=7" in listed[1]
        assert [one["device"] for one in json.loads(await said("list", "--selector", "!rack", "--json"))] == ["d2"]
        assert "selector.1" in await said("list", "-l", "rack,=7", code=1)
        shown = await said("show", "d1")
        assert all(word in shown for word in ("rack=7", "hardware=Raspberry Pi 4", "KFM:d1", "acme-one@1"))
        line = next(line for line in shown.splitlines() if "KFM:d1" in line)
        assert line.split()[:4] == ["KFM:d1", "/dev/ttyUSB0", "p1", "ZZZ5\\UNHEARD-OF"]
        facts = json.loads(await said("show", "d1", "--json"))["facts"]
        assert (facts["device"], facts["software"]) == ("d1", "0.1.0")
        assert set(facts) <= set(FACTS)
    (view,) = await rows(database, "SELECT pg_get_viewdef('device_label_set') AS text")
    assert set(re.findall(r"'(\w+)'(?:::text)?,", view["text"])) == set(FACTS), "the view and FACTS say the same"
