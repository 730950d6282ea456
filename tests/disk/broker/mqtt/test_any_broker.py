"""The MQTT session at brokers that say what Mosquitto does not, each as MQTT 5 allows it."""

import asyncio
import contextlib
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from paho.mqtt.enums import MQTTErrorCode

from broker.mqtt import session as session_module
from broker.mqtt.paho_client import Client as PahoClient
from broker.mqtt.session import Publication, RefusedError, Session, SessionOptions
from broker.runtime.settings import BrokerAddress
from tests.rigs.scripted_broker import (
    AUTH,
    DISCONNECT,
    PINGREQ,
    PUBACK,
    PUBLISH,
    SUBSCRIBE,
    UNSUBSCRIBE,
    Client,
    Packet,
    ScriptedBroker,
    scripted,
)
from tests.rigs.waiting import stays, until

DEADLINE_S = 20.0
WIDE = (("some/#", 1),)
SHARE = (("$share/group/some/topic", 1),)


@contextlib.asynccontextmanager
async def entered(broker: ScriptedBroker, **options: Any) -> AsyncIterator[Session]:
    async with Session(broker.address, SessionOptions("c1", **options)) as session, asyncio.timeout(DEADLINE_S):
        await session.wait_connected()
        yield session


async def test_a_receive_maximum_bounds_what_travels() -> None:
    """A CONNACK with ReceiveMaximum, as EMQX, HiveMQ and RMQTT send it, is kept to; the rest waits its turn."""
    async with scripted() as broker:
        broker.connack = {"ReceiveMaximum": 2}
        broker.puback = lambda _packet: None
        async with entered(broker, in_flight=10) as session:
            sent = [session.send(Publication("a", b"%d" % number)) for number in range(5)]
            first = await broker.came(PUBLISH, 2)
            session.post("a", b"something later")
            await broker.came(PUBLISH, 3)
            assert [packet.qos for packet in broker.last.of(PUBLISH)] == [1, 1, 0]
            broker.puback = lambda _packet: 0
            broker._answer(broker.last, first[0])
            await broker.came(PUBLISH, 4)
            assert await sent[0] == 0
            broker._answer(broker.last, first[1])
            assert await asyncio.gather(*sent) == [0] * 5


@pytest.mark.parametrize("topic_bytes", [1, 200])
@pytest.mark.parametrize("correlation", [None, b"12345678"])
async def test_a_message_that_is_too_large_is_told_and_never_sent(topic_bytes: int, correlation: bytes | None) -> None:
    """Up to the broker's maximum packet size all is sent, to the octet; what is larger fails as 0x95 at once."""
    topic = "t" * topic_bytes

    def of(size: int) -> Publication:
        return Publication(topic, b"x" * size, correlation=correlation, qos=1)

    async with scripted() as broker, entered(broker) as session:
        await session.send(of(300))
    size = broker.last.of(PUBLISH)[0].size
    async with scripted() as broker:
        broker.connack = {"MaximumPacketSize": size}
        async with entered(broker) as session:
            assert await session.send(of(300)) == 0
            with pytest.raises(RefusedError, match=f"{size} bytes at most, and this one has {size + 1}") as refused:
                await session.send(of(301))
            assert refused.value.code == 0x95
            assert not session.post(topic, b"x" * size)
            assert session.post(topic, b"small")
            await broker.came(PUBLISH, 2)
            assert session.connected


@pytest.mark.parametrize(
    ("grants", "options", "told"),
    [
        ({"MaximumQoS": 0}, {}, "has no QoS 1"),
        ({"RetainAvailable": 0}, {}, "retains no messages"),
        ({"WildcardSubscriptionAvailable": 0}, {"subscriptions": WIDE}, "has no wildcard subscriptions, and some/# "),
        (
            {"SharedSubscriptionAvailable": 0},
            {"subscriptions": SHARE},
            "has no shared subscriptions, and .share/group/",
        ),
    ],
)
async def test_a_broker_that_lacks_what_is_needed_is_named(
    grants: dict[str, int], options: dict[str, Any], told: str
) -> None:
    """The session refuses to run at a broker whose CONNACK says that it can't do the work, and says so properly."""
    async with scripted() as broker:
        broker.connack = grants
        async with Session(broker.address, SessionOptions("c1", **options)) as session:
            with pytest.raises(RefusedError, match=f"broker 127.0.0.1:{broker.port} {told}"):
                async with asyncio.timeout(DEADLINE_S):
                    await session.wait_connected()
        await broker.came(DISCONNECT)
        assert not broker.last.of(SUBSCRIBE)


