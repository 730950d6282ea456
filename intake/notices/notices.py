"""Events of sources, told once an hour for each kind: who floods does it a thousand times a second."""

import asyncio
import time
from collections.abc import Mapping
from typing import Final

import structlog
from prometheus_client import Counter

from broker.outage import Outage
from intake.notices.store import add_source_event
from store.errors import DATABASE_ERRORS, heals, reason
from store.pool import Pool

log = structlog.get_logger()
EVERY_S: Final = 3600.0
LOST: Final = ("full", "refused")
"""Why an event is in the log alone: too many waited for the database, or it refuses them."""
_MOST: Final = 1000
"""Events that wait for the database; further ones are in the log alone."""


class Notices:
    """What is to be told; `keep` writes it. In the log at once, in the table once the database is there."""

    def __init__(self, lost: Mapping[str, Counter]) -> None:
        """`lost` counts events that are in the log alone, by LOST."""
        self._lost = lost
        self._outage = Outage()
        self._told: dict[tuple[str, str, str], float] = {}
        self._waiting: asyncio.Queue[tuple[str, str, Mapping[str, object]]] = asyncio.Queue(_MOST)

    def tell(self, source: str, event: str, *, kind: str = "", **detail: object) -> bool:
        """Tell something of a source, unless the same kind of it was told within the hour; whether it was told."""
        now_s, key = time.monotonic(), (source, event, kind)
        if now_s - self._told.get(key, float("-inf")) < EVERY_S:
            return False
        self._told[key] = now_s
        log.warning(event, source=source, **detail)
        if self._waiting.full():
            self._lost["full"].inc()
        else:
            self._waiting.put_nowait((source, event, detail))
        return True

    async def keep(self, pool: Pool) -> None:
        """Write events, for ever; what the database does not take now is tried again, what it never takes is let go."""
        while True:
            source, event, detail = await self._waiting.get()
            while True:
                try:
                    await add_source_event(pool, source, event, _storable(detail))
                    self._outage.back("source_events_written")
                    break
                except DATABASE_ERRORS as error:
                    if not heals(error):
                        # for want of a right, say: it would keep all others waiting
                        self._lost["refused"].inc()
                        log.error("source_event_refused", source=source, event_name=event, reason=reason(error))  # noqa: TRY400
                        break
                    self._outage.failed("source_events_wait", event_name=event, reason=reason(error))
                    await asyncio.sleep(1.0)


def _storable(detail: Mapping[str, object]) -> dict[str, object]:
    return {
        name: value[:500].replace("\0", "\ufffd").encode("utf-8", "replace").decode()
        if isinstance(value, str)
        else value
        for name, value in detail.items()
    }
