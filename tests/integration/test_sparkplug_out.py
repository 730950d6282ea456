"""Our edge node at a real broker, as a host application sees it: births, data, rebirth, both kinds of death."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp

from broker.mqtt.session import Publication, Session, SessionOptions
from broker.sparkplug.datatypes import DataType
from broker.sparkplug.decoding import decode
from broker.sparkplug.encoding import encode
from broker.sparkplug.payload import Metric, Payload
from broker.sparkplug.topics import REBIRTH, MessageType, NodeTopic, state_payload, state_topic
from deploy.local.process import free_port
from tests.rigs.ingesting import device, ingesting, settings, table
from tests.rigs.outlets import OutletProcess, giving, outlet_settings, tell
from tests.rigs.servers import Broker, Database
from tests.rigs.waiting import until, until_equal


class Host:
    """A host application that keeps what it heard of one edge node, in order, and follows its numbers."""

    def __init__(self, session: Session, node: str) -> None:
        self.session = session
        self.node = node
        self.heard: list[tuple[NodeTopic, Payload]] = []

    def kinds(self) -> list[MessageType]:
        """Types of all that it heard."""
        return [topic.kind for topic, _ in self.heard]

    def numbered(self) -> bool:
        """Whether no number is missing since the last NBIRTH."""
        births = [place for place, (topic, _) in enumerate(self.heard) if topic.kind is MessageType.NBIRTH]
        numbers = [payload.seq for topic, payload in self.heard[births[-1] :] if topic.kind is not MessageType.NDEATH]
        return numbers == [number % 256 for number in range(len(numbers))]

    async def wish(self) -> None:
        """Ask for births."""
        wish = Metric(REBIRTH, datatype=DataType.BOOLEAN, value=True)
        topic = str(NodeTopic(MessageType.NCMD, "Wattline", self.node))
        await self.session.publish(Publication(topic, encode(Payload((wish,), 1)), qos=0))

    async def state(self, host: str, at_ms: int, *, online: bool) -> None:
        """Say, retained, whether a host application is there."""
        said = Publication(state_topic(host), state_payload(at_ms, online=online), qos=1, retain=True)
        await self.session.publish(said)

    def bdseq(self, kind: MessageType) -> list[object]:
        """The numbers of all births, or deaths."""
        found = [payload.metric("bdSeq") for topic, payload in self.heard if topic.kind is kind]
        return [one.value for one in found if one is not None]

    def history(self) -> list[object]:
        """All historical values that it heard."""
        return [metric.value for _, payload in self.heard for metric in payload.metrics if metric.is_historical]

    async def listen(self) -> None:
        """Hear the node."""
        async for message in self.session.messages():
            message.ack()
            topic = NodeTopic.parse(message.topic)
            assert not message.retain
            if topic.node == self.node and topic.kind is not MessageType.NCMD:
                self.heard.append((topic, decode(message.payload)))


@contextlib.asynccontextmanager
async def hosting(broker: Broker, node: str) -> AsyncIterator[Host]:
    options = SessionOptions(f"wattline-host-{secrets.token_hex(4)}", subscriptions=(("spBv1.0/Wattline/#", 1),))
    async with Session(broker.address("sparkplug-host"), options) as session, asyncio.TaskGroup() as group:
        host = Host(session, node)
        listening = group.create_task(host.listen())
        await session.wait_connected()
        yield host
        listening.cancel()


async def test_an_edge_node_is_born_speaks_is_reborn_and_dies(broker: Broker, database: Database) -> None:
    """message-flow and operational-behavior rules, at the broker: order, numbers, rebirth, an end on purpose."""
    async with (
        ingesting(settings(broker, database.dsn("wattline_ingestor"))), device(broker) as pi, table(database) as asked,
        hosting(broker, "one") as host,
    ):  # fmt: skip
        await tell(pi, "TST:1", e1_8_0=100.5)
        async with giving(outlet_settings(broker, database, sparkplug={"enabled": True, "node": "one"})):
            await until(lambda: host.kinds() == [MessageType.NBIRTH, MessageType.DBIRTH])
            await tell(pi, "TST:1", e1_8_0=101.0)
            await until(lambda: MessageType.DDATA in host.kinds())
            assert host.heard[-1][1].metrics[0].value == 101.0
            await host.wish()
            await until(lambda: host.kinds().count(MessageType.NBIRTH) == 2)
            await until(lambda: host.kinds()[-1] is MessageType.DBIRTH)
            await asked.execute("UPDATE device SET online = false")
            await until(lambda: host.kinds()[-1] is MessageType.DDEATH)
            assert host.numbered()
        await until(lambda: host.kinds()[-1] is MessageType.NDEATH)
        assert host.bdseq(MessageType.NBIRTH) == [0, 0]
        assert host.bdseq(MessageType.NDEATH) == [0]


async def test_a_connection_that_is_lost_dies_by_its_will_and_the_next_counts_on(
    own_broker: Broker, database: Database, tmp_path: Path
) -> None:
    """Kill -9: the will is NDEATH with the births' bdSeq; a broker that restarts: bdSeq rises by one, births anew."""
    process = OutletProcess(
        outlet_settings(own_broker, database), tmp_path / "log", SPARKPLUG__ENABLED="true", SPARKPLUG__NODE="two"
    )
    async with hosting(own_broker, "two") as host:
        await process.start()
        await until(lambda: host.bdseq(MessageType.NBIRTH) == [0])
        await own_broker.server.restart()

        async def heard_again() -> bool:
            # who came back last, node or host, decides whether the births were heard
            await host.wish()
            return host.bdseq(MessageType.NBIRTH)[-1] == 1

        await until(heard_again)
        await process.kill()
        await until(lambda: host.bdseq(MessageType.NDEATH)[-1:] == [1])
    assert "Traceback" not in process.log


