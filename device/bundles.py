"""Samples and raw frames gathered for publish_interval_s, so that they travel together. No I/O."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from broker.messages import Clock, FrameReason, Sample, Source
from broker.obis import unit_is_open

SAMPLES_MAX: Final = 256
FRAMES_MAX_BYTES: Final = 64 * 1024


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


@dataclass(slots=True)
class _Samples:
    began_s: float
    samples: list[Sample] = field(default_factory=list)
    units: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Frames:
    began_s: float
    frames: list[tuple[datetime, bytes, str]] = field(default_factory=list)
    size: int = 0


SendReadings = Callable[[ReadingsOf, list[Sample], dict[str, str]], None]
SendFrames = Callable[[FramesOf, list[tuple[datetime, bytes, str]]], None]


class Bundles:
    """Gathers by meter; a bundle goes when it is as old as the publish interval, or full.

    Full is SAMPLES_MAX samples or frames of FRAMES_MAX_BYTES, so memory is bounded by the number of meters.
    """

    def __init__(self, send_readings: SendReadings, send_frames: SendFrames) -> None:
        self._send_readings = send_readings
        self._send_frames = send_frames
        self._samples: dict[ReadingsOf, _Samples] = {}
        self._frames: dict[FramesOf, _Frames] = {}

    def add_sample(self, of: ReadingsOf, sample: Sample, units: dict[str, str], now_s: float) -> None:
        """Take one sample; `units` of all its codes, of which those stay whose unit the catalogue leaves open."""
        bundle = self._samples.setdefault(of, _Samples(now_s))
        bundle.samples.append(sample)
        bundle.units |= {code: units[code] for code in sample.values if units.get(code) and unit_is_open(code)}
        if len(bundle.samples) >= SAMPLES_MAX:
            self._flush_samples(of)

    def add_frame(self, of: FramesOf, at: datetime, data: bytes, now_s: float) -> None:
        """Take one raw frame."""
        bundle = self._frames.setdefault(of, _Frames(now_s))
        bundle.frames.append((at, data, ""))
        bundle.size += len(data)
        if bundle.size >= FRAMES_MAX_BYTES:
            self._flush_frames(of)

    def flush(self, now_s: float, interval_s: float) -> None:
        """Send what was gathered for as long as the interval; an interval of 0 sends all."""
        for of in [of for of, bundle in self._samples.items() if now_s - bundle.began_s >= interval_s]:
            self._flush_samples(of)
        for frames_of in [of for of, bundle in self._frames.items() if now_s - bundle.began_s >= interval_s]:
            self._flush_frames(frames_of)

    def next_due_s(self, interval_s: float) -> float | None:
        """When the next bundle is due, by the clock of the calls above; None where nothing was gathered."""
        began = [b.began_s for b in self._samples.values()] + [b.began_s for b in self._frames.values()]
        return min(began) + interval_s if began else None

    def _flush_samples(self, of: ReadingsOf) -> None:
        bundle = self._samples.pop(of)
        self._send_readings(of, bundle.samples, bundle.units)

    def _flush_frames(self, of: FramesOf) -> None:
        self._send_frames(of, self._frames.pop(of).frames)
