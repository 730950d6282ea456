"""Waiting for devices to report the configurations that they were given."""

import asyncio
import time
from collections.abc import Mapping

from gateway.desired.store import reported_versions
from gateway.signals import Signals
from store.pool import Pool

POLL_S = 1.0
"""A report that another gateway took gives no signal here: the store is asked so often."""


async def wait_reported(pool: Pool, signals: Signals, versions: Mapping[str, int], wait_s: float) -> tuple[str, ...]:
    """Wait until these devices have reported these versions or later; returns those that have not in time."""
    deadline = time.monotonic() + wait_s
    pending = dict(versions)
    with signals.watching(versions) as reported:
        while True:
            reported.clear()
            for report in await reported_versions(pool, list(pending)):
                if report.version >= pending[report.name]:
                    del pending[report.name]
            left_s = deadline - time.monotonic()
            if not pending or left_s <= 0:
                return tuple(sorted(pending))
            try:
                # not wait_for, which in Python 3.11 swallows a cancellation that comes with what it waits for
                async with asyncio.timeout(min(left_s, POLL_S)):
                    await reported.wait()
            except TimeoutError:
                continue