async def test_what_is_not_needed_is_not_missed() -> None:
    """Without wildcards, shared subscriptions or identifiers a session that wants none of them runs."""
    async with scripted() as broker:
        broker.connack = {
            "MaximumQoS": 1,
            "WildcardSubscriptionAvailable": 0,
            "SharedSubscriptionAvailable": 0,
            "SubscriptionIdentifierAvailable": 0,
            "TopicAliasMaximum": 0,
            "ResponseInformation": "unasked",
            "UserProperty": ("a", "b"),
        }
        async with entered(broker, subscriptions=(("a/b", 1),)) as session:
            assert await session.publish(Publication("a", b"x")) == 0


@pytest.mark.parametrize(("server_s", "pings"), [(1, True), (None, False), (0, False)])
async def test_the_servers_keep_alive_is_kept(server_s: int | None, pings: bool) -> None:
    """A shorter keep-alive of the broker takes the place of ours; one of 0 does not end our own watch."""
    async with scripted() as broker:
        broker.connack = {} if server_s is None else {"ServerKeepAlive": server_s}
        async with entered(broker, keepalive_s=30) as session:
            assert session._connection is not None
            assert session._connection.client._keepalive == (1 if pings else 30)
            if pings:
                await broker.came(PINGREQ)


async def test_a_broker_that_keeps_the_session_shorter_is_told_of_once() -> None:
    """What the broker grants less of than was asked is a warning, not repeated with each connection."""
    with structlog.testing.capture_logs() as lines:
        async with scripted() as broker:
            broker.connack = {"SessionExpiryInterval": 7200, "ReceiveMaximum": 16, "AssignedClientIdentifier": "other"}
            async with entered(broker, clean_start=False, session_expiry_s=604800, in_flight=100) as session:
                broker.last.writer.close()
                await until(lambda: session.connections == 2)
    [told] = [line for line in lines if line["event"] == "broker_grants_less"]
    assert (told["session_kept_s"], told["session_wanted_s"]) == (7200, 604800)
    assert (told["in_flight"], told["in_flight_wanted"]) == (16, 100)
    assert told["client_id_given"] == "other"


@pytest.mark.parametrize(
    ("code", "properties", "told"),
    [
        (0x85, {}, "refuses client 'c1'.*give it another client id"),
        (0x87, {"ReasonString": "not you"}, "refuses user 'someone'.*not you.*BROKER__PASSWORD"),
        (0x9B, {}, "QoS 1"),
        (0x9D, {"ServerReference": "elsewhere:1883"}, "it names elsewhere:1883.*BROKER__HOST"),
        (0x01, {}, "MQTT 5"),
    ],
)
async def test_a_refusal_for_good_says_what_to_do(code: int, properties: dict[str, str], told: str) -> None:
    """CONNACK codes that waiting won't heal end the session with the broker's words and what to do."""
    async with scripted() as broker:
        broker.connack_code, broker.connack = code, properties
        async with Session(broker.address, SessionOptions("c1")) as session:
            with pytest.raises(RefusedError, match=told):
                async with asyncio.timeout(DEADLINE_S):
                    await session.wait_connected()


@pytest.mark.parametrize("code", [0x80, 0x88, 0x89, 0x97, 0x9C, 0x9F])
async def test_a_refusal_for_now_is_waited_out(code: int) -> None:
    """A broker that is busy, over its quota or sends us elsewhere is tried again, and its words are told."""
    async with scripted() as broker:
        broker.connack_code, broker.connack = code, {"ReasonString": "in a while"}
        async with Session(broker.address, SessionOptions("c1")) as session, asyncio.timeout(DEADLINE_S):
            await until(lambda: "in a while" in session.last_error)
            assert "BROKER__PASSWORD" not in session.last_error
            broker.connack_code, broker.connack = 0, {}
            await session.wait_connected()


