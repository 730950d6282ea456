"""`python -m ingestor`: the ingestor as a process."""

import click

from broker.service import load, run_service
from broker.settings import BrokerAddress
from ingestor.service import run
from ingestor.settings import IngestorSettings

_PREFIX = "WATTLINE_INGESTOR_"


def _listing() -> str:
    """All settings as their environment variables, with defaults and meanings."""
    lines = []
    for name, field in IngestorSettings.model_fields.items():
        if name == "broker":
            lines += [f"  {_PREFIX}BROKER__{inner.upper()}" for inner in BrokerAddress.model_fields]
            continue
        default = "required" if field.is_required() else f"default {field.default}"
        lines.append(f"  {_PREFIX}{name.upper()} ({default})" + (f": {field.description}" if field.description else ""))
    return "\n".join(lines)


@click.command(epilog="\b\nSettings, read from the environment:\n" + _listing())
def main() -> None:
    """Store what devices publish, from the broker into TimescaleDB."""
    run_service("ingestor", load(IngestorSettings), run)


if __name__ == "__main__":
    main()
