"""What a device's configuration is made of: layers in their order, what is staged, versions, what software knows."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from broker.contract.messages import VERSION_CEILING, Desired
from gateway.desired.capabilities import refusals
from gateway.desired.layering import Layering, PlacedLayer
from gateway.desired.layers import FLEET, Layer
from gateway.desired.spec_catalogue import SpecCatalogue
from gateway.desired.state import DeviceState, device_state
from gateway.desired.store import StoredState
from gateway.fleet.groups import Group
from gateway.fleet.labels import parse_selector
from gateway.validation import KNOWN

AT = datetime(2026, 11, 29, tzinfo=UTC)
SPECS = SpecCatalogue({})
LABELS = {"device": "d1", "site": "north"}
ALL = [name for name in KNOWN if name != "log_level"]


def group(name: str, selector: str = "site=north", priority: int = 100) -> Group:
    return Group(name, parse_selector(selector), priority, 1, "eva", None, AT)


def layer(**parameters: Any) -> Layer:
    return Layer(parameters=parameters)


def state(layering: Layering | None = None, **changes: Any) -> DeviceState:
    values: dict[str, Any] = {
        "id": 1, "name": "d1", "desired": None, "reported_version": None, "reported_state": None, "layer": None,
        "labels": LABELS, "knows": None, "software": None, "software_version": None, "software_reported": None,
        **changes,
    }  # fmt: skip
    return device_state(StoredState(**values), layering or Layering((), {}, {}), (), {})


def test_groups_lie_over_the_fleet_and_the_device_over_all() -> None:
    """In the order that they come in; a group that the device does not belong to is not among them."""
    groups = (group("a"), group("south", "site=south"), group("b"))
    layers = {FLEET: layer(reading_interval_s=1.0), "group:b": layer(reading_interval_s=3.0)}
    made = state(Layering(groups, layers, {}), layer=layer(raw_frames=True))
    assert [placed.scope for placed in made.below] == [FLEET, "group:a", "group:b"]
    assert made.below[1].layer == Layer()
    assert (made.parameters().reading_interval_s, made.parameters().raw_frames) == (3.0, True)


def test_what_is_staged_for_a_device_takes_the_place_of_its_scope() -> None:
    """Of this device only, and where the scope's own layer lies."""
    staged = PlacedLayer(FLEET, layer(reading_interval_s=7.0), 4)
    layering = Layering((group("a"),), {FLEET: layer(reading_interval_s=1.0)}, {1: {FLEET: staged}})
    assert layering.below(1, LABELS)[0] == staged
    assert layering.below(2, LABELS)[0] == PlacedLayer(FLEET, layer(reading_interval_s=1.0))


def test_a_version_rises_over_all_that_the_device_had_in_force() -> None:
    """A refused version was never in force; one at the ceiling is nobody's but a joker's."""
    assert state().next_version() == 1
    assert state(desired=Desired(version=4)).next_version() == 5
    for reported in ("applied", "reverted"):
        ahead = state(desired=Desired(version=4), reported_version=9, reported_state=reported)
        assert (ahead.floor, ahead.next_version()) == (9, 10)
    assert state(reported_version=9, reported_state="refused").next_version() == 1
    assert state(reported_version=VERSION_CEILING, reported_state="applied").next_version() == 1


def test_a_configuration_is_renewed_where_its_content_changes() -> None:
    """Not for another author or time; and where the device is ahead, so that it takes what it is to have."""
    made = state(layer=layer(raw_frames=True))
    first = made.renewed(SPECS, "eva", AT)
    assert first is not None
    assert (first.version, first.author, first.at, first.parameters.raw_frames) == (1, "eva", AT, True)
    has = replace(made, desired=first)
    assert has.renewed(SPECS, "tom", AT + timedelta(days=1)) is None
    changed = replace(has, own=layer(raw_frames=False)).renewed(SPECS, "tom", AT)
    assert changed is not None
    assert (changed.version, changed.author) == (2, "tom")
    ahead = replace(has, floor=5).renewed(SPECS, "tom", AT)
    assert ahead is not None
    assert (ahead.version, ahead.parameters) == (6, first.parameters)


def test_what_is_left_out_for_its_software_is_in_its_configuration() -> None:
    """So that the device can say so; an update of its software renews it."""
    made = state(Layering((), {FLEET: layer(log_level="debug")}, {}), knows=ALL)
    first = made.renewed(SPECS, "eva", AT)
    assert first is not None
    assert first.not_supported == ("log_level",)
    second = replace(made, desired=first, knows=None).renewed(SPECS, "eva", AT)
    assert second is not None
    assert (second.not_supported, second.parameters.log_level) == (None, "debug")


def test_what_software_does_not_know_is_left_out() -> None:
    """Of what some layer sets; software that names nothing may know all."""
    layering = Layering((), {FLEET: layer(log_level="debug", raw_frames=True)}, {})
    made = state(layering, knows=ALL)
    assert (made.unsupported(), made.left_out()) == (("log_level",), ("log_level",))
    assert made.parameters().log_level != "debug"
    assert made.parameters().raw_frames
    assert state(knows=ALL).left_out() == ()
    for nothing in (None, [], "log_level", {}):
        assert state(layering, knows=nothing).left_out() == ()


def test_a_device_is_not_given_what_it_does_not_know() -> None:
    """It is refused by name for a layer of its own; what stood there before is no fault of this change."""
    made = state(knows=ALL)
    faults = refusals(made, layer(log_level="debug", raw_frames=True))
    assert [(one.field, one.reason) for one in faults] == [("log_level", "the software of d1 does not know it")]
    assert refusals(replace(made, own=layer(log_level="debug")), layer(log_level="debug")) == []
    assert refusals(state(), layer(log_level="debug")) == []
