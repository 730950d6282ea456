"""Jobs by the clock: once for each time, whoever runs, and times that passed meanwhile are one."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from cli.jobs import job as job_command
from tests.rigs.cli import typed
from tests.rigs.gateway import connection, events, gateway, gateway_settings, rows
from tests.rigs.redecoding import ended, worker_settings, working
from tests.rigs.servers import Broker, Database
from tests.rigs.waiting import until

JOBS = "SELECT id, kind, author, schedule, key, arguments::text AS arguments FROM job ORDER BY id"
NEXT = "SELECT next_at, last_at, last_job, error FROM job_schedule"


async def add(database: Database, name: str, next_at: datetime, arguments: str, **more: Any) -> None:
    """A schedule that is due at a time, each hour by default."""
    async with connection(database) as opened:
        await opened.execute(
            "INSERT INTO job_schedule (name, kind, arguments, cron, zone, enabled, author, next_at)"
            " VALUES ($1, $2, $3, $4, $5, $6, 'anna', $7)",
            *(name, more.get("kind", "export"), arguments, more.get("cron", "0 * * * *"), more.get("zone", "UTC")),
            *(more.get("enabled", True), next_at),
        )


async def test_two_workers_ask_once_for_times_that_passed_while_none_ran(database: Database) -> None:
    """One job of the first time, with times told by it; then the next is ahead. One that is off is never due."""
    due = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=5)
    asked = json.dumps({"since": "$hour-1", "until": "$hour"})
    await add(database, "hourly", due, asked)
    await add(database, "off", due, asked, enabled=False)
    async with working(worker_settings(database)), working(worker_settings(database)):

        async def asked_for() -> list[dict[str, Any]]:
            return await rows(database, JOBS)

        (found,) = await until(asked_for, "a job is asked for")
        done = await ended(database, found["id"])
        (state, _) = await rows(database, f"{NEXT} ORDER BY name")
        # the same again: what was asked for is known by its key, and one more time is due
        async with connection(database) as opened:
            await opened.execute("UPDATE job_schedule SET next_at = $1 WHERE name = 'hourly'", due)

        async def seen() -> bool:
            return bool(await rows(database, "SELECT FROM job_schedule WHERE name = 'hourly' AND next_at > now()"))

        await until(seen, "it is seen to again")
        assert len(await rows(database, JOBS)) == 1
    assert (found["kind"], found["author"], found["schedule"]) == ("export", "anna", "hourly")
    given = json.loads(found["arguments"])
    assert [datetime.fromisoformat(given[name]) for name in ("since", "until")] == [due - timedelta(hours=1), due]
    assert done["schedule"] == "hourly"
    assert (state["last_at"], state["last_job"], state["error"]) == (due, found["id"], None)
    assert datetime.now(UTC) - timedelta(minutes=1) < state["next_at"] <= datetime.now(UTC) + timedelta(hours=1)


async def test_what_can_not_be_asked_for_is_told(database: Database) -> None:
    """The schedule says why, an event too, and it goes on with the next time."""
    due = datetime.now(UTC) - timedelta(minutes=1)
    await add(database, "odd", due, "{}", kind="unheard_of")
    await add(database, "bare", due, "{}")
    await add(database, "away", due - timedelta(minutes=1), "{}", zone="Nowhere/Land")
    async with working(worker_settings(database)):

        async def told() -> bool:
            return len(await events(database, "job_schedule_failed")) == 3

        await until(told, "all are told")
    errors = [one["error"] for one in await rows(database, f"{NEXT} ORDER BY name")]
    assert errors == [
        "'No time zone found with key Nowhere/Land'",
        "what it asks for does not fit export: Field required",
        "this version of Wattline knows no kind unheard_of",
    ]
    assert await rows(database, JOBS) == []


async def test_schedules_from_the_command_line(broker: Broker, database: Database) -> None:
    """Made, changed, shown and removed; what does not fit is refused by its field."""
    async with gateway(gateway_settings(broker, database)) as running:
        assert (await typed(running, job_command, "schedule", "list")).output == "no schedules\n"
        words = ("schedule", "set", "monthly", "export", "since=$month-1", "until=$month", "step=1d")
        made = await typed(running, job_command, *words, "--cron", "15 4 1 * *", "--zone", "Europe/Warsaw", "--json")
        assert made.exit_code == 0, made.output
        (found,) = json.loads(made.output)
        assert (found["cron"], found["zone"], found["enabled"], found["error"]) == (
            "15 4 1 * *", "Europe/Warsaw", True, None
        )  # fmt: skip
        assert found["next_at"] > datetime.now(UTC).isoformat()
        assert "monthly" in (await typed(running, job_command, "schedule", "list")).output
        assert (await typed(running, job_command, *words, "--cron", "0 5 * * *", "--off")).exit_code == 0
        told = {
            (*words, "--cron", "every day"): "cron: 'every day' is no cron expression; write five fields",
            (*words, "--cron", "0 0 * * *", "--zone", "Warsaw"): "zone: 'Warsaw' is no time zone",
            (*words[:5], "--cron", "0 0 * * *"): "arguments.until",
            ("schedule", "set", "Monthly", *words[3:], "--cron", "0 0 * * *"): "schedule: 'Monthly' is no name",
            ("schedule", "remove", "yearly"): "there is no schedule 'yearly'",
        }
        for given, sentence in told.items():
            refused = await typed(running, job_command, *given)
            assert (refused.exit_code, sentence in refused.output) == (1, True), refused.output
        assert (await typed(running, job_command, "schedule", "remove", "monthly")).exit_code == 0
        assert (await typed(running, job_command, "schedule", "list", "--json")).output == "[]\n"
        async with connection(database) as opened:
            await opened.execute(
                "INSERT INTO job_schedule (name, kind, arguments, cron, zone, enabled, author, next_at)"
                " SELECT 's' || n, 'export', '{}', '0 0 * * *', 'UTC', false, 'anna', now()"
                " FROM generate_series(1, 200) n"
            )
        refused = await typed(running, job_command, *words, "--cron", "0 5 * * *")
        assert (refused.exit_code, "there are 200 schedules already" in refused.output) == (1, True), refused.output
    names = ("job_schedule_made", "job_schedule_changed", "job_schedule_removed")
    assert [len(await events(database, one)) for one in names] == [1, 1, 1]
