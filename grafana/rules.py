"""The alert rules: a query that names who is concerned, a limit, and words that say what to do."""

from dataclasses import dataclass
from typing import Literal

from grafana_foundation_sdk.builders import alerting
from grafana_foundation_sdk.builders.expr import TypeMath
from grafana_foundation_sdk.models.alerting import RelativeTimeRange, Rule
from grafana_foundation_sdk.models.dashboard import DataSourceRef

from grafana.boards.base import PREFIX
from grafana.settings import GrafanaSettings
from grafana.sql import TYPE, SqlQuery

FOLDER_UID, FOLDER_TITLE = "wattline-alerts", "Wattline alerts"
GROUP = "wattline"
OURS = ("platform", "wattline")
"""The label that all rules bear, and by which notifications find their route."""
_EXPRESSION = "__expr__"
_RANGE_S = 600
_VALUE = '{{ with .Values.A }}{{ printf "%.0f" .Value }}{{ else }}an unknown number of{{ end }}'
"""The number, which there is none of where the query failed."""
_TIME = "{{ with .Values.A }}{{ humanizeDuration .Value }}{{ else }}an unknown time{{ end }}"
_TO_DEVICE = "var-device={{ urlquery .Labels.device }}"
_TO_METER = "var-meter={{ urlquery .Labels.meter }}"


@dataclass(frozen=True, slots=True)
class Alert:
    """One rule: fires when `alert_{query}` gives a row whose value exceeds the limit for so long."""

    name: str
    title: str
    limit: float
    wait: str
    severity: str
    says: str
    """Go's template; without $, which file provisioning would take for a variable of the environment."""
    do: str
    board: str
    """The path of its dashboard with what it is to show, a template too."""
    on_silence: Literal["OK", "Alerting"] = "OK"
    """What no answer means. One rule tells of a store that is away; the others would all tell the same."""

    def rule(self, settings: GrafanaSettings) -> Rule:
        """As Grafana's provisioning API has it."""
        source = DataSourceRef(type_val=TYPE, uid=settings.datasource_uid)
        query = SqlQuery(f"alert_{self.name}", source=source, silent_min=settings.limits.meter_silent_min)
        window = RelativeTimeRange(from_val=_RANGE_S, to=0)
        asked = alerting.Query("A").datasource_uid(settings.datasource_uid).model(query).relative_time_range(window)
        expression = TypeMath().expression(f"$A > {self.limit:g}").ref_id("C")
        expression.datasource(DataSourceRef(type_val=_EXPRESSION, uid=_EXPRESSION))
        exceeds = alerting.Query("C").datasource_uid(_EXPRESSION).model(expression)
        exceeds.relative_time_range(RelativeTimeRange(from_val=0, to=0))
        words = {"summary": self.says, "description": self.do, "dashboard": f"{{{{ externalURL }}}}d/{self.board}"}
        made = alerting.Rule(self.title).uid(PREFIX + self.name.replace("_", "-")).queries([asked, exceeds])
        made.condition("C").for_val(self.wait).folder_uid(FOLDER_UID).rule_group(GROUP).org_id(1)
        made.no_data_state(self.on_silence).exec_err_state(self.on_silence).is_paused(False).annotations(words)
        return made.labels({OURS[0]: OURS[1], "severity": self.severity, "rule": self.name}).build()


def rules(settings: GrafanaSettings) -> list[Rule]:
    """All rules, by the settings' limits."""
    return [alert.rule(settings) for alert in alerts(settings)]


