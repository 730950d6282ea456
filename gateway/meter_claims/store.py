"""What the judging of claims asks of the store beside the claims themselves."""

from store.sql import Database, statement


@statement
async def is_ingesting(database: Database, within_s: float, gone_s: float) -> bool:
    """Whether all ingestors had all that the broker had for them within so many seconds, but those that are gone."""


@statement
async def registration_of(database: Database, device_id: int) -> str | None:
    """The newest registration of a device, as JSON."""
