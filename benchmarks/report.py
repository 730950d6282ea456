"""What `make bench` reports, and how it reads on a terminal."""

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ConfigDict
from rich.console import Console
from rich.table import Table

from benchmarks.agent import AgentResult


class SizeResult(BaseModel):
    """The pipeline at one size of message."""

    model_config = ConfigDict(frozen=True)

    values_per_message: int
    devices: int
    messages: int
    messages_s: float
    rows_s: float
    ratio: float | None = None
    """Stored rows a second over copy_limit_rows_s of the same run."""
    ingestor_cpu_us_per_message: float
    broker_cpu_us_per_message: float
    database_cpu_us_per_message: float
    generator_ahead_s: float
    """How long before the last row was stored the generator had all its acks: above 0, it was no bottleneck."""


class LatencyResult(BaseModel):
    """From the moment at which a message is due to the answer of its commit, at a steady rate."""

    model_config = ConfigDict(frozen=True)

    values_per_message: int
    messages: int
    offered_messages_s: float
    stored_messages_s: float
    messages_timed: int
    p50_ms: float
    p99_ms: float
    max_ms: float


class CrowdResult(BaseModel):
    """Many devices, a message of each in turn: when the ingestor hears them first, and when it knows them."""

    model_config = ConfigDict(frozen=True)

    first_sight: SizeResult
    known: SizeResult
    memory_kib_per_device: float
    """What a device with one meter takes in the ingestor's memory, from its resident size before and after."""


class BacklogResult(BaseModel):
    """Hours of readings that devices kept while the broker was away, with live readings beside them."""

    model_config = ConfigDict(frozen=True)

    messages: int
    drained_s: float
    """Until the last of them is committed."""
    messages_s: float
    sent_s: float
    """Until the broker had taken them all."""
    live_messages_s: float
    live_messages_timed: int
    live_p50_ms: float
    live_p99_ms: float
    live_max_ms: float
    rss_before_mib: float
    rss_most_mib: float
    """Of the ingestor."""


class RedecodeResult(BaseModel):
    """Kept frames of one protocol, decoded again by a worker process."""

    model_config = ConfigDict(frozen=True)

    frames: int
    frames_s: float
    """From the job's queueing to the commit of its last portion."""
    readings_s: float
    decoding_limit_frames_s: float
    """What one process decodes in the same run and does nothing else, times the cores."""
    ratio: float
    """frames_s over decoding_limit_frames_s."""
    worker_cpu_us_per_frame: float
    """Of the worker and its processes, PostgreSQL's not included: what other work on the machine hardly changes."""


class RestoreResult(BaseModel):
    """A broker that lost everything, and the gateway that makes it whole from the store."""

    model_config = ConfigDict(frozen=True)

    devices: int
    first_publish_s: float
    """From the start of the gateway until all configurations that it made are retained."""
    restore_s: float
    """From the start of the emptied broker until all is retained again."""


class DecodeResult(BaseModel):
    """Decoding of one protocol's telegrams by one core, from the bytes on the line to readings."""

    model_config = ConfigDict(frozen=True)

    telegrams: int
    """Different ones, read over and over."""
    telegrams_s: float
    readings_s: float
    bytes_s: float
    ratio: float
    """To `json.loads` of the same readings, which is the limit."""
    lines: float
    """How many lines of the protocol's usual speed, never silent, one core could read."""


class IntakeLoad(BaseModel):
    """Posts to the intake, of one kind of load."""

    model_config = ConfigDict(frozen=True)

    posts: int
    accepted: int
    """Answered 202."""
    told_to_wait: int
    """Answered 429 or 503."""
    stored: int
    """Rows that the table has more: as many as accepted, or something was lost."""
    offered_s: float
    """0: each connection posted again when it was answered."""
    accepted_s: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    intake_cpu_us: float
    """Of all processes of the intake for each accepted post."""
    database_cpu_us: float


