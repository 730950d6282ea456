"""One portion of inputs to one parser, in a process of its own; what fails is saved with the command to repeat it."""

import functools
import hashlib
import os
import random
import signal
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import structlog

from tests.fuzz.mutate import mutated
from tests.fuzz.registry import Target
from tests.fuzz.targets import TARGETS

CRASHES: Final = Path("build") / "fuzz"
LONGEST_S: Final = 2.0
"""Of the processor's time, for one input of 64 KiB at most."""
SAVED_MAX: Final = 3
"""Inputs kept of each place in the code that fails, in one portion."""


class TooSlowError(Exception):
    """A parser took too long for one input."""


@dataclass(frozen=True, slots=True)
class Job:
    """A portion: the inputs `first` to `first + count` of a parser under a seed."""

    name: str
    seed: int
    first: int
    count: int


@dataclass(frozen=True, slots=True)
class Crash:
    """An input that a parser failed on, where, and how to repeat it."""

    name: str
    place: str
    error: str
    command: str


@dataclass(slots=True)
class Outcome:
    """What a portion showed."""

    done: int = 0
    crashes: list[Crash] = field(default_factory=list)


@functools.cache
def _made(name: str) -> Target:
    # parsers log what they refuse, a million times
    structlog.configure(processors=[_unsaid])
    signal.signal(signal.SIGVTALRM, _too_slow)
    return TARGETS[name]()


def do(job: Job) -> Outcome:
    """Give the portion's inputs to the parser."""
    one, outcome = _made(job.name), Outcome()
    for number in range(job.first, job.first + job.count):
        rng = random.Random(f"{job.seed} {job.name} {number}")
        data = mutated(one.seeds, rng)
        if one.mend is not None and rng.random() < 0.5:
            data = one.mend(data)
        outcome.done += 1
        if (crash := _attempt(one, data)) is not None and len(outcome.crashes) < SAVED_MAX:
            outcome.crashes.append(crash)
    return outcome


def again(name: str, file: Path) -> None:
    """Give one saved input to a parser. Raises what it raises, but for known errors."""
    one = _made(name)
    try:
        one.attempt(file.read_bytes())
    except one.known as error:
        print(f"{type(error).__name__}: {error}")


def _attempt(one: Target, data: bytes) -> Crash | None:
    signal.setitimer(signal.ITIMER_VIRTUAL, LONGEST_S)
    try:
        one.attempt(data)
    except one.known:
        return None
    except Exception as error:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        return _saved(one, data, error)
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    return None


def _saved(one: Target, data: bytes, error: Exception) -> Crash:
    folder = CRASHES.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{one.name}-{hashlib.sha256(data).hexdigest()[:12]}"
    path.write_bytes(data)
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "/site-packages/" not in frame.filename and "/tests/" not in frame.filename]
    at = (ours or frames)[-1]
    place = f"{os.path.relpath(at.filename)}:{at.lineno}"
    # what is slow is slow in many lines of one parser
    place = "slow" if isinstance(error, TooSlowError) else place
    command = f"python -m tests.fuzz --target {one.name} --file {path}"
    return Crash(one.name, place, f"{type(error).__name__}: {str(error)[:200]} at {place}", command)


def _unsaid(*_: Any) -> Any:
    raise structlog.DropEvent


def _too_slow(*_: Any) -> None:
    raise TooSlowError(f"more than {LONGEST_S:g} s of the processor's time")
