"""`wattline simulate`: one simulated meter on a pty until Ctrl-C."""

import asyncio
import signal
from pathlib import Path
from typing import Any

import click

from broker.errors import PermanentError
from broker.runtime.options import FiniteRange
from broker.wording import counted
from device.simulator import (
    SimulatedD0Meter,
    SimulatedDlmsMeter,
    SimulatedIecMeter,
    SimulatedMbusMeter,
    SimulatedMeter,
    SimulatedModbusMeter,
    SimulatedP1Meter,
    SimulatedPolledDlmsMeter,
    SimulatedSmlMeter,
)

METERS: dict[str, tuple[type[SimulatedMeter], str]] = {
    "p1": (SimulatedP1Meter, "E0044007133156018"),
    "sml": (SimulatedSmlMeter, "0067362659"),
    "iec62056-21": (SimulatedIecMeter, "12345678"),
    "dlms": (SimulatedDlmsMeter, "6970631401234567"),
    "dlms-polled": (SimulatedPolledDlmsMeter, "71823456"),
    "mbus": (SimulatedMbusMeter, "14839120"),
    "modbus": (SimulatedModbusMeter, "21346578"),
    "unknown": (SimulatedD0Meter, "40028157"),
}


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--protocol",
    type=click.Choice(list(METERS)),
    default="p1",
    show_default=True,
    help="What it speaks; unknown: a product in no catalogue.",
)
@click.option("--link", type=click.Path(path_type=Path), help="A name for the port: a symbolic link to the pty.")
@click.option("--serial", help="Its serial number, as its protocol carries one; default: one of its type.")
@click.option("--seed", type=int, default=1, show_default=True, help="The household behind it.")
@click.option("--interval", "interval_s", type=FiniteRange(0.1, 3600), help="Seconds between telegrams.")
@click.option("--speed", type=FiniteRange(0.01, 10_000), default=1.0, show_default=True, help="Its time runs faster.")
@click.option("--pv", "pv_peak_w", type=click.IntRange(0, 30_000), default=0, help="Photovoltaics: peak power in W.")
def main(protocol: str, link: Path | None, serial: str | None, interval_s: float | None, **options: Any) -> None:
    """Run a simulated meter; the first line printed is the port that a reader opens."""
    kind, usual = METERS[protocol]
    if interval_s is not None:
        options["interval_s"] = interval_s
    try:
        asyncio.run(_run(kind(serial=usual if serial is None else serial, link=link, **options)))
    except PermanentError as error:
        raise click.ClickException(str(error)) from error


async def _run(meter: SimulatedMeter) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with meter:
        click.echo(meter.port)
        speaking = asyncio.ensure_future(meter.speaks())
        stopping = asyncio.ensure_future(stop.wait())
        await asyncio.wait({speaking, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if speaking.done():
            speaking.result()
        speaking.cancel()
        click.echo(f"{counted(meter.telegrams_sent, 'telegram')} sent", err=True)


if __name__ == "__main__":
    main()
