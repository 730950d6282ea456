"""The worker's metrics, in a registry of their own."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from broker.outage import Outage


class WorkerMetrics:
    """What /metrics shows; counters count since the process started."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.database = Outage()
        """What is logged of the database's outages, for all tasks together."""
        self.frames = self._counter("frames", "Kept frames done, by result: decoded or undecodable", "result")
        self.readings = self._counter("readings", "Readings that were new to history")
        self.repeated = self._counter("readings_repeated", "Readings that history had already")
        self.refused = self._counter("readings_refused", "Values put into quarantine", "reason")
        self.ended = self._counter("jobs_ended", "Jobs that ended, by how", "state")
        self.lost = self._counter("jobs_lost", "Jobs that were cancelled or taken over while in hand")
        self.retries = self._counter("retries", "Portions tried again", "error")
        self.portion_s = Histogram(
            "wattline_worker_portion_seconds", "What it takes to store a portion and commit", registry=self.registry
        )
        self.jobs = Gauge("wattline_worker_jobs", "Jobs in the store, by state", ["state"], registry=self.registry)
        self.in_hand = Gauge("wattline_worker_jobs_in_hand", "Jobs that this worker holds", registry=self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"wattline_worker_{name}", text, labels, registry=self.registry)
