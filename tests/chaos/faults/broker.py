"""What happens to the broker."""

import asyncio

from tests.chaos.plan import Plan
from tests.chaos.registry import fault
from tests.chaos.stack import Stack


@fault()
async def broker_killed(stack: Stack) -> None:
    """The broker is killed with -9 and started again, the ingestor being there."""
    await stack.broker.kill()
    await asyncio.sleep(stack.rng.uniform(0, 3))
    await stack.broker.start()


@fault()
async def broker_killed_with_ingestor_away(stack: Stack) -> None:
    """The broker is killed with -9 while the ingestor is away, with all that it keeps for it in its memory."""
    await stack.ingestor.process.stop()
    await asyncio.sleep(stack.rng.uniform(4, 8))
    await stack.broker.kill()
    await stack.broker.start()
    await stack.ingestor.process.start()


@fault()
async def broker_killed_with_database_down(stack: Stack) -> None:
    """The database is down for 12 s, then the broker is killed with -9: what the ingestor held is nowhere else."""
    await stack.database.kill()
    await asyncio.sleep(12)
    await stack.broker.kill()
    await stack.broker.start()
    await asyncio.sleep(1)
    await stack.database.start()


@fault(Plan(ingestors_start=False), fresh=True)
async def ingestor_starts_after_agents(stack: Stack) -> None:
    """The ingestor's very first start comes after the agents': the broker had nobody to keep messages for."""
    await asyncio.sleep(stack.rng.uniform(2, 6))
    await stack.ingestor.process.start()


@fault(Plan(ingestors_start=False), fresh=True)
async def broker_killed_before_first_save(stack: Stack) -> None:
    """The broker is killed before it ever saved what it holds, the ingestor having come once and gone."""
    await stack.ingestor.process.start()
    await stack.ingestor.process.until_healthy()
    await stack.ingestor.process.stop()
    await asyncio.sleep(stack.rng.uniform(2, 5))
    await stack.broker.kill()
    await stack.broker.start()
    await stack.ingestor.process.start()


@fault(short=True)
async def broker_wiped(stack: Stack) -> None:
    """The broker loses its disk: it comes back with no session, no queue and no retained message."""
    await stack.ingestor.process.stop()
    await asyncio.sleep(stack.rng.uniform(2, 5))
    await stack.broker.stop()
    (stack.broker.folder / "mosquitto.db").unlink(missing_ok=True)
    await stack.broker.start()
    await asyncio.sleep(2)
    await stack.ingestor.process.start()
