"""Load profiles compared with registers, a meter's day at a time, once what was read of it has come."""

from collections import defaultdict
from datetime import UTC, datetime, time, timedelta
from typing import Any, Final

from ingestor.upkeep.profile_deviation import Deviation, Point, deviation, runs
from ingestor.upkeep.store import (
    DueCheck,
    done_check,
    due_checks,
    profile_intervals,
    profile_tolerance_percent,
    register_near,
    tell_deviation,
)
from store.sql import Connection

AT_ONCE: Final = 50
"""Days of meters that are compared in one go."""
NEAR: Final = timedelta(minutes=20)
"""How far from an edge of a run a reading of the register may stand for it."""
_POWER: Final = "5"


async def check_profiles(connection: Connection) -> int:
    """Compare what is due, and tell what deviates; how many meters' days were compared."""
    due = await due_checks(connection, AT_ONCE)
    share = (await profile_tolerance_percent(connection) or 0.0) / 100
    for one in due:
        async with connection.transaction():
            if share > 0:
                await _check(connection, one, share)
            await done_check(connection, one.meter_id, one.day, one.noted_at)
    return len(due)


async def _check(connection: Connection, one: DueCheck, share: float) -> None:
    began = datetime.combine(one.day, time(), UTC)
    by_code: dict[str, list[Point]] = defaultdict(list)
    for row in await profile_intervals(connection, one.meter_id, began, began + timedelta(days=1)):
        by_code[row.obis].append(Point(row.at, row.value))
    worst: tuple[Deviation, str, str] | None = None
    for code, intervals in sorted(by_code.items()):
        head, quantity, kind, _ = code.replace(":", ".").split(".")
        register = f"{head}:{quantity}.8.0"
        for run in runs(intervals, power=kind == _POWER):
            edges = [await register_near(connection, one.meter_id, register, at, NEAR) for at in (run.since, run.until)]
            first, last = (Point(edge.at, edge.value) if edge is not None else None for edge in edges)
            found = deviation(run, first, last, share) if first is not None and last is not None else None
            if found is not None and (worst is None or found.beyond_kwh > worst[0].beyond_kwh):
                worst = (found, code, register)
    if worst is not None:
        await tell_deviation(connection, one.meter_id, one.day, _detail(one, *worst))


def _detail(one: DueCheck, found: Deviation, code: str, register: str) -> dict[str, Any]:
    return {
        "day": one.day.isoformat(),
        "code": code,
        "register": register,
        "since": found.run.since.isoformat(),
        "until": found.run.until.isoformat(),
        "profile_kwh": round(found.run.kwh, 3),
        "register_kwh": round(found.register_kwh, 3),
        "allowed_kwh": round(found.allowed_kwh, 3),
    }
