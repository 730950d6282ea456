"""The outlet's metrics, in a registry of their own."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from broker.outage import Outage


class OutletMetrics:
    """What /metrics shows; counters count since the process started."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.database = Outage()
        """What is logged of the database's outages, for all tasks together."""
        self.meters = self._gauge("meters", "Meters that are shown to others")
        self.left_out = self._gauge("meters_left_out", "1 where there are more meters than may be shown")
        self.look_s = Histogram(
            "wattline_outlet_look_seconds", "What a look at the store takes", registry=self.registry
        )
        self.look_failures = self._counter("look_failures", "Looks at the store that failed", "error")
        self.published = self._counter("published", "Messages that a broker took", "output")
        self.refused = self._counter("publish_refused", "Messages that a broker refused", "output")
        self.removed = self._counter("removed", "Retained messages taken back, as their meter has gone", "output")
        self.held = self._gauge("registers_held", "Registers that fell, and are shown as before until that is sure")
        self.host_away = self._gauge("sparkplug_host_away", "1 while Sparkplug waits for its primary host")
        self.history = self._counter("sparkplug_history", "Readings given as Sparkplug's historical values")
        self.history_untold = self._counter(
            "sparkplug_history_untold", "Readings that were not, as their meter or code had no birth then"
        )
        self.history_behind_s = self._gauge(
            "sparkplug_history_behind_seconds", "Age of the oldest commit that is still to be given as history"
        )
        self._working = self._gauge("working", "1 while an output gives what there is, as /healthz says", "output")
        self.lines = self._counter("lines", "Lines of readings that a receiver took, repeats among them")
        self.lines_refused = self._counter("lines_refused", "Lines that a receiver refused for good, left out")
        self.lines_failures = self._counter("lines_failures", "Times that lines could not be given, and wait")
        self.lines_behind_s = self._gauge("lines_behind_seconds", "Age of the oldest commit that is still to be given")

    def watch(self, output: str, check: Callable[[], tuple[bool, str]]) -> None:
        """Show whether an output works, and its counters with 0 before anything is refused."""
        self._working.labels(output).set_function(lambda: float(check()[0]))
        self.refused.labels(output)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"wattline_outlet_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"wattline_outlet_{name}", text, labels, registry=self.registry)
