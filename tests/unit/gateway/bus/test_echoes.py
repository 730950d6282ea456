"""How the gateway tells its own publications from those of others."""

from collections import deque
from typing import Any

import pytest

from broker.contract.topics import Topics
from broker.mqtt.session import Session, SessionOptions
from broker.runtime.settings import BrokerAddress
from gateway.bus.outbox import Outbox
from gateway.bus.publisher import Publisher
from gateway.desired.change import Configuration
from gateway.metrics import Metrics


@pytest.fixture
def publisher() -> Publisher:
    session = Session(BrokerAddress(), SessionOptions("echo-test"))
    pool: Any = None
    metrics = Metrics()
    made = Publisher(session, Outbox(pool, "echo-test", metrics), Topics(), metrics, Configuration(pool), 30)
    made._echoes["d1"] = deque([(1, "a"), (2, "b"), (3, "c")])
    return made


def test_each_echo_is_expected_once_and_in_order(publisher: Publisher) -> None:
    """A version that came back is not expected again, nor are those before it: whoever sends them is another."""
    assert publisher.is_echo("d1", 2, "b")
    assert not publisher.is_echo("d1", 2, "b")
    assert not publisher.is_echo("d1", 1, "a")
    assert publisher.is_echo("d1", 3, "c")
    assert not publisher.is_echo("d1", 3, "c")


def test_a_version_published_twice_comes_back_twice(publisher: Publisher) -> None:
    """A configuration that was published again is no stranger's when its second echo comes."""
    publisher._echoes["d1"] = deque([(1, "a"), (1, "a"), (2, "b")])
    assert publisher.is_echo("d1", 1, "a")
    assert publisher.is_echo("d1", 1, "a")
    assert not publisher.is_echo("d1", 1, "a")


def test_the_same_version_with_other_content_is_no_echo(publisher: Publisher) -> None:
    """Version and hash must both be ours, and the device's."""
    assert not publisher.is_echo("d1", 2, "x")
    assert not publisher.is_echo("d2", 2, "b")


def test_echoes_outlive_a_connection_only_with_the_session(publisher: Publisher) -> None:
    """Where the broker kept our session what it owes us still comes, else it never will."""
    publisher.forget_broker(session_present=True)
    assert publisher.is_echo("d1", 1, "a")
    publisher.forget_broker(session_present=False)
    assert not publisher.is_echo("d1", 2, "b")
