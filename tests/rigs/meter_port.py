"""One port's meter over a real outbox and a real folder, without a line and without a broker."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from broker.contract.messages import (
    Clock,
    Desired,
    MeterConfig,
    Parameters,
    Readings,
    SpecMessage,
)
from broker.contract.topics import Kind
from device.clock import DeviceClock
from device.config.configuration import Configuration
from device.config.effective import EffectiveConfig
from device.config.spec_store import SpecStore
from device.metrics import DeviceMetrics
from device.outbox.bundles import Bundles
from device.outbox.outbox import Outbox
from device.outbox.outgoing import Outgoing
from device.readings.context import Context
from device.readings.meter_health import MeterHealth
from device.readings.meter_keys import MeterKeys
from device.readings.registry import MeterRegistry
from device.readings.waiting_frames import WaitingFrame, WaitingFrames
from device.settings import DeviceSettings
from meters.specs.catalogue import catalogue
from meters.specs.spec import digest, spec_document
from meters.telegram import Frame
from meters.wires.readers import AnyFramer
from meters.wires.text.checks import crc16

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
        config, specs = Configuration(self.folder / "desired.json"), SpecStore(self.folder / "specs")
        metrics = DeviceMetrics()
        self.context = Context(
            device="pi-1",
            settings=settings,
            clock=clock,
            metrics=metrics,
            effective=EffectiveConfig(config, specs, lambda _verdict, _specs: None),
            outgoing=outgoing,
            keys=MeterKeys(self.folder, "pi-1", metrics, outgoing),
            bundles=Bundles(
                lambda of, samples, units: outgoing.readings(of.meter, of.spec, of.clock, of.source, samples, units),
                lambda of, frames: outgoing.frames(
                    of.reason, of.port, of.protocol, frames, meter=of.meter, clock=of.clock
                ),
            ),
            registry=MeterRegistry(lambda _ports, _meters: None, lambda: True, loop.time),
            health=MeterHealth(loop.time),
            monotonic=loop.time,
            make_durable=self.make_durable,
        )

    async def make_durable(self) -> bool:
        """Notes how many frames the file held each time the disk was waited for."""
        self.asked.append(sum(1 for _ in WaitingFrames(self.folder / "held", PORT, 1).read()))
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
        self.context.effective.changed()

    def hold(self, count: int, meter: str, *, after_s: int = 0) -> None:
        """Put frames into the file as an earlier run left them, a second apart."""
        held = WaitingFrames(self.folder / "held", PORT, 1024 * 1024)
        frame = p1_frame(meter.partition(":")[2])
        for n in range(count):
            assert held.add(WaitingFrame(START_AT + timedelta(seconds=after_s + n), Clock.SYNCED, meter, frame))

    def payloads(self, kind: Kind) -> list[bytes]:
        """What the outbox has of a kind."""
        return [record.payload for record in self.outbox.read_after(0, 10_000) if record.kind is kind]

    def times(self) -> list[datetime]:
        """The times of all samples."""
        return [sample.at for payload in self.payloads(Kind.READINGS) for sample in Readings.parse(payload).samples]


def take_spec(rig: Rig, ref: str = SPEC) -> None:
    spec = next(spec for spec in catalogue() if spec.ref == ref)
    message = SpecMessage(spec=spec.name, version=spec.version, sha256=digest(spec), document=spec_document(spec))
    rig.context.effective.take_spec(spec.name, spec.version, message.payload())
