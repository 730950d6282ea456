"""Gaps in the store, as the API shows them."""

from gateway.api.gaps.models import GapView
from store.sql import Database, statement


@statement
async def device_gaps(database: Database, device: str, days: int, limit: int) -> list[GapView]:
    """Gaps of a device's meters in the last days, the newest first."""
