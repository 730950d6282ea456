"""How the gateway tells its own publications from those of others."""

from collections import deque

import pytest

from broker.session import Session, SessionOptions
from broker.settings import BrokerAddress
from broker.topics import Topics
from gateway.metrics import Metrics
from gateway.publisher import Publisher


@pytest.fixture
def publisher() -> Publisher:
    session = Session(BrokerAddress(), SessionOptions("echo-test"))
    made = Publisher(session, None, Topics(), Metrics())  # type: ignore[arg-type]
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
    """A configuration that was marked again is no stranger's when its second echo comes."""
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
