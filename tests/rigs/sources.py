"""Sources and payloads as the gateway and the intake leave them in the store, without either."""

import hashlib
import json
from typing import Any

from tests.rigs.gateway import connection, rows
from tests.rigs.servers import Database

MAPPING = """
format: {type: json}
meter: "ACME:{id}"
time: {at: t}
values:
  1-0:1.8.0: {path: kwh}
facts: {manufacturer: ACME, product: Cloud}
events:
  - {kind: "{alarm}", when: alarm}
"""
STATES = "SELECT source, key, state, version, readings, events, reason, body IS NULL AS gone FROM payload ORDER BY id"


async def add_source(database: Database, name: str = "acme", mapping: str | None = MAPPING) -> int:
    """A source with its device, and a first version of its mapping."""
    async with connection(database) as opened, opened.transaction():
        device_id: int = await opened.fetchval("INSERT INTO device (name) VALUES ($1) RETURNING id", f"source-{name}")
        await opened.execute(
            "INSERT INTO source (name, kind, device_id, created_by) VALUES ($1, 'hook', $2, 'test')", name, device_id
        )
    if mapping is not None:
        await map_source(database, mapping, name)
    return device_id


async def map_source(database: Database, mapping: str, name: str = "acme") -> int:
    """Another version of a source's mapping, in force at once."""
    async with connection(database) as opened, opened.transaction():
        version: int = await opened.fetchval("SELECT coalesce(version, 0) + 1 FROM source WHERE name = $1", name)
        await opened.execute(
            "INSERT INTO source_mapping (source, version, document, sha256, author) VALUES ($1, $2, $3, '', 'test')",
            *(name, version, mapping),
        )
        await opened.execute("UPDATE source SET version = $2 WHERE name = $1", name, version)
        return version


async def add_payload(
    database: Database, body: Any, name: str = "acme", key: str = "", topic: str | None = None
) -> int:
    """A payload as the intake keeps it: a document as JSON, bytes as they are."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with connection(database) as opened:
        number: int = await opened.fetchval(
            "INSERT INTO payload (source, key, content_type, topic, body) VALUES ($1, $2, '', $3, $4) RETURNING id",
            *(name, key or hashlib.sha256(raw).hexdigest(), topic, raw),
        )
        return number


async def payloads(database: Database) -> list[dict[str, Any]]:
    """All payloads in their order, without their bodies."""
    return await rows(database, STATES)
