"""`make chaos`: every fault on the whole real stack, several times, counted against the truth at the meters."""

import asyncio
import secrets
import sys
from pathlib import Path

import click

from broker.errors import PermanentError
from tests.chaos import faults
from tests.chaos.all import Result, run_all
from tests.chaos.all import chosen as select
from tests.chaos.registry import FAULTS
from tests.chaos.report import document, table, write

assert faults


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--runs", type=click.IntRange(1, 1000), default=1, show_default=True, help="Runs of each fault.")
@click.option("--report", type=click.Path(path_type=Path), help="Where to write the JSON, after each run anew.")
@click.option("--fault", "chosen", default="", help="Faults, by name, separated by commas; all where none is named.")
@click.option("--seed", type=int, help="The random moments again; the report names it.")
@click.option("--jobs", type=click.IntRange(1, 16), default=2, show_default=True, help="Stacks at the same time.")
@click.option("--slow", is_flag=True, help="Also the faults that take minutes, where none is named.")
@click.option("--list", "only_list", is_flag=True, help="Say what faults there are.")
def main(
    runs: int, report: Path | None, chosen: str, seed: int | None, jobs: int, *, slow: bool, only_list: bool
) -> None:
    """Put the stack through each fault; exit status 1 if anything was lost, repeated or wrong."""
    if only_list:
        for one in FAULTS.values():
            click.echo(f"{one.name:40} {one.text}")
        return
    names = [name.strip() for name in chosen.split(",") if name.strip()] or [
        one.name for one in FAULTS.values() if slow or not one.slow
    ]
    try:
        to_do = select(names, FAULTS)
    except PermanentError as error:
        raise click.UsageError(str(error)) from error
    seed = secrets.randbelow(10**9) if seed is None else seed

    def keep(so_far: list[Result]) -> None:
        if report is not None:
            write(report, document(so_far, seed, runs))

    results = asyncio.run(run_all(to_do, runs, seed, jobs, click.echo, keep))
    click.echo(table(results))
    click.echo(f"seed {seed}")
    sys.exit(0 if all(result.good for result in results) else 1)


if __name__ == "__main__":
    main()
