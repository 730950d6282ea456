"""What the gateway counts; every failure has a number here."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from broker.outage import Outage


class Metrics:
    """The gateway's metrics on a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.database = Outage()
        """What is logged of the database's outages, for all tasks together."""
        self.messages = Counter(
            "wattline_gateway_messages", "Messages dealt with, by kind and result.", ["kind", "result"],
            registry=self.registry,
        )  # fmt: skip
        self.published = Counter(
            "wattline_gateway_published", "Retained messages published, by kind.", ["kind"], registry=self.registry
        )
        self.publish_failures = Counter(
            "wattline_gateway_publish_failures", "Publications that failed and wait for another attempt.", ["reason"],
            registry=self.registry,
        )  # fmt: skip
        self.quarantined = Counter(
            "wattline_gateway_quarantined", "Payloads put into quarantine, by kind.", ["kind"], registry=self.registry
        )
        self.message_errors = Counter(
            "wattline_gateway_message_errors",
            "Messages on which the gateway's own code failed.",
            registry=self.registry,
        )
        self.retries = Counter(
            "wattline_gateway_database_retries", "Attempts that the database could not serve.", ["task"],
            registry=self.registry,
        )  # fmt: skip
        self.reads = Counter(
            "wattline_gateway_reads", "Queries of telemetry by the API, by who answered: replica or primary.", ["at"],
            registry=self.registry,
        )  # fmt: skip
        self.replica_lag_s = Gauge(
            "wattline_gateway_replica_lag_seconds", "How far the replica that the API reads at is behind the primary.",
            registry=self.registry,
        )  # fmt: skip
        self.spec_conflicts = Counter(
            "wattline_gateway_spec_conflicts", "Shipped specs that differ from the published one of the same version.",
            registry=self.registry,
        )  # fmt: skip
        self.adopted = Counter(
            "wattline_gateway_desired_adopted", "Desired configurations taken over from messages published by hand.",
            registry=self.registry,
        )  # fmt: skip
        self.restored = Counter(
            "wattline_gateway_desired_restored", "Retained messages put right, by what was wrong.", ["reason"],
            registry=self.registry,
        )  # fmt: skip
        self.withdrawn = Counter(
            "wattline_gateway_specs_withdrawn", "Spec versions withdrawn, by the system or a person.", ["by"],
            registry=self.registry,
        )  # fmt: skip
        self.canaries = Gauge("wattline_gateway_canaries", "Spec versions that a part of the fleet has first.",
                              registry=self.registry)  # fmt: skip
        self.judging = Histogram("wattline_gateway_canary_judging_seconds", "Duration of judging all canaries.",
                                 registry=self.registry)  # fmt: skip
        self.judging_failures = Counter(
            "wattline_gateway_canary_judging_failures", "Times that canaries could not be judged.",
            registry=self.registry,
        )  # fmt: skip
        self.notices = Counter(
            "wattline_gateway_store_notices", "Notices of the database that published specs changed.",
            registry=self.registry,
        )  # fmt: skip
        self.taken_over = Counter(
            "wattline_gateway_publications_taken_over", "Configurations that no gateway had published in time.",
            registry=self.registry,
        )  # fmt: skip
        self.waiting = Gauge(
            "wattline_gateway_publications_waiting", "Devices whose desired configuration waits to be published.",
            registry=self.registry,
        )  # fmt: skip
        self.connected = Gauge("wattline_gateway_broker_connected", "1 while the broker is connected.",
                               registry=self.registry)  # fmt: skip
        self.commands = Counter(
            "wattline_gateway_commands", "Commands to devices, by what came of them.", ["command", "state"],
            registry=self.registry,
        )  # fmt: skip
        self.duplicated = Gauge(
            "wattline_gateway_devices_duplicated", "Devices whose id two agents used at once within the last hour.",
            registry=self.registry,
        )  # fmt: skip
        self.unknown_meters = Gauge(
            "wattline_gateway_meters_unknown", "Meters in place without a spec, or that only a generic one reads.",
            registry=self.registry,
        )  # fmt: skip
        self.requests = Histogram(
            "wattline_gateway_http_request_seconds", "Duration of API requests.", ["method", "route", "status"],
            registry=self.registry,
        )  # fmt: skip
        self.audited = Counter(
            "wattline_gateway_audited", "Changes over HTTP and refused attempts, by operation and result.",
            ["action", "result"], registry=self.registry,
        )  # fmt: skip
        self.audit_failures = Counter(
            "wattline_gateway_audit_failures", "Audit lines that the database could not take; the log has them.",
            registry=self.registry,
        )  # fmt: skip
        self.limited = Counter(
            "wattline_gateway_http_limited", "Requests refused for coming too often, by what was counted.", ["by"],
            registry=self.registry,
        )  # fmt: skip
        self.streams = Gauge(
            "wattline_gateway_streams", "Clients that follow the stream of changes.", registry=self.registry
        )
        self.streams_dropped = Counter(
            "wattline_gateway_streams_dropped", "Clients of the stream that were sent away, by reason.", ["reason"],
            registry=self.registry,
        )  # fmt: skip
        self.stages = Counter(
            "wattline_gateway_stages", "What became of staged changes of parameters, by event.", ["event"],
            registry=self.registry,
        )  # fmt: skip
        self.compared = Counter(
            "wattline_gateway_retained_compared", "Comparisons of all retained messages with the store, by result.",
            ["result"], registry=self.registry,
        )  # fmt: skip
