"""Mosquitto's access and limits, tried for real with a raw client."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from broker.contract.topics import DEVICE_WRITES, Kind, shared
from deploy.local.process import until
from tests.rigs.raw_mqtt import As, Raw, connected
from tests.rigs.servers import Broker

_DEADLINE_S = 60.0
_MARK = "end-of-test"


def _connected(broker: Broker, user: str, **settings: Any) -> AbstractAsyncContextManager[Raw]:
    password = settings.pop("password", broker.server.credentials.get(user))
    return connected(broker.host, broker.port, As(user, password=password, **settings))


async def _flushed(broker: Broker, gateway: Raw, watcher: Raw) -> None:
    """Wait until all that was published before has passed the broker: a last message, allowed for sure, has come."""
    mark = broker.topics.of(Kind.DESIRED, _MARK)
    await gateway.publish(mark)
    await until(lambda: mark in watcher.topics(), timeout_s=_DEADLINE_S)


async def test_device_writes_its_own_topics(broker: Broker) -> None:
    """Everything that the contract lets a device publish arrives at the ingestor."""
    await broker.add_device("pi-1")
    async with _connected(broker, "ingestor") as ingestor, _connected(broker, "pi-1") as device:
        await ingestor.subscribe(broker.topics.everything())
        topics = [broker.topics.of(kind, "pi-1") for kind in DEVICE_WRITES]
        for topic in topics:
            await device.publish(topic)
        await until(lambda: len(ingestor.received) == len(topics), timeout_s=_DEADLINE_S)
    assert sorted(ingestor.topics()) == sorted(topics)
    assert device.refusals == []


async def test_device_cannot_write_elsewhere(broker: Broker) -> None:
    """What a device publishes as another device, as the config service, or outside the contract never arrives."""
    await broker.add_devices("pi-1", "pi-2")
    topics = broker.topics
    forbidden = [
        *(topics.of(kind, "pi-2") for kind in DEVICE_WRITES),
        topics.of(Kind.DESIRED, "pi-1"),
        topics.of(Kind.DESIRED, "pi-2"),
        topics.command("pi-1", "restart"),
        topics.spec("lgz-e350", 1),
        f"{topics.root}/devices/pi-1/readings/more",
        f"{topics.root}/devices/pi-1",
        f"{topics.root}/anything",
        "wattline/v2/devices/pi-1/readings",
    ]
    async with (
        _connected(broker, "monitor") as monitor,
        _connected(broker, "gateway") as gateway,
        _connected(broker, "pi-1") as device,
    ):
        await monitor.subscribe(topics.everything())
        for topic in forbidden:
            await device.publish(topic)
        await _flushed(broker, gateway, monitor)
        assert monitor.topics() == [topics.of(Kind.DESIRED, _MARK)]
    # MQTT 5 3.4.2.1: the PUBACK says "not authorized", so an honest device learns of it.
    assert len(device.refusals) == len(forbidden)


async def test_device_reads_its_own_config_and_the_specs_only(broker: Broker) -> None:
    """A device is refused what is wider than its own config, commands, receipts and the specs, and gets only these."""
    await broker.add_devices("pi-1", "pi-2")
    topics = broker.topics
    allowed = [topics.of(Kind.DESIRED, "pi-1"), topics.command("pi-1", "restart"), topics.spec("lgz-e350", 1)]
    async with (
        _connected(broker, "gateway") as gateway,
        _connected(broker, "pi-2") as other,
        _connected(broker, "pi-1") as device,
    ):
        await gateway.publish(topics.of(Kind.DESIRED, "pi-2"), retain=True)
        wide = ("#", f"{topics.root}/devices/pi-2/#", shared("spies", topics.everything()))
        assert await device.subscribe(*wide) == [False] * 3
        own = (topics.of(Kind.DESIRED, "pi-1"), topics.commands_of("pi-1"), topics.all_specs())
        assert await device.subscribe(*own) == [True] * 3
        for kind in DEVICE_WRITES:
            await other.publish(topics.of(kind, "pi-2"))
        await gateway.publish(topics.command("pi-2", "restart"))
        for topic in allowed:
            await gateway.publish(topic)
        await until(lambda: set(allowed) <= set(device.topics()), timeout_s=_DEADLINE_S)
        assert set(device.topics()) == set(allowed)


async def test_shared_subscription_of_ingestors(broker: Broker) -> None:
    """An ingestor's shared subscription is judged by the messages' own topics, so it yields readings."""
    await broker.add_device("pi-1")
    readings = broker.topics.of(Kind.READINGS, "pi-1")
    async with _connected(broker, "ingestor") as ingestor, _connected(broker, "pi-1") as device:
        await ingestor.subscribe(shared("ingest", broker.topics.every(Kind.READINGS)))
        for _ in range(10):
            await device.publish(readings)
        await until(lambda: len(ingestor.received) == 10, timeout_s=_DEADLINE_S)


@pytest.mark.parametrize(
    ("role", "may_write"),
    [
        ("ingestor", set()),
        ("monitor", set()),
        ("engineer", {"desired", "spec"}),
        ("gateway", {"desired", "command", "spec"}),
    ],
)
async def test_roles_write_what_their_work_needs(broker: Broker, role: str, may_write: set[str]) -> None:
    """Only the gateway writes commands; engineers write desired configurations and specs; the others nothing."""
    topics = broker.topics
    tried = {
        "desired": topics.of(Kind.DESIRED, "pi-1"),
        "command": topics.command("pi-1", "restart"),
        "spec": topics.spec("lgz-e350", 1),
        "readings": topics.of(Kind.READINGS, "pi-1"),
    }
    async with _connected(broker, role) as user:
        for topic in tried.values():
            await user.publish(topic)
        await until(lambda: len(user.refusals) == len(tried) - len(may_write), timeout_s=_DEADLINE_S)
    async with _connected(broker, "monitor") as monitor, _connected(broker, role) as user:
        await monitor.subscribe(topics.everything())
        for topic in tried.values():
            await user.publish(topic)
        await until(lambda: len(monitor.received) >= len(may_write), timeout_s=_DEADLINE_S)
        assert set(monitor.topics()) == {tried[name] for name in may_write}


@pytest.mark.parametrize(("user", "password"), [("pi-1", "wrong"), ("nobody-known", "x"), ("ingestor", "")])
async def test_nobody_enters_without_the_password(broker: Broker, user: str, password: str) -> None:
    """A wrong, unknown or empty login is refused."""
    await broker.add_device("pi-1")
    with pytest.raises(PermissionError, match=r"(?i)not authorized|bad user name"):
        async with _connected(broker, user, password=password):
            pytest.fail("it was let in")


async def test_payload_beyond_the_contract_passes_the_broker(broker: Broker) -> None:
    """300 KiB are too much for the contract, yet reach the ingestor, whose quarantine shall have them."""
    await broker.add_device("pi-1")
    async with _connected(broker, "ingestor") as ingestor, _connected(broker, "pi-1") as device:
        await ingestor.subscribe(broker.topics.everything())
        await device.publish(broker.topics.of(Kind.READINGS, "pi-1"), b"x" * 300 * 1024)
        await until(lambda: bool(ingestor.received), timeout_s=_DEADLINE_S)
    assert len(ingestor.received[0][1]) == 300 * 1024


async def test_receive_maximum_of_the_ingestor_is_the_bound(broker: Broker) -> None:
    """Unacked messages are in flight up to the client's own receive maximum, and not fewer or more."""
    await broker.add_device("pi-1")
    async with (
        _connected(broker, "ingestor", manual_ack=True, receive_maximum=5000) as ingestor,
        _connected(broker, "pi-1") as device,
    ):
        await ingestor.subscribe(broker.topics.everything())
        topic = broker.topics.of(Kind.READINGS, "pi-1")
        last: Callable[[], bool] = lambda: False  # noqa: E731  (replaced by the last publish's own)
        for _ in range(5100):
            last = device.client.publish(topic, b"{}", qos=1).is_published
        await until(last, timeout_s=_DEADLINE_S)
        await until(lambda: len(ingestor.received) == 5000, timeout_s=_DEADLINE_S)
        # A message of QoS 0 is not held back, so what came before it is all that will come.
        ingestor.client.subscribe("$SYS/broker/uptime")
        await until(lambda: any(topic.startswith("$SYS") for topic in ingestor.topics()), timeout_s=_DEADLINE_S)
        assert sum(not topic.startswith("$SYS") for topic in ingestor.topics()) == 5000


async def test_retained_messages_survive_a_clean_restart(own_broker: Broker) -> None:
    """Persistence is on: a desired configuration is still there after the broker was restarted."""
    desired = own_broker.topics.of(Kind.DESIRED, "pi-1")
    async with _connected(own_broker, "gateway") as gateway:
        await gateway.publish(desired, b'{"version":7}', retain=True)
    await own_broker.server.restart()
    async with _connected(own_broker, "engineer") as engineer:
        await engineer.subscribe(desired)
        await until(lambda: bool(engineer.received), timeout_s=_DEADLINE_S)
    assert engineer.received == [(desired, b'{"version":7}')]


async def test_user_added_while_it_runs(own_broker: Broker) -> None:
    """A device is let in without a restart, and those who are connected stay so."""
    async with _connected(own_broker, "ingestor") as ingestor:
        await ingestor.subscribe(own_broker.topics.everything())
        await own_broker.add_device("pi-9")
        async with _connected(own_broker, "pi-9") as device:
            await device.publish(own_broker.topics.of(Kind.STATUS, "pi-9"))
        await until(lambda: len(ingestor.received) == 1, timeout_s=_DEADLINE_S)
