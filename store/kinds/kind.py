"""What a kind of jobs is: a name, a model of what it is asked for, and how the queue treats it."""

import random
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

KEPT: Final = timedelta(days=90)


class JobArguments(BaseModel):
    """What a job is asked for; a frozen model, stored as JSON. Never a secret: whoever may read may read it."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class NoArguments(JobArguments):
    """Of kinds that need none, or that have their own columns of table job."""


A = TypeVar("A", bound=JobArguments)


@dataclass(frozen=True, slots=True)
class Kind(Generic[A]):
    """A kind of jobs, as whoever asks and whoever does must know it."""

    name: str
    arguments: type[A]
    says: str
    """What it does, in a sentence for people."""
    unit: str = ""
    """What its progress counts, such as rows."""
    priority: int = 0
    """Of jobs that wait those of a higher one are taken first; a job may be given its own."""
    concurrent: int = 0
    """How many run at a time, over all workers; 0 for as many as the workers take."""
    heavy: bool = True
    """Whether it takes long. A worker keeps one place free of such, for those that take a moment."""
    attempts: int = 5
    """How often it may fail before it is dead. A PermanentError or ContractError ends it at once."""
    heals: tuple[type[Exception], ...] = (Exception,)
    """The errors after which it is tried again; any other ends it at once."""
    first_s: float = 10.0
    cap_s: float = 3600.0
    """The wait after the first failure, which doubles up to the cap, with jitter."""
    deaths: int = 5
    """How often a worker may die over it before it is dead, unless it got further in between."""
    most: int = 1000
    """How many may wait or run; beyond it whoever asks is refused."""
    kept: timedelta = KEPT
    """How long its row is kept after its end."""
    by_hand: bool = False
    """Whether people ask for it, over the API, with its arguments."""
    told: bool = True
    """Whether its good end is an event; its failure always is."""

    def delay_s(self, failures: int) -> float:
        """How long to wait after so many failures: half of it is chance, so that what failed together comes apart."""
        ceiling_s = min(self.cap_s, self.first_s * 2.0 ** min(failures - 1, 32))
        return random.uniform(ceiling_s / 2, ceiling_s)  # noqa: S311 - jitter needs no cryptography
