"""The ingestor's metrics, in a registry of their own."""

from typing import Final

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from broker.outage import Outage
from store.quota_tally import Cut
from store.quotas import Quota

log = structlog.get_logger()

_BATCH_ROWS: Final = (1, 10, 100, 500, 1000, 2000, 5000, 10000, 20000, 50000)


class Metrics:
    """What /metrics shows; counters count since the process started."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.database = Outage()
        """What is logged of the database's outages, for all tasks together."""
        self.messages = self._counter("messages", "Messages stored or quarantined, and acknowledged", "kind")
        self.rows = self._counter("rows", "Readings that were new to the table")
        self.repeated = self._counter("rows_repeated", "Readings that the table had already")
        self.conflicts = self._counter(
            "rows_conflicting", "Readings at a time for which the table had another value, kept in quarantine"
        )
        self.quarantined = self._counter("quarantined", "Payloads and values in quarantine", "reason")
        self.frames = self._counter("frames", "Raw frames from devices", "reason")
        self._add_quotas()
        self.bygone = self._counter(
            "samples_bygone", "Samples of meters' memories from before their device had them, or older than is kept"
        )
        self.behind_s = self._gauge(
            "behind_seconds", "For how long messages have waited without a pause; devices' shares hold then"
        )
        self.batches = self._counter("batches", "Batches committed")
        self.staged = self._counter("batches_staged", "Batches that went through staging because of repeats")
        self.split = self._counter("batches_split", "Batches cut in two to find what the database refuses")
        self.retries = self._counter("retries", "Batches tried again after a database failure", "error")
        self.errors = self._counter("message_errors", "Messages on which the ingestor's own code failed")
        self.receipts = self._counter("receipts", "Receipts published to devices")
        self.receipts_covered = self._counter("receipts_covered", "Messages that the receipts published speak of")
        self.receipts_dropped = self._counter(
            "receipts_dropped",
            "Messages whose receipt was dropped, until they come again: the broker was away, or too many at once",
            "reason",
        )
        self.batch_rows = Histogram(
            "wattline_ingestor_batch_rows", "Readings in a batch", buckets=_BATCH_ROWS, registry=self.registry
        )
        self.commit_s = Histogram(
            "wattline_ingestor_commit_seconds", "What it takes to write a batch and commit", registry=self.registry
        )
        self.lag_s = Histogram(
            "wattline_ingestor_lag_seconds",
            "Age of each batch's newest reading at commit",
            buckets=(0.05, 0.1, 0.25, 0.5, 1, 2, 5, 15, 60, 300, 3600, 86400),
            registry=self.registry,
        )
        self.last_lag_s = self._gauge("last_lag_seconds", "Age of the newest reading of the last batch at commit")
        self.queue = self._gauge("queue_messages", "Messages received and not yet acknowledged")
        self.history = self._gauge(
            "history_messages", "Messages whose readings spread over days of long ago, being stored"
        )
        self.cached_meters = self._gauge("cached_meters", "Meters whose ids are in memory")
        self.cached_devices = self._gauge("cached_devices", "Devices whose ids are in memory")
        self.rollup_behind_s = self._gauge(
            "rollup_behind_seconds", "How far the roll-ups lag behind, beyond a quarter-hour"
        )
        self.ledger_behind_s = self._gauge("ledger_behind_seconds", "How far the summary of the ledger lags behind")
        self.holds_upkeep = self._gauge("holds_upkeep", "1 while this ingestor sums up, rolls up and drops what is old")
        self.host_clock_off_s = self._gauge(
            "host_clock_off_seconds", "How far the host's clock is ahead of the database's, by which receipt is dated"
        )
        self.writing_s = self._gauge("writing_seconds", "How long the oldest batch that is being written has been so")
        self.blocked = self._gauge("blocked_sessions", "Sessions that wait for a lock, seen while a batch takes long")
        self.ended_sessions = self._counter("silent_sessions_ended", "Sessions in mid COPY whose client was gone")
        self.ledger_missing = self._gauge(
            "ledger_missing", "Messages found missing within the last day that have not come within an hour"
        )
        self.rollup_quarters = self._counter("rollup_quarters", "Quarter-hours of series that were rolled up")
        self.left_out = self._counter(
            "rollup_left_out", "Meters told to have readings that no sum can bear, which roll-ups leave out"
        )
        self.stepped_over = self._counter(
            "rollup_stepped_over", "Intervals that TimescaleDB Community could not refresh and that were stepped over"
        )
        self.rollup_late_hours = self._counter("rollup_late_hours", "Hours of series rolled up again for late readings")
        self.rollup_stretches = self._counter(
            "rollup_stretches", "Stretches of time that TimescaleDB Community refreshed, of all levels"
        )
        self.jobs_failing = self._gauge(
            "store_jobs_failing", "Jobs of TimescaleDB, and roll-ups, that fail or are late: view store_job says which"
        )
        self.chunks_dropped = self._counter("chunks_dropped", "Chunks that retention dropped", "table")
        self.upkeep_failures = self._counter(
            "upkeep_failures", "Roll-ups or retention that failed and were left for later"
        )
        self.profile_check_failures = self._counter(
            "profile_check_failures", "Days of load profiles whose comparison with the registers failed, left out"
        )
        self.connected = self._gauge("broker_connected", "1 while the broker session is up")
        self.connections = self._gauge("broker_connections", "Connections to the broker since the start")
        self.broker_dropped = self._gauge("broker_dropped", "Messages the broker dropped since its start, as it says")

    def cut(self, what: Cut) -> None:
        """Count what was over a quota, and log the first of a day."""
        self.quota_cut.labels(what.quota).inc(what.count)
        self.quota_cut_bytes.labels(what.quota).inc(what.size)
        if what.first:
            self.quota_devices.labels(what.quota).inc()
            log.warning("quota_exceeded", device=what.device or None, quota=what.quota, allowed_a_day=what.limit)

    def _add_quotas(self) -> None:
        """Each quota is shown with 0, before anything is over it."""
        self.quota_cut = self._counter(
            "quota_cut", "Messages, meters and series that were over their device's quota and not taken", "quota"
        )
        self.quota_cut_bytes = self._counter("quota_cut_bytes", "Payload of messages that were over a quota", "quota")
        self.quota_devices = self._counter(
            "quota_exceeded", "Devices that went over a quota, once a day and quota", "quota"
        )
        for quota in Quota:
            for counter in (self.quota_cut, self.quota_cut_bytes, self.quota_devices):
                counter.labels(quota)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"wattline_ingestor_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(f"wattline_ingestor_{name}", text, registry=self.registry)
