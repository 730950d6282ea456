"""Roll-ups of a meter made anew, a month of days in each transaction."""

import math
from datetime import datetime, timedelta
from typing import Final

from broker.errors import PermanentError
from ingestor.worker.context import Context, Result, Work
from ingestor.worker.store import meter_series
from store.edition import timescaledb_license
from store.kinds.recompute import RECOMPUTE, RecomputeArguments
from store.rollups import rollup_anew

STEP: Final = timedelta(days=31)
DAY: Final = timedelta(days=1)


async def recompute(context: Context[RecomputeArguments]) -> Result:
    """Step by step, oldest first; a step twice changes nothing. Intervals of registers are made of readings anyway."""
    asked = context.arguments
    series = await meter_series(context.pool, asked.meter)
    if series is None:
        raise PermanentError(f"there is no meter {asked.meter}")
    async with context.pool.acquire() as connection:
        if await timescaledb_license(connection) != "apache":
            # continuous aggregates note every change of a reading themselves, and the ingestor refreshes them
            return {"quarter_hours": 0, "note": "TimescaleDB notes changes itself, and the ingestor refreshes them"}
    since = datetime.fromisoformat(str(context.saved.get("until", asked.since.isoformat())))
    written, total = int(str(context.saved.get("quarter_hours", 0))), math.ceil((asked.until - asked.since) / DAY)
    while since < asked.until:
        context.go_on()
        until = min(asked.until, since + STEP)
        async with context.pool.acquire() as connection, connection.transaction():
            written += await rollup_anew(connection, series, since, until)
            saved = {"until": until.isoformat(), "quarter_hours": written}
            await context.save(connection, saved, math.ceil((until - asked.since) / DAY), total)
        since = until
    return {"quarter_hours": written}


WORK: Final = Work(RECOMPUTE, recompute)
