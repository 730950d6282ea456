"""`python -m ingestor`: the ingestor as a process."""

import gc

import click

from broker.runtime.service import load, run_service
from broker.runtime.settings_help import settings_help
from ingestor.settings import IngestorSettings

_COLLECT_AFTER = 50_000
"""Objects made and not freed between two looks of the garbage collector; 700 would be usual."""


@click.command(epilog=settings_help(IngestorSettings), context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Store what devices publish, from the broker into TimescaleDB, until SIGTERM or SIGINT."""
    settings = load(IngestorSettings)
    from ingestor.service import run

    # thousands of messages are under way, which the collector need not look at again and again
    gc.collect()
    gc.set_threshold(_COLLECT_AFTER, 20, 20)
    run_service("ingestor", settings, run)


if __name__ == "__main__":
    main()
