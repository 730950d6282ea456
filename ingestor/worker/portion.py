"""What the processes made of one portion of kept frames, as a batch that the ingestor's writer can store."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from broker.contract.messages import Sample
from broker.contract.plausible_values import bounds_of
from broker.errors import ContractError
from ingestor.batches import quarantine_rows as quarantine
from ingestor.batches.batch import Batch
from ingestor.batches.meter import Meter
from ingestor.batches.names import Names, Wanted
from ingestor.batches.points import Point, point
from ingestor.batches.records import Stored, clean, delivery_id
from ingestor.batches.rows import READING, micros_now
from ingestor.worker.decoding import Column, ColumnKey, DecodedSlice, Implausible, Tally
from ingestor.worker.store import JobMeter


@dataclass(frozen=True, slots=True)
class FrameMeter:
    """A meter whose frames are in a portion; `zone` is the IANA zone that its device was given, '' for the spec's."""

    id: int
    key: str
    device: str | None
    filter: tuple[tuple[str, ...], tuple[str, ...]] | None
    zone: str = ""

    @classmethod
    def of(cls, meter: JobMeter) -> "FrameMeter":
        """One as the store has it."""
        patterns = (meter.include or ("*",), meter.exclude or ())
        return cls(meter.id, meter.key, meter.device, None if patterns == (("*",), ()) else patterns, meter.zone)


@dataclass(slots=True)
class Packed:
    """A portion as a batch; values by the reason why they go to quarantine; repeats that were left out.

    `newest` has the last time of each series.
    """

    batch: Batch = field(default_factory=Batch)
    refused: dict[str, int] = field(default_factory=dict)
    dropped: int = 0
    newest: dict[int, int] = field(default_factory=dict)

    def refuse(self, reason: str, values: int, stored: Stored) -> None:
        """Count values that are not stored, and keep a row for quarantine."""
        self.refused[reason] = self.refused.get(reason, 0) + values
        self.batch.add_stored(stored)


