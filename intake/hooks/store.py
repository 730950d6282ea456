"""Sources in the store, as the intake needs them."""

from typing import NamedTuple

from store.sql import Database, statement


class HookSource(NamedTuple):
    """A source that may post; `settings` is JSON of store.source_settings, the secret is sealed by `master`."""

    name: str
    settings: str
    secret: bytes | None
    master: str | None


@statement
async def hook_sources(database: Database) -> list[HookSource]:
    """Those that are enabled."""
