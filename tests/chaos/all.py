"""All chosen faults, each so many times, some stacks at the same time."""

import asyncio
import contextlib
import random
import shutil
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from deploy.local.runs import run_folder
from deploy.local.settings import LocalSettings
from deploy.local.toolchain import provide
from tests.chaos.build import Ground, stack
from tests.chaos.registry import Fault
from tests.chaos.run import Before, Verdict, run
from tests.chaos.template import make_template

RUNS_OF_A_STACK: Final = 5
"""After so many runs a fault gets another stack, so that no run answers for a long history."""
Say = Callable[[str], None]


@dataclass
class Result:
    """The runs of one fault; `failure` says why there are fewer than asked for."""

    fault: Fault
    verdicts: list[Verdict] = field(default_factory=list)
    failure: str = ""

    @property
    def good(self) -> bool:
        """Whether each run was made and good."""
        return not self.failure and all(verdict.good for verdict in self.verdicts)


async def run_all(faults: list[Fault], runs: int, seed: int, jobs: int, say: Say) -> list[Result]:
    """Do them; the results come in the order of the faults."""
    settings = LocalSettings()
    toolchain = await asyncio.to_thread(provide, settings, say)
    with run_folder(settings.runs, None, keep=False) as folder:
        say("migrating a database to copy")
        ground = Ground(toolchain, await make_template(toolchain, folder / "postgres", settings), settings)
        turns = asyncio.Semaphore(jobs)

        async def one(fault: Fault) -> Result:
            result = Result(fault)
            async with turns:
                await _runs(result, ground, runs, seed, say)
            return result

        return list(await asyncio.gather(*(one(fault) for fault in faults)))


async def _runs(result: Result, ground: Ground, runs: int, seed: int, say: Say) -> None:
    fault = result.fault
    while len(result.verdicts) < runs and not result.failure:
        first = len(result.verdicts)
        rng = random.Random(f"{seed} {fault.name} {first}")
        most = 1 if fault.fresh else min(RUNS_OF_A_STACK, runs - first)
        began = time.monotonic()
        try:
            async with contextlib.AsyncExitStack() as exits:
                built = await exits.enter_async_context(stack(ground, fault.plan, rng))
                say(f"{fault.name}: the stack stands after {time.monotonic() - began:.0f} s")
                before = Before()
                for number in range(first + 1, first + most + 1):
                    began = time.monotonic()
                    verdict = await run(fault, built, before)
                    result.verdicts.append(verdict)
                    say(_line(fault, number, runs, verdict, time.monotonic() - began))
                    if not verdict.good:
                        _keep_logs(built.folder / "logs", fault.name)
                        break
        except Exception as error:
            result.failure = "".join(traceback.format_exception(error))[-3000:]
            say(f"{fault.name}: could not be done: {error!r}"[:2000])


def _keep_logs(logs: Path, name: str) -> None:
    to = Path("build") / "chaos" / name
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(logs, to)


def _line(fault: Fault, number: int, runs: int, verdict: Verdict, took_s: float) -> str:
    mark = "ok  " if verdict.good else "FAIL"
    drained = "" if verdict.drained else " NOT DRAINED"
    why = "" if verdict.good else f" {verdict.detail}"
    return (
        f"{mark} {fault.name} {number}/{runs}: given {verdict.given} lost {verdict.lost} repeated {verdict.repeated}"
        f" wrong {verdict.wrong} silence {verdict.longest_silence_s} s recovery {verdict.recovery_s} s"
        f" ({took_s:.0f} s){drained}{why}"
    )
