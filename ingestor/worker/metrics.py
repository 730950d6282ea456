"""The worker's metrics, in a registry of their own."""

import contextlib
import math
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from broker.outage import Outage
from ingestor.batches.records import Stored
from ingestor.worker.store import JobCount, NewestBackups


class WorkerMetrics:
    """What /metrics shows; counters count since the process started."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.database = Outage()
        """What is logged of the database's outages, for all tasks together."""
        self.frames = self._counter("frames", "Kept frames done, by result: decoded or undecodable", "result")
        self.readings = self._counter("readings", "Readings that were new to history")
        self.repeated = self._counter("readings_repeated", "Readings that history had already")
        self.refused = self._counter(
            "readings_refused", "Values, of sources' payloads rows of them, put into quarantine", "reason"
        )
        self.ended = self._counter(
            "jobs_ended", "Jobs that ended, by how; again: failed, to be tried again", "kind", "state"
        )
        self.lost = self._counter("jobs_lost", "Jobs that were cancelled or taken over while in hand")
        self.retries = self._counter("retries", "Portions tried again", "error")
        self.portion_s = Histogram(
            "wattline_worker_portion_seconds", "What it takes to store a portion and commit", registry=self.registry
        )
        self.job_s = Histogram(
            "wattline_worker_job_seconds", "From a job's first start to its end", ["kind"], registry=self.registry,
            buckets=(0.1, 1, 10, 60, 600, 3600, 36000),
        )  # fmt: skip
        self.jobs = Gauge(
            "wattline_worker_jobs", "Jobs in the store; failed: within a day", ["kind", "state"], registry=self.registry
        )
        self.oldest_s = Gauge(
            "wattline_worker_job_oldest_seconds", "How long the first that is due has waited", ["kind"],
            registry=self.registry,
        )  # fmt: skip
        self.backup_age_s = Gauge(
            "wattline_worker_backup_age_seconds",
            "How old the newest good backup is, of those that are scheduled; +Inf where there is none",
            ["whole"], registry=self.registry,
        )  # fmt: skip
        self.in_hand = Gauge("wattline_worker_jobs_in_hand", "Jobs that this worker holds", registry=self.registry)

    def refuse(self, rows: Iterable[Stored]) -> None:
        """Count rows of quarantine, once they are committed."""
        for row in rows:
            self.refused.labels(row.reason).inc()

    def count(self, kinds: Iterable[str], counts: Iterable[JobCount]) -> None:
        """Show how many jobs of each kind there are; kinds that this worker does not know, too."""
        found = {(one.kind, one.state): one for one in counts}
        for kind in {*kinds, *(kind for kind, _ in found)}:
            for state in ("queued", "running", "failed"):
                one = found.get((kind, state))
                self.jobs.labels(kind, state).set(0 if one is None else one.jobs)
            waiting = found.get((kind, "queued"))
            self.oldest_s.labels(kind).set(0 if waiting is None else waiting.oldest_s)

    def tell_backups(self, newest: NewestBackups) -> None:
        """Show how old they are; nothing of those that nobody has scheduled."""
        for whole, scheduled, age_s in (
            ("true", newest.whole_scheduled, newest.whole_age_s),
            ("false", newest.partial_scheduled, newest.partial_age_s),
        ):
            if scheduled:
                self.backup_age_s.labels(whole).set(math.inf if age_s is None else age_s)
            else:
                with contextlib.suppress(KeyError):
                    self.backup_age_s.remove(whole)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"wattline_worker_{name}", text, labels, registry=self.registry)
