"""Home Assistant's side of a real broker: devices by discovery, values, births, what goes, what dies."""

from dataclasses import replace
from pathlib import Path

import pytest

from broker.mqtt.session import Publication, RefusedError
from outlet.home_assistant.discovery import Naming
from tests.rigs.ingesting import device, ingesting, settings, table
from tests.rigs.outlets import OutletProcess, giving, hearing, outlet_settings, tell
from tests.rigs.servers import Broker, Database
from tests.rigs.waiting import until, until_equal

NAMING = Naming("homeassistant", "wattline/ha", "wattline", "")
ENABLED = {"home_assistant": {"enabled": True}}
ALL = ("homeassistant/#", "wattline/ha/#")


async def test_a_meter_appears_speaks_falls_silent_and_goes(broker: Broker, database: Database) -> None:
    """By one setting: retained discovery, values as they are stored, availability, its birth answered, taken back."""
    ident = NAMING.meter_id("TST:1")
    async with (
        ingesting(settings(broker, database.dsn("wattline_ingestor"))),
        device(broker) as pi,
        hearing(broker, "home-assistant", *ALL) as (heard, home),
        table(database) as asked,
    ):
        await tell(pi, "TST:1", e1_8_0=100.5, e16_7_0=0.25)
        async with giving(outlet_settings(broker, database, **ENABLED)):
            await until(lambda: heard.payloads.get(NAMING.available(ident)) == b"online")
            document = heard.document(NAMING.config(ident))
            assert {one["name"] for one in document["components"].values()} == {"Energy, import", "Power, net"}
            assert document["device"]["via_device"] == NAMING.device_id(pi.name)
            assert NAMING.config(NAMING.device_id(pi.name)) in heard.payloads
            assert heard.document(NAMING.state(ident)) == {"1-0:1.8.0": 100.5, "1-0:16.7.0": 0.25}
            assert heard.payloads[NAMING.status] == b"online"
            assert heard.times[NAMING.config(ident)] == 1

            await tell(pi, "TST:1", e1_8_0=0.0, e16_7_0=0.5)
            await until_equal(
                lambda: heard.document(NAMING.state(ident)), {"1-0:1.8.0": 100.5, "1-0:16.7.0": 0.5}
            )  # a fall is not believed at once
            await tell(pi, "TST:1", e1_8_0=101.0, e16_7_0=0.5)
            await until_equal(lambda: heard.document(NAMING.state(ident))["1-0:1.8.0"], 101.0)
            assert heard.times[NAMING.config(ident)] == 1, "discovery is not repeated with values"

            await home.publish(Publication(NAMING.births, b"online"))
            await until(lambda: heard.times[NAMING.config(ident)] == 2)
            await asked.execute("UPDATE device SET online = false")
            await until(lambda: heard.payloads[NAMING.available(ident)] == b"offline")
            await asked.execute("UPDATE device SET online = true")
            await until(lambda: heard.payloads[NAMING.available(ident)] == b"online")

            await tell(pi, "TST:2", e1_8_0=7.0)
            other = NAMING.meter_id("TST:2")
            await until(lambda: heard.document(NAMING.config(other)))
            await asked.execute("UPDATE meter SET removed_at = now() WHERE key = 'TST:1'")
            await until(lambda: all(heard.payloads[topic] == b"" for topic in NAMING.topics_of(ident)))
            assert heard.document(NAMING.state(other)) == {"1-0:1.8.0": 7.0}
        await until(lambda: heard.payloads[NAMING.status] == b"offline")
    async with hearing(broker, "home-assistant", *ALL) as (after, _):
        await until(lambda: NAMING.config(other) in after.payloads)
        assert NAMING.config(other) in after.retained
        assert not [topic for topic in after.payloads if ident in topic]


