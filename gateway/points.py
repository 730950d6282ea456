"""Where meters stand: a registration's meters put to points of delivery, what left closed, what came opened."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from gateway.database import Connection
from gateway.meters import KnownMeter
from gateway.sql import load

AHEAD = timedelta(minutes=1)
"""A time that a device tells may lie so far ahead of ours; further, its clock is wrong and ours counts."""


@dataclass(frozen=True, slots=True)
class Spot:
    """A point of one device as planning sees it; `id` is None for one that must be made."""

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
    open: list[tuple[str, Spot]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Visit:
    """One registration's look at its device: its boot, when we received it, and since when it has heard each meter."""

    device_id: int
    boot: str
    at: datetime
    since: Mapping[str, datetime]

    def told(self, key: str) -> datetime:
        """Since when a meter stands there; our time where the device's word can't be right."""
        since = self.since.get(key)
        return since if since is not None and since <= self.at + AHEAD else self.at


def plan(spots: Iterable[Spot], standing: Mapping[str, Spot], seen: Sequence[KnownMeter], gone: Iterable[str]) -> Plan:
    """Put the meters of a registration to points.

    `spots` are the points of the ports concerned, `standing` those where the meters stand now, by key;
    `gone` are meters that the registration no longer shows. A meter that comes takes the point of one that goes, else
    the one where it stood last, else the one left last, else a new one. A meter behind another shares its slot.
    """
    result = Plan(close=list(gone))
    known = list(spots)
    slots: dict[str, int] = {}
    mains = [meter for meter in seen if meter.parent is None]
    for meters in (mains, [meter for meter in seen if meter.parent is not None]):
        coming = []
        for meter in meters:
            spot = standing.get(meter.key)
            if spot is not None and _is_right(spot, meter, slots):
                slots[meter.key] = spot.slot
                continue
            coming.append(meter)
        result.close += [meter.key for meter in coming if meter.key in standing and meter.key not in result.close]
        for meter in coming:
            spot = _at_port(known, meter, result.close) if meter.parent is None else _behind(known, meter, slots)
            slots[meter.key] = spot.slot
            if spot.occupant is not None and spot.occupant not in result.close:
                result.close.append(spot.occupant)
            result.open.append((meter.key, spot))
            known = [other for other in known if other is not spot]
            known.append(replace(spot, occupant=meter.key))
    return result


def _is_right(spot: Spot, meter: KnownMeter, slots: Mapping[str, int]) -> bool:
    right = spot.port == meter.port and spot.channel == _channel(meter)
    return right and (meter.parent is None or spot.slot == slots.get(meter.parent, spot.slot))


def _channel(meter: KnownMeter) -> str:
    return "" if meter.parent is None else meter.facts.get("channel") or meter.key


def _at_port(known: Sequence[Spot], meter: KnownMeter, leaving: Sequence[str]) -> Spot:
    here = [spot for spot in known if spot.port == meter.port and not spot.channel]
    left = [spot for spot in here if spot.occupant in leaving and spot.occupant != meter.key]
    vacant = [spot for spot in here if spot.occupant is None or spot.occupant == meter.key]
    own = [spot for spot in vacant if spot.last == meter.key]
    # the one left last comes first, the lowest of them where none ever was
    vacant.sort(key=lambda spot: (-spot.vacated_at.timestamp() if spot.vacated_at else 0.0, spot.slot))
    chosen = next(iter([*left, *own, *vacant]), None)
    return chosen or Spot(None, meter.port, "", 1 + max((spot.slot for spot in here), default=0))


def _behind(known: Sequence[Spot], meter: KnownMeter, slots: Mapping[str, int]) -> Spot:
    slot = max(1, slots.get(meter.parent or "", 1))
    place = (meter.port, _channel(meter), slot)
    found = next((spot for spot in known if (spot.port, spot.channel, spot.slot) == place), None)
    return found or Spot(None, *place)


async def settle(connection: Connection, visit: Visit, seen: Sequence[KnownMeter], gone: Sequence[str]) -> list[int]:
    """Close and open the stays that a registration changes, and tell of swaps; returns the ids of the stays opened."""
    keys = [meter.key for meter in seen]
    standing = {row["key"]: row for row in await connection.fetch(load("open_stays"), keys)}
    ports = sorted({meter.port for meter in seen})
    spots = [_spot(row) for row in await connection.fetch(load("points_of_ports"), visit.device_id, ports)]
    # a meter that stands at another device's point is nowhere here, and leaves it
    here = {
        key: _spot(row) if row["device_id"] == visit.device_id else Spot(row["id"], "", "", 0)
        for key, row in standing.items()
    }
    todo = plan(spots, here, seen, gone)
    closed = await connection.fetch(load("close_stays"), todo.close, _departures(todo, spots, visit), visit.boot)
    opened: list[int] = []
    for key, spot in todo.open:
        point_id = spot.id
        if point_id is None:
            point_id = await connection.fetchval(
                load("ensure_point"), visit.device_id, spot.port, spot.channel, spot.slot
            )
        opened.append(await connection.fetchval(load("open_stay"), point_id, key, visit.told(key), visit.boot))
    if closed:
        await connection.fetch(load("fill_registers"), [row["id"] for row in closed])
    for stay_id in opened:
        await connection.execute(load("tell_swap"), stay_id)
    return opened


def _departures(todo: Plan, spots: Sequence[Spot], visit: Visit) -> list[datetime]:
    """When each meter that goes has left: as its successor came, or itself elsewhere, or another to its port."""
    came = {key: visit.told(key) for key, _ in todo.open}
    successors = {spot.occupant: key for key, spot in todo.open if spot.occupant}
    ports = {spot.occupant: spot.port for spot in spots if spot.occupant}

    def left_at(key: str) -> datetime:
        known = came.get(successors.get(key, key))
        others = [came[other] for other, spot in todo.open if spot.port == ports.get(key)]
        return known or min(others, default=visit.at)

    return [left_at(key) for key in todo.close]


def _spot(row: Any) -> Spot:
    values = dict(row)
    return Spot(**{name: values[name] for name in Spot.__dataclass_fields__ if name in values})
