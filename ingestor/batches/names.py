"""Devices, meters and series by name: ids in memory, bounded, found or added in bulk when missing."""

from collections import Counter, OrderedDict
from collections.abc import Hashable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import TypeVar

from ingestor.batches.limits import Limits
from ingestor.batches.meter import Meter
from ingestor.batches.ownership import EVER_US, Ownership, ownership
from ingestor.batches.points import Point, point, spelling
from ingestor.batches.rows import micros
from ingestor.batches.store import (
    MeterKey,
    add_devices,
    add_meters,
    add_series,
    find_devices,
    find_meters,
    find_moves,
    find_series,
    last_move,
    moves_after,
)  # fmt: skip
from store.quota_tally import Tally
from store.quotas import Quota
from store.sql import Connection

_SPELLINGS = 4
"""How many spellings of its codes a meter may have in memory, as a multiple of its series."""
REPEATS_US = 600_000_000
"""So long after a batch failed for a repeat of its, a device's readings are kept apart from all others'."""
EVER_KEPT_US = 2**62
_SHARED_POINTS = 20_000
"""Codes with their units of which one object serves all meters; beyond, those that were shared are forgotten."""


_K = TypeVar("_K", bound=Hashable)


@dataclass(slots=True)
class Wanted:
    """Names that a batch needs and memory does not have."""

    devices: set[str] = field(default_factory=set)
    meters: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    """Meter keys, each with the device that speaks of it and the spec."""
    points: dict[tuple[str, str], set[Point]] = field(default_factory=dict)
    """Series by meter key and the device that speaks of them."""

    def __bool__(self) -> bool:
        return bool(self.devices or self.meters or self.points)