async def test_a_disconnect_is_told_with_its_reason() -> None:
    """Why the broker ended a connection is known, in its own words."""
    async with scripted() as broker, entered(broker) as session:
        broker.last.end(0x98, ReasonString="moving you")
        await until(lambda: session.connections == 2 or "moving you" in session.last_error)


async def test_a_quota_is_waited_for_and_a_missing_right_is_not() -> None:
    """PUBACK 0x97 is tried again and ends well; 0x87 is an error with the broker's words."""
    async with scripted() as broker, entered(broker) as session:
        codes = iter([0x97, 0x83, 0x10])
        broker.puback = lambda _packet: next(codes)
        assert await session.publish(Publication("a", b"x")) == 0x10
        broker.puback, broker.puback_says = lambda _packet: 0x87, {"ReasonString": "no"}
        with pytest.raises(RefusedError, match=r"publish refused: Not authorized \(no\)"):
            await session.publish(Publication("a", b"x"))


async def test_an_unasked_auth_ends_the_connection_properly() -> None:
    """AUTH without a method of ours is a protocol error: it is told to both sides, and the session goes on anew."""
    async with scripted() as broker, entered(broker) as session:
        before = broker.last
        before.say(AUTH, b"\x18\0")
        await until(lambda: session.connections == 2)
        assert [packet.body for packet in before.of(DISCONNECT)] == [b"\x82"]


@pytest.mark.parametrize(("kind", "body"), [(PUBLISH, b"\0\x09short"), (PUBACK, b"\0\1\x55"), (0, b"")])
async def test_a_malformed_packet_ends_the_connection_only(kind: int, body: bytes) -> None:
    """What can't be read costs the connection; the session makes a new one."""
    async with scripted() as broker, entered(broker) as session:
        broker.last.say(kind, body, 2 if kind == PUBLISH else 0)
        await until(lambda: session.connections == 2)


async def test_optional_filters_may_be_refused() -> None:
    """$SYS is taken where it is given and done without elsewhere, which is told once; the other filters stand."""
    with structlog.testing.capture_logs() as lines:
        async with scripted() as broker:
            broker.suback = lambda name, qos: 0x87 if name.startswith("$SYS/x") else qos
            async with entered(broker, subscriptions=WIDE, optional=(("$SYS/x", 0), ("$SYS/y", 0))) as session:
                broker.last.writer.close()
                await until(lambda: session.connections == 2)
                asked = [[packet.filters[0][0] for packet in client.of(SUBSCRIBE)] for client in broker.clients]
                assert asked == [["$SYS/x", "$SYS/y", "some/#"]] * 2
    assert [line["filter"] for line in lines if line["event"] == "subscription_done_without"] == ["$SYS/x"]


async def test_what_is_dropped_for_want_of_room_is_counted_and_told_once_a_connection() -> None:
    """Messages of QoS 0 that nobody takes: the log says so, and is not flooded by them."""
    with structlog.testing.capture_logs() as lines:
        async with scripted() as broker, entered(broker, receive_maximum=2) as session:
            for _ in range(5):
                broker.last.say(PUBLISH, b"\0\1a\0x")
            await until(lambda: session.dropped_qos0 == 3)
            assert session.waiting == 2
    assert [line["waiting"] for line in lines if line["event"] == "qos0_messages_dropped"] == [2]


