"""Events of the gateway itself, and the quarantine of payloads that the contract refuses."""

import hashlib
import json
import uuid
from typing import Any, Literal

from gateway.database import Connection
from gateway.sql import load

MAX_DETAIL = 2000
"""Characters of a reason that are kept."""


async def record_event(
    connection: Connection,
    event: str,
    *,
    device: str | None = None,
    meter: str | None = None,
    severity: Literal["info", "warning", "error"] = "info",
    detail: dict[str, Any] | None = None,
) -> None:
    """Enter an event of the gateway's own; a device or meter that has no row stands in the detail only."""
    text = json.dumps(detail or {}, default=str).replace("\\u0000", "")
    await connection.execute(load("record_event"), device, meter, event, severity, text)


async def quarantine(
    connection: Connection, topic: str, payload: bytes, *, device: str | None, reason: str, detail: str
) -> bool:
    """Keep the bytes of a payload with the reason of its refusal; False where the same is there already."""
    delivery = uuid.UUID(bytes=hashlib.sha256(topic.encode(errors="replace") + b"\0" + payload).digest()[:16])
    entered = await connection.fetchval(
        load("quarantine_payload"),
        device,
        clean(topic),
        reason,
        clean(detail)[:MAX_DETAIL],
        payload,
        delivery,
    )
    return entered is not None


def clean(text: str) -> str:
    """Text that PostgreSQL takes: no NUL, no lone surrogates."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
