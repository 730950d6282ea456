"""The benchmark of the dashboards' queries, at a size that tests can afford."""

import asyncpg

from benchmarks.dashboards import LIMIT_MS, measure, seed
from tests.rigs.servers import Database


async def test_no_query_is_slow(database: Database) -> None:
    """Every query of every dashboard and rule is timed; at 50 meters each stays far below what 1 000 may take."""
    opened = await asyncpg.connect(database.dsn())
    try:
        await seed(opened, 50, 6)
        found = await measure(opened)
    finally:
        await opened.close()
    assert len(found) > 70
    assert {name: took_ms for name, took_ms in found.items() if took_ms > LIMIT_MS} == {}
