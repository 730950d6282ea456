"""The services of the demo as child processes: started, watched, stopped in flow order."""

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO

from broker.errors import PermanentError

STOP_DEADLINE_S = 15.0
PR_SET_PDEATHSIG = 1


def _die_with_parent() -> None:
    # a killed demo must not leave services behind: the kernel sends SIGTERM when the parent goes (prctl(2))
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Service:
    """One `wattline` subcommand in a process of its own, its log in a file."""

    def __init__(
        self, name: str, arguments: list[str], environment: dict[str, str], folder: Path, *, restart_status: int = 0
    ) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self._arguments = arguments
        self.environment = environment
        self._restart_status = restart_status
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        """The process id while it runs, else 0."""
        return self._process.pid if self._process is not None and self._process.returncode is None else 0

    async def start(self) -> None:
        """Start the process; it inherits nothing of the environment but what Python needs."""
        base = {key: value for key, value in os.environ.items() if not key.startswith("WATTLINE_")}
        with self.log.open("ab") as log:
            self._process = await self._begun(base | self.environment, log)

    async def _begun(self, environment: dict[str, str], log: BinaryIO) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "cli",
            *self._arguments,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            preexec_fn=_die_with_parent,
            start_new_session=True,
        )

    def check(self) -> None:
        """Raise PermanentError with the log's last lines if the process has ended by itself."""
        if self._process is not None and self._process.returncode is not None:
            tail = self.log.read_text(errors="replace").splitlines()[-5:]
            raise PermanentError(f"{self.name} ended with status {self._process.returncode}:\n" + "\n".join(tail))

    async def keep(self) -> None:
        """Start it again where it ended with its restart status, as a supervisor would; otherwise as `check`."""
        ended = self._process.returncode if self._process is not None else None
        if self._restart_status and ended == self._restart_status:
            await self.start()
        self.check()

    async def stop(self) -> None:
        """SIGTERM, then SIGKILL after the deadline."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(STOP_DEADLINE_S):
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


@contextlib.asynccontextmanager
async def running(service: Service) -> AsyncIterator[Service]:
    """A service that runs while the context lasts."""
    await service.start()
    try:
        yield service
    finally:
        await service.stop()