class IntakeResult(BaseModel):
    """The intake of webhooks."""

    model_config = ConfigDict(frozen=True)

    processes: int
    body_bytes: int
    bare_http_posts_s: float
    """Of as many processes of the same HTTP library that keep nothing, with the same generators."""
    bare_http_cpu_us: float
    bare_insert_rows_s: float
    """Of the same statement in batches of 500 on one connection, with nothing else at work."""
    fast: IntakeLoad
    ratio: float
    """fast.accepted_s over bare_http_posts_s."""
    steady: IntakeLoad
    """At half the rate of `fast`."""
    goal: IntakeLoad
    """At 5 000 posts a second."""
    burst: IntakeLoad
    """100 000 posts within 10 s at the usual scale."""
    rss_mib: float
    """Of one process, after the burst."""


class BenchReport(BaseModel):
    """The document that `make bench REPORT=` writes."""

    model_config = ConfigDict(frozen=True)

    copy_limit_rows_s: float
    sizes: dict[str, SizeResult] = {}
    """The ingestor at the broker over TLS, as services are."""
    plain: SizeResult | None = None
    """10 values, the ingestor at the broker without TLS."""
    latency: LatencyResult | None = None
    """At half the rate of `sizes` at 10 values."""
    crowd: CrowdResult | None = None
    backlog: BacklogResult | None = None
    ingestor_rss_mib: float = 0.0
    """After `sizes`."""
    agent_rss_mib: float | None = None
    agent_cpu_percent: float | None = None
    agent: AgentResult | None = None
    intake: IntakeResult | None = None
    decode: dict[str, DecodeResult] = {}
    redecode_frames_s: float | None = None
    """Of SML frames; `redecode` has P1 beside it."""
    redecode: dict[str, RedecodeResult] = {}
    config_restore_10k_s: float | None = None
    """Restore of 10 000 devices; at another scale of however many `config_restore.devices` says."""
    config_restore: RestoreResult | None = None
    machine: dict[str, str]


def against(found: dict[str, Any], limit_rows_s: float) -> dict[str, Any]:
    """The same results with their ratios to the limit."""

    def beside(size: SizeResult) -> SizeResult:
        return size.model_copy(update={"ratio": round(size.rows_s / limit_rows_s, 3)})

    compared = dict(found)
    if "sizes" in found:
        compared["sizes"] = {name: beside(size) for name, size in found["sizes"].items()}
    if "plain" in found:
        compared["plain"] = beside(found["plain"])
    if "crowd" in found:
        many: CrowdResult = found["crowd"]
        compared["crowd"] = many.model_copy(
            update={"first_sight": beside(many.first_sight), "known": beside(many.known)}
        )
    return compared


def show(report: BenchReport) -> None:
    """Print the report as tables."""
    console = Console()
    console.print(f"bare COPY limit: {report.copy_limit_rows_s:,.0f} rows/s")
    sizes = [(f"{name} values", size) for name, size in report.sizes.items()]
    if report.plain is not None:
        sizes.append((f"{report.plain.values_per_message} values, no TLS", report.plain))
    if report.crowd is not None:
        many = f"{report.crowd.known.devices:,} devices"
        sizes += [(f"{many}, new", report.crowd.first_sight), (f"{many}, known", report.crowd.known)]
    console.print(_sizes(sizes))
    if report.decode:
        console.print(_decode(report.decode))
    if report.redecode:
        console.print(_redecode(report.redecode))
    if report.intake is not None:
        console.print(_intake(report.intake))
    for line in _lines(report):
        console.print(line)


def _sizes(sizes: list[tuple[str, SizeResult]]) -> Table:
    table = Table("live", "messages/s", "rows/s", "ratio", "us/message: ingestor", "broker", "database", "ahead s")
    for name, size in sizes:
        table.add_row(
            name,
            f"{size.messages_s:,.0f}",
            f"{size.rows_s:,.0f}",
            "" if size.ratio is None else f"{size.ratio:.2f}",
            f"{size.ingestor_cpu_us_per_message:.1f}",
            f"{size.broker_cpu_us_per_message:.1f}",
            f"{size.database_cpu_us_per_message:.1f}",
            f"{size.generator_ahead_s:.2f}",
        )
    return table


