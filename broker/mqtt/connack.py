"""What a broker grants in its CONNACK (MQTT 5 3.2.2.3), and what of our wishes that leaves unmet; no I/O."""

from dataclasses import dataclass
from typing import Any, Final, Self

from broker.contract.topics import is_shared
from broker.errors import RefusedError, TransientError
from broker.mqtt.publication import SessionOptions

QOS_NOT_SUPPORTED: Final = 0x9B
RETAIN_NOT_SUPPORTED: Final = 0x9A
SHARED_NOT_SUPPORTED: Final = 0x9E
WILDCARDS_NOT_SUPPORTED: Final = 0xA2
BAD_LOGIN: Final = frozenset({0x86, 0x87, 0x8A, 0x8C})
"""Credentials, rights, ban, method (MQTT 5 3.2.2.2)."""
FOR_GOOD: Final = {
    0x84: "Wattline needs MQTT 5",
    0x85: "give it another client id",
    0x90: "check BROKER__ROOT against what the broker lets this user write",
    0x9A: "Wattline needs a broker that retains messages",
    0x9B: "Wattline needs a broker with QoS 1",
    0x9D: "set BROKER__HOST to where it moved",
    **dict.fromkeys(BAD_LOGIN, "check BROKER__USERNAME and BROKER__PASSWORD or BROKER__PASSWORD_FILE"),
}
"""CONNACK codes that waiting won't heal, with what to do about each."""
LARGEST_PACKET_BYTES: Final = 257 * 1024
"""The contract's largest payload with its topic and properties."""


@dataclass(frozen=True, slots=True)
class Granted:
    """One CONNACK that accepts us; each default is what MQTT 5 means by a property's absence.

    `packet_bytes` is the largest packet that the broker takes, `keepalive_s` and `session_expiry_s` what it sets in
    place of what we asked, `client_id` the one that it gave us. Topic aliases are not used, so what it says of those
    binds nobody.
    """

    session_present: bool = False
    receive_maximum: int = 65535
    packet_bytes: int | None = None
    maximum_qos: int = 2
    retain: bool = True
    wildcards: bool = True
    shared: bool = True
    identifiers: bool = True
    client_id: str | None = None
    keepalive_s: int | None = None
    session_expiry_s: int | None = None

    @classmethod
    def read(cls, properties: Any, *, session_present: bool) -> Self:
        """Out of paho's properties of a CONNACK."""
        return cls(
            session_present,
            getattr(properties, "ReceiveMaximum", 65535),
            getattr(properties, "MaximumPacketSize", None),
            getattr(properties, "MaximumQoS", 2),
            bool(getattr(properties, "RetainAvailable", 1)),
            bool(getattr(properties, "WildcardSubscriptionAvailable", 1)),
            bool(getattr(properties, "SharedSubscriptionAvailable", 1)),
            bool(getattr(properties, "SubscriptionIdentifierAvailable", 1)),
            getattr(properties, "AssignedClientIdentifier", None),
            getattr(properties, "ServerKeepAlive", None),
            getattr(properties, "SessionExpiryInterval", None),
        )

    def ping_every_s(self, wanted_s: int) -> int:
        """The keep-alive to use: the broker's, but ours where that is shorter, since a dead link must be found."""
        return min(self.keepalive_s or wanted_s, wanted_s)

    def unfit(self, options: SessionOptions, broker: str) -> RefusedError | None:
        """Why a session with these options can't be run at this broker, or None."""
        filters = [name for name, _ in options.subscriptions]
        wide = next((name for name in filters if "#" in name or "+" in name), None)
        group = next((name for name in filters if is_shared(name)), None)
        if self.maximum_qos < 1:
            return _refused(broker, "has no QoS 1 (Maximum QoS 0), without which messages get lost", QOS_NOT_SUPPORTED)
        if not self.retain:
            return _refused(broker, "retains no messages (Retain Available 0)", RETAIN_NOT_SUPPORTED)
        if wide is not None and not self.wildcards:
            return _refused(broker, f"has no wildcard subscriptions, and {wide} is wanted", WILDCARDS_NOT_SUPPORTED)
        if group is not None and not self.shared:
            refusal = f"has no shared subscriptions, and {group} is wanted (run one ingestor, without a group)"
            return _refused(broker, refusal, SHARED_NOT_SUPPORTED)
        return None

    def less_than(self, options: SessionOptions) -> dict[str, Any]:
        """What the session goes on without, as facts for a log line; empty where the broker grants all."""
        facts: dict[str, Any] = {}
        if self.session_expiry_s is not None and self.session_expiry_s < options.session_expiry_s:
            facts |= {"session_kept_s": self.session_expiry_s, "session_wanted_s": options.session_expiry_s}
        if self.receive_maximum < options.in_flight:
            facts |= {"in_flight": self.receive_maximum, "in_flight_wanted": options.in_flight}
        if self.packet_bytes is not None and self.packet_bytes < LARGEST_PACKET_BYTES:
            facts |= {"packet_bytes": self.packet_bytes, "packet_bytes_wanted": LARGEST_PACKET_BYTES}
        if options.identified and not self.identifiers:
            facts["subscription_identifiers"] = False
        if self.client_id not in (None, options.client_id):
            facts["client_id_given"] = self.client_id
        return facts


def refused(
    broker: str, user: str | None, client_id: str, reason: Any, properties: Any
) -> RefusedError | TransientError:
    """The error for a CONNACK that refuses us: a RefusedError where waiting won't heal it. `reason` is paho's."""
    code: int = reason.value
    refusal = f"{reason}{explained(properties)}"
    if code in BAD_LOGIN:
        return RefusedError(
            f"the broker refuses user {user!r} (client {client_id!r}): {refusal}; {FOR_GOOD[code]}", code
        )
    if code in FOR_GOOD:
        return RefusedError(f"the broker {broker} refuses client {client_id!r}: {refusal}; {FOR_GOOD[code]}", code)
    return TransientError(f"the broker {broker} does not take client {client_id!r} now: {refusal}")


def explained(properties: Any) -> str:
    """What the broker adds to a reason code: its own words, and the server that it names in place of itself."""
    words = getattr(properties, "ReasonString", None)
    server = getattr(properties, "ServerReference", None)
    return (f" ({words[:200]})" if words else "") + (f" (it names {server[:200]})" if server else "")


def _refused(broker: str, refusal: str, code: int) -> RefusedError:
    return RefusedError(f"the broker {broker} {refusal}; use another broker, or set this one up for it", code)
