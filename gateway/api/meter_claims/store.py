"""Claims in the store, as the API shows them."""

from gateway.api.meter_claims.models import MeterClaimView
from store.sql import Database, statement


@statement
async def list_claims(database: Database, meter: str | None, device: str | None, limit: int) -> list[MeterClaimView]:
    """Claims of a meter, by a device, or all, the newest first."""