async def test_what_was_refused_is_asked_for_again_on_the_same_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that was busy, or whose rights were changed, gives it later: a connection may stand for weeks."""
    monkeypatch.setattr(session_module, "RESUBSCRIBE_S", 0.1)
    monkeypatch.setattr(session_module, "RESUBSCRIBE_CAP_S", 0.1)
    with structlog.testing.capture_logs() as lines:
        async with scripted() as broker:
            broker.suback = lambda name, qos: qos if name == "some/#" else 0x87 if name == "late" else 0x97
            async with entered(
                broker, subscriptions=WIDE, optional=(("$SYS/x", 0),), refusal_is_fatal=False
            ) as session:
                await session.subscribe(("late", 1), ("gone", 1))
                await session.unsubscribe("gone")
                await until(lambda: [packet.filters[0][0] for packet in broker.last.of(SUBSCRIBE)].count("late") >= 1)
                broker.suback = lambda _name, qos: qos
                asked = len(broker.last.of(SUBSCRIBE))
                await until(lambda: len(broker.last.of(SUBSCRIBE)) >= asked + 2)
                assert {packet.filters[0][0] for packet in broker.last.of(SUBSCRIBE)[asked:]} == {"$SYS/x", "late"}
                granted = ["$SYS/x", "late"]
                await until(
                    lambda: [one["filter"] for one in lines if one["event"] == "subscription_granted"] == granted
                )
                assert session.connections == 1


async def test_optional_filters_that_cost_the_connection_are_left() -> None:
    """A broker that hangs up over a filter does so twice; then the session does without it."""

    def hang_up(client: Client, packet: Packet) -> bool:
        if packet.kind == SUBSCRIBE and packet.filters[0][0].startswith("$SYS"):
            client.end(0x87)
            return True
        return False

    async with scripted() as broker:
        broker.on_packet = hang_up
        async with entered(broker, subscriptions=WIDE, optional=(("$SYS/x", 0),)) as session:
            assert (session.connections, len(broker.clients)) == (1, 3)


@pytest.mark.parametrize(("code", "told"), [(0x87, "Not authorized"), (0xA2, "Wildcard"), (0, "in place of QoS 1")])
async def test_a_refused_filter_is_named(code: int, told: str) -> None:
    """Of several filters the refused one is named with its reason; a lower QoS than was asked is a refusal, too."""
    async with scripted() as broker:
        broker.suback = lambda name, qos: code if name == "b/#" else qos
        async with Session(broker.address, SessionOptions("c1", subscriptions=(("a", 1), ("b/#", 1)))) as session:
            with pytest.raises(RefusedError, match=f"subscription to b/#: .*{told}") as refused:
                async with asyncio.timeout(DEADLINE_S):
                    await session.wait_connected()
            assert refused.value.code >= 0x80


@pytest.mark.parametrize("fatal", [True, False])
async def test_a_filter_added_later_may_be_refused(fatal: bool) -> None:
    """It costs a service an error, and an agent only that filter, which it asks for again with each connection."""
    async with scripted() as broker, entered(broker, subscriptions=WIDE, refusal_is_fatal=fatal) as session:
        broker.suback = lambda name, qos: 0x87 if name == "b" else qos
        if fatal:
            with pytest.raises(RefusedError, match="subscription to b"):
                await session.subscribe(("b", 1))
        else:
            await session.subscribe(("b", 1))
        for connections in (2, 3):
            broker.last.writer.close()
            await until(lambda connections=connections: session.connections == connections)
            asked = [name for packet in broker.last.of(SUBSCRIBE) for name, _ in packet.filters]
            assert asked == (["some/#"] if fatal else ["b", "some/#"])


async def test_a_filter_that_is_refused_without_a_reason_is_asked_for_again() -> None:
    """SUBACK 0x80 says nothing that would hold for good, so it does not end the service."""
    async with scripted() as broker:
        codes = iter([0x80, 1])
        broker.suback = lambda _name, _qos: next(codes)
        async with entered(broker, subscriptions=WIDE) as session:
            assert session.connections == 1
            assert len(broker.clients) == 2


async def test_messages_before_the_suback_are_taken() -> None:
    """What a session holds may come right behind the CONNACK, or before it is asked for."""

    def early(client: Client, packet: Packet) -> bool:
        if packet.kind == SUBSCRIBE:
            client.publish("some/topic", b"early")
        return False

    async with scripted() as broker:
        broker.on_packet, broker.session_present = early, True
        async with entered(broker, clean_start=False, session_expiry_s=60, subscriptions=WIDE) as session:
            [message] = await session.receive()
            assert message.payload == b"early"
            message.ack()
            await broker.came(PUBACK)


@pytest.mark.parametrize("kept_s", [0, 60])
async def test_what_no_broker_gives_again_is_kept(kept_s: int) -> None:
    """What waits to be taken outlives the connection where the session does not, for nobody sends it again."""
    async with scripted() as broker:
        async with entered(broker, clean_start=False, session_expiry_s=kept_s, receive_maximum=5) as session:
            for number in range(3):
                broker.last.publish("some/topic", b"%d" % number, packet_id=number + 1)
            await until(lambda: session.waiting == 3)
            broker.last.writer.close()
            await until(lambda: session.connections == 2)
            assert session.waiting == (0 if kept_s else 3)


async def test_a_broker_that_ignores_our_receive_maximum_is_left() -> None:
    """Memory stays bounded though the broker sends without end what we don't acknowledge."""
    async with scripted() as broker, entered(broker, receive_maximum=5, session_expiry_s=60) as session:
        flooded = broker.last
        for number in range(100):
            flooded.publish("some/topic", b"x", packet_id=number + 1)
        await until(lambda: session.connections == 2)
        assert session.waiting <= 15


