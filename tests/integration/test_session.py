"""The MQTT session against a real Mosquitto."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from broker.contract.topics import Topics
from broker.mqtt import connection as connection_module
from broker.mqtt.session import ConnectionLostError, Inbound, Publication, RefusedError, Session, SessionOptions
from gateway.enrolment.authority import Life
from tests.rigs.proxy import TcpProxy
from tests.rigs.servers import Broker
from tests.rigs.waiting import stays, until

TOPICS = Topics()
TOPIC = TOPICS.command("d1", "ping")
DEADLINE_S = 60.0


def reader(client_id: str, **options: object) -> SessionOptions:
    return SessionOptions(client_id=client_id, subscriptions=((TOPICS.everything(), 1),), **options)  # type: ignore[arg-type]


@contextlib.asynccontextmanager
async def entered(server: Broker, user: str, options: SessionOptions) -> AsyncIterator[Session]:
    async with Session(server.address(user), options) as session, asyncio.timeout(DEADLINE_S):
        await session.wait_connected()
        yield session


async def take(session: Session, count: int) -> list[Inbound]:
    taken: list[Inbound] = []
    async with asyncio.timeout(DEADLINE_S):
        while len(taken) < count:
            taken += await session.receive(count - len(taken))
    return taken


async def test_what_is_subscribed_while_the_session_comes_up_is_subscribed(own_broker: Broker) -> None:
    """Also by who was told so by a message of that very connection, as an agent asks for the specs that it is given."""
    first, second = TOPICS.spec("one", 1), TOPICS.spec("two", 1)
    receipts = f"{TOPICS.root}/devices/d1/receipts"

    class Slow(Session):
        async def _subscribe_optional(self, connection: connection_module.Connection) -> None:
            await super()._subscribe_optional(connection)
            await self.subscribe((second, 1))

    async with entered(own_broker, "gateway", SessionOptions("tx")) as tx:
        for topic in (first, second):
            await tx.publish(Publication(topic, topic.encode(), retain=True))
        options = SessionOptions("rx", subscriptions=((first, 1),), optional=((receipts, 0),))
        async with Slow(own_broker.address("monitor"), options) as rx, asyncio.timeout(DEADLINE_S):
            await rx.wait_connected()
            assert {message.topic for message in await take(rx, 2)} == {first, second}


@pytest.mark.parametrize("plain", [True, False])
async def test_messages_arrive_whole_and_in_order(own_broker: Broker, plain: bool) -> None:
    """Many messages, small and large, arrive in the order of the calls, with their properties where they have some."""
    properties = {} if plain else {"response_topic": "r/t", "correlation": b"c1", "expiry_s": 60}
    payloads = [bytes([index % 256]) * (1 + index * 37 % 5000) for index in range(2000)]
    options = reader("rx", receive_maximum=100)
    async with (
        entered(own_broker, "monitor", options) as rx,
        entered(own_broker, "gateway", SessionOptions("tx")) as tx,
    ):
        sent = [tx.send(Publication(TOPIC, payload, **properties)) for payload in payloads]
        seen = []
        while len(seen) < len(payloads):
            for message in await take(rx, 1):
                seen.append(message.payload)
                assert message.topic == TOPIC
                assert message.response_topic == properties.get("response_topic")
                assert message.correlation == properties.get("correlation")
                message.ack()
        await asyncio.gather(*sent)
    assert seen == payloads


@pytest.mark.parametrize("gather_s", [0.0, 0.01])
async def test_what_is_not_acked_comes_again_and_what_is_acked_does_not(own_broker: Broker, gather_s: float) -> None:
    """After a reconnect the broker delivers the unacknowledged messages again, and only those."""
    options = reader("rx", clean_start=False, session_expiry_s=600, gather_s=gather_s)
    async with entered(own_broker, "gateway", SessionOptions("tx")) as tx:
        async with entered(own_broker, "monitor", options) as rx:
            for number in range(4):
                await tx.publish(Publication(TOPIC, b"%d" % number))
            first = await take(rx, 4)
            first[0].ack()
            first[2].ack()
            # an ack is only sure to have left once the session is left properly
        async with entered(own_broker, "monitor", options) as rx:
            again = await take(rx, 2)
            assert sorted(message.payload for message in again) == [b"1", b"3"]
            for message in again:
                message.ack()
            await tx.publish(Publication(TOPIC, b"last"))
            assert [message.payload for message in await take(rx, 1)] == [b"last"]


async def test_receive_maximum_bounds_what_waits(own_broker: Broker) -> None:
    """The broker sends no more than receive_maximum ahead of the acks, so the intake is bounded."""
    options = reader("rx", receive_maximum=10)
    async with (
        entered(own_broker, "monitor", options) as rx,
        entered(own_broker, "gateway", SessionOptions("tx")) as tx,
    ):
        for number in range(50):
            await tx.publish(Publication(TOPIC, b"%d" % number))
        held = await take(rx, 10)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await rx.receive()
        held[0].ack()
        assert [message.payload for message in await take(rx, 1)] == [b"10"]
        assert rx.waiting == 0


@pytest.mark.parametrize("gather_s", [0.0, 0.01])
async def test_bytes_bound_what_waits_and_the_connection_lives_on(own_broker: Broker, gather_s: float) -> None:
    """Beyond receive_bytes nothing more is read, for longer than the keep-alive; then all comes, by one connection."""
    options = reader("rx", receive_maximum=1000, receive_bytes=50_000, keepalive_s=1, gather_s=gather_s)
    async with (
        entered(own_broker, "monitor", options) as rx,
        entered(own_broker, "gateway", SessionOptions("tx")) as tx,
    ):
        payloads = [bytes([number % 256]) * 10_000 for number in range(600)]
        await asyncio.gather(*(tx.send(Publication(TOPIC, payload)) for payload in payloads))
        # three times the keep-alive: a broker that heard nothing of us would end the connection
        await stays(lambda: rx.connections == 1, 3, "the connection is kept alive")
        assert 0 < rx.waiting * 10_000 < 50_000 + 2 * 65_536
        seen = [message.payload for message in await take(rx, len(payloads))]
        assert seen == payloads
        assert rx.connections == 1


async def test_outlives_a_broker_restart(own_broker: Broker) -> None:
    """Through a restart of the broker: reconnects, subscribes again, and a publish waits and then arrives."""
    options = reader("rx", clean_start=False, session_expiry_s=600)
    async with (
        Session(own_broker.address("monitor"), options) as rx,
        Session(own_broker.address("gateway"), SessionOptions("tx")) as tx,
        asyncio.timeout(60),
    ):
        await rx.wait_connected()
        await tx.wait_connected()
        await own_broker.server.stop()
        while tx.connected or rx.connected:
            await asyncio.sleep(0.01)
        with pytest.raises(ConnectionLostError):
            await tx.send(Publication(TOPIC, b"at once"))
        publishing = asyncio.ensure_future(tx.publish(Publication(TOPIC, b"through"), timeout_s=50))
        await own_broker.server.start()
        await publishing
        message = (await rx.receive())[0]
        assert message.payload == b"through"
        await rx.wait_connected()
        assert rx.connections == 2


async def test_pending_publishes_fail_when_the_connection_goes(own_broker: Broker) -> None:
    """A publish without PUBACK when the connection goes ends in ConnectionLostError, never in silence."""
    async with TcpProxy(own_broker.host, own_broker.port) as proxy:
        async with Session(own_broker.address("gateway", proxy.port), SessionOptions("tx")) as tx:
            async with asyncio.timeout(DEADLINE_S):
                await tx.wait_connected()
            proxy.delay_s = 30
            pending = [tx.send(Publication(TOPIC, b"x")) for _ in range(3)]
            await stays(lambda: not any(future.done() for future in pending), 0.05, "no PUBACK comes")
            await proxy.cut()
            results = await asyncio.wait_for(asyncio.gather(*pending, return_exceptions=True), DEADLINE_S)
            assert all(isinstance(result, ConnectionLostError) for result in results)


async def test_last_will_speaks_for_a_lost_client_only(own_broker: Broker) -> None:
    """The will is published when the connection is cut, and not after a proper goodbye."""
    will = Publication(TOPIC, b"gone")
    async with entered(own_broker, "monitor", reader("rx")) as rx:
        async with entered(own_broker, "gateway", SessionOptions("polite", will=will)):
            pass
        async with TcpProxy(own_broker.host, own_broker.port) as proxy:
            async with Session(own_broker.address("gateway", proxy.port), SessionOptions("rude", will=will)) as tx:
                await tx.wait_connected()
                await tx.publish(Publication(TOPIC, b"alive"))
                await proxy.cut()
                messages = await take(rx, 2)
    assert [message.payload for message in messages] == [b"alive", b"gone"]


async def test_wrong_password_ends_the_session_with_a_clear_error(own_broker: Broker) -> None:
    """A refused login is an error that names the client, raised by whoever waits."""
    wrong = own_broker.by_password("gateway").model_copy(update={"password": SecretStr("wrong")})
    async with Session(wrong, SessionOptions("tx")) as session:
        with pytest.raises(RefusedError, match=r"refuses user 'gateway'.*BROKER__PASSWORD"):
            async with asyncio.timeout(DEADLINE_S):
                await session.wait_connected()


async def test_a_service_s_certificate_is_read_with_each_connection(own_broker: Broker, tmp_path: Path) -> None:
    """One that has ended is told and tried on; once the file is renewed it is let in, without a restart of its own."""
    services, now = own_broker.server.certificates.services, datetime.now(UTC)
    over, good = (Life(now - timedelta(days=2), now + timedelta(days=days)) for days in (-1, 1))
    login = services.issue("gateway", tmp_path / "login.pem", good)
    address = own_broker.address("gateway").model_copy(update={"tls_certificate": login})
    async with Session(address, SessionOptions("tx")) as session:
        await asyncio.wait_for(session.wait_connected(), DEADLINE_S)
        services.issue("gateway", login, over)
        await own_broker.server.restart()
        await until(lambda: not session.connected and "certificate" in session.last_error, "the reason is told")
        services.issue("gateway", login, good)
        await asyncio.wait_for(session.wait_connected(), DEADLINE_S)


async def test_a_device_keeps_trying_after_a_refusal(own_broker: Broker) -> None:
    """With refusal_is_fatal False the session gets in as soon as the broker knows the user."""
    known = own_broker.by_password("gateway").model_copy(update={"username": "late", "password": SecretStr("word")})
    async with Session(known, SessionOptions("late", refusal_is_fatal=False)) as session:
        async with asyncio.timeout(DEADLINE_S):
            while "refuses" not in session.last_error:
                await asyncio.sleep(0.01)
        assert not session.connected
        await own_broker.server.add_user("late", "word")
        async with asyncio.timeout(60):
            await session.wait_connected()


async def test_a_publish_the_acl_forbids_is_refused(own_broker: Broker) -> None:
    """The broker's "not authorised" reaches the caller and is not mistaken for success."""
    async with entered(own_broker, "monitor", SessionOptions("mon")) as session:
        with pytest.raises(RefusedError, match=r"[Nn]ot authorized"):
            await session.publish(Publication(TOPIC, b"x"))


