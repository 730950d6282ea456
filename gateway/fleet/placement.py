"""Which points the meters of a registration take, and when those that went had left. Pure functions."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from gateway.fleet.meters import KnownMeter

AHEAD = timedelta(minutes=1)
"""A device's time may lie so far ahead of ours; further, its clock is wrong and ours counts."""


@dataclass(frozen=True, slots=True)
class Point:
    """A point of a device: who stands there, and who stood there last; `id` is None for one still to be made."""

    id: int | None
    port: str
    channel: str
    slot: int
    occupant: str | None = None
    last: str | None = None
    vacated_at: datetime | None = None


@dataclass(slots=True)
class Plan:
    """What a registration changes: the keys of meters whose stay ends, and those whose stay begins, with the point."""

    close: list[str] = field(default_factory=list)
    open: list[tuple[str, Point]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one registration says: its device, its boot, when we received it, and since when each meter is heard."""

    device_id: int
    boot: str
    at: datetime
    since: Mapping[str, datetime]

    def since_when(self, key: str) -> datetime:
        """Since when a meter stands there; our time where the device's word can't be right."""
        since = self.since.get(key)
        return since if since is not None and since <= self.at + AHEAD else self.at


def plan(
    points: Iterable[Point], present: Mapping[str, Point], shown: Sequence[KnownMeter], gone: Iterable[str]
) -> Plan:
    """Put the meters of a registration to points.

    `points` are the points of the ports concerned, `present` those where the meters stand now, by key;
    `gone` are meters that the registration no longer shows. A meter that comes takes the point of one that goes, else
    the one where it stood last, else the one left last, else a new one. A meter behind another shares its slot.
    """
    result = Plan(close=list(gone))
    known = list(points)
    slots: dict[str, int] = {}
    mains = [meter for meter in shown if meter.parent is None]
    for meters in (mains, [meter for meter in shown if meter.parent is not None]):
        coming = []
        for meter in meters:
            point = present.get(meter.key)
            if point is not None and _is_in_place(point, meter, slots):
                slots[meter.key] = point.slot
                continue
            coming.append(meter)
        result.close += [meter.key for meter in coming if meter.key in present and meter.key not in result.close]
        for meter in coming:
            point = _at_port(known, meter, result.close) if meter.parent is None else _behind(known, meter, slots)
            slots[meter.key] = point.slot
            if point.occupant is not None and point.occupant not in result.close:
                result.close.append(point.occupant)
            result.open.append((meter.key, point))
            known = [other for other in known if other is not point]
            known.append(replace(point, occupant=meter.key))
    return result


def _is_in_place(point: Point, meter: KnownMeter, slots: Mapping[str, int]) -> bool:
    right = point.port == meter.port and point.channel == _channel(meter)
    return right and (meter.parent is None or point.slot == slots.get(meter.parent, point.slot))


def _channel(meter: KnownMeter) -> str:
    return "" if meter.parent is None else meter.facts.get("channel") or meter.key


def _at_port(known: Sequence[Point], meter: KnownMeter, leaving: Sequence[str]) -> Point:
    here = [point for point in known if point.port == meter.port and not point.channel]
    left = [point for point in here if point.occupant in leaving and point.occupant != meter.key]
    vacant = [point for point in here if point.occupant is None or point.occupant == meter.key]
    own = [point for point in vacant if point.last == meter.key]
    # the one left last comes first, the lowest of them where none ever was
    vacant.sort(key=lambda point: (-point.vacated_at.timestamp() if point.vacated_at else 0.0, point.slot))
    chosen = next(iter([*left, *own, *vacant]), None)
    return chosen or Point(None, meter.port, "", 1 + max((point.slot for point in here), default=0))


def _behind(known: Sequence[Point], meter: KnownMeter, slots: Mapping[str, int]) -> Point:
    slot = max(1, slots.get(meter.parent or "", 1))
    place = (meter.port, _channel(meter), slot)
    found = next((point for point in known if (point.port, point.channel, point.slot) == place), None)
    return found or Point(None, *place)


def departures(todo: Plan, points: Sequence[Point], snapshot: Snapshot) -> list[datetime]:
    """When each meter that goes has left: as its successor came, or itself elsewhere, or another to its port."""
    came = {key: snapshot.since_when(key) for key, _ in todo.open}
    successors = {point.occupant: key for key, point in todo.open if point.occupant}
    ports = {point.occupant: point.port for point in points if point.occupant}

    def left_at(key: str) -> datetime:
        known = came.get(successors.get(key, key))
        others = [came[other] for other, point in todo.open if point.port == ports.get(key)]
        return known or min(others, default=snapshot.at)

    return [left_at(key) for key in todo.close]
