"""What /healthz looks at, and the chores beside the pipeline: gauges, summaries, device.last_seen_at."""

import asyncio
import time

import structlog

from broker.service import Health
from broker.session import Session
from broker.wording import counted
from ingestor.clock import Clock
from ingestor.failures import DATABASE_ERRORS
from ingestor.lease import Lease
from ingestor.metrics import Metrics
from ingestor.names import Names
from ingestor.pipeline import Pipeline
from ingestor.rows import instant
from ingestor.standstill import LOOK_AFTER_S, Standstill
from store.pool import Pool, is_transient
from store.queries import load

log = structlog.get_logger()

EVERY_S = 5.0
PROBE_AFTER_S = 5.0
SILENT_S = 30.0
"""An answer of the database that is older proves nothing any more."""
STUCK_S = 20.0
UPKEEP_S = 10.0
UNHELD_S = 60.0
"""The upkeep's lease lasts half as long, and who looks for a free one does so every `upkeep_every_s`."""
LAST_SEEN_S = 30.0
SUMMARY_S = 60.0


class Watch:
    """Watches one pipeline; `keep()` is its task."""

    def __init__(
        self, session: Session, pipeline: Pipeline, names: Names, metrics: Metrics, lease: Lease, clock: Clock
    ) -> None:
        self._session = session
        self._pipeline = pipeline
        self._names = names
        self._metrics = metrics
        self._lease = lease
        self._clock = clock
        self._standstill = Standstill(metrics)
        self._unheld_s, self._upkeep_s = 0.0, float("-inf")
        self._answered_s: float | None = None
        self._failed_s = 0.0
        self._failure = "not connected yet"
        self._summary_s = self._flushed_s = time.monotonic()
        self._summed: dict[str, float] = {}

    def add_to(self, health: Health) -> None:
        """Add the checks."""
        health.add("broker", self._broker)
        health.add("database", self._database)
        health.add("writing", self._writing)
        health.add("upkeep", self._upkeep)
        health.add("clock", self._clock.health)

    async def keep(self, pool: Pool) -> None:
        """Do the chores, for ever."""
        while True:
            self.measure()
            now_s = time.monotonic()
            if now_s - max(self._answered_s or 0.0, self._pipeline.last_commit_s or 0.0) > PROBE_AFTER_S:
                await self._probe(pool)
            if (self._busy_s() or 0.0) > LOOK_AFTER_S:
                await self._standstill.looked(pool)
            else:
                self._standstill.over()
            if now_s - self._upkeep_s > UPKEEP_S:
                await self._look_at_upkeep(pool)
                await self._look_at_clock(pool)
            if now_s - self._flushed_s > LAST_SEEN_S:
                await self.flush_last_seen(pool)
            if now_s - self._summary_s > SUMMARY_S:
                self._summarise(now_s)
            await asyncio.sleep(EVERY_S)

    def measure(self) -> None:
        """Bring the gauges up to date."""
        self._metrics.queue.set(self._session.waiting + self._pipeline.held)
        self._metrics.cached_meters.set(len(self._names.meters))
        self._metrics.cached_devices.set(len(self._names.devices))
        self._metrics.writing_s.set(self._busy_s() or 0.0)
        self._metrics.host_clock_off_s.set(self._clock.host_off_s)
        self._metrics.holds_upkeep.set(self._lease.held)
        self._metrics.connected.set(self._session.connected)
        self._metrics.connections.set(self._session.connections)

    async def flush_last_seen(self, pool: Pool) -> None:
        """Write when each device was last heard; what fails is written the next time."""
        self._flushed_s = time.monotonic()
        seen, self._pipeline.seen = self._pipeline.seen, {}
        if not seen:
            return
        ids = sorted(seen)
        try:
            await pool.execute(load("update_last_seen"), ids, [instant(seen[number]) for number in ids])
        except DATABASE_ERRORS as error:
            told = self._metrics.database.failed if is_transient(error) else log.warning
            told("last_seen_not_written", reason=str(error) or "no answer in time", devices=len(ids))
            self._pipeline.seen = seen | self._pipeline.seen

    async def _probe(self, pool: Pool) -> None:
        try:
            async with asyncio.timeout(EVERY_S):
                await pool.fetchval("SELECT 1")
        except DATABASE_ERRORS as error:
            self._failure, self._failed_s = str(error) or "no answer in time", time.monotonic()
            told = self._metrics.database.failed if is_transient(error) else log.warning
            told("database_probe_failed", reason=self._failure)
        else:
            if not self._pipeline.failure:
                # a full disk answers, and takes nothing
                self._metrics.database.back("database_back")
            self._answered_s, self._failure = time.monotonic(), ""

    async def _look_at_upkeep(self, pool: Pool) -> None:
        """How far roll-ups and summary lag behind, as the database says: whoever does them may be gone or elsewhere."""
        try:
            async with asyncio.timeout(EVERY_S):
                row = await pool.fetchrow(load("upkeep_standing"))
        except DATABASE_ERRORS as error:
            log.debug("upkeep_not_seen", reason=str(error) or "no answer in time")
            return
        self._upkeep_s = time.monotonic()
        if row is not None:
            self._unheld_s = row["unheld_s"]
            self._metrics.rollup_behind_s.set(row["rollup_behind_s"])
            self._metrics.ledger_behind_s.set(row["ledger_behind_s"])
            self._metrics.ledger_missing.set(row["missing"])

    async def _look_at_clock(self, pool: Pool) -> None:
        try:
            await self._clock.compare(pool)
        except DATABASE_ERRORS as error:
            log.debug("clock_not_compared", reason=str(error) or "no answer in time")

    def _summarise(self, now_s: float) -> None:
        totals = {
            name: sum(sample.value for metric in counter.collect() for sample in metric.samples if _counts(sample.name))
            for name, counter in (
                ("messages", self._metrics.messages),
                ("rows", self._metrics.rows),
                ("repeated", self._metrics.repeated),
                ("quarantined", self._metrics.quarantined),
                ("batches", self._metrics.batches),
                ("retries", self._metrics.retries),
            )
        }
        since = {name: int(total - self._summed.get(name, 0.0)) for name, total in totals.items()}
        log.info("ingested", seconds=round(now_s - self._summary_s), **since)
        self._summed, self._summary_s = totals, now_s

    def _broker(self) -> tuple[bool, str]:
        connected = self._session.connected
        return connected, "connected" if connected else self._session.last_error or "connecting"

    def _database(self) -> tuple[bool, str]:
        if self._pipeline.failure:
            return False, self._pipeline.failure
        good_s = max(self._answered_s or 0.0, self._pipeline.last_commit_s or 0.0)
        if not good_s or self._failed_s > good_s:
            return False, self._failure
        ago_s = time.monotonic() - good_s
        return ago_s < SILENT_S, f"answered {ago_s:.0f} s ago"

    def _busy_s(self) -> float | None:
        since_s = self._pipeline.writing_since_s
        return None if since_s is None else time.monotonic() - since_s

    def _writing(self) -> tuple[bool, str]:
        busy_s = self._busy_s()
        if busy_s is None:
            return True, f"{counted(self._pipeline.held, 'message')} in the open batch"
        why = f": {self._standstill.detail}" if self._standstill.detail else ""
        return busy_s < STUCK_S, f"a batch is being written for {busy_s:.1f} s{why}"

    def _upkeep(self) -> tuple[bool, str]:
        if self._lease.held:
            return True, "done by this ingestor"
        if self._unheld_s > UNHELD_S:
            return False, f"nobody has summed up and rolled up for {self._unheld_s:.0f} s"
        return True, "done by another ingestor, or about to be taken over"


def _counts(sample_name: str) -> bool:
    return sample_name.endswith("_total")