class Names:
    """The ids of names. When memory is full, meters not needed of late go, and are found again when needed."""

    def __init__(self, limits: Limits, tally: Tally | None = None) -> None:
        self._limits = limits
        self._tally = tally or Tally()
        self.devices: dict[str, int] = {}
        self.meters: OrderedDict[str, Meter] = OrderedDict()
        self._repeating: dict[int, int] = {}
        self._points: dict[tuple[str, str], tuple[str, str]] = {}
        self._bytes = 0
        self._last_move: int | None = None
        self.keep_us = EVER_KEPT_US
        """For how long readings are kept: older ones would go within the hour, each of their days with a chunk."""
        self.generation = 0
        """Rises when all is forgotten, as ids that were looked up before may be another database's, and when a meter in
        memory has become another device's: what was judged before is to be judged anew."""

    def clear(self) -> None:
        """Forget all; after a lost connection it may be another database that answers."""
        self.devices.clear()
        self.meters.clear()
        self._repeating.clear()
        self._points.clear()
        self._bytes = 0
        self._last_move = None
        self.generation += 1

    def repeats(self, device_id: int, now_us: int) -> bool:
        """Whether a device's readings may be in the table already, as others of its were of late."""
        return now_us < self._repeating.get(device_id, EVER_US)

    def note_repeat(self, series_id: int, now_us: int) -> None:
        """A reading of this series was in already, which its batch did not expect; remembered for REPEATS_US."""
        for meter in self.meters.values():
            if series_id in meter.points.values():
                # whose it was may tell of its own time still
                speakers = [one.device_id for one in meter.owned.past]
                if meter.owner_id is not None:
                    speakers.append(meter.owner_id)
                self._repeating |= dict.fromkeys(speakers, now_us + REPEATS_US)
                return

    async def catch_up(self, connection: Connection) -> None:
        """Forget meters that have become another device's since the last time: before a batch is written by them.

        So what memory says of a meter's owner is as of now, with however many ingestors and gateways.
        """
        if self._last_move is None:
            # nothing is in memory yet: what is read from now on is newer
            self._last_move, keep_s = await last_move(connection)
            keep_us = EVER_KEPT_US if keep_s is None else round(keep_s * 1_000_000)
            self.generation += keep_us != self.keep_us
            self.keep_us = keep_us
            return
        moved = await moves_after(connection, self._last_move)
        known = {key for _, key in moved if key in self.meters}
        for key in known:
            self._forget(key)
        self.generation += bool(known)
        if moved:
            self._last_move = moved[-1].id
            await self.catch_up(connection)

    def series_id(self, meter: Meter, code: str, unit: str | None) -> int | None:
        """The series of a code, remembered under this spelling. Raises ContractError as `point` does."""
        spelled = spelling(code, unit)
        found = meter.series.get(spelled)
        if found is None:
            what = point(code, unit)
            found = meter.points.get((what.obis, what.unit))
            if found is not None and len(meter.series) < _SPELLINGS * self._limits.series_per_meter:
                meter.series[spelled] = found
                self._count(meter)
        return found

    async def resolve(self, connection: Connection, wanted: Wanted) -> None:
        """Find or add what is wanted, a few statements for all of it; what the limits forbid stays missing."""
        devices = wanted.devices | {device for device, _ in wanted.meters.values()}
        await self._find_devices(connection, sorted(devices - self.devices.keys()))
        await self._find_meters(connection, wanted)
        await self._find_series(connection, wanted)

    async def _find_devices(self, connection: Connection, names: list[str]) -> None:
        if not names:
            return
        await add_devices(connection, names, self._limits.devices)
        self.devices.update(await find_devices(connection, names))
        _shrink(self.devices, self._limits.devices, set(names))

    async def _find_meters(self, connection: Connection, wanted: Wanted) -> None:
        missing = {
            key: (device, spec)
            for key, (device, spec) in sorted(wanted.meters.items())
            if key not in self.meters and device in self.devices
        }
        if not missing:
            return
        rows = list(await find_meters(connection, list(missing)))
        there = {key for _, key, _ in rows}
        new = self._within(Quota.METERS, {key: missing[key][0] for key in sorted(missing.keys() - there)})
        if new:
            ids, specs = [self.devices[new[key]] for key in new], [missing[key][1] for key in new]
            added = await add_meters(connection, list(new), ids, specs, self._limits.meters_per_device)
            self._count_new(Quota.METERS, Counter(new[key] for key in added))
            rows += await find_meters(connection, list(new))
        owned = await self._read_owners(connection, rows)
        for meter_id, key, _ in rows:
            self._forget(key)
            self.meters[key] = meter = Meter(meter_id)
            # without an await between: of a meter that nobody is known to own, anybody may speak
            meter.take_owner(owned[meter_id])
        await self._read_series(connection, {meter_id: key for meter_id, key, _ in rows})
        self._shrink({key for key, _ in wanted.points} | wanted.meters.keys())

    async def _read_owners(self, connection: Connection, rows: list[MeterKey]) -> dict[int, Ownership]:
        moves: dict[int, list[tuple[int | None, int, int]]] = {}
        for meter_id, before, at, from_at in await find_moves(connection, [row[0] for row in rows]):
            moves.setdefault(meter_id, []).append((before, micros(at), micros(from_at)))
        return {meter_id: ownership(device_id, moves.get(meter_id, ())) for meter_id, _, device_id in rows}

    async def _find_series(self, connection: Connection, wanted: Wanted) -> None:
        """Add series of those who own their meters; who owned it before may fill half of the room, and others none."""
        most = self._limits.series_per_meter
        for past, room in ((False, most), (True, most // 2)):
            missing = self._missing(wanted, past=past)
            if self._short_of(Quota.SERIES, missing):
                # some may be another ingestor's work
                await self._read_series(connection, {self.meters[key].id: key for key, _ in missing})
                missing = self._missing(wanted, past=past)
            new = self._within(Quota.SERIES, missing)
            if new:
                await self._add_series(connection, new, room)

    async def _add_series(self, connection: Connection, new: Mapping[tuple[str, Point], str], room: int) -> None:
        speakers = {key: device for (key, _), device in new.items()}
        keys = {self.meters[key].id: key for key in speakers}
        added = await add_series(
            connection,
            [self.meters[key].id for key, _ in new],
            [what.obis for _, what in new],
            [what.unit for _, what in new],
            [what.kind for _, what in new],
            room,
        )
        self._count_new(Quota.SERIES, Counter(speakers[keys[meter_id]] for meter_id in added))
        await self._read_series(connection, keys)

    def _missing(self, wanted: Wanted, *, past: bool) -> dict[tuple[str, Point], str]:
        """Series of known meters that are wanted and not in memory, each with the device that speaks of it."""
        return {
            (key, what): device
            for (key, device), points in sorted(wanted.points.items())
            if (meter := self.meters.get(key)) is not None and self._speaks_as(meter, device) is past
            for what in sorted(points, key=lambda what: (what.obis, what.unit))
            if (what.obis, what.unit) not in meter.points
        }

    def _speaks_as(self, meter: Meter, device: str) -> bool | None:
        """False where a device speaks of its own meter, True where of one that was its own, None where neither."""
        device_id = self.devices.get(device)
        if device_id is None:
            return None
        if meter.owner_id in (None, device_id):
            return False
        return True if meter.owned.was_of(device_id) else None

    def _short_of(self, quota: Quota, missing: Mapping[_K, str]) -> bool:
        """Whether some device has less left of a quota than it may need."""
        wanted = Counter(missing.values())
        return any((room := self._tally.room(device, quota)) is not None and room < wanted[device] for device in wanted)

    def _within(self, quota: Quota, new: Mapping[_K, str]) -> dict[_K, str]:
        """Of what is new, by device, what its quota of the day allows; the rest is cut, and so found nowhere."""
        if not self._short_of(quota, new):
            return dict(new)
        room = {device: self._tally.room(device, quota) for device in new.values()}
        allowed: dict[_K, str] = {}
        for key, device in new.items():
            left = room[device]
            if left == 0:
                self._tally.note(device, quota, cut=1)
                continue
            allowed[key] = device
            room[device] = None if left is None else left - 1
        return allowed

    def _count_new(self, quota: Quota, added: Mapping[str, int]) -> None:
        for device, count in added.items():
            self._tally.note(device, quota, used=count)

    async def _read_series(self, connection: Connection, keys: dict[int, str]) -> None:
        if not keys:
            return
        if len(self._points) >= _SHARED_POINTS:
            self._points.clear()
        for series_id, meter_id, obis, unit in await find_series(connection, list(keys)):
            what = (obis, unit)
            # one object for all meters of a product: a third of what they take
            self.meters[keys[meter_id]].points[self._points.setdefault(what, what)] = series_id
        for key in keys.values():
            self._count(self.meters[key])

    def _count(self, meter: Meter) -> None:
        now = meter.occupies()
        self._bytes += now - meter.bytes
        meter.bytes = now

    def _forget(self, key: str) -> None:
        gone = self.meters.pop(key, None)
        if gone is not None:
            self._bytes -= gone.bytes

    def _shrink(self, needed: AbstractSet[str]) -> None:
        """Drop meters until they fit, those first that were not needed since the last time; none that is needed now.

        A second chance in place of an order of use, which each message would have to keep: a meter that was used goes
        to the end once more. Each step costs the same, however many there are.
        """
        for _ in range(2 * len(self.meters)):
            if self._bytes <= self._limits.cached_bytes:
                return
            key = next(iter(self.meters))
            meter = self.meters[key]
            if meter.used or key in needed:
                meter.used = False
                self.meters.move_to_end(key)
            else:
                self._forget(key)


def _shrink(entries: dict[str, int], most: int, needed: AbstractSet[str]) -> None:
    """Drop the entries longest in memory, but none that is needed now."""
    if len(entries) > most:
        for key in [key for key in entries if key not in needed][: len(entries) - most]:
            del entries[key]