def alerts(settings: GrafanaSettings) -> tuple[Alert, ...]:
    """What is watched for; docs/GRAFANA.md has the table."""
    limits = settings.limits
    device, meter, obis, value = _label("device"), _label("meter"), _label("obis"), _VALUE
    full_gib = limits.database_gib * limits.database_percent / 100
    fleet, platform = f"{PREFIX}fleet?{_TO_DEVICE}", f"{PREFIX}platform"
    of_meter = (
        f"{{{{ with .Labels.board }}}}{{{{ . }}}}{{{{ else }}}}{PREFIX}meter{{{{ end }}}}?{_TO_DEVICE}&{_TO_METER}"
    )
    return (
        Alert("store", "The store does not answer", 0, "2m", "critical",
              "Grafana gets no answer from Wattline's database",
              "The other rules can tell nothing meanwhile. Look whether the database runs, and whether Grafana's data "
              "source reaches it and knows its password.",
              platform, "Alerting"),
        Alert("device_offline", "Device offline", limits.device_offline_min * 60, "1m", "critical",
              f"{device} has been offline for {_TIME}",
              "Its last will came and it has not been back. Look at its power and network; its outbox keeps readings.",
              fleet),
        Alert("meter_silent", "Meter silent", limits.meter_silent_min * 60, "2m", "warning",
              f"{meter} has given nothing for {_TIME}, though {device} is online",
              "That is three times as long as usual. Look at the cable, the optical head, and the device's events for "
              "port_lost or decode_failing.",
              of_meter),
        Alert("meter_gap", "Readings missing", limits.gap_readings - 1, "5m", "warning",
              f"{meter} misses {value} readings of the last 24 hours",
              "Wattline data quality has the gaps' times. Lost messages point to the outbox, others to the line.",
              of_meter),
        Alert("quarantine", "Quarantine rising", limits.quarantine_per_h - 1, "5m", "warning",
              f"{value} frames or payloads went to quarantine in an hour: {_label('reason')}",
              "docs/STORE.md says what each reason means; no_spec wants a spec for a new product.",
              f"{PREFIX}data-quality"),
        Alert("outbox", "Outbox near full", 0, "0s", "critical",
              f"The outbox of {device} is near its limit or already gives up messages",
              "It can't deliver as fast as it reads: look at its link, or raise outbox_limit_mib.",
              f"{PREFIX}data-quality?{_TO_DEVICE}"),
        Alert("ledger_hole", "Messages missing", 0, "5m", "warning",
              f"{value} messages of {device} are missing for more than an hour",
              "The device sends again what the store has not confirmed, so they should have come. Look whether it is "
              "online and whether its outbox gave up messages; `wattline audit --device` names them.",
              f"{PREFIX}data-quality?{_TO_DEVICE}"),
        Alert("ingest_lag", "Ingest lags", limits.ingest_lag_s, "2m", "critical",
              f"Readings are stored {_TIME} late, or none come at all",
              "Look at the ingestors' logs and /metrics, the broker's queue, and the database's load.",
              platform),
        Alert("standstill", "A service waits for a lock", 15, "0s", "critical",
              f"{_label('waiting')} waits for {_label('blocking')}, which has been at it for {_TIME}",
              "SELECT * FROM store_block says who and at what. Ingestors end sessions of theirs whose client is gone; "
              "pg_terminate_backend(pid) ends another one.",
              platform),
        Alert("database_size", "Database near its limit", full_gib, "10m", "warning",
              f"The database holds {value} GiB, {limits.database_percent} % of what is allowed or more",
              "Shorten retention, compress earlier, or give it room and raise WATTLINE_GRAFANA_LIMITS__DATABASE_GIB.",
              platform),
        Alert("jump", "Implausible jump of a register", limits.jump_kw, "0s", "warning",
              f"{meter} {obis} rose as {value} kW would have made it",
              "A swapped meter, a wrong scale in its spec, or a bad telegram: compare the meter's display.",
              of_meter),
        Alert("broker_logins", "The broker lets in whom it should not", 0, "10m", "critical",
              f"The broker does not do what was decided about {value} logins",
              "Who was revoked may still be in. The gateway's log has broker_logins_not_compared or _not_kept with the "
              "reason; docs/OPERATE.md, Who may do what at the broker.",
              platform),
        Alert("broker_refused", "Many refused logins", 100, "0s", "warning",
              f"{_label('name')} was refused {value} times at the broker in an hour",
              "A device with a wrong password, or somebody who tries. The name is the client id that was claimed; "
              "Mosquitto's log has the address in the line above.",
              platform),
        Alert("enrolment_waiting", "Devices wait for a person", 0, "10m", "warning",
              f"{value} devices wait to be let in or refused",
              "`wattline enrol list` and the console's page Enrolment say who, on which hardware, and why.",
              platform),
        Alert("key_wanted", "A meter waits for a key or password", 0, "10m", "warning",
              f"{meter} at {device} can't be read: {_label('wants')}",
              "Frames are kept meanwhile. The grid operator has keys and passwords: `wattline meter key set`, or the "
              "console's page of the meter; `wattline meter key list` says who has one.",
              f"{PREFIX}meter?{_TO_DEVICE}&{_TO_METER}"),
        Alert("certificate_end", "A certificate ends soon", 0, "10m", "critical",
              f"The certificate {_label('of')} ends on {_label('ends')}",
              "root, intermediate: `wattline ca renew`, then restart the gateways; broker: `wattline ca "
              "server-certificate`, then SIGHUP to Mosquitto (docs/ENROLMENT.md). Another is of a listener: renew its "
              "files.",
              platform),
        Alert("software_rolled_back", "A device went back from a release", 0, "0s", "warning",
              f"{device} rolled back or refused release {_label('release')}",
              "`wattline update show` says why; `wattline update status` whether the roll-out has stopped by itself. "
              "This resolves once the device is to run another release, after an hour at the earliest.",
              f"{PREFIX}parameters?{_TO_DEVICE}"),
        Alert("notices", "Notifications do not arrive", 0, "5m", "warning",
              f"{value} messages to channel {_label('channel')} were given up, or wait for more than half an hour",
              "`wattline notify channel list` has what the other side answered last; `wattline notify replay --dead` "
              "sends them again once it is mended. docs/NOTIFICATIONS.md.",
              platform),
        Alert("job", "Jobs fail or wait", 0, "1m", "warning",
              f"{_label('kind')}: {value} {_label('trouble')}",
              "`wattline job list --state failed` says why, and `wattline job retry` tries one again. Jobs that wait "
              "have no worker that knows them, or too few. docs/JOBS.md.",
              platform),
        Alert("payloads", "Payloads of a third party wait or give nothing", 0, "5m", "warning",
              f"{_label('source')}: {value} {_label('trouble')}",
              "Nothing is lost. `wattline source show` has what is wrong, `wattline source payloads NAME --state "
              "unmapped` why each gave nothing; payloads that wait have no worker. docs/SOURCES.md.",
              platform),
        Alert("output", "An output of lines is away or behind", 600, "5m", "warning",
              f"Output {_label('output')} has not given what there is for {_TIME}",
              "All is in the store, and is given once the receiver takes it: the outlet's /healthz and log say why it "
              "does not. docs/OUTLET.md.",
              platform),
        Alert("store_job", "Database job fails or is late", 0, "30m", "warning",
              f"{_label('job')} is {_label('state')}",
              "SELECT * FROM store_job says why. docs/STORE.md, Jobs, has what each does and what helps.",
              platform),
    )  # fmt: skip


def _label(name: str) -> str:
    """A label's value; what the query did not give is said so, where Grafana would write [no value]."""
    return f"{{{{ with .Labels.{name} }}}}{{{{ . }}}}{{{{ else }}}}an unknown {name}{{{{ end }}}}"