async def test_an_outlet_that_is_killed_is_told_by_its_will_and_takes_up_what_it_left(
    broker: Broker, database: Database, tmp_path: Path
) -> None:
    """Kill -9, a meter that goes and a register that falls meanwhile, a foreign device's discovery that must stay."""
    naming = replace(NAMING, name="other")
    ident, foreign = naming.meter_id("TST:1"), "homeassistant/device/zigbee_1/config"
    of = outlet_settings(broker, database)
    process = OutletProcess(of, tmp_path / "log", HOME_ASSISTANT__ENABLED="true", HOME_ASSISTANT__NAME="other")
    async with (
        ingesting(settings(broker, database.dsn("wattline_ingestor"))),
        device(broker) as pi,
        hearing(broker, "home-assistant", *ALL) as (heard, home),
        table(database) as asked,
    ):
        await tell(pi, "TST:1", e1_8_0=100.5)
        await tell(pi, "TST:2", e1_8_0=1.5)
        await home.publish(Publication(foreign, b"{}", retain=True))
        await process.start()
        await until(lambda: heard.document(naming.state(ident)) and heard.payloads.get(naming.status) == b"online")
        other = naming.state(naming.meter_id("TST:2"))
        await tell(pi, "TST:2", e1_8_0=0.0, e16_7_0=0.5)
        await until_equal(lambda: heard.document(other), {"1-0:1.8.0": 1.5, "1-0:16.7.0": 0.5})
        await process.kill()
        await until(lambda: heard.payloads[naming.status] == b"offline")
        times = heard.times[other]
        await asked.execute("UPDATE meter SET removed_at = now() WHERE key = 'TST:1'")
        await process.start()
        await until(lambda: all(heard.payloads[topic] == b"" for topic in naming.topics_of(ident)))
        await until(lambda: heard.payloads[naming.status] == b"online")
        assert heard.payloads[foreign] == b"{}"
        assert heard.document(other) == {"1-0:1.8.0": 1.5, "1-0:16.7.0": 0.5}, "a fall is believed no sooner"
        assert heard.times[other] == times + 1
        assert await process.end() == 0, process.log
    assert "Traceback" not in process.log


async def test_a_foreign_device_announces_no_entity_of_our_meters(broker: Broker) -> None:
    """What it says of itself, by a node or without one, does not come to a Home Assistant at our broker."""
    said = (
        b'{"unique_id": "wattline_meter_1_e", "device": {"identifiers": ["wattline_meter_1"]}, "state_topic": "tele/x"}'
    )
    theirs = [f"homeassistant/{place}/config" for place in ("sensor/plug-7", "sensor/plug-7/energy", "device/plug/7")]
    ours = NAMING.config("wattline_meter_last")
    async with (
        hearing(broker, "home-assistant", "homeassistant/#") as (heard, home),
        hearing(broker, "bridge", "homeassistant/#") as (proposed, _),
        hearing(broker, "foreign") as (_, plug),
    ):
        for topic in theirs:
            await plug.publish(Publication(topic, said, retain=True))
        with pytest.raises(RefusedError):
            await plug.publish(Publication(NAMING.births, b"online"))
        await until(lambda: set(theirs) <= set(proposed.payloads))
        await home.publish(Publication(ours, b"{}", retain=True))
        await until(lambda: ours in heard.payloads)
        assert not set(theirs) & set(heard.payloads)
        for topic in theirs:
            await plug.publish(Publication(topic, b"", retain=True))
        await home.publish(Publication(ours, b"", retain=True))


async def test_who_may_write_and_hear_what_is_for_home_assistant(broker: Broker, database: Database) -> None:
    """No device writes there, the outlet hears no readings, and Home Assistant writes nothing of the platform's."""
    readings = f"{broker.topics.root}/devices/pi-1/readings"
    async with device(broker) as pi:
        for topic in (NAMING.config("wattline_meter_x"), NAMING.state("wattline_meter_x"), NAMING.births):
            with pytest.raises(RefusedError):
                await pi.session.publish(Publication(topic, b"x"))
    async with hearing(broker, "home-assistant") as (_, home):
        for topic in (NAMING.state("wattline_meter_x"), readings, f"{broker.topics.root}/devices/pi-1/config/desired"):
            with pytest.raises(RefusedError):
                await home.publish(Publication(topic, b"x"))
        with pytest.raises(RefusedError):
            await home.subscribe((f"{broker.topics.root}/#", 1))
    async with hearing(broker, "outlet") as (_, outlet):
        with pytest.raises(RefusedError):
            await outlet.subscribe((f"{broker.topics.root}/devices/+/readings", 1))
        with pytest.raises(RefusedError):
            await outlet.publish(Publication(readings, b"x"))
    async with table(database) as asked:
        rights = await asked.rows(
            "SELECT table_name, privilege_type FROM information_schema.table_privileges"
            " WHERE grantee = 'wattline_outlet' AND privilege_type <> 'SELECT'"
            " AND table_name NOT IN ('outlet_cursor', 'stored_span')"
        )
        assert rights == []
