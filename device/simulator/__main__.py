"""`wattline simulate`: one simulated meter on a pty until Ctrl-C."""

import asyncio
import signal
from pathlib import Path
from typing import Any

import click

from broker.errors import PermanentError
from broker.runtime.options import FiniteRange
from broker.wording import counted
from device.simulator.meter import SimulatedMeter
from device.simulator.products import PRODUCTS, PROTOCOLS


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--protocol",
    type=click.Choice(list(PROTOCOLS)),
    help="What it speaks; unknown: a product in no catalogue. Default: p1.",
)
@click.option(
    "--product", type=click.Choice(list(PRODUCTS)), help="A product that remembers a load profile, in place of these."
)
@click.option("--link", type=click.Path(path_type=Path), help="A name for the port: a symbolic link to the pty.")
@click.option("--serial", help="Its serial number, as its protocol carries one; default: one of its type.")
@click.option("--seed", type=int, default=1, show_default=True, help="The household behind it.")
@click.option("--interval", "interval_s", type=FiniteRange(0.1, 3600), help="Seconds between telegrams.")
@click.option("--speed", type=FiniteRange(0.01, 10_000), default=1.0, show_default=True, help="Its time runs faster.")
@click.option("--pv", "pv_peak_w", type=click.IntRange(0, 30_000), default=0, help="Photovoltaics: peak power in W.")
def main(protocol: str | None, product: str | None, interval_s: float | None, **options: Any) -> None:
    """Run a simulated meter; the first line printed is the port that a reader opens."""
    if protocol is not None and product is not None:
        raise click.UsageError("--product says which protocol it speaks: leave --protocol out")
    model = PROTOCOLS[protocol or "p1"] if product is None else PRODUCTS[product]
    if interval_s is not None:
        options["interval_s"] = interval_s
    try:
        asyncio.run(_run(model.make(**options)))
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
