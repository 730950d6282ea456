"""Filters that a bridge may subscribe to, and whose a topic is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.errors import ContractError
from broker.mqtt.publication import subscription_id
from intake.bridge.filters import Claims, checked, matches, overlaps

LEVEL = st.sampled_from(["a", "b", "", "$x"])
TOPIC = st.lists(LEVEL, min_size=1, max_size=4).map("/".join)
FILTER = st.builds(
    lambda levels, deep: "/".join([*levels, *(["#"] if deep else [])]) or "a",
    st.lists(st.sampled_from(["a", "b", "", "+", "$x"]), max_size=4),
    st.booleans(),
)


@pytest.mark.parametrize("name", ["tele/+/SENSOR", "shellies/#", "+/events/rpc", "zigbee2mqtt/My meter", "a//b", "/x"])
def test_a_foreign_filter_may_be_subscribed_to(name: str) -> None:
    """As devices' documentation names them."""
    assert checked(name) == name


@pytest.mark.parametrize(
    "name",
    ["", "a/#/b", "a/b#", "a+/b", "x" * 2000, "a\0b", "$SYS/#", "$share/g/a", "#", "+/#", "+/+/#", "wattline/v1/#",
     "wattline/#", "wattline/v1/devices/+/readings", "+/v1/devices/x/status", "+/+/+/+/+"],
)  # fmt: skip
def test_what_would_take_more_than_foreign_messages_is_refused(name: str) -> None:
    """A foreign source never sees our own devices' messages."""
    with pytest.raises(ContractError):
        checked(name)


@given(FILTER, TOPIC)
def test_claims_say_what_filters_say(name: str, topic: str) -> None:
    """The tree and the comparison of one filter are the same rule."""
    assert Claims([("s", name)]).owners(topic) == (("s",) if matches(name, topic) else ())


@given(FILTER, FILTER, TOPIC)
def test_filters_that_share_a_topic_overlap(one: str, other: str, topic: str) -> None:
    """And the other way round."""
    if matches(one, topic) and matches(other, topic):
        assert overlaps(one, other)
        assert overlaps(other, one)


def test_each_source_is_named_once() -> None:
    """Whatever number of its filters covers the topic."""
    claims = Claims([("b", "x/#"), ("a", "x/+"), ("a", "x/y"), ("c", "x/z")])
    assert claims.owners("x/y") == ("a", "b")
    assert claims.owners("x") == ("b",)
    assert claims.owners("q") == ()


def test_of_several_copies_each_source_takes_one() -> None:
    """The one that came by the first of its filters; one that came by a filter of nobody is nobody's."""
    claims = Claims([("a", "x/+"), ("a", "x/#"), ("b", "x/y")])
    copies = [(subscription_id(name),) for name in ("x/#", "x/+", "x/y", "x/gone")]
    assert sorted(owner for copy in copies for owner in claims.owners("x/y", copy)) == ["a", "b"]
    assert claims.owners("x/y", (subscription_id("x/#"), subscription_id("x/+"), subscription_id("x/y"))) == ("a", "b")
    assert claims.owners("x/y", (subscription_id("x/gone"),)) == ()
