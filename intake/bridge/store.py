"""MQTT sources in the store, and what is proposed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import Json

from store.sql import Affected, Database, statement

REFUSED: Final = (
    "the database refuses the bridge: {}; WATTLINE_BRIDGE_DATABASE_DSN wants role wattline_intake, and a database on"
    " which `wattline migrate` has run"
)


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
async def propose_source(
    database: Database, broker: str, key: str, origin: str, name: str, topics: Sequence[str], document: str,
    detail: Json[Mapping[str, object]], most: int,
) -> Affected:  # fmt: skip
    """Propose a source, or bring a proposal that is open up to date; none is added beyond so many in all."""


@statement
async def withdraw_proposal(database: Database, broker: str, key: str) -> Affected:
    """Take an open proposal back."""
