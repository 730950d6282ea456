"""The shipped mappings of other people's devices: each gives what its goldens say, and can be subscribed to."""

import pytest

from broker.errors import ContractError
from broker.mosquitto.rights import FOREIGN_ROOTS
from intake.bridge.filters import checked, matches
from meters.mappings.apply import map_payload
from meters.mappings.catalogue import Shipped, catalogue, named
from meters.mappings.load import check, payload_of


@pytest.mark.parametrize("shipped", catalogue(), ids=lambda one: one.name)
def test_a_shipped_mapping_gives_what_its_goldens_say(shipped: Shipped) -> None:
    """Each has goldens by topic, with readings and with what is no reading of it."""
    mapping = shipped.mapping
    assert [str(one) for one in check(mapping)] == []
    assert any(golden.readings for golden in mapping.goldens)
    assert all(golden.topic for golden in mapping.goldens)
    # what is no reading is told to be of no concern: it would be kept for a mapping that never comes
    for golden in mapping.goldens:
        assert golden.refused or not map_payload(mapping, payload_of(golden)).gives_nothing, golden.name
    assert mapping.title
    assert mapping.notes


@pytest.mark.parametrize("shipped", catalogue(), ids=lambda one: one.name)
def test_a_bridge_may_subscribe_to_its_topics(shipped: Shipped) -> None:
    """At our own broker, too: its role there may read them, and a foreign device may write them."""
    assert shipped.filters
    for name in shipped.filters:
        checked(name)
        example = name.replace("+", "x")
        assert any(matches(root, example) for root in FOREIGN_ROOTS), name


def test_a_mapping_is_found_by_its_name() -> None:
    """And a name that there is not is answered with those that there are."""
    assert named("tasmota-energy").mapping.title.startswith("Tasmota")
    with pytest.raises(ContractError, match="zigbee2mqtt"):
        named("tasmota")
