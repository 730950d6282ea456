"""Held frames of one port on a real disk: what becomes of them when their spec comes, changes, or never comes."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from broker.messages import Clock, Desired, EventMessage, Frames, MeterConfig, Parameters, Readings, SpecMessage
from broker.topics import Kind
from device.bundles import Bundles
from device.clock import DeviceClock
from device.context import Context
from device.held import Held, HeldFrames
from device.meter_port import MeterPort
from device.metrics import DeviceMetrics
from device.outbox import Outbox
from device.outgoing import Outgoing
from device.parameters import Configuration
from device.port_memory import PortMemory
from device.registry import MeterRegistry
from device.settings import DeviceSettings
from device.specs import SpecStore
from meters.catalogue import catalogue
from meters.iec62056_text import crc16
from meters.readers import AnyFramer
from meters.spec import digest, spec_document
from meters.telegram import Frame

PORT = "/dev/ttyUSB0"
METER = "ISK:E0044007133156018"
START_AT = datetime(2026, 11, 23, 10, tzinfo=UTC)
SPEC = "generic-p1@1"


def p1_frame(serial: str) -> Frame:
    """A telegram without a time of its own."""
    ident = serial.encode().hex().upper()
    text = f"/ISK5\\2M550T-1012\r\n\r\n1-3:0.2.8(50)\r\n0-0:96.1.1({ident})\r\n1-0:1.8.1(000123.456*kWh)\r\n!".encode()
    whole = text + f"{crc16(text):04X}\r\n".encode()
    return next(item for item in AnyFramer().feed(whole) if isinstance(item, Frame))


@dataclass
class Rig:
    """One port's meter over a real outbox and a real folder, without a line and without a broker."""

    folder: Path
    limit_bytes: int = 64 * 1024 * 1024
    version: int = 0
    asked: list[int] = field(default_factory=list)
    works: bool = True

    def __post_init__(self) -> None:
        settings = DeviceSettings(broker={"host": "localhost"}, device_id="pi-1", data_folder=self.folder)  # type: ignore[arg-type]
        self.outbox = Outbox(self.folder / "outbox", limit_bytes=self.limit_bytes)
        self.outbox.open()
        clock = DeviceClock()
        outgoing = Outgoing(self.outbox, clock, "aaaa", lambda _record: None)
        loop = asyncio.get_running_loop()
        self.context = Context(
            device="pi-1",
            settings=settings,
            clock=clock,
            metrics=DeviceMetrics(),
            config=Configuration(self.folder / "desired.json"),
            specs=SpecStore(self.folder / "specs"),
            outgoing=outgoing,
            bundles=Bundles(
                lambda of, samples, units: outgoing.readings(of.meter, of.spec, of.clock, of.source, samples, units),
                lambda of, frames: outgoing.frames(
                    of.reason, of.port, of.protocol, frames, meter=of.meter, clock=of.clock
                ),
            ),
            registry=MeterRegistry(loop.time),
            memory=PortMemory(self.folder / "ports.json"),
            monotonic=loop.time,
            make_durable=self.make_durable,
        )

    async def make_durable(self) -> bool:
        """Notes how many frames the file held each time the disk was waited for."""
        self.asked.append(sum(1 for _ in HeldFrames(self.folder / "held", PORT, 1).read()))
        return self.works

    def desire(self, parameters: Parameters | None = None, **specs: str | None) -> None:
        """Another configuration: the spec of each meter, by its key with `_` for `:`."""
        self.version += 1
        meters = {key.replace("_", ":"): MeterConfig(spec=spec) for key, spec in specs.items()}
        parameters = parameters or Parameters(reading_interval_s=1, publish_interval_s=3600)
        verdict = self.context.config.consider(
            Desired(version=self.version, parameters=parameters, meters=meters).sealed().payload()
        )
        assert verdict.changed
        self.context.revision += 1

    def hold(self, count: int, meter: str, *, after_s: int = 0) -> None:
        """Put frames into the file as an earlier run left them, a second apart."""
        held = HeldFrames(self.folder / "held", PORT, 1024 * 1024)
        frame = p1_frame(meter.partition(":")[2])
        for n in range(count):
            assert held.add(Held(START_AT + timedelta(seconds=after_s + n), Clock.SYNCED, meter, frame))

    def payloads(self, kind: Kind) -> list[bytes]:
        """What the outbox has of a kind."""
        return [record.payload for record in self.outbox.read_after(0, 10_000) if record.kind is kind]

    def times(self) -> list[datetime]:
        """The times of all samples."""
        return [sample.at for payload in self.payloads(Kind.READINGS) for sample in Readings.parse(payload).samples]


def take_spec(rig: Rig, ref: str = SPEC) -> None:
    spec = next(spec for spec in catalogue() if spec.ref == ref)
    message = SpecMessage(spec=spec.name, version=spec.version, sha256=digest(spec), document=spec_document(spec))
    rig.context.specs.take(spec.name, spec.version, message.payload())
    rig.context.revision += 1


