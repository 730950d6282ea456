"""The ledger in the store, page by page."""

from datetime import datetime

from gateway.api.ledger.models import BootFigures, DeliveryFigures, Hole, Run
from store.sql import Database, statement


@statement
async def ledger_devices(
    database: Database, start: datetime, end: datetime, after: str, device: str | None, limit: int
) -> list[DeliveryFigures]:
    """Devices behind a name with what the summary says of messages received in [start, end)."""


@statement
async def ledger_boots(
    database: Database, start: datetime, end: datetime, device: str | None, after: str, after_boot: str, limit: int
) -> list[BootFigures]:
    """Boots of which something came, or was reported, in [start, end): of one device or of all."""


@statement
async def ledger_holes(
    database: Database, start: datetime, end: datetime, device: str | None, after: str, after_boot: str, after_low: int,
    limit: int,
) -> list[Hole]:  # fmt: skip
    """Numbers that are missing as the summary has it, found so in [start, end)."""


@statement
async def ledger_runs(
    database: Database, start: datetime, end: datetime, device: str | None, after: str, after_boot: str, after_low: int,
    limit: int,
) -> list[Run]:  # fmt: skip
    """Which numbers the ledger itself holds of what was received in [start, end)."""
