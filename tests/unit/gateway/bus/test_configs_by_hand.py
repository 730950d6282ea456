"""Which messages by hand are adopted, as what, and which are refused by which field."""

import json
from dataclasses import replace
from typing import Any

import pytest

from broker.contract.messages import Desired, MeterConfig
from broker.errors import ContractError
from gateway.bus.configs_by_hand import consider
from gateway.desired.layering import PlacedLayer
from gateway.desired.layers import FLEET, Layer
from gateway.desired.spec_catalogue import Published, SpecCatalogue
from gateway.desired.state import DeviceState
from gateway.fleet.meters import KnownMeter
from meters.specs.catalogue import catalogue
from meters.specs.spec import digest, spec_document

CATALOGUE = SpecCatalogue(
    {one.ref: Published(one.name, one.version, digest(one), spec_document(one), one) for one in catalogue()}
)
GENERIC = next(ref for ref in CATALOGUE.specs if ref.startswith("generic-p1@"))
OTHER = next(ref for ref in CATALOGUE.specs if not ref.startswith("generic"))
METER = KnownMeter(key="LGZ:1", protocol="p1", port="/dev/ttyUSB0")


def state(own: Layer | None = None, fleet: Layer | None = None) -> DeviceState:
    below = (PlacedLayer(FLEET, fleet or Layer()),)
    draft = DeviceState(1, "d1", below, own or Layer(), (METER,), None, 0)
    desired = Desired(version=5, parameters=draft.parameters(), meters=draft.assigned(CATALOGUE)).sealed()
    return replace(draft, desired=desired)


def message(**fields: Any) -> bytes:
    return json.dumps({"version": 6, **fields}).encode()


def test_a_whole_message_keeps_its_version() -> None:
    """Nothing left out, nothing to complete."""
    now = state()
    assert now.desired is not None
    document = json.loads(now.desired.payload())
    document["parameters"]["raw_frames"] = True
    adoption = consider(
        now, message(parameters=document["parameters"], meters=document["meters"], author="eva"), CATALOGUE
    )
    assert adoption.desired.version == 6
    assert adoption.desired.author == "hand (for eva)"
    assert adoption.layer.parameters == {"raw_frames": True}


def test_what_is_left_out_stays_and_the_version_rises_once_more() -> None:
    """The device has taken version 6 as it stood: the completed content needs another."""
    now = state(own=Layer(parameters={"log_level": "debug"}), fleet=Layer(parameters={"reading_interval_s": 60.0}))
    adoption = consider(now, message(parameters={"raw_frames": True}), CATALOGUE)
    assert adoption.desired.version == 7
    assert adoption.desired.author == "hand"
    assert adoption.desired.parameters.log_level == "debug"
    assert adoption.desired.parameters.reading_interval_s == 60
    assert adoption.desired.meters == {"LGZ:1": MeterConfig(spec=GENERIC)}
    assert adoption.layer.parameters == {"log_level": "debug", "raw_frames": True}


@pytest.mark.parametrize(
    ("named", "author"), [("eva", "hand"), ("system", "hand (for system)"), ("tom", "hand (for tom)")]
)
def test_an_author_by_hand_is_a_claim(named: str, author: str) -> None:
    """Nobody is recognised over MQTT; the author of the message that somebody copied is no claim of theirs."""
    now = state()
    assert now.desired is not None
    now = replace(now, desired=now.desired.model_copy(update={"author": "eva"}))
    given = message(parameters={"raw_frames": True}, author=named)
    assert consider(now, given, CATALOGUE).desired.author == author


def test_only_the_difference_becomes_the_devices_own() -> None:
    """A value that holds already stays where it comes from, so that the fleet can still change it."""
    now = state(fleet=Layer(parameters={"reading_interval_s": 60.0}))
    adoption = consider(now, message(parameters={"reading_interval_s": 60, "log_level": "error"}), CATALOGUE)
    assert adoption.layer.parameters == {"log_level": "error"}


def test_another_published_spec_is_pinned() -> None:
    """The spec that holds anyway is no pin; another one is."""
    assert consider(state(), message(meters={"LGZ:1": {"spec": GENERIC}}), CATALOGUE).layer.meters == {}
    adoption = consider(state(), message(meters={"LGZ:1": {"spec": OTHER}}), CATALOGUE)
    assert adoption.layer.meters == {"LGZ:1": MeterConfig(spec=OTHER)}
    assert adoption.desired.meters["LGZ:1"].spec == OTHER


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"version": 5}, "version"),
        ({"version": 2**53}, "version"),
        ({"version": 0}, "version"),
        ({"parameters": {"reading_interval_s": 0}}, "parameters.reading_interval_s"),
        ({"parameters": {"obis_include": ["kWh"]}}, "parameters.obis_include.0"),
        ({"meters": {"LGZ:2": {"spec": GENERIC}}}, "meters"),
        ({"meters": {"LGZ:1": {"spec": "nobody@1"}}}, "meters.LGZ:1.spec"),
        ({"hash": "0"}, "payload"),
        ({"parameters": {"log_level": "debug", "reading_intervall_s": 5}}, "parameters.reading_intervall_s"),
        ({"parameter": {"log_level": "debug"}}, "parameter"),
        ({"meters": {"LGZ:1": {"sepc": OTHER}}}, "meters.LGZ:1.sepc"),
    ],
)
def test_what_can_not_be_adopted_is_refused_by_field(fields: dict[str, Any], field: str) -> None:
    """A stale, invalid or unresolvable message names what is wrong with it."""
    with pytest.raises(ContractError) as refused:
        consider(state(), message(**fields), CATALOGUE)
    assert refused.value.field == field
