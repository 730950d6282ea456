"""A report put together: which meters, and what the roll-ups say of them, some at a time."""

import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from broker.errors import PermanentError
from broker.patterns import wildcard
from broker.selectors import parse_selector
from ingestor.reports.document import Figures, Report, Standing, report, standing
from ingestor.reports.period import Span
from ingestor.reports.store import (
    LONG_S,
    ReportMeter,
    ReportSeries,
    report_energy,
    report_gaps,
    report_group,
    report_heard,
    report_meters,
    report_power,
    report_series,
)
from store.kinds.report import ReportArguments
from store.pool import Pool
from store.sql import Connection, declared

MOST_METERS: Final = 10_000
AT_A_TIME: Final = 100
"""Meters whose figures are asked for together."""
HOUR: Final = timedelta(hours=1)
Tell = Callable[[int, int], Awaitable[None]]


async def gathered(
    pool: Pool, asked: ReportArguments, span: Span, zone: str, made_at: datetime, tell: Tell, *, of_store: bool
) -> Report:
    """The report; `of_store`: its days are those of the roll-ups. Raises PermanentError where no meter is chosen."""
    meters = await _chosen(pool, asked, span)
    async with _unhurried(pool) as reads:
        gaps = {one.meter_id: one for one in await report_gaps(reads, span.since, span.until)}
    # a month of the store is one interval of its roll-ups
    step = "1mo" if of_store and asked.period == "month" else "1d"
    standings: list[Standing] = []
    for begin in range(0, len(meters), AT_A_TIME):
        some = meters[begin : begin + AT_A_TIME]
        async with _unhurried(pool) as reads:
            figures = await _figures(reads, [one.meter_id for one in some], span, step)
        standings += [standing(one, figures, gaps.get(one.meter_id), span, asked.prices) for one in some]
        await tell(len(standings), len(meters))
    return report(asked.title, chosen_by(asked), zone, span, made_at, standings, asked.currency)


def chosen_by(asked: ReportArguments) -> str:
    """Which meters were asked for, in words."""
    said = [] if asked.site is None else [f"site {asked.site}"]
    said += [] if asked.group is None else [f"group {asked.group}"]
    said += [] if asked.meters is None else ["the meters that were named"]
    return ", ".join(said) or "all meters"


@contextlib.asynccontextmanager
async def _unhurried(pool: Pool) -> AsyncIterator[Connection]:
    """A connection whose statements the server, too, lets take long."""
    async with pool.acquire() as connection, connection.transaction(readonly=True):
        await connection.execute(f"SET LOCAL statement_timeout = '{LONG_S:.0f}s'")
        yield connection


async def _chosen(pool: Pool, asked: ReportArguments, span: Span) -> list[ReportMeter]:
    async with _unhurried(pool) as reads:
        found = await report_meters(reads, asked.meters, span.since, span.until, MOST_METERS + 1)
    if len(found) > MOST_METERS:
        raise PermanentError(f"meters: more than {MOST_METERS} (choose them by site or group)")
    if asked.group is not None:
        selector = await report_group(pool, asked.group)
        if selector is None:
            raise PermanentError(f"group: there is no group {asked.group} (`wattline config group list` has them)")
        group = parse_selector(selector, field="group")
        found = [one for one in found if group.holds(one.labels)]
    if (site := asked.site) is not None:
        found = [one for one in found if "site" in one.labels and wildcard(site, one.labels["site"])]
    if not found:
        raise PermanentError(f"no meter of {chosen_by(asked)} was there in {span.words}: nothing to report")
    return found


async def _figures(reads: Connection, meter_ids: Sequence[int], span: Span, step: str) -> Figures:
    times = span.since, span.until
    series: dict[int, list[ReportSeries]] = defaultdict(list)
    for one in await report_series(reads, meter_ids):
        series[one.meter_id].append(one)
    ids = [one.series_id for some in series.values() for one in some]
    energy = declared(report_energy).instead("consumption_1d", f"consumption_{step}")
    hourly = "rollup_1h" if span.on_the(HOUR) else "rollup_15m"
    power = declared(report_power).instead("rollup_1h", hourly)
    return Figures(
        series,
        {one.series_id: one for one in await energy.run(reads, ids, *times)} if ids else {},
        {one.meter_id: one for one in await power.run(reads, meter_ids, *times)},
        {one.meter_id: one for one in await report_heard(reads, meter_ids, *times)},
    )
