"""Load profiles compared with registers, a meter's day at a time, once what was read of it has come."""

import time as clock
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from typing import Any, Final

import structlog

from ingestor.upkeep.profile_deviation import Deviation, Point, deviation, runs
from ingestor.upkeep.store import (
    DueCheck,
    done_check,
    drop_checks,
    due_checks,
    is_check_due,
    profile_intervals,
    profile_tolerance_percent,
    register_near,
    tell_deviation,
)
from store.errors import heals
from store.sql import Connection

log = structlog.get_logger()

METERS: Final = 50
"""That are looked up in one go; a day of each is compared."""
DAYS_OF_A_METER: Final = 400
"""Of more days that wait the newest are compared: a read of ten years keeps nobody busy for long."""
BUDGET_S: Final = 5.0
"""How long one look at what is due may take."""
NEAR: Final = timedelta(minutes=20)
"""How far from an edge of a run a reading of the register may stand for it."""
_POWER: Final = "5"


class ProfileChecks:
    """Compares what is due, meters in turn: no device's meters hold up another's. `failed` is called of each failure.

    Whose turn it is is kept in memory: whoever takes the upkeep over begins with the first meter.
    """

    def __init__(self, failed: Callable[[], None]) -> None:
        self._failed = failed
        self._last_id = -1

    async def check(self, connection: Connection, budget_s: float = BUDGET_S) -> int:
        """Compare for so long, or until nothing is due, and tell what deviates; how many meters' days were compared."""
        if not await is_check_due(connection):
            return 0
        share = (await profile_tolerance_percent(connection) or 0.0) / 100
        until_s, compared = clock.monotonic() + budget_s, 0
        while True:
            due = await due_checks(connection, self._last_id, METERS)
            if not due:
                if self._last_id < 0:
                    return compared
                # round again, from the first meter
                self._last_id = -1
                continue
            await drop_checks(connection, [one.meter_id for one in due], DAYS_OF_A_METER)
            for one in due:
                self._last_id = one.meter_id
                await self._one(connection, one, share)
                compared += 1
                if clock.monotonic() >= until_s:
                    return compared

    async def _one(self, connection: Connection, one: DueCheck, share: float) -> None:
        """Compare a meter's day and be done with it, also where that fails: it would fail for ever."""
        try:
            async with connection.transaction():
                if share > 0:
                    await _check(connection, one, share)
        except Exception as error:
            if heals(error):
                raise
            self._failed()
            log.warning("profile_check_failed", meter_id=one.meter_id, day=one.day.isoformat(), exc_info=True)
        await done_check(connection, one.meter_id, one.day, one.noted_at)


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
