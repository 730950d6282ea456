"""The intake's metrics, in a registry of their own."""

import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from intake.hooks.refusals import REASONS
from intake.inbox.metrics import SECONDS, InboxMetrics
from intake.notices.notices import LOST


class HookMetrics:
    """What /metrics shows of one process; counters count since it started."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.inbox = InboxMetrics("wattline_intake", self.registry)
        self.refused = Counter(
            "wattline_intake_refused", "Posts that were refused, by why", ["reason"], registry=self.registry
        )
        for reason in REASONS:
            self.refused.labels(reason)
        self.unproved = Counter(
            "wattline_intake_unproved", "Posts to sources that are there, refused before anything proved them theirs",
            registry=self.registry,
        )  # fmt: skip
        lost = Counter(
            "wattline_intake_events_lost", "Events of sources that are in the log alone", ["reason"],
            registry=self.registry,
        )  # fmt: skip
        self.events_lost = {reason: lost.labels(reason) for reason in LOST}
        self.bytes = Counter("wattline_intake_bytes", "Bytes of bodies as they were sent", registry=self.registry)
        self.post_s = Histogram(
            "wattline_intake_post_seconds",
            "From a post's head to its answer of 202",
            registry=self.registry,
            buckets=SECONDS,
        )
        self.reading_bytes = Gauge(
            "wattline_intake_reading_bytes", "Bodies that are being read, in bytes", registry=self.registry
        )
        self.sources = Gauge("wattline_intake_sources", "Sources, by state", ["state"], registry=self.registry)
        self.connections_refused = Counter(
            "wattline_intake_connections_refused", "Connections beyond the bounds", ["by"], registry=self.registry
        )
        # shown with 0 before the first, which a rule of Prometheus' would otherwise not see as a rise
        for by in ("total", "address", "handshake"):
            self.connections_refused.labels(by)
        self.load = Gauge(
            "wattline_intake_load",
            "0 to 1: how busy this process is, the fuller of its queue and its core; scale out above 0.7",
            registry=self.registry,
        )


class Busyness:
    """How much of a core this process takes, smoothed over some seconds. Python has one core for one process."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, used: Callable[[], float] = time.process_time
    ) -> None:
        self._clock, self._used = clock, used
        self._at_s, self._used_s = clock(), used()
        self._part = 0.0

    def look(self) -> float:
        """0 to 1, as of now."""
        at_s, used_s = self._clock(), self._used()
        if at_s > self._at_s:
            part = min(1.0, (used_s - self._used_s) / (at_s - self._at_s))
            # a look a second: four fifths of it are of the last seven seconds
            self._part += 0.2 * (part - self._part)
            self._at_s, self._used_s = at_s, used_s
        return self._part
