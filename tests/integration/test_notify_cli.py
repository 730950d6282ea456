"""`wattline notify` as an engineer types it: channels, rules, a test, and what is dead."""

import json
from pathlib import Path

import pytest
from pydantic import SecretStr

from cli.notify.command import notify
from gateway.keys.cli import _reseal
from store.meter_keys import MasterKeys
from tests.rigs.access import ROOT, ask
from tests.rigs.cli import typed
from tests.rigs.gateway import Gateway, gateway, gateway_settings, rows
from tests.rigs.notices import platform_of, receiving
from tests.rigs.servers import Broker, Database
from tests.rigs.waiting import until

RULE = """
about: event
channel: ops
events: [port_*]
severity: warning
gather_s: 0
interval_min: 0
quiet: 03:00-03:00
zone: Europe/Berlin
"""


async def by(running: Gateway, *words: str, text: str | None = None, code: int = 0) -> str:
    found = await typed(running, notify, *words, text=text, WATTLINE_TOKEN=ROOT)
    assert found.exit_code == code, found.output
    return found.output


async def test_channels_and_rules_from_the_first_to_a_replayed_message(
    broker: Broker, database: Database, tmp_path: Path
) -> None:
    """Secrets are shown once and nowhere else, the audit among it; each refusal names field and fix."""
    platform = platform_of(database, tmp_path)
    settings = gateway_settings(broker, database, api_token=SecretStr(ROOT), meter_keys_file=platform.master_file)
    async with gateway(settings) as running, receiving() as receiver:
        url = receiver.url + "?token=s3cret"
        said = await by(running, "channel", "set", "ops", "--url-file", "-", text=url)
        secret = said.strip().rpartition(" ")[2]
        assert secret.startswith("whsec_")
        assert "s3cret" not in said

        bad = await by(running, "rule", "set", "r", "--file", "-", text=RULE.replace("port_*", "Port!"), code=1)
        assert "events" in bad
        bad = await by(running, "rule", "set", "r", "--file", "-", text=RULE.replace("ops", "nowhere"), code=1)
        assert "no channel 'nowhere'" in bad
        assert "file:" not in await by(running, "channel", "set", "x", "--url-file", "-", text="file:///x", code=1)
        assert "removed" not in await by(running, "channel", "remove", "none", code=1)
        await by(running, "rule", "set", "night", "--file", "-", text=RULE)
        assert "zone: Europe/Berlin" in await by(running, "rule", "show", "night")
        assert "1 rules tell channel ops" in await by(running, "channel", "remove", "ops", code=1)
        await by(running, "rule", "set", "ports", "--file", "-", text=RULE.replace("quiet: 03:00-03:00", ""))

        receiver.answer(404)
        async with platform.telling():
            assert "not taken: HTTP 404: said 404" in await by(running, "test", "ops", code=1)
            assert "ops: taken: HTTP 204" in await by(running, "test", "ops")
            receiver.answer(400)
            await platform.execute(
                "INSERT INTO event (received_at, at, source, event, severity)"
                " VALUES (now(), now(), 'device', $1, 'error')",
                "port_lost",
            )

            async def dead() -> bool:
                return len(json.loads(await by(running, "messages", "--state", "dead", "--json"))) == 2

            await until(dead, "the message is dead")
            assert "2 sent again" in await by(running, "replay", "--dead")

            async def over() -> bool:
                return len(json.loads(await by(running, "messages", "--state", "sent", "--json"))) == 3

            await until(over, "both are there")
        ids = receiver.ids()
        assert ids.count(ids[0]) == ids.count(ids[2]) == 2, "a replay has the id of before"
        assert [one["type"] for one in receiver.events(secret)].count("wattline.event") == 2
        assert "only dead ones" in await by(running, "replay", ids[0], code=1)

        everything = [await by(running, "channel", "list", "--json"), await by(running, "messages", "--json")]
        everything.append(str(await rows(database, "SELECT * FROM audit_log")))
        everything.append(str(await rows(database, "SELECT * FROM audit")))
        assert not any(one in text for text in everything for one in ("s3cret", secret))
        assert "putChannel" in everything[2]
        found = json.loads(await by(running, "rule", "list", "--json"))
        assert {one["name"]: one["found"] for one in found} == {"night": 1, "ports": 0}, "quiet hours keep it"
        for name in ("night", "ports"):
            await by(running, "rule", "remove", name)
        await by(running, "channel", "remove", "ops")
        assert await rows(database, "SELECT FROM notice_delivery") == []


