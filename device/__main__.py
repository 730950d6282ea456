"""`wattline device`: the agent's command."""

import click

from broker.service import load, run_service
from device.service import run
from device.settings import DeviceSettings

PREFIX = "WATTLINE_DEVICE_"


def _epilog() -> str:
    lines = [f"{PREFIX}BROKER__HOST, __PORT, __USERNAME, __PASSWORD_FILE, __TLS_CA, __ROOT: the broker"]
    for name, field in DeviceSettings.model_fields.items():
        if name != "broker":
            lines.append(f"{PREFIX}{name.upper()}" + ("" if field.is_required() else f" (default {field.default!s})"))
    return "Settings, from the environment:\n\n\b\n" + "\n".join(lines)


@click.command(epilog=_epilog(), context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Run the agent: serial ports in, decoded readings out, through an outbox on disk, until SIGTERM or SIGINT."""
    run_service("device", load(DeviceSettings), run)


if __name__ == "__main__":
    main()
