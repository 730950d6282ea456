"""`make test-cluster`: the whole loop over a broker cluster and a replicated database, whose nodes are killed."""

import asyncio
import json
import random
import secrets
import shutil
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from broker.errors import PermanentError
from deploy.local.settings import LocalSettings
from deploy.local.toolchain import provide
from tests.chaos.judge import Before, Verdict
from tests.chaos.run import run
from tests.cluster import patroni, rmqtt
from tests.cluster.faults import FAULTS
from tests.cluster.stack import ClusterStack, Ground, stack

KEPT = Path("build") / "cluster"


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--runs", type=click.IntRange(1, 1000), default=1, show_default=True, help="Runs of each fault.")
@click.option("--report", type=click.Path(path_type=Path), help="Where to write the JSON.")
@click.option("--fault", "chosen", default="", help="Faults, by name, separated by commas; all where none is named.")
@click.option("--seed", type=int, help="The random moments again; the report names it.")
@click.option("--list", "only_list", is_flag=True, help="Say what faults there are.")
def main(runs: int, report: Path | None, chosen: str, seed: int | None, *, only_list: bool) -> None:
    """Kill nodes under load and count; exit status 1 if anything was lost, repeated or wrong."""
    if only_list:
        for one in FAULTS.values():
            click.echo(f"{one.name:34} {one.text}")
        return
    names = [name.strip() for name in chosen.split(",") if name.strip()] or list(FAULTS)
    if unknown := [name for name in names if name not in FAULTS]:
        raise click.UsageError(f"no fault {', '.join(unknown)}; --list names them")
    seed = secrets.randbelow(10**9) if seed is None else seed
    try:
        rows = asyncio.run(_run(names, runs, seed))
    except PermanentError as error:
        raise click.ClickException(str(error)) from error
    good = all(row["good"] for row in rows)
    if report is not None:
        report.write_text(json.dumps({"seed": seed, "good": good, "runs": rows}, indent=1) + "\n")
    click.echo(f"seed {seed}: {'nothing lost, nothing doubled' if good else 'NOT GOOD, logs in ' + str(KEPT)}")
    sys.exit(0 if good else 1)


async def _run(names: list[str], runs: int, seed: int) -> list[dict[str, Any]]:
    settings, rows = LocalSettings(), list[dict[str, Any]]()
    ground = Ground(
        await asyncio.to_thread(provide, settings, click.echo),
        await asyncio.to_thread(rmqtt.provide, settings, click.echo),
        await asyncio.to_thread(patroni.provide, settings, click.echo),
        settings,
    )
    patroni.etcd_program()
    turns = [(name, number) for number in range(runs) for name in names]
    while len(rows) < len(turns):
        began = time.monotonic()
        async with stack(ground, random.Random(f"{seed} {len(rows)}")) as built:
            click.echo(f"     three broker nodes, two of the database, all services: {time.monotonic() - began:.0f} s")
            before = Before()
            for name, _ in turns[len(rows) :]:
                built.notes.clear()
                try:
                    verdict = await run(FAULTS[name], built, before)
                except Exception:
                    _keep(built)
                    raise
                rows.append({"name": name, "good": verdict.good, **asdict(verdict), **built.notes})
                click.echo(_line(name, verdict, built))
                if not verdict.good:
                    break
            _keep(built)
    return rows


def _line(name: str, verdict: Verdict, built: ClusterStack) -> str:
    mark = "ok  " if verdict.good else "FAIL"
    notes = "".join(f" {key} {value}" for key, value in built.notes.items())
    why = "" if verdict.good else f" drained {verdict.drained} {verdict.broken} {verdict.detail}"
    return (
        f"{mark} {name}: given {verdict.given} stored {verdict.stored} lost {verdict.lost} repeated {verdict.repeated}"
        f" wrong {verdict.wrong} silence {verdict.longest_silence_s} s recovery {verdict.recovery_s} s{notes}{why}"
    )


def _keep(built: ClusterStack) -> None:
    """Keep what tells why: the logs of the last stack, and what was given."""
    shutil.rmtree(KEPT, ignore_errors=True)
    shutil.copytree(built.folder / "logs", KEPT)
    shutil.copy(built.folder / "truth.jsonl", KEPT)
    for node in (*built.mqtt.nodes, *built.postgres.nodes):
        shutil.copy(node.log_path, KEPT)


if __name__ == "__main__":
    main()