async def test_a_publish_resolves_to_what_the_broker_says_of_it(own_broker: Broker) -> None:
    """The reason code of the PUBACK: 0x10 where nobody subscribes, 0 where somebody does, and 0 for QoS 0."""
    async with entered(own_broker, "gateway", SessionOptions("tx")) as tx:
        assert await tx.publish(Publication(TOPIC, b"to nobody")) == 0x10
        assert await tx.send(Publication(TOPIC, b"to nobody", qos=0)) == 0
        async with entered(own_broker, "monitor", reader("rx")):
            assert await tx.publish(Publication(TOPIC, b"to one")) == 0


async def test_leaving_never_hangs_while_the_broker_is_away(own_broker: Broker) -> None:
    """A session is left at once at any moment of its attempts to connect."""
    await own_broker.server.stop()
    for moment in range(60):
        async with asyncio.timeout(DEADLINE_S):
            async with Session(own_broker.address("gateway"), SessionOptions("tx")):
                await asyncio.sleep(moment * 0.0002)


async def test_a_filter_added_while_the_session_subscribes_is_subscribed_too(own_broker: Broker) -> None:
    """Subscribing between CONNECT and SUBACK takes effect on the connection that is being made."""
    async with TcpProxy(own_broker.host, own_broker.port, delay_s=0.3) as proxy:
        first, second = TOPICS.command("d1", "first"), TOPICS.command("d1", "second")
        options = SessionOptions("rx", subscriptions=((first, 1),))
        async with (
            Session(own_broker.address("monitor", proxy.port), options) as rx,
            entered(own_broker, "gateway", SessionOptions("tx")) as tx,
            asyncio.timeout(DEADLINE_S),
        ):
            while rx._connection is None:
                await asyncio.sleep(0.01)
            assert not rx.connected
            await rx.subscribe((second, 1))
            await rx.wait_connected()
            await tx.publish(Publication(second, b"x"))
            [message] = await take(rx, 1)
            assert message.topic == second


async def test_a_broker_that_does_not_answer_a_subscription_is_connected_to_again(
    own_broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a SUBACK in time the connection is given up; the subscription stands on the next one."""
    monkeypatch.setattr(connection_module, "CONNECT_TIMEOUT_S", 1.0)
    async with TcpProxy(own_broker.host, own_broker.port) as proxy:
        async with (
            Session(own_broker.address("monitor", proxy.port), SessionOptions("rx")) as rx,
            entered(own_broker, "gateway", SessionOptions("tx")) as tx,
            asyncio.timeout(DEADLINE_S),
        ):
            await rx.wait_connected()
            proxy.stall()
            await rx.subscribe((TOPIC, 1))
            await proxy.cut()
            await proxy.restore()
            await rx.wait_connected()
            await tx.publish(Publication(TOPIC, b"x"))
            assert (await take(rx, 1))[0].payload == b"x"
