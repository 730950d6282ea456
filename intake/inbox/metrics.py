"""Metrics of the inbox, in the registry of the service that has it."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

SECONDS: Final = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


class InboxMetrics:
    """What /metrics shows of it, by names that begin with `prefix`; counters count since the process started."""

    def __init__(self, prefix: str, registry: CollectorRegistry) -> None:
        self.accepted = Counter(f"{prefix}_accepted", "Payloads that were committed", registry=registry)
        self.repeated = Counter(f"{prefix}_repeated", "Payloads that were there already", registry=registry)
        self.batches = Counter(f"{prefix}_commits", "Transactions that wrote payloads", registry=registry)
        self.failed = Counter(
            f"{prefix}_commit_failures", "Transactions that failed; their senders try again", registry=registry
        )
        self.commit_s = Histogram(
            f"{prefix}_commit_seconds", "What it takes to write a batch and commit", registry=registry, buckets=SECONDS
        )
        self.pending = Gauge(f"{prefix}_pending", "Payloads that wait for their commit", registry=registry)
        self.pending_bytes = Gauge(f"{prefix}_pending_bytes", "What they take in memory, in bytes", registry=registry)
