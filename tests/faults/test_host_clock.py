"""An ingestor on a host whose clock is wrong by days, or is set while it runs: receipt is dated by the database's."""

from datetime import UTC, datetime, timedelta

import pytest

from ingestor import health as health_module
from ingestor.batches.rows import micros_now
from ingestor.writing import receipt_clock as clock_module
from tests.rigs.ingesting import device, ingesting, settings, table
from tests.rigs.servers import Broker, Database
from tests.rigs.waiting import until_equal

DAY_US = 86_400_000_000


@pytest.mark.parametrize("days", [-5, 400])
async def test_a_wrong_clock_judges_nobody_wrong(
    broker: Broker, database: Database, monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    """Live readings are stored and dated right, and it is told; so it is when the clock is set later."""
    monkeypatch.setattr(clock_module, "micros_now", lambda: micros_now() + days * DAY_US)
    monkeypatch.setattr(health_module, "EVERY_S", 0.1)
    monkeypatch.setattr(health_module, "UPKEEP_S", 0.1)
    of = settings(broker, database.dsn("wattline_ingestor"), upkeep_every_s=0.1)
    async with table(database) as asked, ingesting(of) as ingestor, device(broker) as pi:
        pi.start_at = datetime.now(UTC) - timedelta(minutes=10)
        await pi.readings(5)
        await until_equal(asked.readings, 15)

        async def told() -> bool:
            status, document = await ingestor.health()
            return status == 503 and not document["checks"]["clock"]["ok"]

        await until_equal(told, wanted=True)
        off_s = await ingestor.metric("wattline_ingestor_host_clock_off_seconds")
        assert off_s == pytest.approx(days * 86_400, abs=60)
        assert await asked.value("SELECT count(*) FROM event WHERE event = 'host_clock_off'") == 1
        monkeypatch.setattr(clock_module, "micros_now", micros_now)

        async def well() -> int:
            return (await ingestor.health())[0]

        await until_equal(well, 200)
        await pi.readings(1)
        await until_equal(asked.readings, 18)
        assert await asked.quarantined() == {}
        assert await asked.value("SELECT max(abs(extract(epoch FROM received_at - now()))) < 60 FROM message")
        # what is rolled up is marked by the database's clock too
        await until_equal(lambda: asked.value("SELECT shown_until <> '-infinity' FROM rollup_state"), True)
        assert await asked.value("SELECT noted_until <= now() FROM rollup_state")
