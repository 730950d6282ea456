"""Starts the gateway: `wattline gateway`, or `python -m gateway`."""

import click

from broker.runtime.service import load, run_service
from broker.runtime.settings_help import settings_help
from gateway.settings import GatewaySettings


@click.command(epilog=settings_help(GatewaySettings), context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Run the config service and its HTTP API, until SIGTERM or SIGINT."""
    settings = load(GatewaySettings)
    from gateway.service import run

    run_service("gateway", settings, run)


if __name__ == "__main__":
    main()
