"""store/schema.sql says what the migrations make."""

from deploy.local.postgres import PostgresServer
from deploy.local.schema import SCHEMA, dumped
from deploy.local.settings import LocalSettings
from deploy.local.toolchain import provide
from store.migrate import migrate


async def test_the_kept_schema_is_that_of_all_migrations(own_postgres: PostgresServer) -> None:
    """A migration without `make schema` is found here."""
    await migrate(own_postgres.dsn("wattline"))
    toolchain = provide(LocalSettings(), lambda _: None)
    assert await dumped(own_postgres, toolchain, "wattline") == SCHEMA.read_text("utf-8"), "run `make schema`"
