"""What the gateway counts; every failure has a number here."""

from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from broker.contract.software import SoftwareState
from broker.mosquitto.login_log import Result
from broker.outage import Outage
from store.quotas import Quota


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
        self.quota_cut = Counter(
            "wattline_gateway_quota_cut", "Messages and meters that were over their device's quota and not taken.",
            ["quota"], registry=self.registry,
        )  # fmt: skip
        for quota in Quota:
            self.quota_cut.labels(quota)
        self.message_errors = Counter(
            "wattline_gateway_message_errors",
            "Messages on which the gateway's own code failed.",
            registry=self.registry,
        )
        self.retries = Counter(
            "wattline_gateway_database_retries", "Attempts that the database could not serve.", ["task"],
            registry=self.registry,
        )  # fmt: skip
        self.rounds_refused = Counter(
            "wattline_gateway_rounds_refused", "Rounds of a task whose data the database refused; the next is tried.",
            ["task"], registry=self.registry,
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
        self.key_deliveries = Counter(
            "wattline_gateway_key_deliveries", "What devices were to be given of meters' keys, by what came of it.",
            ["result"], registry=self.registry,
        )  # fmt: skip
        for came in ("sealed", "no_certificate", "not_opened", "too_many", "no_master_key"):
            self.key_deliveries.labels(came)
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
        self.unsettled = Counter(
            "wattline_gateway_stays_refused", "Times that the database refused the registers of a meter's stay.",
            registry=self.registry,
        )  # fmt: skip
        self.notices = Counter(
            "wattline_gateway_store_notices", "Notices of the database that published specs changed.",
            registry=self.registry,
        )  # fmt: skip
        self.taken_over = Counter(
            "wattline_gateway_publications_taken_over",
            "Configurations that another gateway had claimed and did not publish in time.",
            registry=self.registry,
        )  # fmt: skip
        self.waiting = Gauge(
            "wattline_gateway_publications_waiting", "Desired configurations and software that wait to be published.",
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
        self.claims = Counter(
            "wattline_gateway_meter_claims", "Claims on meters of other devices, by event.", ["event"],
            registry=self.registry,
        )  # fmt: skip
        self.claims_open = Gauge(
            "wattline_gateway_meter_claims_open", "Claims on meters of other devices that wait.", ["state"],
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
        self.connections_refused = Counter(
            "wattline_gateway_http_connections_refused",
            "Connections answered 503, by what was reached, and those that failed in their TLS handshake.", ["by"],
            registry=self.registry,
        )  # fmt: skip
        for bound in ("total", "address", "handshake"):
            self.connections_refused.labels(bound)
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
        self.software_reports = Counter(
            "wattline_gateway_software_reports", "States that devices' software came into, as updaters report them.",
            ["state"], registry=self.registry,
        )  # fmt: skip
        for state in get_args(SoftwareState):
            self.software_reports.labels(state)
        self.compared = Counter(
            "wattline_gateway_retained_compared", "Comparisons of all retained messages with the store, by result.",
            ["result"], registry=self.registry,
        )  # fmt: skip
        self._measure_access()

    def _measure_access(self) -> None:
        """Who may log in at the broker, who did, and by which certificates."""
        self.credentials = Counter(
            "wattline_gateway_credentials", "Logins at the broker, by what was done about them.", ["what"],
            registry=self.registry,
        )  # fmt: skip
        for what in ("granted", "mended", "cut_off", "found", "revoked", "rotated", "said_offline"):
            self.credentials.labels(what)
        self.credentials_unmatched = Gauge(
            "wattline_gateway_credentials_unmatched",
            "Logins as to which the broker does not do what the store says, as far as it was asked.",
            registry=self.registry,
        )
        self.broker_logins = Counter(
            "wattline_gateway_broker_logins", "Logins at the broker, by what came of them, as its log says.",
            ["result"], registry=self.registry,
        )  # fmt: skip
        for came_of in Result:
            self.broker_logins.labels(came_of)
        self.enrolments = Counter(
            "wattline_gateway_enrolments", "What came of devices' requests for certificates, by result.", ["result"],
            registry=self.registry,
        )  # fmt: skip
        for result in ("issued", "renewed", "waiting", "refused", "unidentified", "limited", "failed"):
            self.enrolments.labels(result)
        self.enrolments_waiting = Gauge(
            "wattline_gateway_enrolments_waiting", "Devices that wait for a person's yes.", registry=self.registry
        )
        self.certificate_ends_at = Gauge(
            "wattline_gateway_certificate_end_seconds",
            "When a certificate of the authority, of a listener or of the broker ends, as Unix time.",
            ["of"], registry=self.registry,
        )  # fmt: skip
