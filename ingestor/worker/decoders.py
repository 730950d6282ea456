"""The processes that decode: as many as there are cores, behind the rest of the machine, gone with their parent."""

import asyncio
import ctypes
import os
import signal
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from types import TracebackType
from typing import Final, Self

import structlog

from ingestor.worker.decoding import DecodedSlice, Slice, decode_slice

log = structlog.get_logger()
Broken: Final = BrokenProcessPool
"""What awaiting a slice raises when a process died; the next slice gets new processes."""
_PR_SET_PDEATHSIG: Final = 1


class Decoders:
    """A pool of processes; enter it with `with`. What waits in it is bounded by those who submit."""

    def __init__(self, processes: int, nice: int) -> None:
        self.processes = processes or os.cpu_count() or 1
        self._nice = nice
        self._pool = self._started()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def submit(self, part: Slice) -> "asyncio.Future[DecodedSlice]":
        """Have a slice decoded."""
        loop = asyncio.get_running_loop()
        try:
            return loop.run_in_executor(self._pool, decode_slice, part)
        except BrokenProcessPool:
            log.warning("decoders_restarted", processes=self.processes)
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = self._started()
            return loop.run_in_executor(self._pool, decode_slice, part)

    def _started(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            self.processes, get_context("spawn"), initializer=_begin, initargs=(os.getpid(), self._nice)
        )


def _begin(parent: int, nice: int) -> None:
    # who stops the worker's whole group means it to finish what is in hand
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # a worker killed by force can't end its processes itself: the kernel does (prctl(2))
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    os.nice(nice)
