"""Gives each stored reading to a receiver of lines, once for sure and again where that is not sure."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Final

import aiohttp
import structlog

from broker.backoff import Backoff
from broker.errors import PermanentError
from broker.outage import Outage
from outlet.lines.protocol import line
from outlet.lines.receiver import BadLinesError, NotTakenError, Receiver
from outlet.lines.store import (
    Span,
    StoredReading,
    advance_cursor,
    drop_spans,
    next_spans,
    note_look,
    open_cursor,
    readings_between,
    rebase_spans,
    seed_spans,
)
from outlet.metrics import OutletMetrics
from outlet.settings import LinesSettings
from store.errors import DATABASE_ERRORS, heals, reason
from store.pool import Pool

log = structlog.get_logger()
SPANS: Final = 200
PAGE: Final = 5000
PROBES: Final = 20
"""Where so many lines are refused and none is taken, the receiver is told something wrong, and lines wait."""
TOLD: Final = 3
"""Refused lines that are logged of a page; all are counted."""
_LONG_AGO: Final = datetime(1, 1, 1, tzinfo=UTC)


class LineExporter:
    """Reads what was stored in the order of commits, posts it, and then notes how far it is.

    Memory holds one page. A receiver that is slow or away leaves the rest in the store, where a span is a hundred
    bytes; whatever was posted and not noted is posted again, which is the same points.
    """

    def __init__(self, settings: LinesSettings, look_every_s: float, metrics: OutletMetrics) -> None:
        self._settings = settings
        self._look_every_s = look_every_s
        self._metrics = metrics
        self._outage = Outage()
        self._failure = ""
        self._took = False

    def check(self) -> tuple[bool, str]:
        """For Health."""
        return not self._failure, self._failure or "all is given"

    async def run(self, pool: Pool) -> None:
        """Give until cancelled. Raises PermanentError where the database refuses us for good."""
        name, backoff = self._settings.name, Backoff(cap_s=30.0)
        opened = False
        async with aiohttp.ClientSession() as http:
            receiver = Receiver(http, self._settings.url, self._settings.secret())
            while True:
                try:
                    if not opened:
                        await rebase_spans(pool)
                        await open_cursor(pool, name, self._settings.since)
                        opened = True
                    if not await self._turn(pool, receiver):
                        await asyncio.sleep(self._look_every_s)
                    backoff.succeeded()
                except NotTakenError as error:
                    self._failed("lines_not_taken", str(error))
                    await self._wait(pool, max(error.wait_s, backoff.next_s()))
                except DATABASE_ERRORS as error:
                    if not heals(error):
                        raise PermanentError(f"the database refuses the outlet: {error}") from error
                    self._failed("lines_not_read", reason(error))
                    await asyncio.sleep(backoff.next_s())

    async def _turn(self, pool: Pool, receiver: Receiver) -> bool:
        """Give what is next; whether there was any."""
        name = self._settings.name
        await note_look(pool, name)
        if seeded := await seed_spans(pool, name):
            log.info("lines_seeded", spans=seeded, output=name)
        spans = await next_spans(pool, name, SPANS)
        behind_s = (datetime.now(UTC) - spans[0].at).total_seconds() if spans else 0.0
        self._metrics.lines_behind_s.set(max(0.0, behind_s))
        for span in together(spans):
            async for readings in pages(pool, span):
                await self._give(receiver, readings)
        if spans:
            await advance_cursor(pool, name, spans[-1].xid, spans[-1].id)
            await drop_spans(pool)
        self._failure = ""
        self._outage.back("lines_taken_again")
        return bool(spans)

    async def _give(self, receiver: Receiver, readings: list[StoredReading]) -> None:
        """Post a page. Raises NotTakenError also where every line is refused: then it is not the lines that are bad."""
        measurement = self._settings.measurement
        made = [line(measurement, one.meter, one.obis, one.unit, one.at, one.value) for one in readings]
        lines = [one for one in made if one is not None]
        refused = list[tuple[str, str]]()
        taken = await self._post(receiver, lines, refused)
        if refused and not taken and not (self._took and len(lines) == 1):
            raise NotTakenError(f"all {len(lines)} lines are refused: {refused[0][1]}")
        self._took = self._took or bool(taken)
        self._metrics.lines.inc(taken)
        self._metrics.lines_refused.inc(len(refused))
        for one, why in refused[:TOLD]:
            log.warning("line_refused", line=one[:200], reason=why, refused=len(refused))

    async def _post(self, receiver: Receiver, lines: list[str], refused: list[tuple[str, str]]) -> int:
        """How many were taken; where some are refused for good, halves are posted until these are found."""
        if not lines:
            return 0
        try:
            await receiver.post(lines)
        except BadLinesError as error:
            if len(lines) == 1:
                refused.append((lines[0], str(error)))
                return 0
            half = len(lines) // 2
            taken = await self._post(receiver, lines[:half], refused)
            if not taken and len(refused) >= PROBES:
                raise NotTakenError(f"the first {len(refused)} lines are refused: {error}") from error
            return taken + await self._post(receiver, lines[half:], refused)
        return len(lines)

    async def _wait(self, pool: Pool, wait_s: float) -> None:
        """Wait for the receiver, while the store goes on to note for us."""
        await note_look(pool, self._settings.name)
        await asyncio.sleep(wait_s)

    def _failed(self, event: str, why: str) -> None:
        self._failure = why
        self._metrics.lines_failures.inc()
        self._outage.failed(event, reason=why, output=self._settings.name)


def together(spans: list[Span]) -> list[Span]:
    """Spans of the same hours as one, so that many small commits are few questions; the order is that of the first."""
    found = dict[tuple[int, int], Span]()
    for span in spans:
        hours = (int(span.from_at.timestamp()) // 3600, int(span.until_at.timestamp()) // 3600)
        before = found.get(hours)
        found[hours] = span if before is None else Span(
            span.xid, span.id, before.at, min(before.from_at, span.from_at), max(before.until_at, span.until_at),
            sorted({*before.series, *span.series}),
        )  # fmt: skip
    return list(found.values())


async def pages(pool: Pool, span: Span) -> AsyncIterator[list[StoredReading]]:
    """All readings of a span, some thousands at a time, each page in a transaction of its own."""
    series, at = 0, _LONG_AGO
    while True:
        page = await readings_between(pool, span.series, span.from_at, span.until_at, series, at, PAGE)
        if page:
            yield page
            series, at = page[-1].series_id, page[-1].at
        if len(page) < PAGE:
            return
