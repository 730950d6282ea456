"""What `make bench` reports, and how it reads on a terminal."""

from pydantic import BaseModel, ConfigDict
from rich.console import Console
from rich.table import Table

from benchmarks.agent import AgentResult


class SizeResult(BaseModel):
    """The pipeline at one size of message."""

    model_config = ConfigDict(frozen=True)

    values_per_message: int
    messages: int
    messages_s: float
    rows_s: float
    ratio: float
    """Stored rows a second over copy_limit_rows_s of the same run."""
    ingestor_cpu_us_per_message: float
    generator_ahead_s: float
    """How long before the last row was stored the generator had all its acks: above 0, it was no bottleneck."""


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


class BenchReport(BaseModel):
    """The document that `make bench REPORT=` writes."""

    model_config = ConfigDict(frozen=True)

    copy_limit_rows_s: float
    sizes: dict[str, SizeResult]
    ingestor_rss_mib: float
    agent_rss_mib: float
    agent_cpu_percent: float
    agent: AgentResult
    redecode_frames_s: float
    """Of SML frames; `redecode` has P1 beside it."""
    redecode: dict[str, RedecodeResult]
    config_restore_10k_s: float
    """Restore of 10 000 devices; at another scale of however many `config_restore.devices` says."""
    config_restore: RestoreResult
    machine: dict[str, str]


def show(report: BenchReport) -> None:
    """Print the report as a table."""
    table = Table("values a message", "messages/s", "rows/s", "ratio", "ingestor us/message", "generator ahead s")
    for name, size in report.sizes.items():
        cells = (size.messages_s, size.rows_s)
        table.add_row(
            name,
            *(f"{cell:,.0f}" for cell in cells),
            f"{size.ratio:.2f}",
            f"{size.ingestor_cpu_us_per_message:.1f}",
            f"{size.generator_ahead_s:.2f}",
        )
    again = Table(
        "frames decoded again", "frames/s", "readings/s", "decoding alone, all cores", "ratio", "worker us/frame"
    )
    for name, result in report.redecode.items():
        figures = (result.frames_s, result.readings_s, result.decoding_limit_frames_s)
        again.add_row(
            f"{result.frames:,} {name}",
            *(f"{one:,.0f}" for one in figures),
            f"{result.ratio:.2f}",
            f"{result.worker_cpu_us_per_frame:.0f}",
        )
    console = Console()
    console.print(f"bare COPY limit: {report.copy_limit_rows_s:,.0f} rows/s")
    console.print(table)
    console.print(again)
    console.print(
        f"ingestor {report.ingestor_rss_mib:.0f} MiB, agent {report.agent_rss_mib:.0f} MiB"
        f" at {report.agent_cpu_percent:.1f} % of a core"
    )
    console.print(
        f"broker wiped: {report.config_restore.devices:,} devices whole again in {report.config_restore_10k_s:.1f} s"
    )
