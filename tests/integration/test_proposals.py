"""Proposals of the bridge over the API and the command line: shown, accepted into a source at work, refused."""

import json

from cli.sources.command import source
from tests.rigs.cli import typed
from tests.rigs.gateway import gateway, gateway_settings, rows
from tests.rigs.proposals import propose
from tests.rigs.servers import Broker, Database


async def test_a_proposal_becomes_a_source_by_one_command(broker: Broker, database: Database) -> None:
    """As a whole: source, device, settings and mapping; a second time it is refused, and another may be named."""
    await propose(database, "washer", "dryer", "third")
    async with gateway(gateway_settings(broker, database)) as running:
        listed = json.loads((await typed(running, source, "proposals", "--json")).stdout)
        assert [one["name"] for one in listed] == ["third", "dryer", "washer"]
        assert "TUYA:0x1" in (await typed(running, source, "proposals")).output
        third, dryer, washer = (str(one["id"]) for one in listed)
        shown = (await typed(running, source, "proposals", "--id", washer)).stdout
        assert "# left out: lqi: no quantity" in shown
        assert "zigbee2mqtt/Washer" in shown
        done = await typed(running, source, "accept", washer, "--author", "anna")
        assert done.exit_code == 0, done.output
        made = json.loads((await typed(running, source, "show", "washer", "--json")).stdout)
        assert (made["kind"], made["version"], made["settings"]["topics"]) == ("mqtt", 1, ["zigbee2mqtt/Washer"])
        assert "accepted already" in (await typed(running, source, "accept", washer)).output
        assert (
            "there is a source 'washer' already"
            in (await typed(running, source, "accept", dryer, "--name", "washer")).output
        )
        assert (await typed(running, source, "accept", dryer, "--name", "dryer-2")).exit_code == 0
        assert (await typed(running, source, "refuse", third)).exit_code == 0
        assert "no proposal" in (await typed(running, source, "refuse", "999")).output.lower()
        assert (await typed(running, source, "proposals", "--json")).stdout.strip() == "[]"
        # what was decided is proposed no more
        await propose(database, "third", "washer")
        assert (await typed(running, source, "proposals", "--json")).stdout.strip() == "[]"
        everything = json.loads((await typed(running, source, "proposals", "--all", "--json")).stdout)
        assert [(one["name"], one["state"], one["source"]) for one in everything] == [
            ("third", "refused", None), ("dryer", "accepted", "dryer-2"), ("washer", "accepted", "washer"),
        ]  # fmt: skip
    states = await rows(database, "SELECT decided_by FROM source_proposal WHERE name = 'washer'")
    assert "anna" in states[0]["decided_by"]


async def test_the_shipped_mappings_are_shown_and_can_be_saved(broker: Broker, database: Database) -> None:
    """Each with its topics; one by its name as the file that a source is given."""
    async with gateway(gateway_settings(broker, database)) as running:
        assert "tele/+/SENSOR" in (await typed(running, source, "catalogue", "--json")).stdout
        text = (await typed(running, source, "catalogue", "opendtu")).stdout
        assert "solar/{serial}/0/{quantity}" in text
        assert "no mapping 'x' is shipped" in (await typed(running, source, "catalogue", "x")).output
