"""What /healthz says, and the tasks beside the pipeline: gauges, summaries, device.last_seen_at."""

import asyncio
import time

import structlog

from broker.mqtt.session import Session
from broker.runtime.service import Health
from broker.wording import counted
from ingestor.batches.names import Names
from ingestor.batches.rows import instant
from ingestor.intake.pipeline import Pipeline
from ingestor.metrics import Metrics
from ingestor.upkeep.lease import Lease
from ingestor.upkeep.standstill import OBSERVE_AFTER_S, Standstill
from ingestor.upkeep.store import note_caught_up, update_last_seen, upkeep_state
from ingestor.writing.receipt_clock import Clock
from store.errors import DATABASE_ERRORS, is_transient, reason
from store.pool import Pool
from store.probe import DatabaseProbe

log = structlog.get_logger()

EVERY_S = 5.0
PROBE_AFTER_S = 5.0
STUCK_S = 20.0
UPKEEP_S = 10.0
UNHELD_S = 60.0
"""The upkeep's lease lasts half as long, and a free one is looked for every `upkeep_every_s`."""
UNKNOWN_S = 366 * 86400.0
"""Stands for how far behind an ingestor is whose batches fail."""
LAST_SEEN_S = 30.0
SUMMARY_S = 60.0


class Monitor:
    """Observes one pipeline; `keep()` is its task."""

    def __init__(
        self,
        client_id: str,
        session: Session,
        pipeline: Pipeline,
        names: Names,
        metrics: Metrics,
        lease: Lease,
        clock: Clock,
    ) -> None:
        self._client_id = client_id
        self._session = session
        self._pipeline = pipeline
        self._names = names
        self._metrics = metrics
        self._lease = lease
        self._clock = clock
        self._standstill = Standstill(metrics)
        self._unheld_s, self._upkeep_s, self._unseen = 0.0, float("-inf"), ""
        self._probe = DatabaseProbe()
        self._summary_s = self._flushed_s = self._began_s = time.monotonic()
        self._summed: dict[str, float] = {}

    def add_to(self, health: Health) -> None:
        """Add the checks."""
        health.add("broker", self._broker)
        health.add("database", self._database)
        health.add("writing", self._writing)
        health.add("upkeep", self._upkeep)
        health.add("clock", self._clock.health)

    async def keep(self, pool: Pool) -> None:
        """Do the tasks, for ever."""
        while True:
            self.measure()
            now_s = time.monotonic()
            self._note_commits()
            if self._probe.silent_s > PROBE_AFTER_S:
                await self._ask(pool)
            if (self._busy_s() or 0.0) > OBSERVE_AFTER_S:
                await self._standstill.try_to_observe(pool)
            else:
                self._standstill.over()
            if now_s - self._upkeep_s > UPKEEP_S:
                await self._observe_upkeep(pool)
                await self._compare_clock(pool)
            await self._tell_link(pool)
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
            await update_last_seen(pool, ids, [instant(seen[number]) for number in ids])
        except DATABASE_ERRORS as error:
            self._report("last_seen_not_written", error)
            self._pipeline.seen = seen | self._pipeline.seen

    def _note_commits(self) -> None:
        if self._pipeline.last_commit_s is not None:
            self._probe.answered(self._pipeline.last_commit_s)

    async def _ask(self, pool: Pool) -> None:
        try:
            await self._probe.ask(pool)
        except DATABASE_ERRORS as error:
            self._report("database_probe_failed", error)
        else:
            if not self._pipeline.failure:
                # a full disk answers, and takes nothing
                self._metrics.database.back("database_back")

    async def _observe_upkeep(self, pool: Pool) -> None:
        """How far roll-ups and summary lag behind, as the database says: whoever does them may be gone or elsewhere."""
        try:
            async with asyncio.timeout(EVERY_S):
                state = await upkeep_state(pool)
        except DATABASE_ERRORS as error:
            self._unseen = self._report("upkeep_not_seen", error)
            return
        self._upkeep_s, self._unseen = time.monotonic(), ""
        if state is not None:
            self._unheld_s = state.unheld_s
            self._metrics.rollup_behind_s.set(state.rollup_behind_s)
            self._metrics.ledger_behind_s.set(state.ledger_behind_s)
            self._metrics.ledger_missing.set(state.missing)

    async def _compare_clock(self, pool: Pool) -> None:
        try:
            await self._clock.compare(pool)
        except DATABASE_ERRORS as error:
            self._report("clock_not_compared", error)

    async def _tell_link(self, pool: Pool) -> None:
        """Note that we are here, and since when all that devices sent is: else nobody can be said to be silent."""
        behind_s = UNKNOWN_S if self._pipeline.failure else self._pipeline.behind_s
        try:
            async with asyncio.timeout(EVERY_S):
                await note_caught_up(pool, self._client_id, behind_s)
        except DATABASE_ERRORS as error:
            self._report("link_not_told", error)

    def _report(self, event: str, error: Exception) -> str:
        """Log a task that the database did not do, once in an outage; why."""
        why = reason(error)
        report = self._metrics.database.failed if is_transient(error) else log.warning
        report(event, reason=why)
        return why

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
        self._note_commits()
        return self._probe.check()

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
        unseen_s = time.monotonic() - max(self._upkeep_s, self._began_s)
        if self._unseen and unseen_s > UNHELD_S:
            return False, f"not known for {unseen_s:.0f} s how far it is: {self._unseen}"
        if self._lease.held:
            return True, "done by this ingestor"
        if self._unheld_s > UNHELD_S:
            return False, f"nobody has summed up and rolled up for {self._unheld_s:.0f} s"
        return True, "done by another ingestor, or about to be taken over"


def _counts(sample_name: str) -> bool:
    return sample_name.endswith("_total")
