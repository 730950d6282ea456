"""Gives each stored reading to a receiver of lines, once for sure and again where that is not sure."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

import aiohttp
import structlog

from broker.backoff import Backoff
from broker.errors import PermanentError
from broker.outage import Outage
from outlet.lines.protocol import line
from outlet.lines.receiver import BadLinesError, NotTakenError, Receiver
from outlet.metrics import OutletMetrics
from outlet.settings import LinesSettings
from outlet.spans.cursor import SpanCursor, pages, together
from outlet.spans.store import StoredReading, newest_of_meters
from store.errors import DATABASE_ERRORS, heals, reason
from store.pool import Pool

log = structlog.get_logger()
PROBES: Final = 20
"""Where so many lines of a page are refused and none is taken, it is seen first whether the receiver takes any."""
PROOFS: Final = 20
"""Newest readings by which that is seen."""
PROOFS_OF: Final = timedelta(days=7)
TOLD: Final = 3
"""Refused lines that are logged of a page; all are counted."""


@dataclass(slots=True)
class _Page:
    """What became of a page's lines: how many were taken, and those that were refused, with the reason."""

    taken: int = 0
    refused: list[tuple[str, str]] = field(default_factory=list)

    @property
    def all_refused(self) -> bool:
        return bool(self.refused) and not self.taken


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
        self._proof = ""
        self._cursor = SpanCursor(settings.name, settings.since, "lines_seeded")

    def check(self) -> tuple[bool, str]:
        """For Health."""
        return not self._failure, self._failure or "all is given"

    async def run(self, pool: Pool) -> None:
        """Give until cancelled. Raises PermanentError where the database refuses us for good."""
        backoff = Backoff(cap_s=30.0)
        async with aiohttp.ClientSession() as http:
            receiver = Receiver(http, self._settings.url, self._settings.secret())
            while True:
                try:
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
        spans = await self._cursor.next(pool)
        behind_s = (datetime.now(UTC) - spans[0].at).total_seconds() if spans else 0.0
        self._metrics.lines_behind_s.set(max(0.0, behind_s))
        for span in together(spans):
            async for readings in pages(pool, span):
                await self._give(pool, receiver, readings)
        if spans:
            await self._cursor.given(pool, spans)
        self._failure = ""
        self._outage.back("lines_taken_again")
        return bool(spans)

    async def _give(self, pool: Pool, receiver: Receiver, readings: list[StoredReading]) -> None:
        """Post a page. Raises NotTakenError where the newest readings are refused, too: then it is not the lines."""
        lines, page = self._lines(readings), _Page()
        await self._post(receiver, lines, page, PROBES)
        if page.all_refused:
            why = page.refused[0][1]
            await self._prove(pool, receiver, why)
            # the receiver takes lines now: what it refuses of this page now is refused for good
            page = _Page()
            await self._post(receiver, lines, page, len(lines))
            if page.all_refused:
                await self._prove(pool, receiver, why)
        self._metrics.lines.inc(page.taken)
        self._metrics.lines_refused.inc(len(page.refused))
        for one, why in page.refused[:TOLD]:
            log.warning("line_refused", line=one[:200], reason=why, refused=len(page.refused))

    def _lines(self, readings: list[StoredReading]) -> list[str]:
        """Those readings that can be said."""
        measurement = self._settings.measurement
        made = [line(measurement, one.meter, one.obis, one.unit, one.at, one.value) for one in readings]
        return [one for one in made if one is not None]

    async def _post(self, receiver: Receiver, lines: list[str], page: _Page, most: int) -> None:
        """Post lines; where some are refused for good, halves until these are found, or `most` of them and no other."""
        if not lines or (len(page.refused) >= most and page.all_refused):
            return
        try:
            await receiver.post(lines)
        except BadLinesError as error:
            if len(lines) == 1 or error.dropped == len(lines):
                page.refused += [(one, str(error)) for one in lines]
                return
            half = len(lines) // 2
            await self._post(receiver, lines[:half], page, most)
            await self._post(receiver, lines[half:], page, most)
            return
        page.taken += len(lines)
        self._proof = lines[-1]

    async def _prove(self, pool: Pool, receiver: Receiver, why: str) -> None:
        """Have something taken that is good: what was taken last, or the newest of some meters; repeats change nothing.

        Raises NotTakenError where nothing is: whatever the receiver is told, as at a wrong address, is refused.
        """
        proofs = [self._proof] if self._proof else []
        proofs += self._lines(await newest_of_meters(pool, datetime.now(UTC) - PROOFS_OF, PROOFS))
        for one in proofs:
            try:
                await receiver.post([one])
            except BadLinesError:
                continue
            self._proof = one
            return
        raise NotTakenError(f"all lines are refused, the newest, too: {why}")

    async def _wait(self, pool: Pool, wait_s: float) -> None:
        """Wait for the receiver, while the store goes on to note for us."""
        await self._cursor.note(pool)
        await asyncio.sleep(wait_s)

    def _failed(self, event: str, why: str) -> None:
        self._failure = why
        self._metrics.lines_failures.inc()
        self._outage.failed(event, reason=why, output=self._settings.name)
