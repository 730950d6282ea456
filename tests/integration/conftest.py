"""Integration tests run on the real servers that tests/conftest.py provides."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from deploy.local.community import CommunityServer, provide_community
from deploy.local.settings import LocalSettings
from deploy.local.stack import LocalStack
from tests.rigs.grafana.year import Year, seed
from tests.rigs.servers import Database, KeptConnections


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def apache_year(stack: LocalStack, database_template: str) -> AsyncIterator[Year]:
    """The seeded year on the machine's TimescaleDB; tests only read it."""
    name = f"year_{secrets.token_hex(4)}"
    await stack.postgres.create_database(name, database_template)
    yield await seed(Database(stack.postgres, name))
    await stack.postgres.drop_database(name)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def community_year(stack: LocalStack, community_snapshot: Path) -> AsyncIterator[Year]:
    """The seeded year on TimescaleDB Community; tests only read it."""
    packages = await asyncio.to_thread(provide_community, LocalSettings(), print)
    server = CommunityServer(packages, stack.folder / "community-year", community_snapshot)
    await server.start()
    yield await seed(Database(server, "postgres"))
    await server.stop()


@pytest.fixture(params=["apache", pytest.param("community", marks=pytest.mark.editions)])
def year_of_edition(request: pytest.FixtureRequest) -> Year:
    """The seeded year, once on each edition."""
    found: Year = request.getfixturevalue(f"{request.param}_year")
    return found


@pytest_asyncio.fixture
async def year(year_of_edition: Year) -> AsyncIterator[Year]:
    """The seeded year on each edition; on the machine's, one connection does for all that a test asks."""
    if year_of_edition.edition != "apache":
        yield year_of_edition
        return
    kept = KeptConnections()
    yield replace(year_of_edition, database=replace(year_of_edition.database, kept=kept))
    kept.close()
