"""Readings over years in one message: a chunk a day takes minutes to make, and nobody else waits for them."""

from datetime import UTC, datetime, timedelta

from tests.rigs.ingesting import Device, device, ingesting, settings, table
from tests.rigs.servers import Broker, Database
from tests.rigs.waiting import until_equal

DAYS = 300


def history(of: Device) -> bytes:
    """A message with a reading of each of DAYS days until a month ago, as a meter's load profile gives it."""
    newest = datetime.now(UTC).replace(microsecond=0) - timedelta(days=40)
    days = [newest - timedelta(days=number) for number in range(DAYS)]
    return of.payload(samples=[{"at": day.isoformat(), "values": {"1-0:1.8.0": 1.5}} for day in days])


async def test_others_are_stored_while_a_history_waits(broker: Broker, database: Database) -> None:
    """Two devices' histories can't be written for now: what comes of another is stored, and all of it in the end."""
    of = settings(broker, database.dsn("wattline_ingestor"))
    async with (
        table(database) as asked,
        table(database) as other,
        ingesting(of) as ingestor,
        device(broker) as live,
        device(broker) as first,
        device(broker) as second,
    ):
        live.start_at = datetime.now(UTC) - timedelta(minutes=10)
        await live.readings(1)
        await until_equal(asked.readings, 3)
        # whoever makes a chunk waits for this one; whoever writes into those that are there does not
        await other.execute("BEGIN; LOCK TABLE reading IN SHARE UPDATE EXCLUSIVE MODE")
        for one in (first, second):
            await one.send(history(one))
        await until_equal(lambda: ingestor.metric("wattline_ingestor_history_messages"), 2)
        for count in range(2, 6):
            await live.readings(1)
            await until_equal(asked.readings, 3 * count)
        assert await asked.entered() == 5
        await other.execute("COMMIT")
        await until_equal(asked.readings, 15 + 2 * DAYS)
        await until_equal(asked.entered, 7)
        await until_equal(lambda: ingestor.metric("wattline_ingestor_history_messages"), 0)
        assert await asked.quarantined() == {}


async def test_a_history_that_takes_longer_than_a_batch_may(broker: Broker, database: Database) -> None:
    """It is stored piece by piece: given up whole and begun anew it would never be, and stop all others."""
    of = settings(broker, database.dsn("wattline_ingestor"), database_timeout_s=1)
    async with table(database) as asked, ingesting(of) as ingestor, device(broker) as pi:
        await pi.readings(1)
        await until_equal(asked.readings, 3)
        await pi.send(history(pi))
        await until_equal(asked.readings, DAYS + 3)
        await until_equal(asked.entered, 2)
        assert await ingestor.metric('wattline_ingestor_retries_total{error="TimeoutError"}') == 0
