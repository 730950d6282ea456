"""Metrics of notifications, in the worker's registry."""

from prometheus_client import CollectorRegistry, Counter, Gauge


class NoticeMetrics:
    """What /metrics shows of notifications; label values are kinds of rules, never names of devices or channels."""

    def __init__(self, registry: CollectorRegistry) -> None:
        name = "wattline_worker_notices"
        self.found = Counter(f"{name}_found", "Events that rules were given", ["kind"], registry=registry)
        self.made = Counter(f"{name}_made", "Messages made", ["kind"], registry=registry)
        self.attempts = Counter(f"{name}_attempts", "Attempts to send one, by result", ["result"], registry=registry)
        self.failures = Counter(f"{name}_failures", "Rounds that failed, by step", ["step"], registry=registry)
        self.waiting = Gauge(f"{name}_waiting", "Messages that wait", registry=registry)
        self.dead = Gauge(f"{name}_dead", "Messages given up, for a person to replay", registry=registry)
        self.oldest_s = Gauge(f"{name}_oldest_seconds", "How long the first message waits", registry=registry)
        self.missed = Gauge(
            f"{name}_missed_events", "Events that no rule was given, as too many waited", registry=registry
        )
