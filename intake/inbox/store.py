"""Payloads in the store."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from store.sql import Connection, statement


class StoredPayload(NamedTuple):
    """A payload that is there."""

    id: int
    source: str
    key: str
    digest: bytes | None
    """Of its body, SHA-256; None of one that an older Wattline kept."""


@statement
async def add_payloads(
    connection: Connection, sources: Sequence[str], keys: Sequence[str], content_types: Sequence[str],
    topics: Sequence[str | None], bodies: Sequence[bytes], came_at: Sequence[datetime | None],
) -> list[StoredPayload]:  # fmt: skip
    """Add those that are new; returns these alone. Of two with one key the first is taken."""


@statement
async def find_payloads(connection: Connection, sources: Sequence[str], keys: Sequence[str]) -> list[StoredPayload]:
    """Those of these keys that are there."""
