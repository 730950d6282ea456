"""What a job is given while it is done: what it was asked for, the store, and how it says how far it is."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, Generic, TypeAlias

from broker.errors import WattlineError
from ingestor.worker.decoders import Decoders
from ingestor.worker.jobs import Job, LostJobError
from ingestor.worker.metrics import WorkerMetrics
from ingestor.worker.settings import WorkerSettings
from ingestor.worker.store import note_progress, save_job
from store.kinds.kind import A, Kind
from store.pool import Pool
from store.sql import Connection

TOLD_EVERY_S: Final = 1.0
"""Progress is written so often at most, however often it is told."""
Result: TypeAlias = Mapping[str, object] | None
"""What came of a job, as JSON: for people and for whoever asked."""


class StoppedError(WattlineError):
    """The worker stops: the job is given back, and another one goes on at what was saved."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What all jobs of a worker share."""

    pool: Pool
    settings: WorkerSettings
    metrics: WorkerMetrics
    decoders: Decoders
    stop: asyncio.Event


class Context(Generic[A]):
    """One job in hand. Cancelled while it runs, its task is cancelled within about a second."""

    def __init__(self, parts: Parts, job: Job, arguments: A) -> None:
        self.parts = parts
        self.pool = parts.pool
        self.job = job
        self.arguments = arguments
        self._told_s = -TOLD_EVERY_S

    @property
    def saved(self) -> Mapping[str, object]:
        """Where the worker before stood, as save() had it; empty at the beginning."""
        return self.job.taken.saved or {}

    @property
    def attempt(self) -> int:
        """The how manyth attempt it is, from 1: failures count, workers that stopped do not."""
        return self.job.taken.failures + 1

    def go_on(self) -> None:
        """Between two steps, outside of a transaction: raises StoppedError where the worker is to stop."""
        if self.parts.stop.is_set():
            raise StoppedError(f"the worker stops; job {self.job.id} goes on elsewhere")

    async def progress(self, done: int, total: int | None = None, note: str | None = None) -> None:
        """Say how far it is, once a second at most; then go_on(). Raises LostJobError where it is no longer ours."""
        self.go_on()
        now_s = time.monotonic()
        if now_s - self._told_s >= TOLD_EVERY_S:
            self._told_s = now_s
            self._ours(await note_progress(self.pool, self.job.id, self.job.holder, done, total, note))

    async def save(
        self,
        connection: Connection,
        saved: Mapping[str, object],
        done: int,
        total: int | None = None,
        note: str | None = None,
    ) -> None:
        """Say where to go on, in the transaction of the work itself: so that each step is done exactly once.

        Raises LostJobError where the job was cancelled or taken over, and nothing of the transaction may be committed.
        """
        self._ours(await save_job(connection, self.job.id, self.job.holder, saved, done, total, note))

    def _ours(self, held: bool | None) -> None:
        if not held:
            raise LostJobError(f"job {self.job.id} was cancelled or taken over")


@dataclass(frozen=True, slots=True)
class Work(Generic[A]):
    """A kind of jobs with the function that does one of it."""

    kind: Kind[A]
    do: Callable[[Context[A]], Awaitable[Result]]
