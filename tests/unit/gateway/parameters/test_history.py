"""What each version of a layer changed, and which pins of an earlier one can't come back."""

from datetime import UTC, datetime
from typing import Any

from broker.contract.messages import MeterConfig
from gateway.desired.layers import Difference, Layer
from gateway.desired.spec_catalogue import Published, SpecCatalogue
from gateway.desired.store import StoredLayer
from gateway.parameters.history import faults_of_pins, with_changes

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def version(number: int, **parameters: Any) -> StoredLayer:
    return StoredLayer("fleet", number, Layer(parameters=parameters), "eva", None, NOW)


def pinned(**specs: str) -> Layer:
    return Layer(meters={key: MeterConfig(spec=ref) for key, ref in specs.items()})


def test_each_version_is_compared_with_the_one_before() -> None:
    """The first one with nothing."""
    found = with_changes([version(2, probation_s=60), version(1, raw_frames=True)])
    assert [one.stored.version for one in found] == [2, 1]
    assert found[0].changes == (Difference("probation_s", None, 60), Difference("raw_frames", True, None))
    assert found[1].changes == (Difference("raw_frames", None, True),)
    assert with_changes([]) == []


def test_a_pin_that_can_not_be_made_any_more_does_not_come_back() -> None:
    """Of a spec that is gone, deprecated or withdrawn; one that stands now as well is no new one."""
    known = {ref: Published(ref, 1, "", {}, None) for ref in ("a@1", "b@1", "c@1")}
    catalogue = SpecCatalogue(known, deprecated=frozenset({"b@1"}), withdrawn=frozenset({"c@1"}))
    layer = pinned(M1="a@1", M2="b@1", M3="c@1", M4="d@1", M5="b@1")
    found = faults_of_pins(layer, pinned(M5="b@1"), catalogue)
    assert [one.field for one in found] == ["meters.M2.spec", "meters.M3.spec", "meters.M4.spec"]
