"""MQTT 5 packets made beforehand, so that the load generator costs little while the clock runs."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from broker.contract.messages import Clock, Readings, Sample, Source

CODES = tuple(f"1-0:{c}.{d}.0" for c in (1, 2, 21, 41, 61) for d in (7, 8))
"""Ten OBIS codes, so that a sample holds ten values."""
_STAMP = "%Y-%m-%dT%H:%M:%S"
_SPLIT = "\0"


class Form(StrEnum):
    """How readings are written: as an agent does, or in InfluxDB's line protocol, one series a line."""

    WATTLINE = "wattline"
    INFLUX = "influx"


@dataclass(frozen=True, slots=True)
class Connection:
    """One connection to the broker, and the devices that it speaks for."""

    user: str
    password: str
    devices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Load:
    """`messages` from each device, each of `values` readings; a device's samples follow one another by `step_us`.

    With a rate of 0 every connection sends as fast as `window` unacknowledged publishes allow. Otherwise all of
    them together keep to `rate` messages a second, whatever the broker does, and each sample bears the time at which
    it was to be sent. With `by_receipts` each device listens for its receipts and sends as device.outbox.pace has it.
    `source` is what the messages say of themselves.
    """

    values: int
    messages: int
    connections: tuple[Connection, ...]
    start_at: str
    step_us: int = 1000
    window: int = 100
    rate: float = 0.0
    boot: str = "be00"
    source: str = "live"
    by_receipts: bool = False
    form: Form = Form.WATTLINE

    @property
    def devices(self) -> int:
        """How many devices speak."""
        return sum(len(connection.devices) for connection in self.connections)

    @property
    def total(self) -> int:
        """Messages in all."""
        return self.devices * self.messages

    @property
    def rows(self) -> int:
        """Readings in all."""
        return self.values * self.total

    def as_json(self) -> dict[str, object]:
        """What `from_json` reads."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, object]) -> "Load":
        """The load that `as_json` wrote."""
        connections = document.pop("connections")
        assert isinstance(connections, list)  # noqa: S101 - tells the type
        made = tuple(Connection(one["user"], one["password"], tuple(one["devices"])) for one in connections)
        return cls(connections=made, **document)  # type: ignore[arg-type]


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


def subscribe(topic: str) -> bytes:
    """A SUBSCRIBE packet for one topic at QoS 0 (MQTT 5 3.8)."""
    body = b"\x00\x01\x00" + field(topic.encode()) + b"\x00"
    return b"\x82" + remaining_length(len(body)) + body


def stamp(at: datetime) -> str:
    """A time as it stands in a message, always as long: to the microsecond."""
    return f"{at.astimezone(UTC).strftime(_STAMP)}.{at.microsecond:06d}Z"


def payloads(load: Load, meter: str) -> Iterator[bytes]:
    """All messages of one device's meter, in order."""
    per_sample = min(load.values, len(CODES))
    samples = load.values // per_sample
    codes = CODES[:per_sample]
    start_at = datetime.fromisoformat(load.start_at)
    if load.form == Form.INFLUX:
        yield from _lines(load, meter, start_at, codes)
        return
    head, tail = _around(load, meter, start_at)
    for number in range(load.messages):
        parts = []
        for index in range(number * samples, (number + 1) * samples):
            values = ",".join(f'"{code}":{1000 + index * 0.001 + place:.3f}' for place, code in enumerate(codes))
            at = start_at + timedelta(microseconds=index * load.step_us)
            parts.append(f'{{"at":"{stamp(at)}","values":{{{values}}}}}')
        yield f"{head.replace(_SPLIT, str(number + 1))}{','.join(parts)}{tail}".encode()


def _lines(load: Load, meter: str, start_at: datetime, codes: tuple[str, ...]) -> Iterator[bytes]:
    """The same readings in line protocol, times in nanoseconds."""
    samples = load.values // len(codes)
    start_us = (start_at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    for number in range(load.messages):
        lines = (
            f"reading,series={meter}/{code} value={1000 + index * 0.001 + place:.3f}"
            f" {start_us + index * load.step_us}000"
            for index in range(number * samples, (number + 1) * samples)
            for place, code in enumerate(codes)
        )
        yield "\n".join(lines).encode()


def _around(load: Load, meter: str, start_at: datetime) -> tuple[str, str]:
    """What stands before and behind the samples of a message as the agent writes it, the number left open."""
    sample = Sample(at=start_at, values={CODES[0]: 1.0})
    message = Readings(
        boot=load.boot,
        seq=1,
        meter=meter,
        spec="generic-p1@1",
        clock=Clock.SYNCED,
        source=Source(load.source),
        samples=(sample,),
    )
    head, tail = message.payload().decode().split(sample.payload().decode())
    return head.replace('"seq":1,', f'"seq":{_SPLIT},'), tail
