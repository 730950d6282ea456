"""MQTT sources in the store, and what is told of them."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import Json

from store.sql import Database, statement


@dataclass(frozen=True, slots=True)
class SourceRow:
    """An enabled source; `document` is its mapping in force, None where it has none yet."""

    name: str
    settings: Json[Mapping[str, object]]
    document: str | None


@statement
async def mqtt_sources(database: Database) -> list[SourceRow]:
    """The enabled sources of foreign topics, by name."""


@statement
async def add_bridge_event(database: Database, source: str, event: str, detail: Json[Mapping[str, object]]) -> None:
    """Enter a warning of a source's device."""
