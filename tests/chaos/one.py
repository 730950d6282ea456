"""`python -m tests.chaos.one FAULT RUNS SEED TEMPLATE`: the runs of one fault; each verdict is a line of JSON."""

import asyncio
import contextlib
import json
import shutil
import signal
import sys
import time
import traceback
from dataclasses import asdict
from pathlib import Path
from typing import Final

from deploy.local.settings import LocalSettings
from deploy.local.toolchain import provide
from tests.chaos import faults
from tests.chaos.all import moments
from tests.chaos.build import Ground, stack
from tests.chaos.count import look
from tests.chaos.judge import Before, Verdict
from tests.chaos.registry import FAULTS, Fault
from tests.chaos.run import run
from tests.chaos.stack import Stack

RUNS_OF_A_STACK: Final = 5
"""After so many runs a fault gets another stack, so that no run answers for a long history."""
TRIES: Final = 2
"""A stack that does not come up under load, as on a busy machine, is built anew once."""

assert faults


def main(words: list[str]) -> int:
    """Do what the command line says."""
    name, runs, seed, template = words
    settings = LocalSettings()
    ground = Ground(provide(settings, lambda _: None), Path(template), settings)
    return asyncio.run(_main(FAULTS[name], ground, int(runs), int(seed)))


async def _main(fault: Fault, ground: Ground, runs: int, seed: int) -> int:
    doing = asyncio.create_task(_runs(fault, ground, runs, seed))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, doing.cancel)
    try:
        await doing
    except asyncio.CancelledError:
        return 130
    except Exception as error:
        _say(f"{fault.name}: could not be done: {error!r}"[:3000])
        _tell({"failure": "".join(traceback.format_exception(error))[-3000:]})
        return 1
    return 0


async def _runs(fault: Fault, ground: Ground, runs: int, seed: int) -> None:
    done, tries = 0, 0
    while done < runs:
        began = time.monotonic()
        async with contextlib.AsyncExitStack() as exits:
            try:
                built = await exits.enter_async_context(stack(ground, fault.plan, moments(seed, fault, done)))
            except Exception:
                tries += 1
                if tries >= TRIES:
                    raise
                continue
            _say(f"     {fault.name}: the stack stands after {time.monotonic() - began:.0f} s")
            done += await _on(built, fault, done, runs)


async def _on(built: Stack, fault: Fault, done: int, runs: int) -> int:
    """Runs on one stack, until one is not good; how many there were."""
    before, most = Before(), 1 if fault.fresh else min(RUNS_OF_A_STACK, runs - done)
    for number in range(1, most + 1):
        began = time.monotonic()
        verdict = await run(fault, built, before)
        _tell(asdict(verdict))
        _say(_line(fault, f"{done + number}/{runs}", verdict, time.monotonic() - began))
        if not verdict.good:
            await _keep(built, fault.name)
            return number
    return most


async def _keep(built: Stack, name: str) -> None:
    """Keep what tells why: the logs, what was given, and what is stored."""
    to = Path("build") / "chaos" / name
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(built.folder / "logs", to)
    shutil.copy(built.folder / "truth.jsonl", to)
    stored = await look(built)
    rows = [(meter, energy, times) for (meter, energy), times in sorted(stored.times.items())]
    (to / "stored.json").write_text("\n".join(json.dumps(row) for row in rows))
    (to / "messages.json").write_text("\n".join(json.dumps(one) for one in sorted(stored.messages.items())))


def _line(fault: Fault, place: str, verdict: Verdict, took_s: float) -> str:
    mark = "ok  " if verdict.good else "FAIL"
    drained = "" if verdict.drained else " NOT DRAINED"
    why = "" if verdict.good else f" {'; '.join(verdict.broken)} {verdict.detail}"
    return (
        f"{mark} {fault.name} {place}: given {verdict.given} lost {verdict.lost} repeated {verdict.repeated}"
        f" wrong {verdict.wrong} silence {verdict.longest_silence_s} s recovery {verdict.recovery_s} s"
        f" ({took_s:.0f} s){drained}{why}"
    )


def _say(line: str) -> None:
    print(line, flush=True)


def _tell(document: object) -> None:
    print(json.dumps(document), flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
