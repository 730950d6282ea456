"""What is told of sources, in the store."""

from collections.abc import Mapping

from pydantic import Json

from store.sql import Database, statement


@statement
async def add_source_event(database: Database, source: str, event: str, detail: Json[Mapping[str, object]]) -> None:
    """Enter a warning of a source's device."""
