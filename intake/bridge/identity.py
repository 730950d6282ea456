"""The key of a foreign message: a redelivery has the key of the first delivery, an equal reading of later has not.

MQTT gives a message no name of its own. What there is:

- QoS 0 is delivered once or not at all: each one is new, and its key is by chance.
- QoS 1 comes again where our PUBACK did not arrive: with the same packet id, and with DUP set (MQTT 5 3.3.1.1, 4.4).
  So its key is of the session's client id, packet id, topic, body, and the hour in which it came first. Where DUP is
  not set, it is new whatever the store has: a packet id comes again after 65 535 messages, which a busy broker sends
  within the hour, and then the key counts on. Where it is set, it is the message that this session gave last with this
  packet id, topic and body; after a restart nothing is known of those, and the store is asked for each hour that it may
  be of.
- A retained message that is given because we subscribed (RETAIN set, MQTT 5 3.3.1.3) is the topic's last one, of an
  unknown time: its key is of topic and body alone, so that subscribing again changes nothing.

What that leaves: of QoS 1, an equal reading (topic and body to the byte) that takes the packet id of an earlier one
within the session's expiry, whose first delivery was lost on the wire, is taken for the earlier one. Its body has no
time of its own then, else it would not be equal.
"""

import hashlib
import secrets
from collections.abc import Iterator
from typing import Final

HOUR_S: Final = 3600
_PACKET_IDS: Final = 65535
MOST_TURNS: Final = 4
"""Turns of one packet id, topic and body within an hour that are looked for after a restart."""


def retained_key(topic: str, body: bytes) -> str:
    """The key of a topic's retained message."""
    return f"retained-{_digest('', 0, topic, body)}"


def chance_key() -> str:
    """The key of what is never delivered again."""
    return f"once-{secrets.token_hex(16)}"


class Deliveries:
    """The QoS 1 deliveries of one session, as far as they decide about keys; 65 535 packet ids at most."""

    def __init__(self, client_id: str, expiry_s: int) -> None:
        """`expiry_s` is how long the broker keeps the session, and so what it has not had acknowledged."""
        self._client_id = client_id
        self._hours = range(expiry_s // HOUR_S + 2)
        self._last: dict[int, tuple[str, int, int]] = {}

    def new(self, packet_id: int, topic: str, body: bytes, now_s: float) -> str:
        """The key of a message without DUP; `now_s` is Unix time."""
        digest, hour, turn = _digest(self._client_id, packet_id, topic, body), int(now_s) // HOUR_S, 0
        last = self._last.get(packet_id)
        if last is not None and last[:2] == (digest, hour):
            turn = last[2] + 1
        self._last[packet_id] = digest, hour, turn
        return _key(digest, hour, turn)

    def again(self, packet_id: int, topic: str, body: bytes) -> str | None:
        """The key of a message with DUP where this process saw its first delivery, else None: ask the store."""
        last = self._last.get(packet_id)
        if last is None or last[0] != _digest(self._client_id, packet_id, topic, body):
            return None
        return _key(*last)

    def candidates(self, packet_id: int, topic: str, body: bytes, now_s: float) -> list[str]:
        """Keys that a message with DUP may have been stored under by an earlier process, newest first."""
        digest, hour = _digest(self._client_id, packet_id, topic, body), int(now_s) // HOUR_S
        return [_key(digest, hour - back, turn) for back in self._hours for turn in reversed(range(MOST_TURNS))]

    def known(self, packet_id: int, key: str) -> None:
        """The store has this key for the message: what comes with DUP again is found at once."""
        digest, hour, turn = key.split("-")[1:]
        self._last[packet_id] = digest, int(hour), int(turn)


def next_turns(key: str) -> Iterator[str]:
    """Further keys for a message that is new, while the store has the one that it was given."""
    digest, hour, turn = key.split("-")[1:]
    for more in range(int(turn) + 1, int(turn) + 1 + _PACKET_IDS):
        yield _key(digest, int(hour), more)


def _key(digest: str, hour: int, turn: int) -> str:
    return f"delivery-{digest}-{hour}-{turn}"


def _digest(client_id: str, packet_id: int, topic: str, body: bytes) -> str:
    hashed = hashlib.sha256()
    for part in (client_id.encode(), str(packet_id).encode(), topic.encode("utf-8", "surrogatepass")):
        hashed.update(len(part).to_bytes(4, "big") + part)
    hashed.update(body)
    return hashed.hexdigest()[:40]
