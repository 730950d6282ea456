"""Waiting for devices to report what they were told."""

import asyncio
import time
from collections.abc import Mapping

from gateway.signals import Signals
from gateway.sql import load
from store.pool import Pool

LOOK_S = 1.0
"""A report that another gateway took gives no signal here: the store is asked so often."""


async def wait_reported(pool: Pool, signals: Signals, versions: Mapping[str, int], wait_s: float) -> tuple[str, ...]:
    """Wait until these devices have reported these versions or later; returns those that have not in time."""
    deadline = time.monotonic() + wait_s
    pending = dict(versions)
    with signals.watching(versions) as reported:
        while True:
            reported.clear()
            for row in await pool.fetch(load("reported_versions"), list(pending)):
                if row["version"] >= pending[row["name"]]:
                    del pending[row["name"]]
            left_s = deadline - time.monotonic()
            if not pending or left_s <= 0:
                return tuple(sorted(pending))
            try:
                # not wait_for, which in Python 3.11 swallows a cancellation that comes with what it waits for
                async with asyncio.timeout(min(left_s, LOOK_S)):
                    await reported.wait()
            except TimeoutError:
                continue
