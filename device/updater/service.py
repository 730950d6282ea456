"""The updater's process: one step after another in a thread, health beside it."""

import asyncio
import contextlib
import os
import sysconfig
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Final

import structlog

from broker.errors import PermanentError
from broker.runtime.service import Health
from device.exposition import Registry
from device.health_server import serve_health
from device.updater.agent import LocalAgent
from device.updater.environment import this_platform
from device.updater.fallback import SERVED_S, forget
from device.updater.images import Images
from device.updater.installation import Installation
from device.updater.settings import UpdaterSettings
from device.updater.slots import Slots
from device.updater.sources import signed_sources
from device.updater.updating import Updater
from device.updater.watchdog import Watchdog

log = structlog.get_logger()

FAILED_S: Final = 30.0
SUCCESSION: Final = 75
"""EX_TEMPFAIL: the service manager starts the updater anew, from the slot that has proven itself."""


@dataclass(slots=True)
class _Well:
    problem: str = ""

    def check(self) -> tuple[bool, str]:
        return not self.problem, self.problem or "ok"


async def run(settings: UpdaterSettings, stop: asyncio.Event) -> int | None:
    """Update until `stop` is set; returns SUCCESSION where a newer updater is to take over. Raises PermanentError."""
    watchdog = Watchdog()
    updater = open_updater(settings, watchdog.moved)
    health, registry, well = Health(), Registry(), _Well()
    health.add("updater", well.check)
    phase = registry.gauge("wattline_updater_phase", "1 for the phase that an update is in", "phase")
    failures = registry.counter("wattline_updater_failures", "Steps that failed and are taken again")
    async with serve_health(health, registry, settings), _watched(watchdog):
        log.info("updater_starts", phase=updater.progress.phase, root=str(settings.root))
        served_from_s: float | None = time.monotonic()
        while not stop.is_set():
            try:
                wait_s, well.problem = await asyncio.to_thread(updater.step), ""
            except OSError as error:
                # a disk that is full or read-only; what was begun is taken up where it stands
                log.error("step_failed", reason=str(error))  # noqa: TRY400 - the reason says all
                wait_s, well.problem = FAILED_S, str(error)
                failures.inc()
            except Exception as error:
                # whatever a release, a source or an agent has it do: an updater that ends undoes nothing
                log.exception("step_failed")
                wait_s, well.problem = FAILED_S, repr(error)
                failures.inc()
            watchdog.moved()
            for name in ("idle", "fetching", "trial", "going_back"):
                phase.labels(name).set(name == updater.progress.phase)
            if _is_succeeded(updater):
                log.info("updater_succeeded", slot=updater.succeeded_by)
                return SUCCESSION
            if served_from_s is not None and time.monotonic() - served_from_s > SERVED_S:
                with contextlib.suppress(OSError):
                    forget(settings.state_folder)
                    served_from_s = None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await stop.wait()
    return None


@contextlib.asynccontextmanager
async def _watched(watchdog: Watchdog) -> AsyncIterator[None]:
    telling = asyncio.get_running_loop().create_task(watchdog.run(), name="updater.watchdog")
    try:
        yield
    finally:
        telling.cancel()
        await asyncio.wait({telling})


def open_updater(settings: UpdaterSettings, moved: Callable[[], None] = lambda: None) -> Updater:
    """The updater of these settings; `moved` is called while it gets on. Raises PermanentError."""
    installation = open_installation(settings, moved)
    agent = LocalAgent(settings.agent_url, settings.agent_restart, settings.broker, settings.inbox)
    try:
        updater = Updater(
            installation, settings.inbox, settings.state_folder, agent,
            look_every_s=settings.look_every_s, retry_s=settings.retry_s,
        )  # fmt: skip
    except OSError as error:
        raise PermanentError(f"the updater can't read {settings.state_folder}: {error}") from error
    if updater.progress.confirmed is None:
        raise PermanentError(f"no release stands in {settings.root}: make the first by `wattline updater install`")
    return updater


def open_installation(settings: UpdaterSettings, moved: Callable[[], None] = lambda: None) -> Installation:
    """What builds slots, with its folders. Raises PermanentError."""
    # the agent's account runs what is built, and reads what is reported
    os.umask(0o022)
    slots = Slots(settings.root, Images(settings.podman) if settings.image else None, moved)
    sources = signed_sources(settings, moved)
    try:
        slots.prepare()
        settings.state_folder.mkdir(parents=True, exist_ok=True, mode=0o755)
    except OSError as error:
        raise PermanentError(f"the updater can't use {settings.root} and {settings.state_folder}: {error}") from error
    return Installation(slots, this_platform(), sources, settings.image)


def _is_succeeded(updater: Updater) -> bool:
    """Whether the release that has proven itself is another than that from which this process runs."""
    slot = updater.succeeded_by
    here = os.path.realpath(sysconfig.get_path("scripts"))
    return bool(slot) and "/slots/" in here and f"/slots/{slot}/" not in here + "/"