@dataclass(slots=True)
class Portion:
    """Frames that are stored together: their meters by key, and what they gave."""

    job_id: int
    spec: str
    meters: dict[str, FrameMeter]
    decoded: list[DecodedSlice] = field(default_factory=list)

    @property
    def note(self) -> str:
        """What was wrong with the first frame that gave nothing, '' where all gave something."""
        return next((part.note for part in self.decoded if part.note), "")

    def tallies(self) -> dict[int, Tally]:
        """What the frames of each meter gave, by the meter's id."""
        found: dict[int, Tally] = {}
        for part in self.decoded:
            for key, tally in part.tallies.items():
                total = found.setdefault(self.meters[key].id, Tally())
                total.frames += tally.frames
                total.undecodable += tally.undecodable
                for at_us in (tally.first_us, tally.last_us):
                    if at_us is not None:
                        total.cover(at_us)
        return found

    def wanted(self) -> Wanted:
        """The names that its readings need, each as the device speaks of it that sent the frames."""
        wanted = Wanted()
        for part in self.decoded:
            for key in part.columns:
                what = _point(key)
                if key.device and what is not None:
                    wanted.devices.add(key.device)
                    wanted.meters.setdefault(key.meter, (key.device, self.spec))
                    wanted.points.setdefault((key.meter, key.device), set()).add(what)
        return wanted

    def packed(self, names: Names, newest: Mapping[int, int]) -> Packed:
        """Its readings, and what goes to quarantine.

        Of two values of one series and time the first counts, as in the table: so it is within the portion, and with
        the last time of each series in the portion before (`newest`), for gas meters repeat a value for an hour.
        """
        result, seen = Packed(), dict[int, set[int]]()
        for part in self.decoded:
            for key, column in part.columns.items():
                self._enter(part, key, column, names, newest, seen, result)
            for one in part.implausible:
                result.refuse(quarantine.IMPLAUSIBLE_TIME, len(one.values), self._implausible(part, one))
        batch = result.batch
        wanted = {stored.device for stored in batch.stored.values() if stored.device}
        batch.device_ids = {name: names.devices[name] for name in wanted if name in names.devices}
        return result

    def _enter(
        self,
        part: DecodedSlice,
        key: ColumnKey,
        column: Column,
        names: Names,
        newest: Mapping[int, int],
        seen: dict[int, set[int]],
        result: Packed,
    ) -> None:
        """Enter the values of one series that its device may speak of."""
        meter, what = names.meters.get(key.meter), _point(key)
        series_id = None if meter is None or what is None else names.series_id(meter, key.code, key.unit)
        if meter is None or series_id is None:
            owned = meter is None or _may_speak(meter, key.device, names)
            reason = _why_not(meter, what) if owned else quarantine.FOREIGN_METER
            result.refuse(reason, len(column[0]), self._nameless(part, key, reason))
            return
        device_id = names.devices.get(key.device)
        low, high = bounds_of(key.code, key.unit)
        beyond, foreign = list[float](), 0
        known = seen.setdefault(series_id, {newest[series_id]} if series_id in newest else set())
        for at_us, value in zip(*column, strict=True):
            if at_us in known:
                result.dropped += 1
                continue
            if device_id is not None and not meter.owned.is_of(device_id, at_us):
                foreign += 1
                continue
            if not low <= value <= high:
                beyond.append(value)
                continue
            known.add(at_us)
            result.newest[series_id] = at_us
            result.batch.fresh += READING.pack(4, 8, at_us, 8, value, 4, series_id, 2, key.source)
        if beyond:
            why = f"{beyond[0]:g} is outside [{low:g}, {high:g}]: "
            stored = self._nameless(part, key, quarantine.IMPLAUSIBLE_VALUE, why)
            result.refuse(quarantine.IMPLAUSIBLE_VALUE, len(beyond), stored)
        if foreign:
            stored = self._nameless(part, key, quarantine.FOREIGN_METER, f"{key.device} sent it, not its own then: ")
            result.refuse(quarantine.FOREIGN_METER, foreign, stored)

    def _nameless(self, part: DecodedSlice, key: ColumnKey, reason: str, why: str = "") -> Stored:
        """One row for each series, whatever the number of its values: the frames themselves are kept."""
        detail = f"{why}{key.code} {key.unit or ''}".rstrip() + f" of {key.meter}, decoded by {self.spec}"
        row = self._stored(part, key.meter, reason, detail, detail.encode(), ())
        return replace(row, device=key.device or row.device)

    def _implausible(self, part: DecodedSlice, one: Implausible) -> Stored:
        detail = f"frame {one.frame} by {self.spec}: {one.at.isoformat()} is no plausible time of a reading"
        data = Sample(at=one.at, values=one.values).payload()
        return self._stored(part, one.meter, quarantine.IMPLAUSIBLE_TIME, detail, data, (one.frame, one.at))

    def _stored(
        self, part: DecodedSlice, meter: str, reason: str, detail: str, data: bytes, place: tuple[object, ...]
    ) -> Stored:
        carrier = self.meters[part.carriers.get(meter, meter)]
        return Stored(
            received_us=micros_now(),
            topic=f"jobs/{self.job_id}",
            kind="payload",
            reason=reason,
            data=data,
            # the same again, by whichever job, is the same row
            delivery=delivery_id("redecode", self.spec, meter, reason, *place, data),
            detail=clean(detail),
            device=carrier.device,
            meter_id=carrier.id,
        )


def _point(key: ColumnKey) -> Point | None:
    try:
        return point(key.code, key.unit)
    except ContractError:
        return None


def _may_speak(meter: Meter, device: str, names: Names) -> bool:
    device_id = names.devices.get(device)
    return device_id is None or meter.owner_id in (None, device_id) or meter.owned.was_of(device_id)


def _why_not(meter: Meter | None, what: Point | None) -> str:
    if what is None:
        return quarantine.INVALID_MESSAGE
    return quarantine.METER_LIMIT if meter is None else quarantine.SERIES_LIMIT
