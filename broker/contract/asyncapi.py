"""The AsyncAPI 3.0 document of the MQTT contract, made of its topics and models; docs/asyncapi.yaml is its text.

An operation's action is the platform's: it receives what devices publish, and sends what they read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic.json_schema import models_json_schema

from broker.contract.commands import COMMANDS
from broker.contract.keys import SealedKeys
from broker.contract.messages import (
    MAX_PAYLOAD_BYTES,
    Desired,
    EventMessage,
    Frames,
    Message,
    Readings,
    Receipts,
    Registration,
    Reply,
    Reported,
    SpecMessage,
    Status,
)
from broker.contract.software import SoftwareDesired, SoftwareReported
from broker.contract.topics import DEFAULT_ROOT, DELIVERY, DEVICE_WRITES, Kind, Topics

VERSION: Final = "1.0.0"
"""Of the contract, not of the software: the topics' root names its first figure."""
_SCHEMA: Final = "#/components/schemas/{model}"
_LEVELS: Final = {
    "device": "The device's id, bound to its hardware.",
    "command": "The command's name.",
    "spec": "The spec's name.",
    "version": "The spec's version, from 1.",
}


@dataclass(frozen=True, slots=True)
class Channel:
    """What travels on the topics of one kind."""

    model: type[Message] | None
    publishers: tuple[str, ...]
    says: str


CHANNELS: Final[dict[Kind, Channel]] = {
    Kind.STATUS: Channel(Status, ("device", "last will"), "Whether a device is online, since when, and its outbox."),
    Kind.REGISTRATION: Channel(Registration, ("device",), "Hardware, software, and the meters that a device sees."),
    Kind.READINGS: Channel(Readings, ("device",), "Samples of one meter, by OBIS code in each code's unit."),
    Kind.FRAMES: Channel(Frames, ("device",), "Raw frames, with identification hints and a reason."),
    Kind.EVENTS: Channel(EventMessage, ("device",), "Diagnostics: meter swapped, clock stepped, decode failing."),
    Kind.DESIRED: Channel(
        Desired, ("config service", "an engineer by hand"), "Parameters and specs that a device is to have."
    ),
    Kind.REPORTED: Channel(Reported, ("device",), "The version that a device applied, or refused and why."),
    Kind.COMMAND: Channel(None, ("config service",), "One command; the MQTT 5 properties say where the reply goes."),
    Kind.REPLIES: Channel(Reply, ("device",), "Replies to commands, by their correlation data."),
    Kind.RECEIPTS: Channel(Receipts, ("ingestor",), "Which messages the store holds: a device forgets those."),
    Kind.SOFTWARE_DESIRED: Channel(SoftwareDesired, ("config service",), "Which release a device is to run."),
    Kind.SOFTWARE_REPORTED: Channel(SoftwareReported, ("updater",), "What became of a release."),
    Kind.KEYS: Channel(SealedKeys, ("config service",), "Keys of meters, sealed to the device's own key."),
    Kind.SPEC: Channel(SpecMessage, ("config service", "an engineer by hand"), "One immutable spec document."),
}


def document(root: str = DEFAULT_ROOT) -> dict[str, Any]:
    """The whole document, for the topics below a root."""
    topics = Topics(root)
    models = {model for channel in CHANNELS.values() if (model := channel.model) is not None}
    models |= {command.arguments for command in COMMANDS.values()}
    ordered = sorted(models, key=lambda model: model.__name__)
    _, found = models_json_schema([(model, "validation") for model in ordered], ref_template=_SCHEMA)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Wattline MQTT contract",
            "version": VERSION,
            "description": "What devices and the platform say to one another by MQTT 5. Payloads are JSON of at most "
            f"{MAX_PAYLOAD_BYTES} bytes; fields that a receiver does not know are ignored. `send` and `receive` are "
            "the platform's: who speaks for a device does the opposite.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "broker": {
                "host": "{host}:{port}",
                "protocol": "secure-mqtt",
                "protocolVersion": "5",
                "variables": {"host": {"default": "localhost"}, "port": {"default": "8883"}},
            }
        },
        "channels": {_id(kind): _channel(topics, kind) for kind in CHANNELS},
        "operations": dict(_operation(kind) for kind in CHANNELS),
        "components": {
            "messages": {name: body for kind in CHANNELS for name, body in _messages(kind).items()},
            "schemas": {name: _draft_07(schema) for name, schema in sorted(found["$defs"].items())},
        },
    }


def _id(kind: Kind) -> str:
    head, _, tail = kind.value.partition("/")
    return head + tail.capitalize()


def _address(topics: Topics, kind: Kind) -> str:
    """A topic of this kind, with the names of its levels in braces."""
    levels = ("spec", "version") if kind is Kind.SPEC else ("device", "command")
    address = topics.every(kind)
    for level in levels[: address.count("+")]:
        address = address.replace("+", f"{{{level}}}", 1)
    return address


def _channel(topics: Topics, kind: Kind) -> dict[str, Any]:
    address, channel = _address(topics, kind), CHANNELS[kind]
    parameters: dict[str, Any] = {
        name: {"description": text} for name, text in _LEVELS.items() if f"{{{name}}}" in address
    }
    if kind is Kind.COMMAND:
        parameters["command"]["enum"] = list(COMMANDS)
    return {
        "address": address,
        "description": channel.says,
        "parameters": parameters,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in _messages(kind)},
        "x-publishers": list(channel.publishers),
    }


def _messages(kind: Kind) -> dict[str, dict[str, Any]]:
    channel = CHANNELS[kind]
    if channel.model is not None:
        schema = {"$ref": _SCHEMA.format(model=channel.model.__name__)}
        return {_id(kind): {"name": channel.model.__name__, "summary": channel.says, "payload": schema}}
    binding = {
        "mqtt": {
            "correlationData": {"type": "string", "description": "Given back with the reply."},
            "responseTopic": {"type": "string", "description": "The device's own topic of replies."},
        }
    }
    return {
        f"{_id(kind)}-{name}": {
            "name": name,
            "summary": command.summary,
            "payload": {
                "type": "object",
                "properties": {"arguments": {"$ref": _SCHEMA.format(model=command.arguments.__name__)}},
            },
            "bindings": binding,
        }
        for name, command in COMMANDS.items()
    }


def _operation(kind: Kind) -> tuple[str, dict[str, Any]]:
    received, delivery = kind in DEVICE_WRITES, DELIVERY[kind]
    name = _id(kind)
    operation: dict[str, Any] = {
        "action": "receive" if received else "send",
        "channel": {"$ref": f"#/channels/{name}"},
        "summary": CHANNELS[kind].says,
        "bindings": {"mqtt": {"qos": delivery.qos, "retain": delivery.retain}},
    }
    if kind is Kind.COMMAND:
        operation["reply"] = {"channel": {"$ref": f"#/channels/{_id(Kind.REPLIES)}"}}
    return f"{operation['action']}{name[0].upper()}{name[1:]}", operation


def _draft_07(schema: Any) -> Any:
    """A schema of pydantic's in AsyncAPI's dialect, a superset of JSON Schema draft 07, as a receiver is to read it."""
    if isinstance(schema, list):
        return [_draft_07(one) for one in schema]
    if not isinstance(schema, Mapping):
        return schema
    made = {name: _draft_07(value) for name, value in schema.items()}
    if made.get("additionalProperties") is False:
        # that a sender of ours says nothing else binds no receiver
        del made["additionalProperties"]
    if isinstance(made.get("prefixItems"), list):
        made["items"] = made.pop("prefixItems")
    if made.get("format") == "binary":
        del made["format"]
        made["contentEncoding"] = "base64"
    return made
