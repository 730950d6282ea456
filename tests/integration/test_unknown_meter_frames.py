"""What an agent sends of a meter that nobody knows, so that a spec can be made of it and its history be filled."""

from itertools import pairwise
from pathlib import Path

from device.simulator import SimulatedP1Meter
from tests.rigs.agent import PlatformSide, agent, settings
from tests.rigs.recording_meters import RecordingD0Meter
from tests.rigs.servers import Broker
from tests.rigs.waiting import until


async def test_frames_that_a_generic_spec_cannot_read_are_all_kept_at_the_reading_interval(
    broker: Broker, tmp_path: Path
) -> None:
    """A meter without units gives no reading by the generic spec: a frame for each interval goes out, none is lost."""
    await broker.add_device("pi-1")
    meter = RecordingD0Meter(serial="40028157", interval_s=0.5)
    async with PlatformSide(broker, "pi-1") as platform, meter, agent(settings(platform, tmp_path, meter.port)):
        await until(lambda: platform.events("decode_failing"), what="the agent says that it can't decode")
        # more than bad_frames_per_minute lets pass of broken ones
        await until(
            lambda: sum(len(one.frames) for one in platform.frames) >= 13,
            timeout_s=60,
            what="frames of an unknown product",
        )
        assert {(one.reason, one.meter, one.protocol) for one in platform.frames} == {
            ("no_spec", "QVX:40028157", "iec62056-21")
        }
        times = sorted(frame.at for one in platform.frames for frame in one.frames)
        apart_s = [(b - a).total_seconds() for a, b in pairwise(times)]
        # a second apart, by as much as the meter's pauses earlier or later
        most_s = 1.2 + meter.longest_pause_s()
        assert all(0.09 < gap_s < most_s for gap_s in apart_s), (apart_s, most_s)
        assert not platform.readings
    assert not platform.lost()[platform.frames[0].boot]


async def test_a_meter_read_by_a_generic_spec_sends_a_few_frames_for_a_draft(broker: Broker, tmp_path: Path) -> None:
    """Readings flow, and five frames are there to draft a spec from, without anybody asking for them."""
    await broker.add_device("pi-1")
    meter = SimulatedP1Meter(serial="12345678", header="ZZZ5\\UNHEARD-OF", gas_serial="")
    async with PlatformSide(broker, "pi-1") as platform, meter, agent(settings(platform, tmp_path, meter.port)):
        await until(lambda: len(platform.samples()) >= 9, timeout_s=60, what="readings by the generic spec")
        assert {one.spec for one in platform.readings} == {"generic-p1@1"}
        assert [frame for one in platform.frames for frame in one.frames if one.reason == "no_spec"]
        assert sum(len(one.frames) for one in platform.frames) == 5
