"""Kept frames into columns of readings, by the same steps as on a device: pure functions, run in other processes."""

import json
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final, NamedTuple, TypeAlias

from broker.contract.messages import Clock, FrameReason, Source
from broker.contract.obis import unit_is_open
from broker.errors import FrameError
from ingestor.batches.rows import micros
from meters.decoding.engine import MeterSample, decode
from meters.decoding.obis_filter import ObisFilter
from meters.decoding.stamping import Received, Stamp, stamped
from meters.specs.identify import Identifier
from meters.specs.spec import Spec, spec_from
from meters.telegram import Telegram
from meters.wires.meter_key import MeterKey
from meters.wires.readers import read_all
from store.codes import SOURCE_CODES

EVERYTHING: Final = ObisFilter(("*",), ())
MAX_NOTE: Final = 300
SENT_AT_ONCE: Final = timedelta(minutes=1)
"""A frame that the store had so soon after its time of receipt was stamped by a clock that was right."""
_CLOCKS: Final = {clock.value: clock for clock in (Clock.SYNCED, Clock.UNSYNCED)}


class KeptFrame(NamedTuple):
    """A row of table frame; `device` sent it, of the meter of this key, at `at` by its `clock`: '' where unknown."""

    id: int
    meter: str
    device: str
    received_at: datetime
    at: datetime | None
    clock: str
    reason: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Slice:
    """Frames for one process, and all that it needs to know of them.

    `filters` has the patterns (obis_include, obis_exclude) of meters that don't publish everything, `zones` the time
    zone of those whose device was given one. Readings before `earliest_us` or more than `future_us` ahead of the
    frame's receipt are implausible.
    """

    spec: str
    document: str
    frames: tuple[KeptFrame, ...]
    filters: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]
    zones: Mapping[str, str]
    earliest_us: int
    future_us: int
    keys: Mapping[str, MeterKey] = field(default_factory=dict)
    """Of the meters whose telegrams are ciphered."""


Column: TypeAlias = tuple["array[int]", "array[float]"]
"""Times (as rows.micros counts them) and values of one series, in the order of the frames."""


class ColumnKey(NamedTuple):
    """Which series, by names; `unit` where the catalogue leaves it open, `source` as reading.source has it.

    `device` sent the frames: its word counts for the times at which the meter was its own.
    """

    meter: str
    device: str
    code: str
    unit: str | None
    source: int


class Implausible(NamedTuple):
    """Values of one meter at a time that can't be right, and the frame that said so."""

    frame: int
    meter: str
    at: datetime
    values: dict[str, float]


@dataclass(slots=True)
class Tally:
    """What the frames of one meter gave: the times are of the first and last reading, by rows.micros."""

    frames: int = 0
    undecodable: int = 0
    first_us: int | None = None
    last_us: int | None = None

    def cover(self, at_us: int) -> None:
        """Widen the range of time."""
        self.first_us = at_us if self.first_us is None else min(self.first_us, at_us)
        self.last_us = at_us if self.last_us is None else max(self.last_us, at_us)


@dataclass(slots=True)
class DecodedSlice:
    """The readings of a slice; `note` says what was wrong with the first frame that gave none.

    `carriers` has the meter that carries each sub-meter, by key.
    """

    columns: dict[ColumnKey, Column] = field(default_factory=dict)
    tallies: dict[str, Tally] = field(default_factory=dict)
    carriers: dict[str, str] = field(default_factory=dict)
    implausible: list[Implausible] = field(default_factory=list)
    note: str = ""


def decode_slice(part: Slice) -> DecodedSlice:
    """Decode the frames in their order."""
    spec, result = _spec(part.spec, part.document), DecodedSlice()
    filters = {meter: ObisFilter(*patterns) for meter, patterns in part.filters.items()}
    for frame in part.frames:
        tally = result.tallies.setdefault(frame.meter, Tally())
        tally.frames += 1
        fault = _decode(part, spec, frame, filters.get(frame.meter, EVERYTHING), tally, result)
        if fault is not None:
            tally.undecodable += 1
            result.note = result.note or f"frame {frame.id}: {fault.reason}: {fault.detail}"[:MAX_NOTE]
    return result


@lru_cache(maxsize=8)
def _spec(ref: str, document: str) -> Spec:
    return spec_from(json.loads(document), origin=ref)


def _decode(
    part: Slice, spec: Spec, frame: KeptFrame, wanted: ObisFilter, tally: Tally, result: DecodedSlice
) -> FrameError | None:
    """Enter what one frame says; the first error where it says nothing at all."""
    # a clock of which nothing was said is one that nobody vouched for
    taken_at = frame.at or frame.received_at
    # sent at once: then the time of receipt vouches for the device's
    checked = abs(frame.received_at - taken_at) <= SENT_AT_ONCE
    received = Received(taken_at, _CLOCKS.get(frame.clock, Clock.UNSYNCED), checked)
    latest_us = micros(frame.received_at) + part.future_us
    fault: FrameError | None = FrameError("empty", "no telegram in it")
    good = False
    # what the device took for a good frame it had judged with its neighbours, which are not here
    judged = frame.reason != FrameReason.BAD_FRAME
    key = part.keys.get(frame.meter)
    for item in read_all(spec.match.protocol, frame.data, spec.decode.crc, any_crc=judged, key=key):
        try:
            if isinstance(item, FrameError):
                raise item
            _see_that_it_is_of(frame, item)
            decoded = decode(spec, item, zone=part.zones.get(frame.meter, ""), near=received.at)
        except FrameError as error:
            fault = error if fault is None or fault.reason == "empty" else fault
            continue
        good = True
        for meter, sample, at in stamped(frame.meter, spec, decoded, received):
            if sample.sub_meter:
                result.carriers[meter] = frame.meter
            at_us = micros(at.at)
            values = {code: float(value) for code, value in wanted.select(sample.values).items()}
            if part.earliest_us <= at_us <= latest_us:
                _enter(result.columns, meter, frame.device, sample, at, at_us, values)
                tally.cover(at_us)
            elif values:
                result.implausible.append(Implausible(frame.id, meter, at.at, values))
    return None if good else fault


def _enter(
    columns: dict[ColumnKey, Column],
    meter: str,
    device: str,
    sample: MeterSample,
    at: Stamp,
    at_us: int,
    values: dict[str, float],
) -> None:
    source = SOURCE_CODES[Source.REDECODED, at.clock]
    for code, value in values.items():
        key = ColumnKey(meter, device, code, (sample.units.get(code) or None) if unit_is_open(code) else None, source)
        column = columns.get(key)
        if column is None:
            column = columns[key] = (array("q"), array("d"))
        column[0].append(at_us)
        column[1].append(value)


def _see_that_it_is_of(frame: KeptFrame, telegram: Telegram) -> None:
    """A device that can't read a frame only supposes which meter it is of. Raises FrameError where it is another's."""
    # a ciphered one can be read by its own meter's key alone, and names another serial inside
    if frame.reason == FrameReason.BAD_FRAME and telegram.security is None:
        key = Identifier().add(telegram).key
        if key and key != frame.meter:
            raise FrameError("other_meter", f"it is of {key}", data=frame.data)
