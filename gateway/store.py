"""What all rooms of the gateway write: the audit, events of its own, and quarantine."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Literal
from uuid import UUID

from pydantic import Json

from store.sql import Database, statement

Severity = Literal["info", "warning", "error"]


@statement
async def add_audit(
    database: Database, actor: str, role: str | None, address: str, action: str, method: str, path: str, query: str,
    body: str, status: int, result: str,
) -> None:  # fmt: skip
    """Enter a line of the audit."""


@statement
async def add_event(
    database: Database, device: str | None, meter: str | None, event: str, severity: Severity,
    detail: Json[Mapping[str, object]],
) -> None:  # fmt: skip
    """Enter an event of the gateway's own."""


@statement
async def claim_delivery(database: Database, delivery: UUID, within: timedelta) -> bool | None:
    """Claim what a message is entered as; None where it was claimed within that time."""


@statement
async def quarantine_payload(
    database: Database, device: str | None, topic: str, reason: str, detail: str, payload: bytes, delivery: UUID
) -> int | None:
    """Keep a payload; None where the same was kept within a week."""
