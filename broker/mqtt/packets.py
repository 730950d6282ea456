"""Between our messages and paho's packets: properties, sizes, and what a received message is."""

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from broker.mqtt.paho_client import topic_octets
from broker.mqtt.publication import Acknowledging, Inbound, Publication, SessionOptions, subscription_id


def connect_properties(options: SessionOptions) -> Properties:
    """What a CONNECT asks for."""
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.ReceiveMaximum = options.receive_maximum
    properties.SessionExpiryInterval = options.session_expiry_s
    return properties


def subscribe_properties(topic_filter: str) -> Properties:
    """A SUBSCRIBE's properties: the identifier of its one filter."""
    properties = Properties(PacketTypes.SUBSCRIBE)  # type: ignore[no-untyped-call]
    properties.SubscriptionIdentifier = subscription_id(topic_filter)
    return properties


def publish_properties(publication: Publication) -> Properties | None:
    """A PUBLISH's properties, None for one without."""
    if publication.expiry_s is None and publication.response_topic is None and publication.correlation is None:
        return None
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    if publication.expiry_s is not None:
        properties.MessageExpiryInterval = publication.expiry_s
    if publication.response_topic is not None:
        properties.ResponseTopic = publication.response_topic
    if publication.correlation is not None:
        properties.CorrelationData = publication.correlation
    return properties


def packet_bytes(publication: Publication, properties: Properties | None) -> int:
    """The size of a PUBLISH on the wire (MQTT 5 3.3), which a broker's maximum packet size bounds."""
    packed = 1 if properties is None else len(properties.pack())  # type: ignore[no-untyped-call]
    return publish_bytes(len(publication.topic.encode()) + packed - 1, len(publication.payload), publication.qos)


def publish_bytes(topic_bytes: int, payload_bytes: int, qos: int = 0) -> int:
    """The same for one without properties, of a topic and a payload of these sizes."""
    length = 2 + topic_bytes + (2 if qos else 0) + 1 + payload_bytes
    return 1 + max(1, (length.bit_length() + 6) // 7) + length


def received(message: mqtt.MQTTMessage, connection: Acknowledging, now_s: float) -> Inbound:
    """A message that paho has read; `now_s` by the event loop's clock."""
    properties = message.properties or None
    life_s = getattr(properties, "MessageExpiryInterval", None)
    return Inbound(
        topic_text(topic_octets(message)),
        bytes(message.payload),
        message.retain,
        message.qos,
        message.mid,
        getattr(properties, "ResponseTopic", None),
        getattr(properties, "CorrelationData", None),
        connection,
        None if life_s is None else now_s + life_s,
        bool(message.dup),
        tuple(getattr(properties, "SubscriptionIdentifier", ())),
    )


def topic_text(topic: bytes) -> str:
    """A topic as text; one that is no UTF-8 is spelled out, and so goes to quarantine like any unknown one."""
    try:
        return topic.decode()
    except UnicodeDecodeError:
        return repr(topic)
