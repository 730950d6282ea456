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

from broker.messages import MAX_PAYLOAD_BYTES

MAX_KEPT_BYTES = 1024 * 1024
"""How much of a payload is kept in quarantine; `detail` tells where more came."""
MAX_DETAIL = 2000
_BOOT_ID = re.compile(r"[0-9a-f]{4,32}")
_BOOT = re.compile(rb'"boot"\s*:\s*"([0-9a-f]{4,32})"')
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


@dataclass(frozen=True, slots=True)
class DeviceStatus:
    """The state a device is in from now on; `since` is its own word for when that began."""

    online: bool
    since: datetime
    boot: str
    software: str


def clean(text: str, most: int = MAX_DETAIL) -> str:
    """The same text as PostgreSQL can hold it: no NUL and no lone surrogates, cut to `most` characters."""
    return text[:most].encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")


def clean_json(value: Any) -> str:
    """JSON text that jsonb takes, whatever the value holds: NUL, lone surrogates, NaN, numbers without end."""
    return json.dumps(_cleaned(value), allow_nan=False)


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value, 65536)
    if isinstance(value, dict):
        return {clean(str(key), 256): _cleaned(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_cleaned(item) for item in value]
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
