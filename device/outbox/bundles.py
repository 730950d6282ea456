"""Samples and raw frames gathered for publish_interval_s, so that they travel together. No I/O."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

from broker.contract.messages import Sample
from broker.contract.obis import unit_is_open
from device.outbox.gathered import FramesOf, Gathered, GatheredFrame, GatheredSample, ReadingsOf

SAMPLES_MAX: Final = 256
FRAMES_MAX_BYTES: Final = 64 * 1024


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


class Ahead(Protocol):
    """Where what is gathered is written down, so that a power cut does not take it."""

    def keep(self, gathered: Gathered) -> bool:
        """Write one down; False where there is no room for more until all that was gathered is sent."""

    def sent(self) -> None:
        """All that was kept has been sent."""


class NothingAhead:
    """Keeps nothing."""

    def keep(self, _gathered: Gathered) -> bool:
        """Keep nothing."""
        return True

    def sent(self) -> None:
        """Do nothing."""


class Bundles:
    """Gathers by meter; all bundles go together once the oldest is as old as the publish interval.

    They go, too, when one is full: SAMPLES_MAX samples or frames of FRAMES_MAX_BYTES, so memory is bounded by the
    number of meters; and where `ahead`, which keeps each sample and frame until all are gone, has no room.
    """

    def __init__(self, send_readings: SendReadings, send_frames: SendFrames, ahead: Ahead | None = None) -> None:
        self._send_readings = send_readings
        self._send_frames = send_frames
        self._ahead: Ahead = ahead or NothingAhead()
        self._samples: dict[ReadingsOf, _Samples] = {}
        self._frames: dict[FramesOf, _Frames] = {}

    def add_sample(self, of: ReadingsOf, sample: Sample, units: dict[str, str], now_s: float) -> None:
        """Take one sample; `units` of all its codes, of which those stay whose unit the catalogue leaves open."""
        opened = {code: units[code] for code in sample.values if units.get(code) and unit_is_open(code)}
        self._take(GatheredSample(of, sample, opened), now_s)

    def add_frame(self, of: FramesOf, at: datetime, data: bytes, now_s: float) -> None:
        """Take one raw frame."""
        self._take(GatheredFrame(of, at, data), now_s)

    def take_up(self, left: Iterable[Gathered], now_s: float) -> None:
        """Send what an earlier run had gathered and written ahead."""
        for gathered in left:
            if self._gather(gathered, now_s):
                self._send_all()
        self._flush_all()

    def flush(self, now_s: float, interval_s: float) -> None:
        """Send all where something was gathered for as long as the interval; an interval of 0 sends all."""
        due_s = self.next_due_s(interval_s)
        if due_s is not None and now_s >= due_s:
            self._flush_all()

    def next_due_s(self, interval_s: float) -> float | None:
        """When the next bundle is due, by the clock of the calls above; None where nothing was gathered."""
        began = [b.began_s for b in self._samples.values()] + [b.began_s for b in self._frames.values()]
        return min(began) + interval_s if began else None

    def _take(self, gathered: Gathered, now_s: float) -> None:
        kept = self._ahead.keep(gathered)
        if self._gather(gathered, now_s) or not kept:
            self._flush_all()

    def _gather(self, gathered: Gathered, now_s: float) -> bool:
        """Add it to its bundle; whether that is full."""
        if isinstance(gathered, GatheredSample):
            samples = self._samples.setdefault(gathered.of, _Samples(now_s))
            samples.samples.append(gathered.sample)
            samples.units |= gathered.units
            return len(samples.samples) >= SAMPLES_MAX
        frames = self._frames.setdefault(gathered.of, _Frames(now_s))
        frames.frames.append((gathered.at, gathered.data, ""))
        frames.size += len(gathered.data)
        return frames.size >= FRAMES_MAX_BYTES

    def _flush_all(self) -> None:
        self._send_all()
        self._ahead.sent()

    def _send_all(self) -> None:
        for of in list(self._samples):
            self._flush_samples(of)
        for frames_of in list(self._frames):
            self._flush_frames(frames_of)

    def _flush_samples(self, of: ReadingsOf) -> None:
        bundle = self._samples.pop(of)
        self._send_readings(of, bundle.samples, bundle.units)

    def _flush_frames(self, of: FramesOf) -> None:
        self._send_frames(of, self._frames.pop(of).frames)
