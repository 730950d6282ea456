"""The demo's parameter change: set through the API, seen in the report and in the readings themselves."""

import asyncio
import itertools
import time
from datetime import timedelta

from deploy.demo.http import Api
from deploy.demo.report import ParameterChange
from store.sql import Connection

PARAMETER = "reading_interval_s"
REPORTED_WITHIN_S = 15.0
TOLERANCE = 0.9
"""A meter that pushes each second keeps a 3 s interval to within its own period."""

SPACING = """
SELECT DISTINCT r.time FROM reading r JOIN series s ON s.id = r.series_id JOIN meter m ON m.id = s.meter_id
JOIN device d ON d.id = m.device_id
WHERE d.name = $1 AND m.parent_id IS NULL AND r.time > $2
ORDER BY r.time
"""


async def change_parameter(
    api: Api, connection: Connection, device: str, before: float, after: float
) -> ParameterChange:
    """Set the reading interval of one device from `before` to `after` seconds and watch it obey.

    `effect_seen` is true when three readings in a row stand the new interval apart, by their own time stamps.
    """
    began = time.monotonic()
    await api.patch(f"/devices/{device}/parameters", {PARAMETER: after})
    reported_after_s = await _reported(connection, device, after, began)
    effect = reported_after_s is not None and await _effect(connection, device, before, after)
    return ParameterChange(
        parameter=PARAMETER,
        device=device,
        from_=before,
        to=after,
        reported_after_s=reported_after_s,
        effect_seen=effect,
    )


async def _reported(connection: Connection, device: str, value: float, began: float) -> float | None:
    query = """SELECT (r.effective ->> $2)::float8 FROM reported r JOIN device d ON d.id = r.device_id
               WHERE d.name = $1 AND r.state = 'applied'"""
    while time.monotonic() - began < REPORTED_WITHIN_S:
        if await connection.fetchval(query, device, PARAMETER) == value:
            return round(time.monotonic() - began, 3)
        await asyncio.sleep(0.02)
    return None


async def _effect(connection: Connection, device: str, before: float, after: float) -> bool:
    since = await connection.fetchval("SELECT now()")
    deadline = time.monotonic() + 5 * after + 5
    while time.monotonic() < deadline:
        times = [row["time"] for row in await connection.fetch(SPACING, device, since)]
        if len(times) >= 4:
            gaps = [later - earlier for earlier, later in itertools.pairwise(times[1:])]
            return before < after and all(gap >= timedelta(seconds=after * TOLERANCE) for gap in gaps[:2])
        await asyncio.sleep(0.2)
    return False
