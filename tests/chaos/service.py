"""A service of the stack as a process that can be killed, frozen, and given a clock of its own."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Final

import aiohttp

from broker.errors import PermanentError
from deploy.demo.processes import Service
from deploy.local.locks import file_lock
from deploy.local.settings import LocalSettings
from tests.rigs import forking

FAKETIME: Final = "libfaketime"
READY_S: Final = 90.0


class Process(Service):
    """One service; `url` is where it serves /healthz and /metrics."""

    forked: ClassVar = False
    """Whether a test needs its start to be cheap, of which nobody reads how long a service takes to be back."""

    def __init__(self, name: str, arguments: list[str], environment: dict[str, str], folder: Path, port: int) -> None:
        super().__init__(name, arguments, environment, folder)
        self.url = f"http://127.0.0.1:{port}"
        self.crashes = 0
        self._clock = folder / f"{name}.clock"
        self._wanted = False

    async def _begun(self, environment: dict[str, str], log: BinaryIO) -> forking.Process:
        return await forking.start(
            "cli", *self._arguments, env=environment, stdin=forking.DEVNULL, stdout=log, stderr=log,
            start_new_session=True, executed=not self.forked,
        )  # fmt: skip

    async def start(self) -> None:
        """Start it; from now on `keep_up` starts it again where it ends by itself."""
        await super().start()
        self._wanted = True

    async def stop(self) -> None:
        """End it as a supervisor does."""
        self._wanted = False
        await super().stop()

    async def keep_up(self) -> None:
        """Start it again where it has ended by itself, and count that."""
        if self._wanted and not self.pid:
            self.crashes += 1
            await self.start()

    async def kill(self) -> None:
        """End it as kill -9 does, and wait until it is gone."""
        self._wanted = False
        if pid := self.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            assert self._process is not None
            await self._process.wait()

    def freeze(self) -> None:
        """Let it stand still, connections open."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        os.kill(self.pid, signal.SIGCONT)

    def own_clock(self, library: Path) -> None:
        """From its next start on, give it a wall clock that `set_clock` moves; its monotonic clock stays true."""
        self.set_clock(0)
        self.environment |= {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self._clock),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            # mandatory with asyncio: conditions are waited for by the monotonic clock
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",
        }

    def set_clock(self, offset_s: int) -> None:
        """Move its wall clock to this many seconds from this machine's, within a second."""
        fresh = self._clock.with_suffix(".new")
        fresh.write_text(f"{offset_s:+d}\n")
        fresh.replace(self._clock)

    async def healthy(self) -> bool:
        """Whether it says that it is well."""
        return (await self._ask("/healthz"))[0] == 200

    async def metric(self, name: str) -> float | None:
        """The sum of a metric over its labels; None while it does not answer or has no such metric."""
        status, text = await self._ask("/metrics")
        lines = [line for line in text.splitlines() if line.startswith((f"{name} ", f"{name}{{"))]
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines) if status == 200 and lines else None

    async def until_healthy(self) -> None:
        """Wait until it says so. Raises PermanentError where it ends instead, or never gets well."""
        deadline = time.monotonic() + READY_S
        while not await self.healthy():
            self.check()
            if time.monotonic() > deadline:
                raise PermanentError(f"{self.name} was not well in {READY_S:.0f} s")
            await asyncio.sleep(0.1)

    async def _ask(self, path: str) -> tuple[int, str]:
        timeout = aiohttp.ClientTimeout(total=2)
        try:
            async with aiohttp.ClientSession(timeout=timeout) as http, http.get(f"{self.url}{path}") as answer:
                return answer.status, await answer.text()
        except (aiohttp.ClientError, TimeoutError):
            return 0, ""


def faketime(settings: LocalSettings, say: Any) -> Path:
    """Debian's libfaketime, from the system or unpacked into the cache. Raises PermanentError where there is none."""
    name = f"{FAKETIME}.so.1"
    known = [Path("/usr/lib"), settings.cache / FAKETIME]
    with file_lock(settings.cache / f"{FAKETIME}.lock"):
        for folder in known:
            if found := next(folder.glob(f"**/faketime/{name}"), None):
                return found
        if not (apt := shutil.which("apt-get")) or not shutil.which("dpkg-deb"):
            raise PermanentError(f"no {FAKETIME} here: install the package {FAKETIME}")
        say(f"fetching {FAKETIME}")
        fresh = settings.cache / f"{FAKETIME}.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        done = subprocess.run([apt, "download", "-q", FAKETIME], cwd=fresh, capture_output=True, text=True, check=False)
        if done.returncode or not (packages := list(fresh.glob("*.deb"))):
            raise PermanentError(f"no {FAKETIME}: {done.stderr.strip()[-200:]}")
        subprocess.run(["dpkg-deb", "-x", packages[0], fresh], check=True)
        fresh.rename(known[1])
        return next(known[1].glob(f"**/faketime/{name}"))