async def test_a_filter_is_taken_back() -> None:
    """Unsubscribing waits for the answer, and the filter is not subscribed again on the next connection."""
    async with scripted() as broker, entered(broker, subscriptions=(("a", 1), ("b", 1))) as session:
        await session.unsubscribe("a")
        assert len(broker.last.of(UNSUBSCRIBE)) == 1
        broker.last.writer.close()
        await until(lambda: session.connections == 2)
        assert broker.last.of(SUBSCRIBE)[0].filters == [("b", 1)]


async def test_a_broker_that_flaps_is_found_again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """After many short outages the pauses are as after the first; a broker that sends us away gets ever longer ones."""
    pauses: list[float] = []
    monkeypatch.setattr("broker.backoff.random.uniform", lambda _low, high: pauses.append(high) or 0.0)
    async with scripted() as broker, entered(broker) as session:
        for number in range(2, 5):
            # long enough for one doubling to be taken back
            await asyncio.sleep(1.05)
            broker.last.writer.close()
            await until(lambda number=number: session.connections == number)
        assert max(pauses) <= 1.0
        pauses.clear()
        for number in range(5, 11):
            broker.last.end(0x97)
            await until(lambda number=number: session.connections == number)
        assert max(pauses) >= 8.0


async def test_leaving_passes_its_callers_cancellation_on() -> None:
    """Who is cancelled while it leaves a session is cancelled, and does not go on as if nothing had been."""
    went_on = False
    async with scripted() as broker:

        async def use() -> None:
            nonlocal went_on
            async with Session(broker.address, SessionOptions("c1")) as session:
                await session.wait_connected()
                # runs once leaving has begun, for until then nobody else has a turn
                asyncio.get_running_loop().call_soon(user.cancel)
            went_on = True

        user = asyncio.ensure_future(use())
        async with asyncio.timeout(DEADLINE_S):
            await asyncio.wait({user})
        assert user.cancelled()
        assert not went_on
        await broker.came(DISCONNECT)


@pytest.fixture
async def certificate(tmp_path: Path) -> Path:
    """A certificate of 127.0.0.1 that is its own authority; its key lies beside it."""
    made = tmp_path / "certificate.pem"
    make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    subject = [
        "-subj",
        "/CN=broker.example",
        "-addext",
        "subjectAltName=IP:127.0.0.1",
        "-keyout",
        str(tmp_path / "key.pem"),
    ]
    await asyncio.to_thread(
        subprocess.run, [*make, *subject, "-out", str(made)], check=True, capture_output=True, timeout=60
    )
    return made


