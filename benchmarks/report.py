"""What `make bench` reports, and how it reads on a terminal."""

from pydantic import BaseModel, ConfigDict
from rich.console import Console
from rich.table import Table


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
    console = Console()
    console.print(f"bare COPY limit: {report.copy_limit_rows_s:,.0f} rows/s")
    console.print(table)
    console.print(
        f"ingestor {report.ingestor_rss_mib:.0f} MiB, agent {report.agent_rss_mib:.0f} MiB"
        f" at {report.agent_cpu_percent:.1f} % of a core"
    )
    console.print(
        f"broker wiped: {report.config_restore.devices:,} devices whole again in {report.config_restore_10k_s:.1f} s"
    )
