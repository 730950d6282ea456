"""One sample or raw frame that waits for its bundle, and how it lies in the write-ahead. Pure functions."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias

from broker.contract.messages import Clock, FrameReason, Frames, RawFrame, Readings, Sample, Source
from broker.contract.topics import Kind
from broker.errors import ContractError
from device.outbox.record import Record, stream_of

NO_BOOT: Final = "0000"
"""What a waiting message has for a boot: it gets the number and the boot of the run that publishes it."""
FRAME_MAX_BYTES: Final = 65536
"""What the contract allows one raw frame."""


@dataclass(frozen=True, slots=True)
class ReadingsOf:
    """What the samples of one message share."""

    meter: str
    spec: str
    clock: Clock
    source: Source


@dataclass(frozen=True, slots=True)
class FramesOf:
    """What the raw frames of one message share."""

    reason: FrameReason
    port: str
    protocol: str
    meter: str
    clock: Clock


@dataclass(frozen=True, slots=True)
class GatheredSample:
    """A sample with the units of those of its codes whose unit the catalogue leaves open."""

    of: ReadingsOf
    sample: Sample
    units: dict[str, str]

    def late(self, now_at: datetime, backfill_after_s: float) -> "GatheredSample":
        """The same, as backfill where it was live and is too old for that now."""
        waited = now_at - self.sample.at
        if self.of.source is not Source.LIVE or waited < timedelta(seconds=backfill_after_s):
            return self
        return replace(self, of=replace(self.of, source=Source.BACKFILL))


@dataclass(frozen=True, slots=True)
class GatheredFrame:
    """A raw frame with its time of receipt."""

    of: FramesOf
    at: datetime
    data: bytes


Gathered: TypeAlias = GatheredSample | GatheredFrame


def kept_by(clock: Clock) -> Literal[Clock.SYNCED, Clock.UNSYNCED]:
    """How far to trust the device's clock, which a frame's time of receipt is by."""
    return Clock.UNSYNCED if clock is Clock.UNSYNCED else Clock.SYNCED


def record_of(gathered: Gathered, index: int, now_ms: int) -> Record:
    """The record of a waiting sample or frame, which is read by `gathered_of`."""
    if isinstance(gathered, GatheredSample):
        of = gathered.of
        readings = Readings(
            boot=NO_BOOT, seq=index, meter=of.meter, spec=of.spec, clock=of.clock, source=of.source,
            samples=(gathered.sample,), units=gathered.units or None,
        )  # fmt: skip
        return Record(index, now_ms, stream_of(of.meter), Kind.READINGS, readings.payload())
    parts = range(0, len(gathered.data) or 1, FRAME_MAX_BYTES)
    frames = Frames(
        boot=NO_BOOT, seq=index, reason=gathered.of.reason, port=gathered.of.port[:256],
        protocol=gathered.of.protocol[:256], meter=gathered.of.meter or None,
        clock=kept_by(gathered.of.clock),
        frames=tuple(RawFrame(at=gathered.at, data=gathered.data[at : at + FRAME_MAX_BYTES]) for at in parts),
    )  # fmt: skip
    return Record(index, now_ms, 0, Kind.FRAMES, frames.payload())


def gathered_of(record: Record) -> Gathered:
    """What a record holds. Raises ContractError where it is of no such form."""
    if record.kind is Kind.READINGS:
        readings = Readings.parse(record.payload)
        of = ReadingsOf(readings.meter, readings.spec, readings.clock, readings.source)
        return GatheredSample(of, readings.samples[0], dict(readings.units or {}))
    if record.kind is Kind.FRAMES:
        frames = Frames.parse(record.payload)
        clock = frames.clock or Clock.UNSYNCED
        frames_of = FramesOf(frames.reason, frames.port, frames.protocol, frames.meter or "", clock)
        return GatheredFrame(frames_of, frames.frames[0].at, b"".join(frame.data for frame in frames.frames))
    raise ContractError(f"{record.kind} is not gathered", field="kind")