PEAK = "about: threshold\nchannel: ops\nabove: 30\nobis: "


async def test_a_threshold_of_a_code_that_no_meter_sends_says_so(
    broker: Broker, database: Database, tmp_path: Path
) -> None:
    """It is kept, for a meter may come; those in the same unit are named. What is no code is refused."""
    platform = platform_of(database, tmp_path)
    await platform.execute("INSERT INTO meter (key) VALUES ('ISK:1'), ('LGZ:1')")
    for key, obis in (("ISK:1", "1-0:1.7.0"), ("ISK:1", "1-0:2.7.0"), ("LGZ:1", "1-0:16.7.0"), ("LGZ:1", "1-0:1.8.0")):
        await platform.execute(
            "INSERT INTO series (meter_id, obis, unit, kind) SELECT id, $2, $3, 'unknown' FROM meter WHERE key = $1",
            *(key, obis, "kWh" if obis.endswith("8.0") else "kW"),
        )
    settings = gateway_settings(broker, database, api_token=SecretStr(ROOT), meter_keys_file=platform.master_file)
    async with gateway(settings) as running:
        await by(running, "channel", "set", "ops", "--url-file", "-", text="https://hooks.example.org/")
        said = await by(running, "rule", "set", "r", "--file", "-", text=f"{PEAK}1-0:16.7.0")
        assert said == "r: threshold is told to ops\n"
        said = await by(running, "rule", "set", "r", "--file", "-", text=f"{PEAK}1-0:16.7.0\nmeters: ['ISK:*']")
        assert "none of its meters has sent 1-0:16.7.0 so far" in said
        assert "in the same unit they send 1-0:1.7.0, 1-0:2.7.0\n" in said
        assert "obis" in await by(running, "rule", "set", "r", "--file", "-", text=f"{PEAK}1-0:999.8.0", code=1)


async def test_without_a_master_key_no_channel_is_kept(broker: Broker, database: Database) -> None:
    """As no key of a meter is; and a name that could not stand in a path is refused."""
    async with gateway(gateway_settings(broker, database, api_token=SecretStr(ROOT))) as running:
        said = await by(running, "channel", "set", "ops", "--url-file", "-", text="https://example.org/", code=1)
        assert "METER_KEYS_FILE" in said
        body = {"url": "https://example.org/"}
        status, document, _ = await ask(running, "PUT", "/notify/channels/a%20b", ROOT, json=body)
        assert (status, document["field"]) == (422, "channel")
        status, document, _ = await ask(running, "GET", "/notify/messages/7", ROOT)
        assert status == 404


async def test_an_exchanged_master_key_opens_channels(database: Database, tmp_path: Path) -> None:
    """`wattline master-key rotate` seals channels anew, so that the old key may be forgotten."""
    platform = platform_of(database, tmp_path)
    address = await platform.channel("ops", "https://example.org/s3cret")
    renewed = platform.master.renewed()
    assert await _reseal(database.dsn("wattline_gateway"), renewed) == 1
    (kept,) = await rows(database, "SELECT * FROM notice_channel")
    assert renewed.alone().open("channel ops", kept["master"], kept["sealed"])["url"] == address.url
    with pytest.raises(Exception, match="not in the file"):
        MasterKeys(platform.master.keys).open("channel ops", kept["master"], kept["sealed"])
