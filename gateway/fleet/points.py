"""Points of delivery: the stays of meters there, opened and closed as registrations say, and the points' names."""

from collections.abc import Sequence

import asyncpg

from gateway.faults import Fault, conflict
from gateway.fleet.meters import KnownMeter
from gateway.fleet.placement import Point, Snapshot, departures, plan
from gateway.fleet.store.points import (
    close_stays,
    ensure_points,
    open_stays,
    open_stays_at,
    points_of_ports,
    record_swaps,
    rename_point,
)
from gateway.fleet.store.registers import fill_registers
from store.pool import Pool
from store.sql import Connection


async def place_meters(
    connection: Connection, snapshot: Snapshot, shown: Sequence[KnownMeter], gone: Sequence[str]
) -> None:
    """Close and open the stays that a registration changes, and record swaps."""
    stays = await open_stays(connection, [meter.key for meter in shown])
    ports = sorted({meter.port for meter in shown})
    points = await points_of_ports(connection, snapshot.device_id, ports)
    # a meter that stands at another device's point is nowhere here, and leaves it
    present = {
        stay.key: Point(stay.id, stay.port, stay.channel, stay.slot)
        if stay.device_id == snapshot.device_id
        else Point(stay.id, "", "", 0)
        for stay in stays
    }
    todo = plan(points, present, shown, gone)
    closed = await close_stays(connection, todo.close, departures(todo, points, snapshot), snapshot.boot)
    opened = await _open(connection, snapshot, todo.open)
    if closed:
        await fill_registers(connection, closed)
    if opened:
        await record_swaps(connection, opened)


async def _open(connection: Connection, snapshot: Snapshot, places: Sequence[tuple[str, Point]]) -> list[int]:
    """Begin stays, at points that are made where they are new; all at once, for engineers wait for the lock."""
    new = list(dict.fromkeys((point.port, point.channel, point.slot) for _, point in places if point.id is None))
    made: dict[tuple[str, str, int], int] = {}
    if new:
        ports, channels, slots = (list(column) for column in zip(*new, strict=True))
        found = await ensure_points(connection, snapshot.device_id, ports, channels, slots)
        made = {(one.port, one.channel, one.slot): one.id for one in found}
    if not places:
        return []
    ids = [made[point.port, point.channel, point.slot] if point.id is None else point.id for _, point in places]
    keys = [key for key, _ in places]
    return await open_stays_at(connection, ids, keys, [snapshot.since_when(key) for key in keys], snapshot.boot)


async def rename(pool: Pool, point_id: int, name: str, author: str) -> None:
    """Call a point otherwise. Raises Refusal: conflict where another is called so."""
    try:
        await rename_point(pool, point_id, name, author)
    except asyncpg.UniqueViolationError as error:
        taken = f"another point is called {name!r}"
        raise conflict(taken, [Fault("name", taken, "give a name that no point has")]) from error
