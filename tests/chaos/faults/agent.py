"""What happens to an agent and to the files that it trusts."""

import asyncio
import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from device.outbox.record import Record, encode, scan
from device.outbox.state import StateFiles
from tests.chaos.meters import CountingP1Meter, CountingSmlMeter
from tests.chaos.registry import fault
from tests.chaos.stack import Agent, Stack

OUTAGE_S: Final = (4.0, 8.0)


@fault(short=True)
async def agent_killed(stack: Stack) -> None:
    """An agent is killed with -9 and started again."""
    agent = stack.rng.choice(stack.agents)
    await stack.kill_agent(agent)
    await asyncio.sleep(stack.rng.uniform(0, 3))
    await stack.start_agent(agent)
    await asyncio.sleep(4)


@fault()
async def agent_killed_in_outage(stack: Stack) -> None:
    """An agent is killed with -9 while the broker can't be reached, with all that waits in its outbox."""
    agent = stack.rng.choice(stack.agents)
    await agent.link.cut()
    await asyncio.sleep(stack.rng.uniform(*OUTAGE_S))
    await stack.kill_agent(agent)
    await stack.start_agent(agent)
    await asyncio.sleep(2)
    await agent.link.restore()
    await asyncio.sleep(2)


@fault()
async def agent_stopped(stack: Stack) -> None:
    """An agent is stopped as systemd stops it and started again."""
    agent = stack.rng.choice(stack.agents)
    await stack.stop_agent(agent)
    await stack.start_agent(agent)
    await asyncio.sleep(4)


@fault()
async def agent_frozen(stack: Stack) -> None:
    """An agent stands still for 1 to 4 s, as on a busy machine, and what it then reads at once is thinned as set."""
    agent = stack.rng.choice(stack.agents)
    agent.process.freeze()
    await asyncio.sleep(stack.rng.uniform(1, 4))
    agent.process.thaw()
    await asyncio.sleep(2)


def _segments(agent: Agent) -> list[Path]:
    """The outbox's segments with something in them, oldest first."""
    return [path for path in sorted((agent.folder / "outbox").glob("*.seg")) if path.stat().st_size]


def _messages(agent: Agent) -> dict[tuple[str, str, int], dict[str, Any]]:
    """All messages that lie in the segments, by device, boot and number."""
    records = [record for path in _segments(agent) for record in scan(path.read_bytes())]
    messages = [json.loads(record.payload) for record in records if isinstance(record, Record)]
    return {(agent.name, message["boot"], message["seq"]): message for message in messages}


async def _damaged(stack: Stack, damage: Callable[[Agent], None]) -> None:
    """Kill an agent in an outage, damage its files, start it again; what is destroyed by that is noted."""
    agent = stack.rng.choice(stack.agents)
    await agent.link.cut()
    await asyncio.sleep(stack.rng.uniform(*OUTAGE_S))
    await stack.kill_agent(agent)
    before, synced = _messages(agent), _synced(agent)
    damage(agent)
    after = _messages(agent)
    known = max([synced, *((boot, seq) for _, boot, seq in after if boot == synced[0])])
    for identity in before.keys() - after.keys():
        # a power cut takes with the last second what said how far that had got: nobody can name its numbers
        named = identity[1] != known[0] or identity[2] <= known[1]
        _note_destroyed(stack, identity, before[identity], named=named)
    await stack.start_agent(agent)
    await asyncio.sleep(2)
    await agent.link.restore()
    await asyncio.sleep(4)


def _synced(agent: Agent) -> tuple[str, int]:
    """The newest boot, and how far it had got when its outbox was synced last."""
    end = StateFiles(agent.folder / "outbox").load().boots.last()
    return (end.boot, end.seq) if end is not None else ("", 0)


def _note_destroyed(stack: Stack, identity: tuple[str, str, int], message: dict[str, Any], *, named: bool) -> None:
    if named:
        stack.destroyed.add(identity)
    for sample in message.get("samples", ()):
        for code in (CountingP1Meter.energy, CountingSmlMeter.energy):
            if code in sample["values"]:
                stack.destroyed_wh.add((message["meter"], round(sample["values"][code] * 1000)))
    for frame in message.get("frames", ()):
        stack.destroyed_frames.add(base64.b64decode(frame["data"]).rstrip())


@fault()
async def agent_killed_in_outbox_write(stack: Stack) -> None:
    """An agent is killed with -9 as half of a record is written, in an outage."""

    def tear(agent: Agent) -> None:
        last = _segments(agent)[-1]
        records = [record for record in scan(last.read_bytes()) if isinstance(record, Record)]
        octets = encode(Record(records[-1].index + 1, records[-1].appended_ms, 0, records[-1].kind, bytes(300)))
        with last.open("ab") as file:
            file.write(octets[: stack.rng.randrange(1, len(octets))])

    await _damaged(stack, tear)


@fault(destroys=True)
async def outbox_tail_cut_off(stack: Stack) -> None:
    """The last octets of an outbox are gone after a power cut: what only they held is named by the ledger."""

    def cut(agent: Agent) -> None:
        last = _segments(agent)[-1]
        size = last.stat().st_size
        with last.open("r+b") as file:
            file.truncate(stack.rng.randrange(size // 2, size))

    await _damaged(stack, cut)


@fault(destroys=True)
async def outbox_tail_zeroed(stack: Stack) -> None:
    """The last octets of an outbox are zeros after a power cut, as file systems leave them."""

    def zero(agent: Agent) -> None:
        last = _segments(agent)[-1]
        size = last.stat().st_size
        with last.open("r+b") as file:
            start = file.seek(stack.rng.randrange(size // 2, size))
            file.write(bytes(size - start))

    await _damaged(stack, zero)


@fault(destroys=True)
async def outbox_bit_flipped(stack: Stack) -> None:
    """One bit of an outbox's segment is flipped: at most that one message is destroyed, and named by the ledger."""

    def flip(agent: Agent) -> None:
        _flip(stack, stack.rng.choice(_segments(agent)))

    await _damaged(stack, flip)


@fault()
async def outbox_state_bit_flipped(stack: Stack) -> None:
    """One bit is flipped in a file by which an outbox knows what is confirmed."""

    def flip(agent: Agent) -> None:
        states = [path for path in (agent.folder / "outbox").iterdir() if path.suffix not in (".seg", ".new")]
        _flip(stack, stack.rng.choice(sorted(path for path in states if path.is_file() and path.stat().st_size)))

    await _damaged(stack, flip)


@fault()
async def outbox_state_emptied(stack: Stack) -> None:
    """A file by which an outbox knows what is confirmed is empty after a power cut."""

    def empty(agent: Agent) -> None:
        states = [path for path in (agent.folder / "outbox").iterdir() if path.suffix not in (".seg", ".new")]
        stack.rng.choice(sorted(path for path in states if path.is_file())).write_bytes(b"")

    await _damaged(stack, empty)


def _flip(stack: Stack, path: Path) -> None:
    octets = bytearray(path.read_bytes())
    octets[stack.rng.randrange(len(octets))] ^= 1 << stack.rng.randrange(8)
    path.write_bytes(octets)
