"""Starts the gateway: `wattline gateway`, or `python -m gateway`."""

import click

from broker.service import load, run_service
from gateway.service import run
from gateway.settings import GatewaySettings


@click.command()
def main() -> None:
    """Run the config service and its HTTP API; settings come from WATTLINE_GATEWAY_... in the environment."""
    run_service("gateway", load(GatewaySettings), run)


if __name__ == "__main__":
    main()
