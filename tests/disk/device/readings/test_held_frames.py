"""Waiting frames of one port on a real disk: what becomes of them when their spec comes, changes, or never comes."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from broker.contract.messages import (
    EventMessage,
    Frames,
    Parameters,
)
from broker.contract.topics import Kind
from device.readings.intake import Intake
from device.readings.waiting_frames import WaitingFrame
from tests.rigs.meter_port import METER, PORT, SPEC, START_AT, Rig, p1_frame, take_spec


async def test_a_configuration_that_changes_while_held_frames_are_decoded_loses_none(tmp_path: Path) -> None:
    """Frames that must wait again, for a spec named meanwhile, are kept, and decoded when it comes."""
    rig = Rig(tmp_path)
    rig.hold(100, METER)
    meter = Intake(PORT, rig.context)
    take_spec(rig)
    rig.desire(**{METER.replace(":", "_"): SPEC})
    meter.meters.key = METER
    settling = asyncio.create_task(meter.release())
    while not rig.context.effective.specs_in_use:
        await asyncio.sleep(0)
    rig.desire(**{METER.replace(":", "_"): "iskra-2m550@1"})
    await settling
    assert 0 < len(rig.times()) < 100
    take_spec(rig, "iskra-2m550@1")
    await meter.release()
    assert sorted(rig.times()) == [START_AT + timedelta(seconds=n) for n in range(100)]
    assert not list((tmp_path / "held").glob("*.held"))


async def test_held_frames_of_a_meter_that_is_gone_are_left_to_the_platform(tmp_path: Path) -> None:
    """Another meter stands at the port: what waited of the one before is published raw, under its own key."""
    rig = Rig(tmp_path)
    rig.hold(3, "ISK:E0000000000000001")
    rig.hold(2, METER, after_s=10)
    meter = Intake(PORT, rig.context)
    take_spec(rig)
    rig.desire(**{METER.replace(":", "_"): SPEC})
    meter.meters.key = METER
    await meter.release()
    frames = [Frames.parse(payload) for payload in rig.payloads(Kind.FRAMES)]
    assert [(one.meter, one.reason, len(one.frames)) for one in frames] == [("ISK:E0000000000000001", "no_spec", 3)]
    assert len(rig.times()) == 2
    assert not list((tmp_path / "held").glob("*.held"))


async def test_frames_that_still_wait_cost_no_writing(tmp_path: Path) -> None:
    """While another meter's spec is on its way, the file is left alone and bundles are gathered as long as ever."""
    rig = Rig(tmp_path)
    rig.hold(3, "ISK:E0000000000000001")
    meter = Intake(PORT, rig.context)
    take_spec(rig)
    rig.desire(**{METER.replace(":", "_"): SPEC, "ISK_E0000000000000001": "iskra-2m550@1"})
    meter.meters.key = METER
    meter.take(p1_frame(METER.partition(":")[2]), START_AT)
    [file] = (tmp_path / "held").glob("*.held")
    before = file.stat()
    for _ in range(3):
        await meter.release()
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert not rig.payloads(Kind.READINGS)


async def test_held_frames_go_only_after_the_disk_has_what_came_of_them(tmp_path: Path) -> None:
    """The outbox is synced while the file still holds the frames; on a disk that refuses they stay."""
    rig = Rig(tmp_path)
    rig.hold(3, METER)
    meter = Intake(PORT, rig.context)
    take_spec(rig)
    rig.desire(**{METER.replace(":", "_"): SPEC})
    meter.meters.key = METER
    rig.works = False
    await meter.release()
    assert not rig.times()
    assert list((tmp_path / "held").glob("*.held"))
    rig.works = True
    await meter.release()
    assert rig.asked[-1] == 3
    assert len(rig.times()) == 3
    assert not list((tmp_path / "held").glob("*.held"))


async def test_frames_that_can_not_be_deleted_are_told_and_not_called_released(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are still there and come again: one event says so, the other would be wrong."""
    rig = Rig(tmp_path)
    rig.hold(3, METER)
    meter = Intake(PORT, rig.context)
    take_spec(rig)
    rig.desire(**{METER.replace(":", "_"): SPEC})
    meter.meters.key = METER

    def refuse(_kept: list[WaitingFrame]) -> None:
        raise OSError("read-only file system")

    monkeypatch.setattr(meter.waiting, "replace", refuse)
    await meter.release()
    events = [EventMessage.parse(payload).event for payload in rig.payloads(Kind.EVENTS)]
    assert "held_frames_not_deleted" in events
    assert "held_frames_released" not in events
    assert rig.context.metrics.held_frames.labels(PORT).value == 3


async def test_a_telegram_of_which_nothing_is_left_is_no_answer_to_read_now(tmp_path: Path) -> None:
    """Whoever asked for a reading at once gets the first one that there is, whatever the interval."""
    rig = Rig(tmp_path)
    meter = Intake(PORT, rig.context)
    take_spec(rig)
    rig.desire(Parameters(reading_interval_s=3600, publish_interval_s=3600), **{METER.replace(":", "_"): SPEC})
    frame = p1_frame(METER.partition(":")[2])
    meter.take(frame, START_AT)
    filtered = Parameters(reading_interval_s=3600, publish_interval_s=3600, obis_include=("1-0:99.*",))
    rig.desire(filtered, **{METER.replace(":", "_"): SPEC})
    meter.read_now()
    meter.take(frame, START_AT + timedelta(seconds=1))
    rig.desire(Parameters(reading_interval_s=3600, publish_interval_s=3600), **{METER.replace(":", "_"): SPEC})
    meter.take(frame, START_AT + timedelta(seconds=2))
    meter.take(frame, START_AT + timedelta(seconds=3))
    rig.context.bundles.flush(rig.context.monotonic(), 0)
    assert [at - START_AT for at in rig.times()] == [timedelta(0), timedelta(seconds=2)]
