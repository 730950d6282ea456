"""Quarantine in the store."""

from datetime import datetime

from gateway.api.quarantine.models import QuarantineView
from store.sql import Database, statement


class Quarantined(QuarantineView):
    """What is in quarantine with its bytes."""

    data: bytes


@statement
async def list_quarantine(
    database: Database, before: datetime, before_id: int, cause: str | None, device: str | None, since: datetime | None,
    until: datetime | None, resolved: bool, limit: int,
) -> list[QuarantineView]:  # fmt: skip
    """Payloads before a place, the newest first; with `resolved` those too that a retry has stored."""


@statement
async def quarantine_detail(database: Database, number: int) -> Quarantined | None:
    """One payload with its bytes."""
