"""What keeps the database going: an ingestor's upkeep on Community, and which of its jobs fail or are late."""

import asyncio

import asyncpg
import pytest
from click.testing import CliRunner

from ingestor.metrics import Metrics
from ingestor.upkeep import lease as lease_module
from ingestor.upkeep.lease import Lease
from ingestor.upkeep.maintenance import Upkeep
from store.cli import migrate as migrate_command
from store.jobs import failing_jobs
from store.migrate import migrate
from store.rollups import STEPS
from tests.rigs.rollups import store_of
from tests.rigs.servers import Database
from tests.rigs.waiting import until_equal

COMPRESSION = (
    "SELECT job_id FROM timescaledb_information.jobs WHERE proc_name = 'policy_compression' ORDER BY 1 LIMIT 1"
)


async def test_an_ingestor_keeps_community_up_to_date(community: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a background worker late readings are in all levels after the next round, and retention runs after it."""
    # there is no second connection to renew it on
    monkeypatch.setattr(lease_module, "LEASE_S", 600.0)
    await migrate(community.dsn(), settings={"keep_readings": "30d"})
    async with store_of(community) as store:
        await store.execute(
            "INSERT INTO reading SELECT t, 1, 1, 0"
            " FROM generate_series(now() - interval '33 days', now() - interval '20 minutes', '15 minutes') t"
        )
        await store.roll_up()
        await store.execute("INSERT INTO reading SELECT now() - interval '29 days 1 hour', 77, 1, 0")
    metrics = Metrics()

    def metric(name: str) -> float:
        return metrics.registry.get_sample_value(f"wattline_ingestor_{name}") or 0.0

    async def rounds() -> bool:
        return metric("rollup_stretches_total") >= len(STEPS) - 1 and metrics.registry.get_sample_value(
            "wattline_ingestor_chunks_dropped_total", {"table": "reading"}
        ) in (2, 3)

    async with (
        asyncpg.create_pool(community.dsn(), min_size=1, max_size=1, init=_as_ingestor, reset=_as_it_is) as pool,
        asyncio.TaskGroup() as group,
    ):
        keeping = group.create_task(Upkeep(5.0, metrics, Lease("test")).keep(pool), name="upkeep")
        await until_equal(rounds, wanted=True)
        assert metric("upkeep_failures_total") == 0
        # PGlite can't lose its one connection in the middle of a statement: who holds it knows that no task uses it
        async with pool.acquire():
            keeping.cancel()
            await asyncio.wait([keeping])
    async with store_of(community) as store:
        assert await store.value("SELECT rollup_behind_s FROM upkeep_standing") == 0
        for step in STEPS:
            assert await store.value(f"SELECT count(*) FROM rollup_{step} WHERE max_value = 77") == 1, step  # noqa: S608 - the test's own text


async def _as_ingestor(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    await connection.execute("SET ROLE wattline_ingestor")


async def _as_it_is(_: "asyncpg.Connection[asyncpg.Record]") -> None:
    """PGlite has its search path from the session that it begins with, and RESET ALL would take it away."""


async def test_jobs_that_fail_or_are_late_are_told(community: Database) -> None:
    """A scheduled job that ended with an error, or that nobody ran, is in the view, for Grafana too, and at migrate."""
    async with store_of(community) as store:
        job = await store.value(COMPRESSION)
        assert await failing_jobs(store.connection) == []
        await store.execute(
            "UPDATE installation SET recorded_at = now() - interval '3 hours' WHERE name = 'edition_sql'"
        )
        await store.execute("UPDATE _timescaledb_internal.bgw_job_stat SET next_start = now() - interval '3 hours'")
        late = await failing_jobs(store.connection)
        assert {(found.name, found.state) for found in late} >= {("policy_compression of reading", "late")}
        await store.execute(f"CALL run_job({job})")
        # as TimescaleDB's scheduler notes a run that ended with an error
        await store.execute(f"DELETE FROM _timescaledb_internal.bgw_job_stat WHERE job_id = {job}")  # noqa: S608 - the test's own text
        await store.execute(NOTE_FAILURE.format(job=job))
        await store.execute("SET ROLE wattline_grafana")
        [failing] = [found for found in await failing_jobs(store.connection) if found.state == "failing"]
        assert failing.failures == 3
        assert 'cannot drop portal ""' in failing.error
        await store.execute("RESET ROLE")
    run = await asyncio.to_thread(CliRunner().invoke, migrate_command, ["--dsn", community.dsn()])
    assert run.exit_code == 0, run.output
    assert 'is failing: 24000 cannot drop portal ""' in run.output


async def test_roll_ups_that_lag_are_told(each_edition: Database) -> None:
    """Readings that no ingestor rolls up make the roll-ups late, on both editions."""
    async with store_of(each_edition) as store:
        assert [job.name for job in await failing_jobs(store.connection)] == []
        await store.execute("INSERT INTO reading SELECT now() - interval '3 hours', 1, 1, 0")
        [late] = await failing_jobs(store.connection)
        assert (late.name, late.state) == ("roll-ups", "late")
        assert "does an ingestor run" in late.error
        await store.roll_up()
        assert await failing_jobs(store.connection) == []
        assert (await store.roll_up()).behind_s == 0


NOTE_FAILURE = """
INSERT INTO _timescaledb_internal.bgw_job_stat
    (job_id, last_start, last_finish, next_start, last_successful_finish, last_run_success, total_runs, total_duration,
     total_duration_failures, total_successes, total_failures, total_crashes, consecutive_failures, consecutive_crashes)
VALUES ({job}, now() - interval '1 minute', now(), now() + interval '5 minutes', '-infinity', false, 3,
        '1 s', '1 s', 0, 3, 0, 3, 0);
INSERT INTO _timescaledb_internal.bgw_job_stat_history (job_id, pid, execution_start, execution_finish, succeeded, data)
VALUES ({job}, 1, now() - interval '1 minute', now(), false, jsonb_build_object('error_data', jsonb_build_object(
    'sqlerrcode', '24000', 'message', 'cannot drop portal "" while it is being set up')))
"""
