"""`make fuzz`: every parser with mutated good inputs and noise; only known errors may come out, and soon."""

import multiprocessing
import os
import secrets
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import click

from tests.fuzz.attempt import CRASHES, Job, Outcome, again, do
from tests.fuzz.targets import TARGETS

PORTION = 2000


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-n", "--inputs", type=click.IntRange(1), default=1_000_000, show_default=True, help="Inputs in all.")
@click.option("--seed", type=int, help="The same inputs again.")
@click.option("--target", "names", multiple=True, type=click.Choice(sorted(TARGETS)), help="Only these parsers.")
@click.option("--file", type=click.Path(path_type=Path, exists=True), help="One saved input, to the one --target.")
@click.option("--jobs", type=click.IntRange(1, 64), default=os.cpu_count() or 1, help="Processes.")
def main(inputs: int, seed: int | None, names: tuple[str, ...], file: Path | None, jobs: int) -> None:
    """Exit status 1 where a parser fails otherwise than it may, or takes too long."""
    if file is not None:
        if len(names) != 1:
            raise click.UsageError("--file wants one --target")
        again(names[0], file)
        click.echo("nothing but known errors")
        return
    seed = secrets.randbelow(10**9) if seed is None else seed
    # in memory where there is such a place: files are written a hundred thousand times
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(prefix="wattline-fuzz-", dir=memory) as folder:
        os.environ["TMPDIR"] = folder
        tempfile.tempdir = folder
        faults = _fuzz(list(names) or sorted(TARGETS), inputs, seed, jobs)
    sys.exit(1 if faults else 0)


def _fuzz(names: list[str], inputs: int, seed: int, jobs: int) -> int:
    click.echo(f"{inputs} inputs to {len(names)} parsers, seed {seed}")
    made = {name: TARGETS[name]() for name in names}
    shares = sum(one.share for one in made.values())
    work = [
        Job(name, seed, first, min(PORTION, count - first))
        for name, one in made.items()
        for count in (max(1, inputs * one.share // shares),)
        for first in range(0, count, PORTION)
    ]
    done, found, told = 0, {}, time.monotonic()
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        for future in as_completed([pool.submit(do, job) for job in work]):
            outcome: Outcome = future.result()
            done += outcome.done
            for crash in outcome.crashes:
                if (crash.name, crash.place) not in found:
                    found[crash.name, crash.place] = crash
                    click.echo(f"{crash.name}: {crash.error}\n  {crash.command}")
            if time.monotonic() - told > 10:
                told = time.monotonic()
                click.echo(f"{done} inputs, {len(found)} faults")
    click.echo(f"{done} inputs, {len(found)} faults, seed {seed}" + (f"; inputs in {CRASHES}" if found else ""))
    return len(found)


if __name__ == "__main__":
    main()
