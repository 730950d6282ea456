"""What happens when a clock is moved: a device's, a meter's, an ingestor's."""

import asyncio
from typing import Final

from tests.chaos.plan import DEVICES, Plan
from tests.chaos.registry import fault
from tests.chaos.stack import Agent, Stack

HOUR_S: Final = 3600
DAY_S: Final = 86400
WRONG_S: Final = 12.0

DEVICE = Plan(own_clocks=frozenset(DEVICES[:1]))
INGESTOR = Plan(own_clocks=frozenset({"wattline-ingestor-0"}))


async def _device_clock(stack: Stack, offset_s: int) -> None:
    agent: Agent = stack.agent
    clockless = agent.meters[1]
    # right or marked: a time that is off must be told by an event
    stack.truth.clocks_stepped[clockless.key] = (min(offset_s, 0), max(offset_s, 0))
    stack.told_by[clockless.key] = ("clock_off", "clock_stepped")
    agent.process.set_clock(offset_s)
    await asyncio.sleep(WRONG_S)
    agent.process.set_clock(0)
    await asyncio.sleep(2)


@fault(DEVICE)
async def device_clock_an_hour_back(stack: Stack) -> None:
    """A device's clock is set back by an hour and put right after a while; its meter with a clock keeps its times."""
    await _device_clock(stack, -HOUR_S)


@fault(DEVICE)
async def device_clock_a_day_ahead(stack: Stack) -> None:
    """A device's clock is set a day ahead and put right after a while."""
    await _device_clock(stack, DAY_S)


@fault(quarantines=True)
async def meter_clock_set_back(stack: Stack) -> None:
    """A meter's clock is set back by 4 s, so that it gives the same stamps again with other values."""
    meter = stack.rng.choice(stack.agents).meters[0]
    # one of two readings of one stamp may be kept by its time of receipt
    stack.truth.clocks_stepped[meter.key] = (-8.0, 8.0)
    meter.clock_s -= 4
    await asyncio.sleep(WRONG_S)


@fault(quarantines=True)
async def meter_clock_set_ahead(stack: Stack) -> None:
    """A meter's clock is set ahead by 5 s."""
    meter = stack.rng.choice(stack.agents).meters[0]
    stack.truth.clocks_stepped[meter.key] = (-8.0, 8.0)
    meter.clock_s += 5
    await asyncio.sleep(WRONG_S)


async def _ingestor_clock(stack: Stack, offset_s: int) -> None:
    process = stack.ingestor.process
    process.set_clock(offset_s)
    await asyncio.sleep(WRONG_S)
    process.set_clock(0)
    await asyncio.sleep(3)


@fault(INGESTOR)
async def ingestor_clock_3_days_back(stack: Stack) -> None:
    """The clock of the ingestor's host is three days back for a while."""
    await _ingestor_clock(stack, -3 * DAY_S)


@fault(INGESTOR)
async def ingestor_clock_3_days_ahead(stack: Stack) -> None:
    """The clock of the ingestor's host is three days ahead for a while."""
    await _ingestor_clock(stack, 3 * DAY_S)


@fault(INGESTOR)
async def ingestor_starts_with_wrong_clock(stack: Stack) -> None:
    """The ingestor starts on a host whose clock is 20 years back, which is put right after a while."""
    process = stack.ingestor.process
    await process.stop()
    process.set_clock(-20 * 365 * DAY_S)
    await process.start()
    await asyncio.sleep(WRONG_S)
    process.set_clock(0)
    await asyncio.sleep(3)
