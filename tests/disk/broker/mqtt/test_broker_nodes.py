"""A broker of several nodes: clients are spread over them, and one whose node is gone goes to the next."""

import asyncio

import pytest
from pydantic import ValidationError

from broker.mqtt.session import Session, SessionOptions
from broker.runtime.settings import BrokerAddress
from deploy.local.process import free_port
from tests.rigs.scripted_broker import ScriptedBroker, scripted
from tests.rigs.waiting import until

DEADLINE_S = 20.0


def address(*ports: int) -> BrokerAddress:
    return BrokerAddress(host=",".join(f"127.0.0.1:{port}" for port in ports))


async def until_connected(session: Session, broker: ScriptedBroker, times: int) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not (session.connected and len(broker.clients) >= times):
            await asyncio.sleep(0.01)


def test_clients_are_spread_over_the_nodes() -> None:
    """Each device begins with the same node each time, and not all of them with the first; services keep the order."""
    nodes = BrokerAddress(host="a, b:1884,[::1]:1885,::2")
    first = {nodes.nodes(f"pi-{number}")[0].host for number in range(40)}
    assert first == {"a", "b", "::1", "::2"}
    assert nodes.nodes("pi-1") == nodes.nodes("pi-1")
    assert nodes.nodes()[0].host == "a"
    found = {(node.host, node.port) for node in nodes.nodes("pi-1")}
    assert found == {("a", 1883), ("b", 1884), ("::1", 1885), ("::2", 1883)}


@pytest.mark.parametrize("host", ["", "a,", "a:0,b", "a:99999", "a:x", "[::1]:x"])
def test_what_is_no_list_of_hosts_is_refused(host: str) -> None:
    """The message says which part is wrong, and the form."""
    with pytest.raises(ValidationError, match="host:port"):
        BrokerAddress(host=host)


async def test_the_next_node_takes_a_client_whose_node_is_gone() -> None:
    """A node that lets nobody in is passed over at the start; when the client's node dies, the other one gets it."""
    async with scripted() as one, scripted() as other:
        for client_id in ("pi-1", "pi-2", "pi-3", "pi-4"):
            async with Session(address(one.port, free_port()), SessionOptions(client_id, spread=True)) as session:
                await until_connected(session, one, 1)
        before = len(one.clients), len(other.clients)
        async with Session(address(one.port, other.port), SessionOptions("pi-1")) as session:
            async with asyncio.timeout(DEADLINE_S):
                await session.wait_connected()
            at, next_one = (one, other) if len(one.clients) > before[0] else (other, one)
            at.connack_code = 0x88
            at.last.writer.transport.abort()
            await until_connected(session, next_one, 1 + (before[1] if next_one is other else before[0]))


async def test_a_name_that_no_resolver_takes_ends_nothing() -> None:
    """`getaddrinfo` raises UnicodeError for it: that node is not to be had, and the next one is tried."""
    async with Session(BrokerAddress(host="127.0.0.1").model_copy(update={"host": "a..b"}), SessionOptions("d")) as it:
        await until(lambda: "no connection to a..b" in it.last_error)
