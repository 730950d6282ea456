"""Roll-ups that the ingestor keeps up to date, one of several, also for what comes late."""

from datetime import timedelta

from tests.faults.ingesting import device, ingesting, settings, table, until_equal
from tests.servers import Broker, Database


async def test_one_of_two_ingestors_rolls_up(broker: Broker, database: Database) -> None:
    """Readings are in the tables of roll-ups soon after they are stored, late ones too; the other one takes over."""
    dsn = database.dsn("wattline_ingestor")
    first = settings(broker, dsn, upkeep_every_s=0.1)
    second = settings(broker, dsn, upkeep_every_s=0.1)
    async with table(database) as asked, device(broker) as sender:

        async def rolled() -> int:
            return int(await asked.value("SELECT coalesce(sum(readings), 0) FROM rolled_15m"))

        async with ingesting(second) as left:
            async with ingesting(first) as gone:
                await sender.readings(5)
                await until_equal(rolled, 15)
                sender.start_at -= timedelta(days=40)
                await sender.readings(2)
                await until_equal(rolled, 21)
                late = "wattline_ingestor_rollup_late_hours_total"
                assert await gone.metric(late) + await left.metric(late) >= 3
                held = "SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database"
                assert await asked.value(f"{held} WHERE locktype = 'advisory' AND datname = current_database()") == 1
            sender.start_at -= timedelta(days=40)
            await sender.readings(1)
            await until_equal(rolled, 24)
            assert await left.metric("wattline_ingestor_upkeep_failures_total") == 0


async def test_the_ledger_is_summed_up(broker: Broker, database: Database) -> None:
    """Soon after messages are stored the summary that dashboards read has them, each once."""
    chosen = settings(broker, database.dsn("wattline_ingestor"), upkeep_every_s=0.1)
    async with table(database) as asked, device(broker) as sender, ingesting(chosen) as running:

        async def summed() -> int:
            return int(await asked.value("SELECT coalesce(sum(deliveries - repeated), 0) FROM ledger_summary"))

        await sender.readings(5)
        await until_equal(summed, 5)
        assert await running.metric("wattline_ingestor_ledger_behind_seconds") < 600
