"""PostgreSQL's programs take as long as they take: only one that does nothing, nor its server for it, is ended."""

import os
import signal
import subprocess
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

Say = Callable[[str], None]
LOOK_S: float = 60.0
"""How often it is looked at."""
LOOKS: Final = 5
"""So many looks in a row without a byte or anything that the server does for it are enough."""


class Stillness:
    """Looks at a process, which leads a process group of its own, while the context lasts.

    `working` says what the server does for it, empty where that is nothing, or waits for somebody else.
    """

    def __init__(self, process: "subprocess.Popen[bytes]", name: str, working: Callable[[], str], say: Say) -> None:
        self.ended = ""
        """Why it was ended, empty where it was not."""
        self._process = process
        self._name = name
        self._working = working
        self._say = say
        self._moved = False
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, name=f"{name} is looked at")

    def moved(self) -> None:
        """Bytes went from or to it."""
        self._moved = True

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is not None:
            self.end()
        self._process.wait()
        self._over.set()
        self._thread.join()

    def end(self) -> None:
        """Kill it, and what it has started: `runuser` does not hand a kill on."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)

    def _look(self) -> None:
        still = 0
        while not self._over.wait(LOOK_S):
            if self._moved:
                self._moved, still = False, 0
            elif what := self._working():
                still = 0
                self._say(f"{self._name} is at work: {what}")
            elif (still := still + 1) >= LOOKS:
                self.ended = f"it has done nothing for {LOOKS * LOOK_S:.0f} s, nor has the server for it"
                self.end()
                return
