"""`python -m outlet`: the outlet as a process."""

import click

from broker.runtime.service import load, run_service
from broker.runtime.settings_help import settings_help
from outlet.settings import OutletSettings


@click.command(epilog=settings_help(OutletSettings), context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Give meters and readings to others, such as Home Assistant, until SIGTERM or SIGINT."""
    settings = load(OutletSettings)
    from outlet.service import run

    run_service("outlet", settings, run)


if __name__ == "__main__":
    main()
