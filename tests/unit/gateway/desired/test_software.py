"""Which software a device is to run: what its layers say together, and when that is a new version."""

from datetime import UTC, datetime
from typing import Any

from broker.contract.messages import VERSION_CEILING, VERSION_MAX, Parameters
from broker.contract.software import SoftwareDesired
from gateway.desired.layers import Layer, compose, effective, faults_of_whole, software
from gateway.desired.software import reissued, renewed
from gateway.desired.state import DeviceState

AT = datetime(2026, 11, 29, tzinfo=UTC)
SOURCE = "https://releases.test/wattline"
WANTED = {"software_release": "0.3.0", "software_source": SOURCE}


def layer(**parameters: Any) -> Layer:
    return Layer(parameters=parameters)


def state(own: Layer, **changes: Any) -> DeviceState:
    values: dict[str, Any] = {"id": 1, "name": "d1", "below": (), "meters": (), "desired": None, "floor": 0}
    return DeviceState(**{**values, "own": own, **changes})


def test_layers_say_together_which_release_and_where_it_is() -> None:
    """The fleet names the source, a group the release; an empty release in an upper layer means none."""
    layers = [layer(software_source=SOURCE, software_probation_s=60), layer(software_release="0.3.0")]
    found = software(layers)
    assert found is not None
    assert (found.software_release, found.software_source, found.software_probation_s) == ("0.3.0", SOURCE, 60)
    assert software(layers[:1]) is None
    assert software(layers[1:]) is None
    assert software([*layers, layer(software_release="")]) is None
    assert effective(layers).software_release == "0.3.0"


def test_what_agents_obey_does_not_know_of_it() -> None:
    """Agents of before would refuse a configuration with names that they don't know, and its hash must stay."""
    assert compose([layer(**WANTED)]) == Parameters()


def test_what_a_stored_layer_says_wrongly_is_passed_over() -> None:
    """A document that once was valid must not stop the fleet's updates."""
    found = software([layer(**WANTED, software_memory_limit_mib=1)])
    assert found is not None
    assert found.software_memory_limit_mib == 128


def test_a_release_needs_a_source() -> None:
    """In the layer itself or below it; who changes another parameter is not told of it."""
    [fault] = faults_of_whole([layer(software_release="0.3.0")], ["software_release"])
    assert fault.field == "software_source"
    assert "0.3.0" in fault.reason
    assert faults_of_whole([layer(software_source=SOURCE), layer(software_release="0.3.0")], ["software_release"]) == []
    assert faults_of_whole([layer(software_release="0.3.0")], ["log_level"]) == []
    assert [one.field for one in faults_of_whole([layer(software_release="newest")], ["software_release"])] == [
        "software_release"
    ]


def test_a_version_rises_where_the_content_changes() -> None:
    """Not for another author or time; to nothing and back, each is a version of its own."""
    first = renewed(state(layer(**WANTED)), "eva", AT)
    assert first is not None
    assert first.after == SoftwareDesired(version=1, release="0.3.0", source=SOURCE, author="eva", at=AT)
    assert first.installs
    has = {"software": first.after, "software_version": 1}
    assert renewed(state(layer(**WANTED), **has), "kim", AT) is None
    longer = renewed(state(layer(**WANTED, software_probation_s=60), **has), "kim", AT)
    assert longer is not None
    assert (longer.version, longer.installs) == (2, False)
    gone = renewed(state(layer(), **has), "kim", AT)
    assert gone is not None
    assert (gone.version, gone.after, gone.installs) == (2, None, False)
    assert renewed(state(layer(), software_version=2), "kim", AT) is None
    again = renewed(state(layer(**WANTED), software_version=2), "kim", AT)
    assert again is not None
    assert (again.version, again.installs) == (3, True)


def test_a_device_that_is_ahead_is_overtaken() -> None:
    """As after a backup was restored: its updater takes no version at or below the one that it knows."""
    has = {"software": SoftwareDesired(version=3, release="0.3.0", source=SOURCE), "software_version": 3}
    ahead = renewed(state(layer(**WANTED), **has, software_floor=9), "eva", AT)
    assert ahead is not None
    assert (ahead.version, ahead.installs) == (10, False)
    assert renewed(state(layer(), software_floor=9), "eva", AT) is None


def test_a_device_tries_again_by_another_version() -> None:
    """The same release from the same place, by whoever says so; what is not desired can't be tried."""
    has = {"software": SoftwareDesired(version=3, release="0.3.0", source=SOURCE), "software_version": 3}
    again = reissued(state(layer(**WANTED), **has), "kim", AT)
    assert again is not None
    assert again.after == SoftwareDesired(version=4, release="0.3.0", source=SOURCE, author="kim", at=AT, again=True)
    assert not again.installs
    assert reissued(state(layer(), software_version=3), "kim", AT) is None


def test_versions_end_without_harm() -> None:
    """One who drives its own version to the end gets no more, and stops nobody else's."""
    last = SoftwareDesired(version=VERSION_MAX, release="0.2.0", source=SOURCE)
    found = renewed(state(layer(**WANTED), software=last, software_version=VERSION_MAX), "eva", AT)
    assert found is not None
    assert found.version == VERSION_MAX
    assert state(layer(), desired=None, floor=VERSION_CEILING - 1).next_version() == VERSION_CEILING
