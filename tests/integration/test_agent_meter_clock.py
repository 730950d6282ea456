"""The command set_meter_clock at a running agent: done where the spec allows it, refused by name elsewhere."""

import time
from pathlib import Path
from typing import Any

from broker.contract.messages import Parameters
from device.simulator import Fault, SimulatedPolledDlmsMeter
from meters.specs.spec import load_spec
from tests.rigs.agent import PlatformSide, agent, settings
from tests.rigs.asker import Asker, asking
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


async def set_once(asker: Asker) -> dict[str, Any]:
    """What comes of it once somebody vouches for the device's own clock."""

    async def done() -> dict[str, Any] | None:
        # until the device's own clock is compared with the platform's the command fails, and nothing is set
        reply = await asker.ask("set_meter_clock", {"meter": METER})
        assert reply["ok"] or "vouches" in str(reply), reply
        found: dict[str, Any] | None = reply["result"] if reply["ok"] else None
        return found

    return await until(done, timeout_s=60)


async def quiet(meter: SimulatedPolledDlmsMeter) -> None:
    """Until nobody has asked the meter anything for a second."""
    heard, since_s = -1, 0.0

    def still() -> bool:
        nonlocal heard, since_s
        if len(meter.requests) != heard:
            heard, since_s = len(meter.requests), time.monotonic()
        return time.monotonic() - since_s > 1

    await until(still, timeout_s=30)


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

        result = await set_once(asker)
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


async def test_who_no_longer_waits_spoils_nothing_for_others(broker: Broker, tmp_path: Path) -> None:
    """One that runs out while the meter is visited is told so, its neighbour the outcome; one not begun is not done."""
    await broker.add_device("pi-1")
    async with (
        PlatformSide(
            broker, "pi-1", parameters=PARAMETERS, receipts=True, more_specs=(load_spec(SPEC, origin="test"),)
        ) as platform,
        asking(platform) as asker,
        SimulatedPolledDlmsMeter(serial="71823456", seed=3, clock_off_s=240) as meter,
        agent(settings(platform, tmp_path, meter.port, bus={meter.port: ("dlms:16/1",)})),
    ):
        await until(lambda: (r := platform.reported()) and r.specs.get(METER) == "settable-lgz@1", timeout_s=60)
        await set_once(asker)

        def sets() -> int:
            return [request[0] for request in meter.requests].count(0xC1)

        async def replies(count: int) -> dict[bytes | None, dict[str, Any]]:
            return dict([await asker.reply() for _ in range(count)])

        await quiet(meter)
        before = sets()
        meter.clock_off_s = 240
        meter.inject(Fault.SILENCE, 2)
        early = await asker.send("set_meter_clock", {"meter": METER}, expiry_s=2)
        late = await asker.send("set_meter_clock", {"meter": METER})
        told = await replies(2)
        assert "begun, outcome unknown: see event meter_clock_set" in told[early]["error"], told
        assert told[late]["ok"], told
        assert abs(meter.clock_off_s) <= 2
        assert 1 <= sets() - before <= 2

        await quiet(meter)
        before = sets()
        meter.clock_off_s = 240
        meter.inject(Fault.SILENCE, 2)
        reading = await asker.send("read_now", {"meter": METER})
        await until(lambda: meter.faults_left == 1, timeout_s=30)
        early = await asker.send("set_meter_clock", {"meter": METER}, expiry_s=1)
        told = await replies(1)
        assert "nothing is set" in told[early]["error"], told
        late = await asker.send("set_meter_clock", {"meter": METER, "despite_zone": True})
        told = await replies(2)
        assert told[late]["ok"], told
        assert reading in told
        assert sets() - before == 1
