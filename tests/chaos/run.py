"""One run of a fault on a stack: steady load, the fault at a random moment, healing, draining, counting."""

import asyncio
import contextlib
import time
from typing import Final

from store.errors import DATABASE_ERRORS
from tests.chaos.count import Stored, look, missing
from tests.chaos.judge import Before, Verdict, judge
from tests.chaos.registry import Fault
from tests.chaos.stack import PUBLISH_S, Stack

BEFORE_S: Final = (1.0, 4.0)
AFTER_S: Final = 4.0
"""Load before the fault, at random between the two, and after it."""
BEHIND_S: Final = 6.0
"""A reading is late when it is not stored after this."""
LOST_AFTER_S: Final = 45.0
"""Once every outbox is empty, what was not stored after this is lost."""


async def run(
    fault: Fault, stack: Stack, before: Before, *, load_s: tuple[float, float] = BEFORE_S, after_s: float = AFTER_S
) -> Verdict:
    """Let the fault happen once, and count; `load_s` and `after_s` is how long it is steady before and after."""
    stack.speak()
    began_s = time.time()
    stack.healed_s = 0.0
    await stack.begin_counting()
    watch = asyncio.create_task(_watch(stack, began_s), name="chaos.watch")
    try:
        await asyncio.sleep(stack.rng.uniform(*load_s))
        await fault.do(stack)
        stack.healed_s = stack.healed_s or time.time()
        await asyncio.sleep(after_s)
        stack.speak(yes=False)
        ended_s = time.time()
        empty = await drained(stack, fault.drain_s)
        stored = await settled(stack, began_s, ended_s)
        behind = await _done(watch)
    finally:
        watch.cancel()
        stack.speak(yes=False)
    verdict = await judge(stack, stored, before, began_s, ended_s)
    if (kept := verdict.detail["kept_in_quarantine"]) and not fault.quarantines:
        verdict.broken.append(f"{kept} good readings in quarantine")
    verdict.drained = empty
    verdict.recovery_s = round(max(0.0, behind - stack.healed_s), 1)
    verdict.detail["crashes"] = sum(process.crashes for process in stack.processes) - before.crashes
    before.crashes += verdict.detail["crashes"]
    return verdict


async def _watch(stack: Stack, began_s: float) -> float:
    """When the last reading was late, seconds since 1970; ends once nothing is late and the load is over."""
    late_s = 0.0
    while True:
        with contextlib.suppress(*DATABASE_ERRORS):
            now = time.time()
            late = await missing(stack, began_s, now - BEHIND_S)
            if len(late) > (await stack.left_out()).readings:
                late_s = now
            elif stack.healed_s and now > stack.healed_s + BEHIND_S:
                return late_s
        await asyncio.sleep(0.5)


async def _done(watch: "asyncio.Task[float]") -> float:
    done, _ = await asyncio.wait({watch}, timeout=BEHIND_S + 5)
    return watch.result() if done else time.time()


async def drained(stack: Stack, within_s: float) -> bool:
    """Wait until what was gathered is published and every outbox holds nothing unconfirmed."""
    await asyncio.sleep(PUBLISH_S + 1)
    deadline = time.monotonic() + within_s
    left = list(stack.agents)
    while left and time.monotonic() < deadline:
        left = [agent for agent in left if await agent.unconfirmed() > 0]
        await asyncio.sleep(0.3)
    return not left


async def settled(stack: Stack, began_s: float, ended_s: float) -> Stored:
    """What is stored once nothing is missing, or after LOST_AFTER_S."""
    deadline = time.monotonic() + LOST_AFTER_S
    while True:
        try:
            late = await missing(stack, began_s, ended_s)
            # read after the question, so that it has whatever the answer had
            stored = await look(stack)
            whole = len(late) <= (await stack.left_out()).readings and not stored.holes() - stack.destroyed
        except DATABASE_ERRORS:
            if time.monotonic() > deadline + 60:
                raise
            await asyncio.sleep(0.5)
            continue
        if whole or time.monotonic() > deadline:
            return stored
        await asyncio.sleep(0.5)
