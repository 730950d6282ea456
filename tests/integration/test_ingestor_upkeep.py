"""Roll-ups that the ingestor keeps up to date, one of several, also for what comes late."""

import asyncio
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta

from ingestor.settings import IngestorSettings
from tests.rigs.ingesting import device, ingesting, settings, table
from tests.rigs.servers import Broker, Database
from tests.rigs.waiting import until_equal


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

                async def counted() -> bool:
                    return await gone.metric(late) + await left.metric(late) >= 3

                # what was rolled up is seen by others a moment before it is counted
                await until_equal(counted, True)
                holds = "wattline_ingestor_holds_upkeep"
                # the gauge follows within seconds
                await until_equal(lambda: _sum(gone.metric(holds), left.metric(holds)), 1.0)
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

        async def in_time() -> bool:
            return float(await running.metric("wattline_ingestor_ledger_behind_seconds")) < 600

        # the gauge is asked for by a task of its own, which may have looked just before
        await until_equal(in_time, True)


async def test_a_refresh_that_takes_long_holds_up_no_ledger(broker: Broker, database: Database) -> None:
    """Roll-ups wait behind a lock in an open transaction; the ledger goes on meanwhile and knows what is missing."""
    chosen = settings(broker, database.dsn("wattline_ingestor"), upkeep_every_s=0.1)
    async with table(database) as asked, table(database) as holder, device(broker) as sender:
        await holder.execute("BEGIN; UPDATE rollup_state SET noted_until = noted_until")
        async with ingesting(chosen) as running:
            await sender.readings(2)
            sender.seq += 3
            await sender.readings(1)
            lost = "SELECT coalesce(sum(numbers), 0)::int FROM ledger_hole_overview"
            await until_equal(lambda: asked.value(lost), 3)
            await asked.execute("UPDATE ledger_hole SET opened_at = opened_at - interval '2 hours'")
            await until_equal(lambda: running.metric("wattline_ingestor_ledger_missing"), 3.0)
            await holder.execute("ROLLBACK")


async def test_month_old_readings_are_everywhere_within_the_stated_minute(broker: Broker, database: Database) -> None:
    """From an outbox, in one batch with live ones, into days rolled up already: roll-ups and consumption have them."""
    every_s = 1.0
    stated_s = 60 - (IngestorSettings.model_fields["upkeep_every_s"].get_default() - every_s)
    now = datetime.now(UTC).replace(microsecond=0)
    old = now - timedelta(days=35)
    of = settings(broker, database.dsn("wattline_ingestor"), upkeep_every_s=every_s, batch_wait_s=0.5)
    async with table(database) as asked, device(broker) as sender, ingesting(of):

        async def everywhere() -> list[object]:
            of_then = "last_at < now() - interval '34 days'"
            counted = [
                await asked.value(f"SELECT coalesce(sum(readings), 0) FROM rollup_{step} WHERE {of_then}")  # noqa: S608 - the test's own text
                for step in ("15m", "1h", "1d", "1mo")
            ]
            range_of_then = "now() - interval '40 days', now() - interval '34 days'"
            used = await asked.value(f"SELECT coalesce(sum(value), 0) FROM consumption_1d({range_of_then})")  # noqa: S608 - the test's own text
            return [*counted, int(used)]

        # the first and the last of a quarter of an hour, live and a month ago
        sender.start_at = old
        early = [sender.payload(1)]
        sender.start_at = old + timedelta(minutes=15)
        await sender.send_all(early)
        await until_equal(everywhere, [1, 1, 1, 1, 0], stated_s)
        late = [sender.payload(1) for _ in range(3)]
        sender.start_at = now - timedelta(minutes=5)
        await sender.send_all([*late, *(sender.payload(1) for _ in range(3))])
        await until_equal(everywhere, [4, 4, 4, 4, 3], stated_s)
        assert await asked.value("SELECT count(*) FROM reading") == 7


async def _sum(*values: Awaitable[float]) -> float:
    return sum(await asyncio.gather(*values))
