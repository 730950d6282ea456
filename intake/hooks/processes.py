"""Several processes of the intake on one port: the kernel shares connections out among them (SO_REUSEPORT)."""

import asyncio
import os
import sys

import structlog

from broker.errors import PermanentError
from intake.hooks.settings import IntakeSettings

log = structlog.get_logger()
KILL_S = 5.0
"""So long beyond its own deadline a process may take to stop."""


def environment(settings: IntakeSettings, number: int, rates_file: str) -> dict[str, str]:
    """What the process of this number is told in place of what its parent was; pure but for the environment read."""
    port = settings.http_port + number if settings.http_port else 0
    changes = {"processes": "1", "reuse_port": "true", "http_port": str(port), "rates_file": rates_file}
    return {**os.environ, **{settings.variable(name): value for name, value in changes.items()}}


async def run_processes(settings: IntakeSettings, stop: asyncio.Event) -> None:
    """Run all until `stop`, which all are told. Raises PermanentError where one ends by itself: all end then.

    Whoever supervises this one begins anew, as for a single process.
    """
    if settings.hooks_port == 0:
        raise PermanentError("WATTLINE_INTAKE_HOOKS_PORT: several processes share one port; name it")
    # they count in memory that goes with the last of them
    counted = os.memfd_create("wattline-intake-rates")
    rates_file = str(settings.rates_file or f"/proc/self/fd/{counted}")
    running = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "intake.hooks"),
            env=environment(settings, number, rates_file),
            pass_fds=(counted,),
        )
        for number in range(settings.processes)
    ]
    os.close(counted)
    log.info("intake_processes", pids=[one.pid for one in running])
    waits = [asyncio.ensure_future(one.wait()) for one in running]
    stopping = asyncio.ensure_future(stop.wait())
    await asyncio.wait({stopping, *waits}, return_when=asyncio.FIRST_COMPLETED)
    failed = None if stop.is_set() else next(one for one in running if one.returncode is not None)
    stopping.cancel()
    for one in running:
        if one.returncode is None:
            one.terminate()
    _, late = await asyncio.wait(waits, timeout=2 * settings.drain_s + KILL_S)
    for one in running:
        if one.returncode is None:
            one.kill()
    if late:
        log.warning("intake_processes_killed", processes=len(late))
        await asyncio.wait(late)
    if failed is not None:
        raise PermanentError(f"process {failed.pid} of the intake ended with status {failed.returncode}; see its log")
