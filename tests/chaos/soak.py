"""`make soak FOR=10m`: the whole stack under load for long, and what each process takes meanwhile, as a picture."""

import asyncio
import contextlib
import random
import re
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Final

import click
import psutil

from deploy.local.runs import run_folder
from deploy.local.settings import LocalSettings
from deploy.local.toolchain import provide
from store.errors import DATABASE_ERRORS
from tests.chaos.build import Ground, stack
from tests.chaos.count import look, missing
from tests.chaos.judge import Before, judge
from tests.chaos.picture import Panel, Points, svg
from tests.chaos.plan import Plan
from tests.chaos.run import drained, settled
from tests.chaos.stack import Stack
from tests.chaos.template import make_template

EVERY_S: Final = 2.0
_LONG: Final = re.compile(r"(\d+(?:\.\d+)?)([smh]?)")
_UNITS: Final = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}
DRAIN_S: Final = 120.0
LINES: Final = ("memory in MiB", "open handles", "seconds from a meter to the table")


def seconds(text: str) -> float:
    """`90`, `90s`, `10m` or `1h` in seconds. Raises ValueError."""
    if (match := _LONG.fullmatch(text.strip())) is None:
        raise ValueError(f"{text!r} is no time: 90s, 10m or 1h")
    return float(match[1]) * _UNITS[match[2]]


class Samples:
    """What was measured, by panel and line."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self.lines: dict[str, dict[str, Points]] = {title: defaultdict(list) for title in LINES}

    async def take(self, built: Stack) -> None:
        """Measure once."""
        at = time.monotonic() - self._began
        memory, handles, lag = (self.lines[title] for title in LINES)
        for name, pid in pids(built).items():
            with contextlib.suppress(psutil.NoSuchProcess):
                mib, count = _taken(psutil.Process(pid))
                memory[name].append((at, mib))
                handles[name].append((at, count))
        with contextlib.suppress(*DATABASE_ERRORS):
            energies = (await look(built, readings_only=True)).energies
            for meter, heard in built.truth.heard(energies).items():
                waiting = [telegram.sent_s for telegram in heard if telegram.energy_wh not in energies[meter]]
                lag[meter.removeprefix("ISK:")].append((at, time.time() - min(waiting) if waiting else 0.0))

    def growth(self) -> dict[str, float]:
        """By process: memory in MiB that the last quarter has more than the second, on the mean."""
        found = {}
        for name, points in self.lines[LINES[0]].items():
            values = [value for _, value in points]
            quarter = max(1, len(values) // 4)
            before, after = values[quarter : 2 * quarter] or values, values[-quarter:]
            found[name] = sum(after) / len(after) - sum(before) / len(before)
        return found


def pids(built: Stack) -> dict[str, int]:
    """Process ids by name, of those that run."""
    found = {process.name: process.pid for process in built.processes}
    found |= {"broker": built.broker.pid or 0, "database": built.database.pid or 0}
    return {name: pid for name, pid in found.items() if pid}


def _taken(process: psutil.Process) -> tuple[float, int]:
    """Memory in MiB, its share of what it has in common with others, its children's with it; and its own handles."""
    octets = 0
    for one in (process, *process.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            octets += one.memory_full_info().pss
    return octets / 2**20, process.num_fds()


async def soak(for_s: float, report: Path | None) -> bool:
    """Do it; whether nothing was lost, repeated or wrong."""
    settings = LocalSettings()
    toolchain = await asyncio.to_thread(provide, settings, click.echo)
    with run_folder(settings.runs, None, keep=False) as folder:
        ground = Ground(toolchain, await make_template(toolchain, folder / "postgres", settings), settings)
        async with stack(ground, Plan(), random.Random()) as built:
            samples, began_s, end = Samples(), time.time(), time.monotonic() + for_s
            told = time.monotonic()
            while time.monotonic() < end:
                await samples.take(built)
                if time.monotonic() - told > 30:
                    told = time.monotonic()
                    late = len(await missing(built, began_s, time.time() - 10))
                    click.echo(f"{end - told:.0f} s to go, {late} readings late")
                await asyncio.sleep(EVERY_S)
            built.speak(yes=False)
            ended_s = time.time()
            await drained(built, DRAIN_S)
            verdict = await judge(built, await settled(built, began_s, ended_s), Before(), began_s, ended_s)
    if report is not None:
        panels = [Panel(title, dict(lines)) for title, lines in samples.lines.items()]
        picture = svg(f"{for_s / 60:g} minutes under load: {verdict.given} telegrams", panels)
        await asyncio.to_thread(report.write_text, picture)
    for name, mib in samples.growth().items():
        click.echo(
            f"{name:12} {samples.lines[LINES[0]][name][-1][1]:7.1f} MiB, {mib:+.1f} MiB since the second quarter"
        )
    click.echo(f"given {verdict.given} lost {verdict.lost} repeated {verdict.repeated} wrong {verdict.wrong}")
    return verdict.good


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--for", "text", default="10m", show_default=True, help="How long: 90s, 10m, 1h.")
@click.option("--report", type=click.Path(path_type=Path), help="Where to write the picture (SVG).")
def main(text: str, report: Path | None) -> None:
    """Exit status 1 if anything was lost, repeated or wrong."""
    try:
        for_s = seconds(text)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    sys.exit(0 if asyncio.run(soak(for_s, report)) else 1)


if __name__ == "__main__":
    main()
