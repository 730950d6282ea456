"""All chosen faults, each in a process of its own so that no stack slows another's meters, some at the same time."""

import asyncio
import json
import os
import random
import signal
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

from broker.errors import PermanentError
from deploy.demo.processes import _die_with_parent
from deploy.local.runs import run_folder
from deploy.local.settings import LocalSettings
from deploy.local.toolchain import provide
from tests.chaos.judge import Verdict
from tests.chaos.registry import Fault
from tests.chaos.template import make_template

ROOT = Path(__file__).resolve().parents[2]
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


Keep = Callable[[list[Result]], None]


async def run_all(faults: list[Fault], runs: int, seed: int, jobs: int, say: Say, keep: Keep) -> list[Result]:
    """Do them; the results come in the order of the faults, and `keep` gets all of them after each run of any."""
    results = [Result(fault) for fault in faults]
    settings = LocalSettings()
    toolchain = await asyncio.to_thread(provide, settings, say)
    with run_folder(settings.runs, None, keep=False) as folder:
        say("migrating a database to copy")
        template = await make_template(toolchain, folder / "postgres", settings)
        turns, done = asyncio.Semaphore(jobs), 0

        async def one(result: Result) -> None:
            nonlocal done
            async with turns:
                async for _ in in_a_process(result, template, runs, seed, say):
                    keep(results)
            done += 1
            say(f"{done} of {len(faults)} faults done")

        await asyncio.gather(*(one(result) for result in results))
    return results


async def in_a_process(result: Result, template: Path, runs: int, seed: int, say: Say) -> AsyncIterator[None]:
    """Do the runs of one fault; goes on with each that `result` has got, and once it has the failure."""
    words = [sys.executable, "-m", "tests.chaos.one", result.fault.name, str(runs), str(seed), str(template)]
    process = await asyncio.create_subprocess_exec(
        *words, cwd=ROOT, env=dict(os.environ), stdout=asyncio.subprocess.PIPE, preexec_fn=_die_with_parent
    )
    try:
        assert process.stdout is not None
        async for line in process.stdout:
            document = json.loads(line) if line.startswith(b"{") else None
            if document is None:
                say(line.decode().rstrip())
            elif "failure" in document:
                result.failure = document["failure"]
            else:
                result.verdicts.append(Verdict(**document))
                yield
        if await process.wait() and not result.failure:
            result.failure = f"its process ended with status {process.returncode}"
        yield
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            await process.wait()


def moments(seed: int, fault: Fault, run: int) -> random.Random:
    """What is left to chance in the runs from this one on."""
    return random.Random(f"{seed} {fault.name} {run}")


def chosen(names: list[str], known: dict[str, Fault]) -> list[Fault]:
    """The faults of these names. Raises PermanentError for one that there is not."""
    if unknown := [name for name in names if name not in known]:
        raise PermanentError(f"no fault {', '.join(unknown)}; --list names them")
    return [known[name] for name in names]