async def waits(port: int) -> bool:
    """Whether the outlet says that it waits for its primary host, by both of its ways."""
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http:
        try:
            async with http.get("/healthz") as health, http.get("/metrics") as metrics:
                said, counted = await health.text(), await metrics.text()
        except aiohttp.ClientError:
            return False
    return "waits for the primary host" in said and "wattline_outlet_sparkplug_host_away 1.0" in counted


async def test_a_node_with_a_primary_host_lives_while_that_is_there(broker: Broker, database: Database) -> None:
    """message-flow-edge-node-birth-publish-phid-*: waits, is born, dies and leaves, and is born in the next session."""
    scada = f"scada-{secrets.token_hex(4)}"
    told, port = {"enabled": True, "node": "three", "primary_host": scada}, free_port()
    of = outlet_settings(broker, database, http_port=port, sparkplug=told)
    async with (
        ingesting(settings(broker, database.dsn("wattline_ingestor"))), device(broker) as pi,
        hosting(broker, "three") as host, hosting(broker, "other") as other,
    ):  # fmt: skip
        await tell(pi, "TST:3", e1_8_0=100.5)
        async with giving(of):
            await until(lambda: waits(port))
            await other.state(f"{scada}x", 9, online=True)
            await host.wish()
            await tell(pi, "TST:3", e1_8_0=101.0)
            assert host.kinds() == []
            await host.state(scada, 5, online=True)
            await until(lambda: host.kinds()[:2] == [MessageType.NBIRTH, MessageType.DBIRTH])
            # a will of the connection before comes late
            await host.state(scada, 4, online=False)
            await tell(pi, "TST:3", e1_8_0=102.0)
            await until(lambda: host.heard[-1][1].metrics[0].value == 102.0)
            await host.state(scada, 5, online=False)
            await until(lambda: host.kinds()[-1] is MessageType.NDEATH)
            before = len(host.heard)
            await host.wish()
            await tell(pi, "TST:3", e1_8_0=103.0)
            await until(lambda: waits(port))
            await host.state(scada, 6, online=True)
            await until(lambda: host.heard[-1][1].metrics and host.heard[-1][1].metrics[0].value == 103.0)
            assert host.kinds()[before:][:2] == [MessageType.NBIRTH, MessageType.DBIRTH]
            assert host.numbered()
        await until(lambda: host.kinds()[-1] is MessageType.NDEATH)
        assert host.bdseq(MessageType.NBIRTH) == [0, 1]
        assert host.bdseq(MessageType.NDEATH) == [0, 1]
        await host.state(scada, 6, online=False)


async def test_history_has_what_was_stored_while_the_host_was_away_and_what_comes_late(
    broker: Broker, database: Database
) -> None:
    """Each such reading once, also over a restart of the outlet; none that was told as the present."""
    scada, now = f"scada-{secrets.token_hex(4)}", datetime.now(UTC)
    told = {"enabled": True, "node": "four", "primary_host": scada, "history": True}
    of = outlet_settings(broker, database, sparkplug=told)
    async with (
        ingesting(settings(broker, database.dsn("wattline_ingestor"))), device(broker) as pi, table(database) as asked,
        hosting(broker, "four") as host,
    ):  # fmt: skip
        async with giving(of):
            await until(lambda: asked.value("SELECT count(*) FROM outlet_cursor WHERE seeded"))
            await tell(pi, "TST:4", e1_8_0=100.5)
            await host.state(scada, 5, online=True)
            await until(lambda: MessageType.DBIRTH in host.kinds())
            late = [
                {"at": (now - timedelta(hours=n)).isoformat(), "values": {"1-0:1.8.0": 100.0 - n}} for n in (3, 2, 1)
            ]
            await pi.send(pi.payload(meter="TST:4", samples=late))
            await until_equal(host.history, [97.0, 98.0, 99.0])
            await host.state(scada, 5, online=False)
            await until(lambda: host.kinds()[-1] is MessageType.NDEATH)
        for value in (101.0, 102.0, 103.0):
            await tell(pi, "TST:4", e1_8_0=value)
        await until_equal(asked.readings, 7)
        async with giving(of):
            await host.state(scada, 6, online=True)
            await until(lambda: len(host.history()) >= 5)
            assert host.heard[-2][1].metrics[0].value == 103.0
            await tell(pi, "TST:4", e1_8_0=104.0)
            await until(lambda: host.heard[-1][1].metrics[0].value == 104.0)
            await until_equal(lambda: asked.value("SELECT count(*) FROM stored_span"), 0)
            assert host.history() == [97.0, 98.0, 99.0, 101.0, 102.0]
            assert host.numbered()
        await host.state(scada, 6, online=False)