async def test_a_configuration_that_changes_while_held_frames_are_decoded_loses_none(tmp_path: Path) -> None:
    """Frames that must wait again, for a spec named meanwhile, are kept, and decoded when it comes."""
    rig = Rig(tmp_path)
    rig.hold(100, METER)
    meter = MeterPort(PORT, rig.context)
    take_spec(rig)
    rig.desire(**{METER.replace(":", "_"): SPEC})
    meter._meters.key = METER
    settling = asyncio.create_task(meter.settle())
    while not rig.context.specs_in_use:
        await asyncio.sleep(0)
    rig.desire(**{METER.replace(":", "_"): "iskra-2m550@1"})
    await settling
    assert 0 < len(rig.times()) < 100
    take_spec(rig, "iskra-2m550@1")
    await meter.settle()
    assert sorted(rig.times()) == [START_AT + timedelta(seconds=n) for n in range(100)]
    assert not list((tmp_path / "held").glob("*.held"))


async def test_held_frames_of_a_meter_that_is_gone_are_left_to_the_platform(tmp_path: Path) -> None:
    """Another meter stands at the port: what waited of the one before is published raw, under its own key."""
    rig = Rig(tmp_path)
    rig.hold(3, "ISK:E0000000000000001")
    rig.hold(2, METER, after_s=10)
    meter = MeterPort(PORT, rig.context)
    take_spec(rig)
    rig.desire(**{METER.replace(":", "_"): SPEC})
    meter._meters.key = METER
    await meter.settle()
    frames = [Frames.parse(payload) for payload in rig.payloads(Kind.FRAMES)]
    assert [(one.meter, one.reason, len(one.frames)) for one in frames] == [("ISK:E0000000000000001", "no_spec", 3)]
    assert len(rig.times()) == 2
    assert not list((tmp_path / "held").glob("*.held"))


async def test_frames_that_still_wait_cost_no_writing(tmp_path: Path) -> None:
    """While another meter's spec is on its way, the file is left alone and bundles are gathered as long as ever."""
    rig = Rig(tmp_path)
    rig.hold(3, "ISK:E0000000000000001")
    meter = MeterPort(PORT, rig.context)
    take_spec(rig)
    rig.desire(**{METER.replace(":", "_"): SPEC, "ISK_E0000000000000001": "iskra-2m550@1"})
    meter._meters.key = METER
    meter.take(p1_frame(METER.partition(":")[2]), START_AT)
    [file] = (tmp_path / "held").glob("*.held")
    before = file.stat()
    for _ in range(3):
        await meter.settle()
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert not rig.payloads(Kind.READINGS)


async def test_held_frames_go_only_after_the_disk_has_what_came_of_them(tmp_path: Path) -> None:
    """The outbox is synced while the file still holds the frames; on a disk that refuses they stay."""
    rig = Rig(tmp_path)
    rig.hold(3, METER)
    meter = MeterPort(PORT, rig.context)
    take_spec(rig)
    rig.desire(**{METER.replace(":", "_"): SPEC})
    meter._meters.key = METER
    rig.works = False
    await meter.settle()
    assert not rig.times()
    assert list((tmp_path / "held").glob("*.held"))
    rig.works = True
    await meter.settle()
    assert rig.asked[-1] == 3
    assert len(rig.times()) == 3
    assert not list((tmp_path / "held").glob("*.held"))


async def test_frames_that_can_not_be_deleted_are_told_and_not_called_released(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are still there and come again: one event says so, the other would be wrong."""
    rig = Rig(tmp_path)
    rig.hold(3, METER)
    meter = MeterPort(PORT, rig.context)
    take_spec(rig)
    rig.desire(**{METER.replace(":", "_"): SPEC})
    meter._meters.key = METER

    def refuse(_kept: list[Held]) -> None:
        raise OSError("read-only file system")

    monkeypatch.setattr(meter._held, "replace", refuse)
    await meter.settle()
    events = [EventMessage.parse(payload).event for payload in rig.payloads(Kind.EVENTS)]
    assert "held_frames_not_deleted" in events
    assert "held_frames_released" not in events
    assert rig.context.metrics.held_frames.labels(PORT).value == 3


async def test_a_telegram_of_which_nothing_is_left_is_no_answer_to_read_now(tmp_path: Path) -> None:
    """Whoever asked for a reading at once gets the first one that there is, whatever the interval."""
    rig = Rig(tmp_path)
    meter = MeterPort(PORT, rig.context)
    take_spec(rig)
    rig.desire(Parameters(reading_interval_s=3600, publish_interval_s=3600), **{METER.replace(":", "_"): SPEC})
    frame = p1_frame(METER.partition(":")[2])
    meter.take(frame, START_AT)
    filtered = Parameters(reading_interval_s=3600, publish_interval_s=3600, obis_include=("1-0:99.*",))
    rig.desire(filtered, **{METER.replace(":", "_"): SPEC})
    meter.hurry()
    meter.take(frame, START_AT + timedelta(seconds=1))
    rig.desire(Parameters(reading_interval_s=3600, publish_interval_s=3600), **{METER.replace(":", "_"): SPEC})
    meter.take(frame, START_AT + timedelta(seconds=2))
    meter.take(frame, START_AT + timedelta(seconds=3))
    rig.context.bundles.flush(rig.context.monotonic(), 0)
    assert [at - START_AT for at in rig.times()] == [timedelta(0), timedelta(seconds=2)]