async def test_over_tls_all_is_the_same(certificate: Path) -> None:
    """Messages travel both ways over TLS, and a broker with another's certificate is not talked to."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    shown = ssl.PEM_cert_to_DER_cert(await asyncio.to_thread(certificate.read_text))
    async with scripted(context) as broker, asyncio.timeout(DEADLINE_S):
        trusted = broker.address.model_copy(update={"tls_ca": certificate})
        async with Session(trusted, SessionOptions("c1", subscriptions=WIDE)) as session:
            await session.wait_connected()
            assert session.certificate == shown
            payload = bytes(range(256)) * 1000
            assert await session.publish(Publication("a", payload)) == 0
            assert broker.last.of(PUBLISH)[0].body.endswith(payload)
            broker.last.publish("some/topic", payload)
            assert (await session.receive())[0].payload == payload
        for elsewhere in ({"host": "localhost"}, {"tls_ca": Path(ssl.get_default_verify_paths().cafile or "")}):
            async with Session(trusted.model_copy(update=elsewhere), SessionOptions("c2")) as session:
                await until(lambda session=session: "certificate verify failed" in session.last_error)


async def test_over_tls_many_messages_are_read_at_once(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record of TLS for each message does not cost a reading of its own, and what came before the end is taken."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    readings = 0
    read = PahoClient.loop_read

    def counted(client: PahoClient) -> MQTTErrorCode:
        nonlocal readings
        readings += 1
        return read(client)

    monkeypatch.setattr(PahoClient, "loop_read", counted)
    async with scripted(context) as broker, asyncio.timeout(DEADLINE_S):
        trusted = broker.address.model_copy(update={"tls_ca": certificate})
        async with Session(trusted, SessionOptions("c1", subscriptions=WIDE)) as session:
            await session.wait_connected()
            for number in range(1, 2001):
                broker.last.publish("some/topic", b"%d" % number, number)
            broker.last.end(0x8B)
            got = []
            while len(got) < 2000:
                got += await session.receive(2000)
    assert [message.payload for message in got] == [b"%d" % number for number in range(1, 2001)]
    assert readings < 200


async def test_a_plain_message_that_comes_alone_is_none_of_paho_s(monkeypatch: pytest.MonkeyPatch) -> None:
    """Paho's own reading of a message costs ten times as much: no rate is low enough for it."""

    def read(_client: PahoClient) -> MQTTErrorCode:
        raise AssertionError("paho reads a plain PUBLISH")

    monkeypatch.setattr(PahoClient, "_handle_publish", read)
    async with scripted() as broker, entered(broker, subscriptions=WIDE) as session:
        for number in range(1, 6):
            broker.last.publish("some/topic", b"%d" % number, number)
            assert [message.payload for message in await session.receive()] == [b"%d" % number]
        assert session.connections == 1


async def test_messages_are_read_in_lots_where_that_is_wanted() -> None:
    """The first one at once, what follows it after a while and together; after silence it is as before."""
    async with scripted() as broker, entered(broker, subscriptions=WIDE, gather_s=0.8) as session:
        for _ in range(2):
            broker.last.publish("some/topic", b"first", 1)
            assert [message.payload for message in await session.receive(9)] == [b"first"]
            broker.last.publish("some/topic", b"second", 2)
            await stays(lambda: session.waiting == 0, 0.3, "it is left to gather")
            broker.last.publish("some/topic", b"third", 3)
            assert [message.payload for message in await session.receive(9)] == [b"second", b"third"]
            await stays(lambda: session.waiting == 0, 1, "nothing more comes")
        broker.last.writer.close()
        await until(lambda: session.connections == 2)


async def test_a_connect_that_is_given_up_leaves_no_socket(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A session that is left in the middle of a TLS handshake hangs up at once, and not when that times out."""
    monkeypatch.setattr("broker.mqtt.connection.CONNECT_TIMEOUT_S", 4 * DEADLINE_S)
    came, hung_up = asyncio.Event(), asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(4096):
            came.set()
        hung_up.set()
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server, asyncio.timeout(DEADLINE_S):
        address = BrokerAddress(port=server.sockets[0].getsockname()[1], tls_ca=certificate)
        async with Session(address, SessionOptions("c1")):
            await came.wait()
        await hung_up.wait()
