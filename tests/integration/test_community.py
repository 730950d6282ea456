"""The server of TimescaleDB Community that tests have."""

from tests.rigs.ingesting import table
from tests.rigs.servers import Database


async def test_it_is_the_other_edition(community: Database) -> None:
    """It is migrated, and one connection comes after the other."""
    for _ in range(2):
        async with table(community) as asked:
            facts = dict(await asked.rows("SELECT name, value FROM installation"))
            assert facts["timescaledb_edition"] == "timescale"
            assert await asked.readings() == 0
