"""The command set_meter_clock at a running agent: done where the spec allows it, refused by name elsewhere."""

from pathlib import Path
from typing import Any

from broker.contract.messages import Parameters
from device.simulator import SimulatedPolledDlmsMeter
from meters.specs.spec import load_spec
from tests.rigs.agent import PlatformSide, agent, settings
from tests.rigs.asker import asking
from tests.rigs.servers import Broker
from tests.rigs.waiting import until

SPEC = """
name: settable-lgz
version: 1
product: {name: meter of the test, manufacturer: LGZ}
match: {protocol: dlms, manufacturer: LGZ, facts: {asked: 'yes'}}
source: [test]
link: {mode: poll, dlms: {set_clock: true}}
time: {zone: Europe/Berlin}
standard: true
"""
METER = "LGZ:71823456"
PARAMETERS = Parameters(reading_interval_s=3600, publish_interval_s=0.2)


async def test_a_meters_clock_is_set_where_its_spec_allows_it(broker: Broker, tmp_path: Path) -> None:
    """At once, whatever the interval: before, after and deviation are told, and an event says it."""
    await broker.add_device("pi-1")
    spec = load_spec(SPEC, origin="test")
    async with (
        PlatformSide(broker, "pi-1", parameters=PARAMETERS, receipts=True, more_specs=(spec,)) as platform,
        asking(platform) as asker,
        SimulatedPolledDlmsMeter(serial="71823456", seed=3, clock_off_s=240) as meter,
        meter.over_tcp() as url,
        agent(settings(platform, tmp_path, url)),
    ):
        await until(lambda: (r := platform.reported()) and r.specs.get(METER) == "settable-lgz@1", timeout_s=60)

        async def done() -> dict[str, Any] | None:
            # until the device's own clock is compared with the platform's the command fails, and nothing is set
            reply = await asker.ask("set_meter_clock", {"meter": METER})
            assert reply["ok"] or "vouches" in str(reply), reply
            found: dict[str, Any] | None = reply["result"] if reply["ok"] else None
            return found

        result = await until(done, timeout_s=60)
        assert result["meter"] == METER
        assert 238 <= result["deviation_s"] <= 243
        assert abs(result["left_s"]) <= 2
        assert result["before"] > result["after"]
        assert abs(meter.clock_off_s) <= 2
        [told] = await until(lambda: platform.events("meter_clock_set"))
        assert (told.meter, told.detail["deviation_s"]) == (METER, result["deviation_s"])
        assert [request[0] for request in meter.requests].count(0xC1) == 1
        other = await asker.ask("set_meter_clock", {"meter": "LGZ:9"})
        assert (other["ok"], other["reasons"][0]["field"]) == (False, "arguments.meter")
        assert METER in other["reasons"][0]["reason"]


async def test_a_spec_that_says_nothing_of_it_lets_no_clock_be_set(broker: Broker, tmp_path: Path) -> None:
    """The refusal says what it takes; nothing is written to the meter."""
    await broker.add_device("pi-1")
    async with (
        PlatformSide(broker, "pi-1", parameters=PARAMETERS, receipts=True) as platform,
        asking(platform) as asker,
        SimulatedPolledDlmsMeter(serial="71823456", seed=3, clock_off_s=240) as meter,
        meter.over_tcp() as url,
        agent(settings(platform, tmp_path, url)),
    ):
        await until(lambda: (r := platform.reported()) and r.specs.get(METER), timeout_s=60)
        reply = await asker.ask("set_meter_clock", {"meter": METER})
        assert (reply["ok"], reply["reasons"][0]["field"]) == (False, "arguments.meter")
        assert "set_clock: true" in reply["reasons"][0]["reason"]
        assert meter.clock_off_s == 240
        assert {request[0] for request in meter.requests} <= {0xC0}
