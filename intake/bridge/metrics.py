"""The bridge's metrics, in a registry of their own."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

from intake.inbox.metrics import InboxMetrics
from intake.notices.notices import LOST

RESULTS: Final = ("kept", "repeated", "retained", "unclaimed", "heard", "flood", "too_large", "refused")
"""What becomes of a message: stored, there already, a retained one of an unknown time, of no source, an announcement,
over its topic's or source's share, over the bound of bytes, or refused by the database."""


class BridgeMetrics:
    """What /metrics shows; counters count since the process started."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.inbox = InboxMetrics("wattline_bridge_inbox", self.registry)
        self._messages = Counter(
            "wattline_bridge_messages", "Foreign messages, by what became of them", ["result"], registry=self.registry
        )
        self.results = {result: self._messages.labels(result) for result in RESULTS}
        self.retries = Counter(
            "wattline_bridge_retries", "Times that a message waited for the inbox and was tried again",
            registry=self.registry,
        )  # fmt: skip
        self.dropped_qos0 = Gauge(
            "wattline_bridge_qos0_dropped", "Messages of QoS 0 that found the intake full", registry=self.registry
        )
        self.brokers = Gauge("wattline_bridge_brokers_connected", "Brokers that are connected", registry=self.registry)
        self.brokers_wanted = Gauge("wattline_bridge_brokers", "Brokers that sources are at", registry=self.registry)
        self.sources = Gauge("wattline_bridge_sources", "Enabled MQTT sources", registry=self.registry)
        self.sources_faulty = Gauge(
            "wattline_bridge_sources_faulty", "Of these, those that are not subscribed to", registry=self.registry
        )
        self.nodes = Gauge(
            "wattline_bridge_sparkplug_nodes", "Sparkplug edge nodes that are born and not dead", ["broker"],
            registry=self.registry,
        )  # fmt: skip
        self.rebirths = Counter(
            "wattline_bridge_sparkplug_rebirths", "Births asked for, as a message was missing", registry=self.registry
        )
        self.reordered = Counter(
            "wattline_bridge_sparkplug_reordered", "Messages that came before others and waited for them",
            registry=self.registry,
        )  # fmt: skip
        self.unproposed = Counter(
            "wattline_bridge_proposals_refused", "Announcements that are none, or of which no source can be proposed",
            registry=self.registry,
        )  # fmt: skip
        self._events = Counter(
            "wattline_bridge_events_lost", "Events of sources that are in the log alone", ["reason"],
            registry=self.registry,
        )  # fmt: skip
        self.events_lost = {reason: self._events.labels(reason) for reason in LOST}
        self.held = Gauge("wattline_bridge_held", "Messages taken and not yet stored", registry=self.registry)
