"""What happens to a node while the load goes on; each heals what it broke before it returns."""

import asyncio
import re
import time
from pathlib import Path
from typing import Final

from tests.chaos.plan import Plan
from tests.chaos.registry import Fault
from tests.cluster import patroni
from tests.cluster.stack import ClusterStack

AWAY_S: Final = 15.0
"""How long a broker node stays away."""
_REJOIN_S: Final = 120.0
_WELL_S: Final = 60.0
FAULTS: Final[dict[str, Fault]] = {}


def _enter(do: object, drain_s: float = 180.0) -> None:
    name, text = do.__name__, (do.__doc__ or "").splitlines()[0]  # type: ignore[attr-defined]
    FAULTS[name] = Fault(
        name, text, do, Plan(), drain_s, fresh=False, short=False, slow=False, quarantines=False, destroys=False,
        needs_root=False,
    )  # type: ignore[arg-type]  # fmt: skip


async def nothing(stack: ClusterStack) -> None:
    """All nodes stay: the loop over three broker nodes and two of the database."""
    await asyncio.sleep(AWAY_S)
    stack.healed()


async def broker_node_killed(stack: ClusterStack) -> None:
    """The broker node with the most of our clients killed under load, back after 15 s."""
    node = max(stack.mqtt.nodes, key=lambda one: _connections(one.port))
    stack.notes["clients_on_the_node"] = _connections(node.port)
    await node.kill()
    stack.healed()
    await asyncio.sleep(AWAY_S)
    began = time.monotonic()
    await stack.mqtt.start_node(node)
    stack.notes["node_back_after_s"] = round(time.monotonic() - began, 1)


async def every_broker_node_in_turn(stack: ClusterStack) -> None:
    """Each broker node stopped in order and started again, as for an update."""
    for node in stack.mqtt.nodes:
        await node.stop()
        await stack.mqtt.start_node(node)
        await asyncio.sleep(3)
    stack.healed()


async def primary_killed(stack: ClusterStack) -> None:
    """Patroni and PostgreSQL of the primary killed at once under load; the old primary comes back as a standby."""
    old = await stack.postgres.leader()
    assert old is not None
    began = time.monotonic()
    await old.kill()
    await stack.postgres.until(lambda: _other_leads(stack.postgres, old), "new primary")
    stack.notes["new_primary_after_s"] = round(time.monotonic() - began, 1)
    stack.healed()
    await _services_well(stack)
    again = time.monotonic()
    await old.start()
    await stack.postgres.until(lambda: _follows(stack.postgres, old), "old primary as a standby", _REJOIN_S)
    stack.notes["old_one_rejoined_after_s"] = round(time.monotonic() - again, 1)
    await stack.postgres.until(stack.postgres.synchronous, "a synchronous standby", _REJOIN_S)


async def standby_killed(stack: ClusterStack) -> None:
    """Patroni and PostgreSQL of the synchronous standby killed under load, back after 15 s."""
    leader = await stack.postgres.leader()
    other = next(node for node in stack.postgres.nodes if node is not leader)
    await other.kill()
    stack.healed()
    await asyncio.sleep(AWAY_S)
    await other.start()
    await stack.postgres.until(stack.postgres.synchronous, "a synchronous standby", _REJOIN_S)


async def ingestor_killed(stack: ClusterStack) -> None:
    """One of the two ingestors killed under load, back after 15 s."""
    process = stack.ingestors[stack.rng.randrange(2)].process
    await process.kill()
    stack.healed()
    await asyncio.sleep(AWAY_S)
    await process.start()


async def broker_node_and_primary_killed(stack: ClusterStack) -> None:
    """A broker node and the database's primary killed at the same moment, both back."""
    await asyncio.gather(broker_node_killed(stack), primary_killed(stack))
    stack.healed()


def _connections(port: int) -> int:
    """How many TCP connections to this port of the loopback stand, by the server's end."""
    wanted = f"{port:04X}"
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    rows = (re.split(r"\s+", line.strip()) for line in lines)
    return sum(row[1].endswith(f":{wanted}") and row[3] == "01" for row in rows)


async def _services_well(stack: ClusterStack) -> None:
    """Wait until every service says that it is well again at the new primary, or note which does not."""
    began, left = time.monotonic(), list(stack.processes)
    while left and time.monotonic() - began < _WELL_S:
        left = [process for process in left if not await process.healthy()]
        await asyncio.sleep(0.3)
    stack.broken += [f"{process.name} is not well at the new primary" for process in left]
    stack.notes["services_well_after_s"] = round(time.monotonic() - began, 1)


async def _other_leads(cluster: patroni.Cluster, old: patroni.Node) -> bool:
    leader = await cluster.leader()
    return leader is not None and leader is not old


async def _follows(cluster: patroni.Cluster, node: patroni.Node) -> bool:
    standing = await node.standing()
    return standing["role"] == "replica" and standing["state"] in ("running", "streaming")


for _do in (
    nothing, broker_node_killed, every_broker_node_in_turn, primary_killed, standby_killed, ingestor_killed,
    broker_node_and_primary_killed,
):  # fmt: skip
    _enter(_do)
