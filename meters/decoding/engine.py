"""Spec-driven decoding: the records of a telegram into readings by OBIS code in canonical units. Pure functions."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Final

from broker.errors import FrameError
from meters.decoding.meter_time import WallClock, instant, telegram_time, wall_clock
from meters.decoding.plan import NO_UNIT, RISING, Conversion, Plan, convert, needs_unit, plan_of
from meters.decoding.profile import STATUS_CODES, interval_ends, kept_at, status_word
from meters.decoding.quirks import ByAddress, bit_is, mend
from meters.decoding.registers import typed
from meters.decoding.sub_meters import sub_meter_readings
from meters.specs.sections import Checksum, Point
from meters.specs.spec import Spec
from meters.telegram import ProfileRow, Record, Telegram, Wire

MAX_MAGNITUDE: Final = Decimal(10) ** 15
"""No meter counts further; beyond it a value is no reading."""
_MAX_EXPONENT: Final = 64


@dataclass(frozen=True, slots=True)
class MeterSample:
    """Values of one meter at one instant, by OBIS code in canonical units.

    `sub_meter` is '' for the meter itself, else the sub-meter's serial or channel, and `key` its meter key. `at` is
    aware UTC by the meter's clock, None where it has none. `units` names the unit of each value. `profile` marks an
    interval of a load profile, whose END is `at`.
    """

    sub_meter: str
    key: str
    at: datetime | None
    values: dict[str, Decimal]
    units: dict[str, str]
    profile: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """A value that did not become a reading though the spec asks for it, and why."""

    address: str
    reason: str


@dataclass(frozen=True, slots=True)
class Decoded:
    """The readings of one telegram; `at` is the meter's own time, aware UTC, None where it has none."""

    at: datetime | None
    samples: tuple[MeterSample, ...]
    refused: tuple[Refusal, ...] = ()


def decode(
    spec: Spec, telegram: Telegram, *, zone: str = "", near: datetime | None = None, since: datetime | None = None
) -> Decoded:
    """What a telegram says by its spec; values that cannot be right are left out and named in `refused`.

    `zone` is the site's IANA zone, which counts before the spec's own; `near` is when the telegram was received, which
    distinguishes the passes of an hour that occurs twice.

    Raises FrameError with reason `undecodable` where the spec is for another protocol, a required point is missing
    or no reading comes out, and `checksum_missing` where the spec demands a check that the telegram lacks.
    """
    if telegram.protocol is not spec.match.protocol:
        raise _undecodable(telegram, f"{spec.ref} is for {spec.match.protocol}, the telegram is {telegram.protocol}")
    if spec.decode.checksum is Checksum.REQUIRED and not _has_check(telegram):
        raise FrameError("checksum_missing", f"{spec.ref} demands one", data=telegram.frame)
    plan = plan_of(spec)
    telegram = typed(spec, telegram)
    clock = wall_clock(spec.time, telegram, zone, near)
    at = telegram_time(spec.time, telegram, clock)
    reading = _Reading(plan, at, clock)
    records = reading.sound(telegram.records)
    reading.take(mend(spec.quirks, records, telegram.facts) if spec.quirks else records)
    samples = reading.samples(profile=False)
    if spec.sub_meters and telegram.protocol is Wire.P1:
        behind = sub_meter_readings(telegram, records, clock, at)
        samples += [MeterSample(b.serial, b.key, b.at, b.values, b.units) for b in behind.readings]
        reading.refused += [Refusal(*refusal) for refusal in behind.refused]
    samples += _profile(plan, telegram.profile, clock.zone, since, reading.refused)
    samples += _kept(plan, telegram.profile, clock, at)
    if not samples:
        if not telegram.records and not telegram.profile:
            raise _undecodable(telegram, "an identification without readings")
        why = f"; {reading.refused[0].address}: {reading.refused[0].reason}" if reading.refused else ""
        raise _undecodable(telegram, f"no readings by {spec.ref}{why}")
    if reading.missing and telegram.records:
        raise _undecodable(telegram, f"{spec.ref} wants {', '.join(reading.missing)}")
    return Decoded(at, tuple(samples), tuple(reading.refused))


def _undecodable(telegram: Telegram, detail: str) -> FrameError:
    return FrameError("undecodable", detail, data=telegram.frame)


def _has_check(telegram: Telegram) -> bool:
    # the binary readers and IEC 62056-21's pass no frame whose check fails; P1 before v4 has none after its `!`
    if telegram.protocol is Wire.P1 and telegram.frame and telegram.security is None:
        return bool(telegram.frame.rpartition(b"!")[2].strip())
    if telegram.protocol is Wire.IEC62056_21 and telegram.frame:
        return b"\x03" in telegram.frame[-2:]
    return True


def _profile(
    plan: Plan, rows: Sequence[ProfileRow], zone: str | None, since: datetime | None, refused: list[Refusal]
) -> Iterator[MeterSample]:
    """The intervals of a load profile; without a time nobody knows where the values of one belong."""
    history = plan.spec.history
    rows = [row for row in rows if not row.kept]
    for row, end in zip(rows, interval_ends(rows, history, zone, since), strict=True):
        if end is None:
            refused.append(Refusal(row.records[0].address if row.records else "profile", "interval without a time"))
            continue
        reading = _Reading(plan, end, WallClock(zone))
        reading.take(reading.sound(row.records))
        refused += reading.refused
        found = reading.samples(profile=True)
        word = status_word(row.status)
        if found and history is not None and word is not None:
            found[0].values[STATUS_CODES[history.method]] = word
            found[0].units[STATUS_CODES[history.method]] = ""
        yield from found