def _decode(results: dict[str, DecodeResult]) -> Table:
    table = Table("decoding, one core", "telegrams/s", "readings/s", "kB/s", "ratio to JSON", "lines at full speed")
    for name, result in results.items():
        table.add_row(
            f"{result.telegrams} {name}",
            *(f"{one:,.0f}" for one in (result.telegrams_s, result.readings_s, result.bytes_s / 1000)),
            f"{result.ratio:.3f}",
            f"{result.lines:,.0f}",
        )
    return table


def _redecode(results: dict[str, RedecodeResult]) -> Table:
    again = Table(
        "frames decoded again", "frames/s", "readings/s", "decoding alone, all cores", "ratio", "worker us/frame"
    )
    for name, result in results.items():
        figures = (result.frames_s, result.readings_s, result.decoding_limit_frames_s)
        again.add_row(
            f"{result.frames:,} {name}",
            *(f"{one:,.0f}" for one in figures),
            f"{result.ratio:.2f}",
            f"{result.worker_cpu_us_per_frame:.0f}",
        )
    return again


def _intake(result: IntakeResult) -> Table:
    table = Table(
        f"posts of {result.body_bytes} B, {result.processes} processes", "offered/s", "accepted/s", "told to wait",
        "lost", "p50 ms", "p99 ms", "us/post: intake", "database",
        caption=f"bare HTTP {result.bare_http_posts_s:,.0f} posts/s at {result.bare_http_cpu_us:.0f} us, "
        f"ratio {result.ratio:.2f}; bare INSERT "
        f"{result.bare_insert_rows_s:,.0f} rows/s; {result.rss_mib:.0f} MiB a process",
    )  # fmt: skip
    loads = {"as fast as answered": result.fast, "steady": result.steady, "goal": result.goal, "burst": result.burst}
    for name, load in loads.items():
        table.add_row(
            name,
            f"{load.offered_s:,.0f}",
            f"{load.accepted_s:,.0f}",
            f"{load.told_to_wait:,}",
            f"{load.accepted - load.stored:,}",
            f"{load.p50_ms:.0f}",
            f"{load.p99_ms:.0f}",
            f"{load.intake_cpu_us:.0f}",
            f"{load.database_cpu_us:.0f}",
        )
    return table


def _lines(report: BenchReport) -> Iterator[str]:
    if (latency := report.latency) is not None:
        yield (
            f"publish to commit at {latency.offered_messages_s:,.0f} messages/s: p50 {latency.p50_ms:.0f} ms,"
            f" p99 {latency.p99_ms:.0f} ms, at most {latency.max_ms:.0f} ms"
        )
    if report.crowd is not None:
        yield f"a device with a meter takes {report.crowd.memory_kib_per_device:.1f} KiB of the ingestor"
    if (backlog := report.backlog) is not None:
        yield (
            f"backlog of {backlog.messages:,} messages: {backlog.drained_s:.0f} s ({backlog.messages_s:,.0f}/s; sent in"
            f" {backlog.sent_s:.0f} s); live beside it p50 {backlog.live_p50_ms:.0f} ms,"
            f" p99 {backlog.live_p99_ms:.0f} ms"
        )
        yield f"ingestor {backlog.rss_before_mib:.0f} MiB before, at most {backlog.rss_most_mib:.0f} MiB"
    yield f"ingestor {report.ingestor_rss_mib:.0f} MiB"
    if report.agent_rss_mib is not None:
        yield f"agent {report.agent_rss_mib:.0f} MiB at {report.agent_cpu_percent:.1f} % of a core"
    if report.config_restore is not None:
        yield (
            f"broker wiped: {report.config_restore.devices:,} devices whole again"
            f" in {report.config_restore.restore_s:.1f} s"
        )
