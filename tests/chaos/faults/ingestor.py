"""What happens to an ingestor."""

import asyncio
import time

from tests.chaos.link import Word
from tests.chaos.plan import Plan
from tests.chaos.registry import fault
from tests.chaos.stack import Ingestor, Stack

HIT_S = 30.0


@fault()
async def ingestor_killed(stack: Stack) -> None:
    """The ingestor is killed with -9 and started again a moment later."""
    await stack.ingestor.process.kill()
    await asyncio.sleep(stack.rng.uniform(0, 3))
    await stack.ingestor.process.start()


async def _killed_at(stack: Stack, word: Word) -> None:
    one = stack.ingestor
    one.database.stop_at(word)
    async with asyncio.timeout(HIT_S):
        await one.database.hit.wait()
    await one.process.kill()
    await one.database.cut()
    await one.database.restore()
    await one.process.start()


@fault()
async def ingestor_killed_in_copy(stack: Stack) -> None:
    """The ingestor is killed with -9 while it sends a batch of readings."""
    await _killed_at(stack, Word.COPY)


@fault()
async def ingestor_killed_at_copy_done(stack: Stack) -> None:
    """The ingestor is killed with -9 when a batch is sent and its end not yet said."""
    await _killed_at(stack, Word.COPY_DONE)


@fault()
async def ingestor_killed_at_commit(stack: Stack) -> None:
    """The ingestor is killed with -9 as its COMMIT is on its way."""
    await _killed_at(stack, Word.COMMIT)


@fault(short=True)
async def ingestor_killed_between_commit_and_ack(stack: Stack) -> None:
    """The ingestor is killed with -9 when its batch is committed and it does not know yet."""
    await _killed_at(stack, Word.COMMITTED)


async def _host_vanishes(stack: Stack, word: Word) -> None:
    one = stack.ingestor
    one.database.stop_at(word)
    async with asyncio.timeout(HIT_S):
        await one.database.hit.wait()
    one.database.vanish()
    one.broker.vanish()
    await one.process.kill()
    await stack.new_links(one)
    await one.process.start()
    stack.healed()


@fault(drain_s=180.0, needs_root=True)
async def ingestor_host_vanishes_in_copy(stack: Stack) -> None:
    """The ingestor's host vanishes in mid COPY without a word; another takes its place under its name."""
    await _host_vanishes(stack, Word.COPY_DONE)


@fault(drain_s=180.0, needs_root=True)
async def ingestor_host_vanishes_at_commit(stack: Stack) -> None:
    """The ingestor's host vanishes before its COMMIT, with a batch in the table that nobody sees and that locks it."""
    await _host_vanishes(stack, Word.COMMIT)


@fault()
async def ingestor_stopped_and_started(stack: Stack) -> None:
    """The ingestor is stopped as systemd stops it, and started after some seconds."""
    await stack.ingestor.process.stop()
    await asyncio.sleep(stack.rng.uniform(1, 5))
    await stack.ingestor.process.start()


@fault()
async def ingestor_frozen(stack: Stack) -> None:
    """The ingestor stands still for 20 s, its connections open, and goes on."""
    stack.ingestor.process.freeze()
    await asyncio.sleep(20)
    stack.ingestor.process.thaw()


GROUP = Plan(ingestors=2)


def _any(stack: Stack) -> Ingestor:
    return stack.rng.choice(stack.ingestors)


@fault(GROUP)
async def group_member_killed(stack: Stack) -> None:
    """One of two ingestors is killed with -9 and stays away."""
    one = _any(stack)
    await one.process.kill()
    stack.healed()
    await asyncio.sleep(15)
    await one.process.start()


@fault(GROUP)
async def group_member_stopped(stack: Stack) -> None:
    """One of two ingestors is stopped as systemd stops it, and stays away."""
    one = _any(stack)
    await one.process.stop()
    stack.healed()
    await asyncio.sleep(15)
    await one.process.start()


@fault(GROUP)
async def group_member_frozen(stack: Stack) -> None:
    """One of two ingestors stands still for 60 s and goes on."""
    one = _any(stack)
    one.process.freeze()
    stack.healed()
    await asyncio.sleep(60)
    one.process.thaw()


@fault(GROUP)
async def group_member_added(stack: Stack) -> None:
    """An ingestor joins another under load, having been away before."""
    one = _any(stack)
    await one.process.stop()
    await asyncio.sleep(8)
    await one.process.start()


UPKEEP = Plan(ingestors=2, ingestor={"UPKEEP_EVERY_S": "1"})
UPKEEP_S = 75.0
_SUMMED_UP = """SELECT (SELECT count(*) FROM message WHERE received_at < $1)
                    <= (SELECT coalesce(sum(deliveries), 0) FROM ledger_5m) AS done"""


@fault(UPKEEP, drain_s=180.0, needs_root=True)
async def upkeep_holder_vanishes(stack: Stack) -> None:
    """The host of one of two ingestors vanishes, with the upkeep in its hands or not; summaries must go on in 75 s."""
    one = _any(stack)
    one.broker.vanish()
    one.database.vanish()
    await one.process.kill()
    stack.healed()
    await asyncio.sleep(1)
    [row] = await stack.query("SELECT now() AS now")
    deadline = time.monotonic() + UPKEEP_S
    while not (await stack.query(_SUMMED_UP, row["now"]))[0]["done"]:
        if time.monotonic() > deadline:
            stack.broken.append(f"no summary of the ledger within {UPKEEP_S:.0f} s")
            break
        await asyncio.sleep(0.5)
    await stack.new_links(one)
    await one.process.start()


@fault(GROUP)
async def rolling_restart(stack: Stack) -> None:
    """Two ingestors, the gateway and the agents are restarted one after the other, as an upgrade does it."""
    for one in stack.ingestors:
        await one.process.stop()
        await one.process.start()
        await one.process.until_healthy()
    assert stack.gateway is not None
    await stack.gateway.stop()
    await stack.gateway.start()
    for agent in stack.agents:
        await stack.stop_agent(agent)
        await stack.start_agent(agent)
        await asyncio.sleep(3)
