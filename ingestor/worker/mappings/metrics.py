"""What /metrics shows of payloads."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from ingestor.worker.mappings.store import PayloadCounts


class MappingMetrics:
    """By source: there are as many as engineers made, which are few."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.payloads = Counter(
            "wattline_worker_payloads", "Payloads settled, by source and result: mapped or unmapped",
            ["source", "result"], registry=registry,
        )  # fmt: skip
        self.values = Counter(
            "wattline_worker_payload_values", "Values that payloads gave", ["source"], registry=registry
        )
        self.dropped = Counter(
            "wattline_worker_payloads_dropped", "Unmapped payloads dropped, too old or too many", ["source"],
            registry=registry,
        )  # fmt: skip
        self.put_off = Counter(
            "wattline_worker_sources_put_off", "Turns on which our own code failed, so that the source waits a minute",
            ["source"], registry=registry,
        )  # fmt: skip
        self.dear = Counter(
            "wattline_worker_sources_served_apart",
            "How often a source's payload was dear, so that it was served apart from the others", ["source"],
            registry=registry,
        )  # fmt: skip
        self.portion_s = Histogram(
            "wattline_worker_payload_portion_seconds", "What it takes to map a portion and commit", registry=registry
        )
        self._waiting = Gauge(
            "wattline_worker_payloads_waiting", "Payloads that wait to be mapped", ["source"], registry=registry
        )
        self._unmapped = Gauge(
            "wattline_worker_payloads_unmapped", "Payloads that no mapping made anything of", ["source"],
            registry=registry,
        )  # fmt: skip
        self._oldest_s = Gauge(
            "wattline_worker_payload_oldest_seconds", "How long the oldest payload has waited, of a source that is on",
            ["source"], registry=registry,
        )  # fmt: skip
        self._known: set[str] = set()

    def show(self, counts: list[PayloadCounts]) -> None:
        """Take what the store says now; a source of which nothing is left is at nothing."""
        found = {one.source: one for one in counts}
        self._known |= found.keys()
        for source in self._known:
            one = found.get(source)
            self._waiting.labels(source).set(one.waiting if one else 0)
            self._unmapped.labels(source).set(one.unmapped if one else 0)
            self._oldest_s.labels(source).set(one.oldest_s if one else 0)
            # shown with 0 before the first, which a rule of Prometheus' would otherwise not see as a rise
            self.dropped.labels(source)
            self.put_off.labels(source)