def _kept(plan: Plan, rows: Sequence[ProfileRow], clock: WallClock, now_at: datetime | None) -> Iterator[MeterSample]:
    """Values that a telegram carries of before, at their own stamps; what says no time, or one to come, is left out.

    What was kept at the telegram's own time is what the spec reads as its values of now.
    """
    for row in rows:
        at = kept_at(row, plan.spec.storage_day, clock)
        if at is not None and at != now_at:
            reading = _Reading(plan, at, WallClock(clock.zone))
            reading.take(reading.sound(row.records))
            yield from reading.samples(profile=True)


def _is_sound(value: Decimal) -> bool:
    return value.is_finite() and -_MAX_EXPONENT <= value.adjusted() <= _MAX_EXPONENT


@dataclass(slots=True)
class _Group:
    values: dict[str, Decimal] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)


class _Reading:
    """The readings of one list of records, gathered by instant: the telegram's, or a record's own."""

    def __init__(self, plan: Plan, at: datetime | None, clock: WallClock) -> None:
        self.plan = plan
        self.at = at
        self.clock = clock
        self.main = _Group()
        self.own: dict[datetime, _Group] = {}
        self.refused: list[Refusal] = []
        self.missing: list[str] = []

    def sound(self, records: tuple[Record, ...]) -> tuple[Record, ...]:
        """The records less the numbers that nobody can calculate with: NaN, infinities, absurd exponents."""
        good = tuple(r for r in records if not isinstance(r.value, Decimal) or _is_sound(r.value))
        if len(good) < len(records):
            for record in records:
                if isinstance(record.value, Decimal) and not _is_sound(record.value):
                    self._refuse(record, "no plausible number")
        return good

    def take(self, records: tuple[Record, ...]) -> None:
        """Points first, then what the OBIS catalogue knows beside them."""
        if self.plan.points:
            by_address = {(record.address, record.index): record for record in reversed(records)}
            first = {address: record for (address, index), record in by_address.items() if index == 0}
            for point, sources in self.plan.points:
                found = (by_address.get((address, point.index)) for address in sources)
                record = next((r for r in found if r is not None and isinstance(r.value, Decimal)), None)
                if record is not None:
                    self._point(point, record, first)
                elif not point.optional:
                    self.missing.append(point.obis)
        if self.plan.spec.standard:
            for record in records:
                if isinstance(record.value, Decimal):
                    self._standard(record, record.value)

    def samples(self, *, profile: bool) -> list[MeterSample]:
        """A sample for each instant, the telegram's own first."""
        found = [(self.at, self.main), *self.own.items()]
        return [MeterSample("", "", at, group.values, group.units, profile) for at, group in found if group.values]

    def _standard(self, record: Record, value: Decimal) -> None:
        conversion = self.plan.standard(record.address, record.unit)
        if conversion.reason is not None:
            if conversion.reason:
                self.refused.append(Refusal(record.address, conversion.reason))
            return
        self._emit(conversion, value * conversion.factor, record, rising=conversion.rising)

    def _point(self, point: Point, record: Record, first: ByAddress) -> None:
        unit = record.unit if record.unit is not None else point.unit[0] if point.unit else None
        if point.unit and unit not in point.unit:
            return self._refuse(record, f"unit {unit} on the wire, {' or '.join(point.unit)} expected")
        if unit is None and needs_unit(point.obis):
            return self._refuse(record, NO_UNIT)
        value = self._value(point, record, first)
        if value is None:
            return None
        conversion = convert(point.obis, unit)
        if conversion.reason is not None:
            return self._refuse(record, conversion.reason)
        value *= conversion.factor
        low, high = point.range.min, point.range.max
        if (low is not None and value < low) or (high is not None and value > high):
            return self._refuse(record, f"{value} {conversion.unit} is beyond {low} to {high}")
        rising = point.kind in RISING if point.kind else conversion.rising
        return self._emit(conversion, value, record, rising=rising, own=point.time == "own")

    def _value(self, point: Point, record: Record, first: ByAddress) -> Decimal | None:
        value = record.value
        if not isinstance(value, Decimal):
            return None
        if point.minus is not None:
            other = first.get(point.minus)
            if other is None or not isinstance(other.value, Decimal) or other.unit != record.unit:
                self._refuse(record, f"{point.minus} is missing or in another unit")
                return None
            value -= other.value
        if point.scale is not None:
            value *= point.scale
        if point.negative_if is not None:
            negative = bit_is(point.negative_if, record.address, first)
            if negative is None:
                sought = " or ".join(point.negative_if.sources) or record.address
                self._refuse(record, f"no status at {sought} to give the sign")
                return None
            value = -abs(value) if negative else abs(value)
        return -value if point.negate else value

    def _emit(self, conversion: Conversion, value: Decimal, record: Record, *, rising: bool, own: bool = True) -> None:
        if abs(value) > MAX_MAGNITUDE:
            return self._refuse(record, "no plausible number")
        if value < 0 and rising:
            return self._refuse(record, f"{value} {conversion.unit} in a register that only rises")
        group = self.main
        if own and record.at is not None and self.plan.trusts_clock:
            at = instant(record.at, self.clock)
            if at is not None and at != self.at:
                group = self.own.setdefault(at, _Group())
        if conversion.code not in group.values:
            group.values[conversion.code] = value
            group.units[conversion.code] = conversion.unit
        return None

    def _refuse(self, record: Record, reason: str) -> None:
        self.refused.append(Refusal(record.address, reason))
