"""MQTT 5 packets made beforehand, so that the load generator costs little while the clock runs."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from broker.messages import Clock, Readings, Sample

CODES = tuple(f"1-0:{c}.{d}.0" for c in (1, 2, 21, 41, 61) for d in (7, 8))
"""Ten OBIS codes, so that a sample holds ten values."""


@dataclass(frozen=True, slots=True)
class Load:
    """One size of message: `values` readings in each, `messages` from each of `devices` devices."""

    values: int
    devices: int
    messages: int

    @property
    def rows(self) -> int:
        """Readings in all."""
        return self.values * self.devices * self.messages


def remaining_length(length: int) -> bytes:
    """A variable byte integer (MQTT 5 1.5.5)."""
    out = bytearray()
    while True:
        length, digit = divmod(length, 128)
        out.append(digit | 0x80 if length else digit)
        if not length:
            return bytes(out)


def field(data: bytes) -> bytes:
    """Binary data or a string with its two byte length (MQTT 5 1.5.4, 1.5.6)."""
    return len(data).to_bytes(2, "big") + data


def connect(client_id: str, user: str, password: str, keepalive_s: int = 120) -> bytes:
    """A CONNECT packet with clean start (MQTT 5 3.1)."""
    body = field(b"MQTT") + b"\x05" + b"\xc2" + keepalive_s.to_bytes(2, "big") + b"\x00"
    body += field(client_id.encode()) + field(user.encode()) + field(password.encode())
    return b"\x10" + remaining_length(len(body)) + body


def publish(topic: str, payload: bytes, mid: int) -> bytes:
    """A PUBLISH packet of QoS 1 (MQTT 5 3.3)."""
    body = field(topic.encode()) + mid.to_bytes(2, "big") + b"\x00" + payload
    return b"\x32" + remaining_length(len(body)) + body


def sample_values(number: int, count: int) -> dict[str, float]:
    """Plausible values, different in each message."""
    return {code: round(1000 + number * 0.001 + index, 3) for index, code in enumerate(CODES[:count])}


def payloads(load: Load, device: int, start: datetime, boot: str) -> list[bytes]:
    """All messages of one device in order; samples follow one another by a second."""
    per_sample = min(load.values, len(CODES))
    samples = load.values // per_sample
    template = Readings(
        boot=boot,
        seq=1,
        meter=f"BEN:{load.values:03d}{device:05d}",
        spec="generic-p1@1",
        clock=Clock.SYNCED,
        samples=(Sample(at=start, values=sample_values(0, per_sample)),),
    )
    head = json.loads(template.payload())
    made = []
    for number in range(load.messages):
        head["seq"] = number + 1
        head["samples"] = [
            {
                "at": _stamp(start + timedelta(seconds=number * samples + index)),
                "values": sample_values(number * samples + index, per_sample),
            }
            for index in range(samples)
        ]
        made.append(json.dumps(head, separators=(",", ":")).encode())
    return made


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
