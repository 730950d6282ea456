"""The dashboard 'Wattline platform': how the ingestors, the database and its chunks are doing, by the ledger."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana.boards.base import DEVICE, Part, dashboard, devices, source
from grafana.fields import NONE_IS_GOOD, SERIES, Field, Steps
from grafana.panels import Frame, lines, number, rows
from grafana.settings import GrafanaSettings

GIB = 1 << 30
_JOBS = (
    ("queued", "waits", "blue"),
    ("running", "running", "blue"),
    ("done", "done", "green"),
    ("failed", "failed", "red"),
    ("cancelled", "cancelled", "orange"),
)
_OUTPUTS = (("good", "good", "green"), ("behind", "behind", "orange"), ("away", "away", "red"))


def board(settings: GrafanaSettings) -> Dashboard:
    """The whole dashboard."""
    return dashboard(
        "platform",
        "Wattline platform",
        "Ingest rate, batches, latency and waiting by the ledger; third parties' payloads; the database's size, chunks "
        "and compression; logins.",
        (_now(settings), _ingest(), _others(), _store(), _access()),
        source(settings),
        devices(),
        since="now-24h",
        refresh="30s",
        marks=("changes", "events"),
    )


def _now(settings: GrafanaSettings) -> Part:
    limits = settings.limits
    lag = Field("Lag", "s", 1, ((None, "green"), (limits.ingest_lag_s / 2, "orange"), (limits.ingest_lag_s, "red")))
    age = Field("Age of newest", "s", 1, ((None, "green"), (60, "orange"), (limits.ingest_lag_s, "red")))
    rate = Field("Messages", "suffix:/s", 1)
    summary = Field("Age of summary", "s", 0, ((None, "green"), (180, "orange"), (900, "red")))
    full = limits.database_gib * GIB
    size = Field(
        "Database", "bytes", 1, ((None, "green"), (full * limits.database_percent / 100, "orange"), (full, "red"))
    )
    ingest = (
        "Messages a second over five minutes, age of the newest message, the median time from reading to table, and "
        "how far the ledger is summed up: what the charts below and data quality show."
    )
    store = f"All hypertables with their indexes; the limit is set to {limits.database_gib:g} GiB."
    return "", (
        number(Frame("Ingest", ingest, 12, 4), "platform_numbers", Field(), rate, age, lag,
               summary),
        number(Frame("Store", store, 12, 4), "platform_size", Field(), size, Field("Chunks", "none", 0),
               Field("Saved by compression", "percentunit", 0)),
    )  # fmt: skip


def _ingest() -> Part:
    rate = Frame("Ingest rate", "Messages and values a second over five minutes or more, repeats included.", 12, 9)
    waits = (
        "From reading to table, which holds the device's own gathering; and the wait from receipt to the row's "
        "writing, shortly before the commit, which is the ingestor's queue. What waits in the broker shows as latency."
    )
    latency = Frame("Latency and queue", waits, 12, 9)
    held = "Messages and values that one transaction of an ingestor held, means and the most values, in the last hour."
    batches = Frame("Batches", held, 12, 9, "1h")
    took = (
        "From asking for a connection to the answer to the commit, in the last hour: what the metric "
        "wattline_ingestor_commit_seconds has. A batch shows once the next one is stored."
    )
    writing = Frame("Time to write and commit a batch", took, 12, 9, "1h")
    return "Ingestor", (
        lines(
            rate, "platform_rate", Field(unit="suffix:/s", decimals=1), *_series("Messages", "Values"), interval="5m"
        ),
        lines(
            latency,
            "platform_latency",
            Field(unit="s", decimals=2),
            *_series("Reading to table", "Wait in the ingestor", "Longest wait"),
            interval="5m",
        ),
        lines(batches, "platform_batches", Field(decimals=0), *_series("Messages", "Values", "Largest")),
        lines(writing, "platform_writing", Field(unit="s", decimals=3), *_series("Mean", "Longest")),
    )


def _access() -> Part:
    now = (
        "As to how many logins the broker does not do what was decided (revoked, let in), how many devices wait for a "
        "person's yes (`wattline enrol list`), and when the first certificate of authority or listeners ends."
    )
    tried = "Logins at the broker by its log, as long as a gateway was there to follow it."
    names = "Client ids that refused ones claimed: anybody may claim any. `*` are those beyond twenty a minute."
    ends = "Of the authority and of the gateways' listeners. `wattline ca renew` makes another intermediate."
    days = Field("First certificate ends in", "suffix:d", 0, ((None, "red"), (14, "green")))
    counts = tuple(Field(name, decimals=0, steps=NONE_IS_GOOD) for name in ("Not as decided", "Wait for a person"))
    return "Access", (
        number(Frame("Who may log in", now, 24, 4), "platform_access", Field(decimals=0), *counts, days),
        lines(
            Frame("Logins at the broker", tried, 12, 8), "platform_logins", Field(decimals=0),
            *_series("Let in", "Refused"), interval="1m",
        ),
        rows(Frame("Refused at the broker", names, 12, 8), "platform_refused", Field("Last", "dateTimeFromNow")),
        rows(Frame("Certificates", ends, 24, 6), "platform_certificates", Field("Ends", "dateTimeFromNow")),
    )  # fmt: skip


def _others() -> Part:
    now = (
        "Third parties that are on, those of them without a mapping, with payloads that gave nothing, or behind; "
        "payloads that wait and for how long; and what the bridge proposes. Each by name: dashboard Wattline fleet."
    )
    mapped = "Payloads mapped and what they gave, a second, in the last hour; at very many, of the newest 100 000."
    wait = "From the payload's receipt, by intake or bridge, to its readings in the store, in the last hour."
    told = (
        "What intake, bridge and worker warned of in the range, each once an hour: posts refused, topics that can't be "
        "subscribed to, that flood, messages too large, nodes that died, payloads dropped. Posts to no source of this "
        "name are in the intake's metrics and log."
    )
    proposed = "`wattline source accept` or `refuse`, or the console's page Sources, which has why values are left out."
    outputs = (
        "Outputs that give every reading as a line: away is one that has not looked for ten minutes, behind one that "
        "has had something to give for as long. Home Assistant and Sparkplug are told by wattline_outlet_working."
    )
    waits: Steps = ((None, "green"), (300, "orange"), (3600, "red"))
    counts = (
        Field("Need a look", decimals=0, steps=NONE_IS_GOOD), Field("First has waited", "s", 0, waits),
        Field("Unmapped", decimals=0, steps=NONE_IS_GOOD),
    )  # fmt: skip
    return "Third parties", (
        number(Frame("Sources and payloads", now, 24, 4), "platform_sources", Field(decimals=0), *counts),
        lines(Frame("Payloads of third parties", mapped, 12, 8, "1h"), "platform_payloads",
              Field(unit="suffix:/s", decimals=1), *_series("Payloads", "Readings"), interval="1m"),
        lines(Frame("From receipt to readings", wait, 12, 8, "1h"), "platform_payload_wait",
              Field(unit="s", decimals=2), *_series("Mean", "Longest"), interval="1m"),
        rows(Frame("What sources were warned of", told, 24, 7), "platform_source_events",
             Field("Time", "dateTimeAsIso")),
        rows(Frame("Proposed by the bridge", proposed, 24, 6), "platform_proposals",
             Field("First heard", "dateTimeFromNow"), Field("Heard", "dateTimeFromNow")),
        rows(Frame("Outputs of lines", outputs, 24, 5), "platform_outputs", Field("Stands", texts=_OUTPUTS),
             Field("Given from", "dateTimeAsIso"), Field("Waiting since", "dateTimeFromNow"),
             Field("Looked", "dateTimeFromNow")),
    )  # fmt: skip


def _series(*names: str) -> tuple[Field, ...]:
    return tuple(Field(name, color=color) for name, color in zip(names, SERIES, strict=False))


def _store() -> Part:
    tables = Frame(
        "Tables", "Chunks and bytes of each hypertable, and of what is compressed before and after it.", 24, 9
    )
    outboxes = Frame(
        "Outboxes in trouble",
        "Devices whose outbox came near its limit, thinned, dropped, could not write or was damaged, in the range; and "
        "those of which messages wait for over a minute now, to be sent or for the store's receipt, as told last.",
        24,
        7,
    )
    kinds = Frame(
        "Jobs by kind",
        "What waits, runs and failed of each kind of jobs, and how long the first that is due has waited for a worker.",
        24,
        6,
    )
    jobs = Frame("Jobs", "Those under way, and those that ended in the range; the newest hundred.", 24, 7)
    notices = Frame(
        "Notifications",
        "Each channel: messages that wait, those given up (`wattline notify replay --dead`), and the last answer.",
        24,
        6,
    )
    services = Frame(
        "What the services noted", "The newest hundred events of ingestor and gateway in the range.", 24, 8
    )
    sizes = (
        Field("Size", "bytes", 1),
        Field("Compressed", width_px=120),
        *(Field(name, "bytes", 1) for name in ("Before", "After")),
        Field("Ratio", "none", 1, width_px=75),
    )
    progress = (
        Field("Progress", "percentunit", 0),
        Field("New readings", width_px=125),
        Field("Undecodable", width_px=125),
        Field("Speed", "suffix:/s", 0),
        Field("Refused", steps=NONE_IS_GOOD),
    )
    return "Store and devices", (
        rows(tables, "platform_tables", *sizes),
        rows(outboxes, "platform_outboxes", DEVICE, Field("Told", "dateTimeFromNow"), Field("Last", "dateTimeFromNow")),
        rows(
            kinds, "platform_job_kinds", Field("Failed in a day", steps=NONE_IS_GOOD), Field("First has waited", "s", 0)
        ),
        rows(jobs, "platform_jobs", Field("State", texts=_JOBS), *progress, Field("Changed", "dateTimeFromNow")),
        rows(notices, "platform_notices", Field("Dead", steps=NONE_IS_GOOD), Field("Last sent", "dateTimeFromNow")),
        rows(services, "platform_services", Field("Time", "dateTimeAsIso")),
    )
