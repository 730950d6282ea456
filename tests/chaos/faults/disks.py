"""What happens when a disk is full, to the last octet."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from typing import Final

from deploy.local.process import ServerError
from tests.chaos.plan import Plan
from tests.chaos.registry import fault
from tests.chaos.stack import Stack

FULL_S: Final = (6.0, 12.0)


@contextlib.asynccontextmanager
async def _full(stack: Stack, name: str) -> AsyncIterator[None]:
    await stack.disks[name].fill()
    try:
        yield
        await asyncio.sleep(stack.rng.uniform(*FULL_S))
    finally:
        stack.disks[name].empty()


@fault(Plan(small_disks=frozenset({"outbox"})), needs_root=True)
async def outbox_disk_full(stack: Stack) -> None:
    """The disk of an agent's outbox is full while the broker can't be reached."""
    await stack.agent.link.cut()
    async with _full(stack, "outbox"):
        pass
    await asyncio.sleep(3)
    await stack.agent.link.restore()


async def _database_full(stack: Stack, disk: str) -> None:
    async with _full(stack, disk):
        pass
    # it may have ended for want of room, and a supervisor starts it again
    for _ in range(5):
        with contextlib.suppress(ServerError):
            await stack.database.start()
            return
        await asyncio.sleep(1)


@fault(Plan(small_disks=frozenset({"database"})), needs_root=True)
async def database_disk_full(stack: Stack) -> None:
    """The database's disk is full, for its tables as for its log."""
    await _database_full(stack, "database")


@fault(Plan(small_disks=frozenset({"wal"})), needs_root=True)
async def wal_disk_full(stack: Stack) -> None:
    """The disk of the database's write-ahead log is full."""
    # what is there is used up first
    await stack.query("SELECT pg_switch_wal()")
    await _database_full(stack, "wal")


@fault(Plan(small_disks=frozenset({"broker"})), needs_root=True)
async def broker_disk_full(stack: Stack) -> None:
    """The broker's disk is full as it saves what it holds for an absent ingestor; then it is killed with -9."""
    await stack.ingestor.process.stop()
    async with _full(stack, "broker"):
        await asyncio.sleep(3)
        # mosquitto(8): save now
        stack.broker._process.send(signal.SIGUSR1)
        await asyncio.sleep(1)
        await stack.broker.kill()
    await stack.broker.start()
    await stack.ingestor.process.start()
