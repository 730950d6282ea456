"""`python -m ingestor`: the ingestor as a process."""

import click

from broker.service import load, run_service
from broker.settings_help import settings_help
from ingestor.service import run
from ingestor.settings import IngestorSettings


@click.command(epilog=settings_help(IngestorSettings), context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Store what devices publish, from the broker into TimescaleDB, until SIGTERM or SIGINT."""
    run_service("ingestor", load(IngestorSettings), run)


if __name__ == "__main__":
    main()
