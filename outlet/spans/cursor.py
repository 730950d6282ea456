"""One output's way through all that was stored: what is next, page by page, and how far it is."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Final

import structlog

from outlet.spans.store import (
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
from store.pool import Pool

log = structlog.get_logger()
SPANS: Final = 200
PAGE: Final = 5000
_LONG_AGO: Final = datetime(1, 1, 1, tzinfo=UTC)


class SpanCursor:
    """Reads spans in the order of commits. What was given and not noted, by `given`, is read again."""

    def __init__(self, name: str, since: datetime | None, seeded_event: str) -> None:
        """Readings from `since` on, by default those stored from the first start on; `seeded_event` is logged once."""
        self._name = name
        self._since = since
        self._seeded_event = seeded_event
        self._opened = False

    async def next(self, pool: Pool) -> list[Span]:
        """What is to be given next, none where all is given. Raises the database's errors."""
        if not self._opened:
            await rebase_spans(pool)
            await open_cursor(pool, self._name, self._since)
            self._opened = True
        await self.note(pool)
        if seeded := await seed_spans(pool, self._name):
            log.info(self._seeded_event, spans=seeded, output=self._name)
        return await next_spans(pool, self._name, SPANS)

    async def note(self, pool: Pool) -> None:
        """Have the store go on to note for us, while the receiver is away."""
        await note_look(pool, self._name)

    async def given(self, pool: Pool, spans: list[Span]) -> None:
        """Note that all of these is given."""
        await advance_cursor(pool, self._name, spans[-1].xid, spans[-1].id)
        await drop_spans(pool)


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
