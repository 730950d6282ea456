"""Events of the gateway itself, and the quarantine of payloads that the contract refuses."""

import hashlib
import json
import uuid
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from gateway.store import Severity, add_event, claim_delivery, quarantine_payload
from store.sql import Connection

SAME: Final = timedelta(minutes=1)
"""What comes again within it is one message that each gateway is given; later it may be a person's or device's next."""
MAX_DETAIL = 2000
"""Characters of a reason that are kept."""


async def record_event(
    connection: Connection,
    event: str,
    *,
    device: str | None = None,
    meter: str | None = None,
    severity: Severity = "info",
    detail: dict[str, Any] | None = None,
) -> None:
    """Enter an event of the gateway's own; a device or meter that has no row stands in the detail only."""
    await add_event(connection, device, meter, event, severity, _cleaned(detail or {}))


async def is_first(connection: Connection, event: str, *identity: str | bytes) -> bool:
    """Whether no gateway, this one included, has entered the event of this message lately; from now on one has.

    Inside the transaction that enters it: who comes second waits for its end.
    """
    return await claim_delivery(connection, _delivery(event, *identity), SAME) is not None


async def quarantine(
    connection: Connection, topic: str, payload: bytes, *, device: str | None, reason: str, detail: str
) -> bool:
    """Keep the bytes of a payload with the reason of its refusal; False where the same is there already."""
    delivery = _delivery(topic, payload)
    entered = await quarantine_payload(
        connection, device, clean(topic), reason, clean(detail)[:MAX_DETAIL], payload, delivery
    )
    return entered is not None


def clean(text: str) -> str:
    """Text that PostgreSQL takes: no NUL, no lone surrogates."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def storable(payload: bytes) -> bytes:
    """The same JSON with such texts, as devices copy a NUL from wires and files; what is no JSON stays as it is."""
    if b"\\u0000" not in payload:
        return payload
    try:
        return json.dumps(_cleaned(json.loads(payload))).encode()
    except (ValueError, RecursionError):
        return payload


def _delivery(*parts: str | bytes) -> uuid.UUID:
    found = b"\0".join(part.encode(errors="replace") if isinstance(part, str) else part for part in parts)
    return uuid.UUID(bytes=hashlib.sha256(found).digest()[:16])


def _cleaned(value: Any) -> Any:
    """JSON-able data with every text in it such as jsonb takes."""
    if isinstance(value, Mapping):
        return {clean(str(name)): _cleaned(one) for name, one in value.items()}
    if isinstance(value, str):
        return clean(value)
    return [_cleaned(one) for one in value] if isinstance(value, list | tuple) else value
