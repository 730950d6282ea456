"""What happens to the database."""

import asyncio
from typing import Final

from tests.chaos.registry import fault
from tests.chaos.stack import Stack

LONG_S: Final = 300.0
A_MINUTE_S: Final = 60.0


@fault(short=True)
async def database_killed(stack: Stack) -> None:
    """The database is killed with -9, all of it at once, and started again."""
    await stack.database.kill()
    await asyncio.sleep(stack.rng.uniform(0, 4))
    await stack.database.start()


@fault()
async def database_restarted(stack: Stack) -> None:
    """The database is stopped as systemd stops it and started again."""
    await stack.database.stop()
    await asyncio.sleep(stack.rng.uniform(0, 4))
    await stack.database.start()


@fault()
async def database_down_a_minute(stack: Stack) -> None:
    """The database is down for 60 s."""
    await stack.database.kill()
    await asyncio.sleep(A_MINUTE_S)
    await stack.database.start()


@fault(slow=True)
async def database_down_5_minutes(stack: Stack) -> None:
    """The database is down for 5 minutes."""
    await stack.database.kill()
    await asyncio.sleep(LONG_S)
    await stack.database.start()
