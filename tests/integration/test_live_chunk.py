"""Live readings go past the trigger that notes late ones, straight into their chunk; nothing that is late does."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ingestor.batches import names as names_module
from ingestor.batches.limits import Limits
from ingestor.batches.names import Names, Wanted
from ingestor.batches.points import point
from store.pool import open_pool
from tests.rigs.ingesting import Device, Table, device, ingesting, settings, table
from tests.rigs.servers import Broker, Database
from tests.rigs.waiting import until_equal

THROUGH = """
CREATE TABLE went_through (rows bigint);
CREATE FUNCTION went_through() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO went_through SELECT count(*) FROM stored;
    RETURN NULL;
END
$$;
CREATE TRIGGER went_through AFTER INSERT ON reading
    REFERENCING NEW TABLE AS stored FOR EACH STATEMENT EXECUTE FUNCTION went_through();
"""


def at(pi: Device, when: datetime, *, values: int = 2) -> bytes:
    """A message with one sample of this time."""
    codes = dict(list({"1-0:1.8.0": 5.0, "1-0:16.7.0": 1.0}.items())[:values])
    return pi.payload(samples=[{"at": when.isoformat(timespec="seconds").replace("+00:00", "Z"), "values": codes}])


async def late(asked: Table) -> Any:
    """How many hours of series are noted as late."""
    return await asked.value("SELECT count(*) FROM rollup_late")


async def through(asked: Table) -> Any:
    """How many rows went through the table, and so by its triggers."""
    return await asked.value("SELECT coalesce(sum(rows), 0)::int FROM went_through")


async def test_what_is_not_late_goes_into_its_chunk_and_what_is_late_is_noted(
    broker: Broker, database: Database
) -> None:
    """Once names and chunk are there; whatever the mark says at that moment, and also when the chunk was dropped."""
    of = settings(broker, database.dsn("wattline_ingestor"), upkeep_every_s=3600)
    async with table(database) as asked, ingesting(of), device(broker) as pi:
        await asked.execute(THROUGH)
        now = datetime.now(UTC)
        await pi.send(at(pi, now - timedelta(seconds=3)))
        await until_equal(asked.readings, 2)
        assert await through(asked) == 2
        await pi.send(at(pi, now - timedelta(seconds=2)))
        await until_equal(asked.readings, 4)
        assert (await through(asked), await late(asked)) == (2, 0)
        # the quarter-hour is noted: the same kind of message is late now, and must be noted
        await asked.execute("UPDATE rollup_state SET noted_until = now() + interval '1 minute'")
        await pi.send(at(pi, now - timedelta(seconds=1)))
        await until_equal(asked.readings, 6)
        assert (await through(asked), await late(asked)) == (4, 2)
        await asked.execute("UPDATE rollup_state SET shown_until = '-infinity', noted_until = now() - interval '1 day'")
        await asked.execute("SELECT drop_chunks('reading', newer_than => now() - interval '2 days')")
        await pi.send(at(pi, now))
        await until_equal(asked.readings, 2)
        assert await asked.rows("SELECT messages, lost FROM message_gap") == [(4, 0)]


async def test_a_repeat_of_a_live_reading_changes_nothing(broker: Broker, database: Database) -> None:
    """The chunk has the table's index: the batch goes through staging as any other."""
    of = settings(broker, database.dsn("wattline_ingestor"), upkeep_every_s=3600)
    async with table(database) as asked, ingesting(of) as ingestor, device(broker) as pi:
        now = datetime.now(UTC)
        await pi.send(at(pi, now - timedelta(seconds=9)))
        await until_equal(asked.readings, 2)
        repeated = at(pi, now - timedelta(seconds=5))
        await pi.send_all([repeated, at(pi, now - timedelta(seconds=4)), repeated])
        await until_equal(lambda: asked.value("SELECT count(*) FROM message"), 4)
        assert await asked.readings() == 6
        assert await ingestor.metric("wattline_ingestor_rows_repeated_total") == 2


async def test_ids_in_memory_keep_to_their_bound_and_those_in_use_stay(database: Database) -> None:
    """Beyond the bound meters go that were not needed of late; they are found again, with the same ids."""
    what = {point("1-0:1.8.0", None), point("1-0:16.7.0", None)}

    def wanted(*keys: str) -> Wanted:
        return Wanted(meters=dict.fromkeys(keys, ("pi-1", None)), points={(key, "pi-1"): set(what) for key in keys})

    async with (
        open_pool(database.dsn("wattline_ingestor"), min_size=1, max_size=1, application_name="test") as pool,
        pool.acquire() as connection,
    ):
        limits = Limits(meters_per_device=1000, cached_bytes=40_000)
        names = Names(limits)
        await names.resolve(connection, wanted("TST:0"))
        first = names.meters["TST:0"]
        for number in range(1, 200):
            names.meters["TST:0"].used = True
            await names.resolve(connection, wanted(f"TST:{number}"))
            assert sum(meter.occupies() for meter in names.meters.values()) <= limits.cached_bytes
        assert names.meters["TST:0"] is first
        assert "TST:1" not in names.meters
        assert 20 < len(names.meters) < 50
        await names.resolve(connection, wanted("TST:1"))
        assert len(names.meters["TST:1"].points) == 2


async def test_codes_that_meters_share_in_memory_keep_to_their_bound(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Units are a device's own words where the catalogue leaves them open: ever new ones do not fill memory."""
    monkeypatch.setattr(names_module, "_SHARED_POINTS", 5)
    dsn = database.dsn("wattline_ingestor")
    async with open_pool(dsn, min_size=1, max_size=1, application_name="test") as pool, pool.acquire() as connection:
        names = Names(Limits())
        for number in range(20):
            key, what = f"TST:{number}", point("1-0:96.99.9", f"unit {number}")
            await names.resolve(connection, Wanted(meters={key: ("pi-1", None)}, points={(key, "pi-1"): {what}}))
            assert len(names.meters[key].points) == 1
            assert len(names._points) <= 5
