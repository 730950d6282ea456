"""The loops that take payloads: turns of all sources, those with dear ones apart, and what is kept no longer."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import uuid4

import structlog

from broker.backoff import Backoff
from broker.errors import PermanentError
from ingestor.batches.store import record_event
from ingestor.worker.mappings.metrics import MappingMetrics
from ingestor.worker.mappings.store import (
    WaitingSource,
    count_payloads,
    forget_bodies,
    forget_mapped,
    forget_unmapped,
    retry_untried,
    waiting_sources,
)
from ingestor.worker.mappings.turn import Turns
from ingestor.worker.metrics import WorkerMetrics
from ingestor.worker.settings import WorkerSettings
from store.errors import DATABASE_ERRORS, heals, reason
from store.pool import Pool

log = structlog.get_logger()
OBSERVE_S: Final = 10.0
UPKEEP_S: Final = 300.0
RETRIED: Final = 1_000
"""Payloads of a source that a new version has wait again at once; the others follow."""
PUT_OFF_S: Final = 60.0
AGAIN_S: Final = 5.0
"""A source on whose turn the database failed waits for so long: what holds up one alone holds up no other."""
FORGOTTEN: Final = 5_000
"""Rows that one statement drops."""
MIB: Final = 1024 * 1024


class Mappings:
    """Serves all sources until `stop`: a turn each, so that a source that floods delays the others by one portion.

    A source is served apart from the others, beside them, from its first dear payload until a turn without one.
    """

    def __init__(self, pool: Pool, settings: WorkerSettings, metrics: WorkerMetrics, stop: asyncio.Event) -> None:
        self._database = metrics.database
        self._pool = pool
        self._settings = settings
        self._stop = stop
        self._metrics = MappingMetrics(metrics.registry)
        worker = uuid4()
        self._turns = Turns(pool, settings, self._metrics, metrics, worker, only_cheap=True)
        self._dear_turns = Turns(pool, settings, self._metrics, metrics, worker, only_cheap=False)
        self._dear: set[str] = set()
        """Sources that are served apart."""
        self._put_off: dict[str, float] = {}
        """Until when sources wait on whose turns our own code or the database failed."""
        self._observed_s = self._kept_s = -UPKEEP_S

    async def run(self) -> None:
        """Work through outages of the database. Raises PermanentError where a person must act."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._serve(self.round), name="worker.mappings.cheap")
            group.create_task(self._serve(self.dear_round), name="worker.mappings.dear")

    async def _serve(self, one_round: Callable[[], Awaitable[int]]) -> None:
        backoff = Backoff(first_s=0.2, cap_s=10.0)
        while not self._stop.is_set():
            try:
                found = await one_round()
            except DATABASE_ERRORS as error:
                if not heals(error):
                    raise PermanentError(f"the database refuses payloads' mapping: {error}") from error
                self._database.failed("payloads_not_mapped", reason=reason(error))
                await self._pause(backoff.next_s())
            else:
                backoff.succeeded()
                if not found:
                    await self._pause(self._settings.mapping_poll_s)

    async def round(self) -> int:
        """A turn of each source that has something waiting and nothing dear; how many payloads were settled."""
        now_s = time.monotonic()
        waiting = await waiting_sources(self._pool)
        self._dear &= {source.name for source in waiting}
        settled = await self._take_each([source for source in waiting if source.name not in self._dear], self._turns)
        if self._stop.is_set():
            return settled
        settled += await retry_untried(self._pool, RETRIED)
        if now_s - self._observed_s >= OBSERVE_S:
            self._metrics.show(await count_payloads(self._pool))
            self._observed_s = now_s
        if now_s - self._kept_s >= UPKEEP_S:
            await self.forget(datetime.now(UTC))
            self._kept_s = now_s
        return settled

    async def dear_round(self) -> int:
        """A turn of each source that is served apart; how many payloads were settled."""
        if not self._dear:
            return 0
        waiting = [source for source in await waiting_sources(self._pool) if source.name in self._dear]
        return await self._take_each(waiting, self._dear_turns)

    async def _take_each(self, sources: Sequence[WaitingSource], turns: Turns) -> int:
        settled = 0
        for source in sources:
            now_s = time.monotonic()
            if self._stop.is_set():
                break
            if now_s >= self._put_off.get(source.name, now_s):
                settled += await self._take(source, turns)
        return settled

    async def _take(self, source: WaitingSource, turns: Turns) -> int:
        """A turn of one source; what no outage explains puts this one off, and none of the others."""
        try:
            turned = await turns.take(source)
        except PermanentError:
            raise
        except Exception as error:
            if isinstance(error, DATABASE_ERRORS) and heals(error):
                log.warning("source_turn_failed", source=source.name, again_in_s=AGAIN_S, reason=reason(error))
                self._put_off[source.name] = time.monotonic() + AGAIN_S
                raise
            log.exception("source_put_off", source=source.name, again_in_s=PUT_OFF_S)
            self._metrics.put_off.labels(source.name).inc()
            self._put_off[source.name] = time.monotonic() + PUT_OFF_S
            return 0
        if turned.is_dear and source.name not in self._dear:
            self._dear.add(source.name)
            self._metrics.dear.labels(source.name).inc()
            log.info("source_served_apart", source=source.name)
        elif turned.settled and not turned.is_dear:
            self._dear.discard(source.name)
        return turned.settled

    async def forget(self, now: datetime) -> None:
        """Drop bodies and rows that were kept long enough, and unmapped payloads beyond their bounds, which is told."""
        settings = self._settings
        unmapped_before = now - timedelta(days=settings.unmapped_days)
        bodies_before = now - timedelta(days=settings.payload_body_days)
        rows_before = now - timedelta(days=settings.payload_days)
        while not self._stop.is_set() and await forget_bodies(self._pool, bodies_before, FORGOTTEN) == FORGOTTEN:
            pass
        while (
            not self._stop.is_set()
            and await forget_mapped(self._pool, rows_before, unmapped_before, FORGOTTEN) == FORGOTTEN
        ):
            pass
        # all that is too much: a source may send more between two times than one statement drops
        while not self._stop.is_set() and await self._forget_unmapped(unmapped_before) == FORGOTTEN:
            pass

    async def _forget_unmapped(self, before: datetime) -> int:
        most_bytes = self._settings.unmapped_mib_per_source * MIB
        async with self._pool.acquire() as connection, connection.transaction():
            gone = await forget_unmapped(connection, before, most_bytes, FORGOTTEN)
            for one in gone:
                detail = {"source": one.source, "payloads": one.payloads, "bytes": one.bytes}
                detail |= {"since": one.since.isoformat(), "fix": "give the source a mapping that takes them"}
                await record_event(connection, one.device_id, None, "payloads_dropped", "warning", detail)
        for one in gone:
            self._metrics.dropped.labels(one.source).inc(one.payloads)
            log.warning("payloads_dropped", source=one.source, payloads=one.payloads, bytes=one.bytes)
        return sum(one.payloads for one in gone)

    async def _pause(self, delay_s: float) -> None:
        try:
            async with asyncio.timeout(delay_s):
                await self._stop.wait()
        except TimeoutError:
            return
