"""What a batch carries beside readings: quarantined bytes, raw frames, events; and text that PostgreSQL can hold."""

import contextlib
import hashlib
import json
import math
import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from broker.contract.messages import MAX_PAYLOAD_BYTES, OutboxState
from broker.patterns import BOOT_ID
from ingestor.batches.rows import instant

MAX_KEPT_BYTES = 1024 * 1024
"""How much of a payload is kept in quarantine; `detail` tells where more came."""
MAX_DETAIL = 2000
_BOOT_ID = re.compile(BOOT_ID)
_BOOT = re.compile(rf'"boot"\s*:\s*"({BOOT_ID})"'.encode())
_RESENT = re.compile(rb'"resent"\s*:\s*[0-9]{1,15}\s*,|,\s*"resent"\s*:\s*[0-9]{1,15}')
_SEQ = re.compile(rb'"seq"\s*:\s*([0-9]{1,16})\s*[,}]')
_MOST_SEQ = 2**53
_SALVAGE_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Stored:
    """A row of `frame`: a raw frame of a device, or a payload or values that could not be taken.

    `delivery` names one delivery; where it is `doubtful`, one that may have come and been stored before.
    """

    received_us: int
    topic: str
    kind: str
    reason: str
    data: bytes
    delivery: UUID
    detail: str | None = None
    device: str | None = None
    meter_id: int | None = None
    port: str | None = None
    protocol: str | None = None
    at: datetime | None = None
    hints: dict[str, Any] = field(default_factory=dict)
    doubtful: bool = True

    def columns(self, device_id: int | None) -> tuple[object, ...]:
        """The row as add_frames.sql takes it."""
        return (
            *(instant(self.received_us), device_id, self.meter_id, self.topic, self.kind, self.reason, self.detail),
            *(self.port, self.protocol, self.at, clean_json(self.hints), self.data, self.delivery, self.doubtful),
        )


@dataclass(frozen=True, slots=True)
class DeviceEvent:
    """A row of `event` that a device sent."""

    received_us: int
    at: datetime
    device_id: int
    meter_id: int | None
    event: str
    severity: str
    boot: str
    seq: int
    detail: dict[str, Any]

    def columns(self) -> tuple[object, ...]:
        """The row as add_events.sql takes it."""
        who = (self.device_id, self.meter_id)
        what = (self.event, self.severity, self.boot, self.seq, clean_json(self.detail))
        return instant(self.received_us), self.at, *who, *what


@dataclass(frozen=True, slots=True)
class DeviceStatus:
    """The state a device is in from now on; `since` is its own word for when that began.

    `outbox` is None for a last will, and for an agent that does not tell.
    """

    online: bool
    since: datetime
    boot: str
    software: str
    outbox: OutboxState | None

    def columns(self) -> tuple[object, ...]:
        """As the statement that enters it takes them."""
        told = (getattr(self.outbox, name, None) for name in OutboxState.model_fields)
        return (self.online, self.since, self.boot, self.software, *told)


def clean(text: str, most: int = MAX_DETAIL) -> str:
    """The same text as PostgreSQL can hold it: no NUL and no lone surrogates, cut to `most` characters."""
    return text[:most].encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")


def clean_json(value: Any) -> str:
    """JSON text that jsonb takes, whatever the value holds: NUL, lone surrogates, NaN, numbers without end."""
    return json.dumps(cleaned(value), allow_nan=False)


def cleaned(value: Any) -> Any:
    """The same value as jsonb can hold it."""
    if isinstance(value, str):
        return clean(value, 65536)
    if isinstance(value, dict):
        return {clean(str(key), 256): cleaned(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [cleaned(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, int) and value.bit_length() > 4096:
        return hex(value)[:65536]
    return value


def delivery_id(*parts: object) -> UUID:
    """A name for one delivery, made of what identifies it."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        data = part if isinstance(part, bytes) else str(part).encode("utf-8", "backslashreplace")
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return UUID(bytes=digest.digest())


def salvage(payload: bytes) -> tuple[str, int] | None:
    """Boot and seq of a message that can't be read otherwise, so that the ledger does not take it for lost.

    Only the message's own, not those of a boot before that it speaks of: its receipt would let the device forget
    another message.
    """
    if len(payload) <= MAX_PAYLOAD_BYTES:
        with contextlib.suppress(ValueError, RecursionError):
            document = json.loads(payload)
            return _numbered(document.get("boot"), document.get("seq")) if isinstance(document, dict) else None
    head = payload[:_SALVAGE_BYTES]
    boot, seq = _BOOT.search(head), _SEQ.search(head)
    if boot is None or seq is None or any(_depth(head, found.start()) != 1 for found in (boot, seq)):
        return None
    return _numbered(boot[1].decode(), int(seq[1]))


def _numbered(boot: object, seq: object) -> tuple[str, int] | None:
    if not isinstance(boot, str) or not _BOOT_ID.fullmatch(boot):
        return None
    return (boot, seq) if type(seq) is int and 1 <= seq <= _MOST_SEQ else None


def _depth(head: bytes, end: int) -> int:
    """How many brackets were opened before here, those in strings and those closed among them."""
    return head.count(b"{", 0, end) + head.count(b"[", 0, end)


def first_sent(payload: bytes) -> bytes:
    """The same bytes as when the message was sent for the first time: without the count of its repeats."""
    return _RESENT.sub(b"", payload, count=1)
