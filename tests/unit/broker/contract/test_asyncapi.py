"""The AsyncAPI document: it is valid, up to date, and says of topics and messages what the contract says."""

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from click.testing import CliRunner

from broker.contract.asyncapi import CHANNELS, document
from broker.contract.commands import COMMANDS
from broker.contract.topics import DELIVERY, DEVICE_WRITES, Kind, Topics
from broker.mosquitto.cli import broker

ROOT = Path(__file__).parents[4]
DATA = ROOT / "tests" / "data"
GOLDENS = {
    "status": "status",
    "registration": "registration",
    "readings": "readings",
    "frames": "frames",
    "event": "events",
    "desired": "configDesired",
    "reported": "configReported",
    "reply": "replies",
    "receipts": "receipts",
    "software-desired": "softwareDesired",
    "software-reported": "softwareReported",
    "keys": "keys",
    "spec": "specs",
}
"""Golden payload: the message of the document that it is."""


@cache
def made() -> dict[str, Any]:
    return document()


def payload_schema(message: str) -> dict[str, Any]:
    """The schema of one message, on its own: references lead into the document."""
    payload: dict[str, Any] = made()["components"]["messages"][message]["payload"]
    return {**payload, "components": made()["components"]}


def check(message: str, payload: object) -> None:
    jsonschema.Draft7Validator(payload_schema(message)).validate(payload)


def test_the_document_is_valid_asyncapi() -> None:
    """By AsyncAPI's own schema, which refuses what is none."""
    schema = json.loads(gzip.decompress((DATA / "asyncapi" / "3.0.0.json.gz").read_bytes()))
    validator = jsonschema.Draft7Validator(schema)
    assert [error.message for error in validator.iter_errors(made())] == []
    assert not validator.is_valid(made() | {"asyncapi": "2.6.0"})
    assert not validator.is_valid(made() | {"operations": {"x": {"action": "shout"}}})


def test_the_kept_text_is_what_the_contract_says() -> None:
    """`wattline broker asyncapi > docs/asyncapi.yaml` writes it anew."""
    kept = (ROOT / "docs" / "asyncapi.yaml").read_text()
    assert yaml.safe_load(kept) == made()
    assert CliRunner().invoke(broker, ["asyncapi"]).output == kept
    assert json.loads(CliRunner().invoke(broker, ["asyncapi", "--json"]).output) == made()
    refused = CliRunner().invoke(broker, ["asyncapi", "--root", "a/#"])
    assert refused.exit_code == 2
    assert "--root" in refused.output


def test_every_reference_leads_somewhere() -> None:
    """No $ref of it names what is not there."""
    for reference in _references(made()):
        found: Any = made()
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]


def _references(part: object) -> list[str]:
    if isinstance(part, list):
        return [one for item in part for one in _references(item)]
    if not isinstance(part, dict):
        return []
    own = [part["$ref"]] if isinstance(part.get("$ref"), str) else []
    return own + [one for item in part.values() for one in _references(item)]


def test_every_kind_has_its_topic_and_delivery() -> None:
    """Address, QoS, retain and direction are those of broker.contract.topics."""
    assert set(CHANNELS) == set(Kind)
    by_channel = {operation["channel"]["$ref"]: operation for operation in made()["operations"].values()}
    for kind, (name, channel) in zip(CHANNELS, made()["channels"].items(), strict=True):
        topic = channel["address"].format(device="pi-1", command="ping", spec="x", version=1)
        assert Topics().parse(topic).kind is kind
        operation = by_channel[f"#/channels/{name}"]
        mqtt = operation["bindings"]["mqtt"]
        assert (mqtt["qos"], mqtt["retain"]) == (DELIVERY[kind].qos, DELIVERY[kind].retain)
        assert operation["action"] == ("receive" if kind in DEVICE_WRITES else "send")


def test_another_root_is_in_every_address() -> None:
    """An installation's own root is served by its gateway."""
    assert all(one["address"].startswith("acme/m/") for one in document("acme/m")["channels"].values())


@pytest.mark.parametrize("golden", GOLDENS)
def test_golden_payloads_fit_their_schemas(golden: str) -> None:
    """What really travels is what the document says, and a newer sender's field is no fault."""
    payload = json.loads((DATA / "contract" / f"{golden}.json").read_text())
    check(GOLDENS[golden], payload)
    check(GOLDENS[golden], payload | {"of_tomorrow": 1})


@pytest.mark.parametrize(
    ("message", "change"),
    [
        ("readings", {"seq": 0}),
        ("readings", {"samples": []}),
        ("readings", {"meter": "no key"}),
        ("status", {"online": "yes"}),
        ("receipts", {"boots": {"b3f1c29a": [["a", 1]]}}),
        ("configDesired", {"version": -1}),
    ],
)
def test_what_the_contract_refuses_the_schemas_refuse(message: str, change: dict[str, object]) -> None:
    """The schemas can fail."""
    golden = next(name for name, of in GOLDENS.items() if of == message)
    payload = json.loads((DATA / "contract" / f"{golden}.json").read_text())
    assert set(change) <= set(payload)
    with pytest.raises(jsonschema.ValidationError):
        check(message, payload | change)


def test_each_command_is_a_message_of_its_own() -> None:
    """With its arguments, and where the reply goes."""
    assert set(made()["channels"]["commands"]["messages"]) == {f"commands-{name}" for name in COMMANDS}
    check("commands-read_now", {"arguments": {"meter": "LGZ:12345678"}})
    with pytest.raises(jsonschema.ValidationError):
        check("commands-read_now", {"arguments": {"meter": "no key"}})
