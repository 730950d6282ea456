"""What happens to each link: cut, half-open, slow, lossy, narrow."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from tests.chaos.link import Link
from tests.chaos.registry import fault
from tests.chaos.stack import Stack

CUT_S: Final = (3.0, 8.0)
HALF_OPEN_S: Final = 90.0
WEAK_S: Final = 15.0
DELAY_S: Final = 2.0
LOSS: Final = 0.05
NARROW_OCTETS_PER_S: Final = 6000.0

Pick = Callable[[Stack], Link]
LINKS: Final[dict[str, tuple[str, Pick]]] = {
    "agent_broker": ("between an agent and the broker", lambda stack: stack.rng.choice(stack.agents).link),
    "ingestor_broker": ("between ingestor and broker", lambda stack: stack.ingestor.broker),
    "ingestor_database": ("between ingestor and database", lambda stack: stack.ingestor.database),
    "gateway_broker": ("between gateway and broker", lambda stack: stack.gateway_links[0]),
    "gateway_database": ("between gateway and database", lambda stack: stack.gateway_links[1]),
}


async def cut(stack: Stack, link: Link) -> None:
    """All connections are reset and new ones refused for some seconds."""
    await link.cut()
    await asyncio.sleep(stack.rng.uniform(*CUT_S))
    await link.restore()


async def half_open(stack: Stack, link: Link) -> None:
    """No packet passes for 90 s and nobody is told."""
    link.vanish()
    try:
        await asyncio.sleep(HALF_OPEN_S)
    finally:
        await link.come_back()


async def slow(stack: Stack, link: Link) -> None:
    """Each direction takes 2 s longer for a while."""
    link.delay_s = DELAY_S
    await asyncio.sleep(WEAK_S)
    link.delay_s = 0.0


async def lossy(stack: Stack, link: Link) -> None:
    """One segment in twenty is lost and comes when TCP sends it again, for a while."""
    link.lossy = LOSS
    await asyncio.sleep(WEAK_S)
    link.lossy = 0.0


async def narrow(stack: Stack, link: Link) -> None:
    """Only 6 kB a second pass for a while."""
    link.octets_per_s = NARROW_OCTETS_PER_S
    await asyncio.sleep(WEAK_S)
    link.octets_per_s = 0.0


def _enter(place: str, how: Callable[[Stack, Link], Awaitable[None]]) -> None:
    where, pick = LINKS[place]

    async def do(stack: Stack) -> None:
        await how(stack, pick(stack))

    do.__name__ = f"link_{place}_{how.__name__}"
    do.__doc__ = f"{(how.__doc__ or '').removesuffix('.')}, {where}."
    fault(slow=how is half_open)(do)


for _place in LINKS:
    for _how in (cut, half_open, slow, lossy, narrow):
        _enter(_place, _how)
