"""A client that knows of the contract only what the AsyncAPI document says."""

import asyncio
import json
import secrets
from typing import Any

import jsonschema
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from tests.rigs.gateway import gateway, gateway_settings, p1_meter, registration
from tests.rigs.servers import Broker, Database
from tests.rigs.waiting import until


class DocumentClient:
    """Paho, driven by the document: topics, QoS and retained from it, and each payload judged by its schema."""

    def __init__(self, document: dict[str, Any], broker: Broker, user: str, password: str) -> None:
        self._document = document
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=user, protocol=mqtt.MQTTv5)
        self._client.username_pw_set(user, password)
        self._client.on_message = self._take
        self._client.connect(broker.host, broker.port)
        self._client.loop_start()
        self.heard: list[tuple[str, str, Any]] = []

    def leave(self) -> None:
        """End its connection."""
        self._client.disconnect()
        self._client.loop_stop()

    def _operation(self, channel: str) -> dict[str, Any]:
        operations = self._document["operations"].values()
        return next(one for one in operations if one["channel"]["$ref"] == f"#/channels/{channel}")

    def _check(self, channel: str, payload: Any) -> None:
        (message,) = self._document["channels"][channel]["messages"]
        schema = self._document["components"]["messages"][message]["payload"]
        jsonschema.validate(payload, {**schema, "components": self._document["components"]})

    def publish(self, channel: str, payload: Any, **levels: str) -> mqtt.MQTTMessageInfo:
        """Publish to a channel, its topic's levels given, as the document says."""
        operation = self._operation(channel)
        assert operation["action"] == "receive", "the platform takes nothing there"
        self._check(channel, payload)
        how = operation["bindings"]["mqtt"]
        topic = self._document["channels"][channel]["address"].format(**levels)
        return self._client.publish(topic, json.dumps(payload), how["qos"], how["retain"])

    def subscribe(self, channel: str, **levels: str) -> None:
        """Subscribe to a channel; a level that is not given is any."""
        described = self._document["channels"][channel]
        names = dict.fromkeys(described["parameters"], "+") | levels
        self._client.subscribe(
            described["address"].format(**names), self._operation(channel)["bindings"]["mqtt"]["qos"]
        )

    def _take(self, _client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage) -> None:
        for name, described in self._document["channels"].items():
            pattern = described["address"].format(**dict.fromkeys(described["parameters"], "+"))
            if mqtt.topic_matches_sub(pattern, message.topic):
                payload = json.loads(message.payload)
                self._check(name, payload)
                self.heard.append((name, message.topic, payload))


async def test_a_client_made_from_the_document_speaks_with_the_platform(broker: Broker, database: Database) -> None:
    """It registers as a device and is given its configuration; what we send fits the schemas that it checks by."""
    device = f"pi-{secrets.token_hex(4)}"
    password = await broker.add_device(device)
    async with gateway(gateway_settings(broker, database)) as running:
        document = await running.get("/asyncapi.json")
        assert document["channels"]["readings"]["address"] == f"{broker.topics.root}/devices/{{device}}/readings"
        client = await asyncio.to_thread(DocumentClient, document, broker, device, password)
        try:
            client.subscribe("configDesired", device=device)
            asked = json.loads(registration(p1_meter()))
            client.publish("registration", asked, device=device)
            await until(lambda: client.heard, "the configuration comes")
            name, topic, desired = client.heard[0]
            assert (name, topic) == ("configDesired", f"{broker.topics.root}/devices/{device}/config/desired")
            assert desired["version"] >= 1
            assert desired["parameters"]["reading_interval_s"] > 0
        finally:
            await asyncio.to_thread(client.leave)
