"""What the store says of states that rules are about, and the bounds of what waits."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg

from ingestor.notices import store
from ingestor.notices.states import asked, limit_kwh
from store.notices.rules import Rule
from tests.rigs.gateway import rows
from tests.rigs.rollups import METERS
from tests.rigs.servers import Database

STATES = """
INSERT INTO reading SELECT now() - n * interval '1 minute', CASE WHEN n < 20 THEN 40 ELSE 5 END, 2, 0
    FROM generate_series(0, 60) n;
INSERT INTO reading SELECT now() - n * interval '1 minute', CASE WHEN n = 7 THEN 5 ELSE 40 END, 4, 0
    FROM generate_series(0, 60) n;
INSERT INTO reading SELECT day + n * (now() - day) / 10, 1000 + n, 1, 0
    FROM generate_series(-1, 10) n, date_trunc('day', now(), store_zone()) day;
INSERT INTO device (name, online, status_at) VALUES ('pi-off', false, now() - interval '15 minutes'),
    ('pi-brief', false, now() - interval '5 minutes');
INSERT INTO meter (key, device_id, protocol, installed_at, facts) VALUES
    ('NEW:1', 1, 'p1', now() - interval '1 hour', '{"key_state": "missing"}');
INSERT INTO gateway_gauge (gateway, gauge, of, value, at) VALUES
    ('g', 'certificate_end_seconds', 'root', extract(epoch FROM now()) + 80 * 86400, now()),
    ('g', 'certificate_end_seconds', 'https', extract(epoch FROM now()) + 80 * 86400, now()),
    ('g', 'certificate_end_seconds', 'broker', extract(epoch FROM now()) + 10 * 86400, now());
"""

CHANNEL = (
    "INSERT INTO notice_channel (name, kind, shown, sealed, master, author) VALUES ('ops', 'webhook', '', '', '', '')"
)
EVENT = "INSERT INTO notice_event (received_at, at, event, severity, detail) VALUES (now(), now(), 'x', 'info', '{}');"


async def subjects(connection: Any, **rule: Any) -> set[str]:
    return {one.subject for one in await asked(connection, Rule(channel="ops", **rule))}


async def test_states_as_the_worker_may_ask_for_them(database: Database) -> None:
    """Each kind by the rights of the worker's role: who is concerned, and who is not."""
    owner = await asyncpg.connect(database.dsn())
    opened = await asyncpg.connect(database.dsn("wattline_ingestor"))
    try:
        await owner.execute(METERS)
        await owner.execute(STATES)
        assert await subjects(opened, about="offline") == {"pi-off"}
        assert await subjects(opened, about="offline", after_min=1) == {"pi-off", "pi-brief"}
        # TST:1 is over for 19 minutes, TST:2 was below seven minutes ago
        power: dict[str, Any] = {"about": "threshold", "obis": "1-0:16.7.0", "above": 30.0}
        assert await subjects(opened, **power) == {"TST:1", "TST:2"}
        assert await subjects(opened, **power, after_min=5) == {"TST:1", "TST:2"}
        assert await subjects(opened, **power, after_min=10) == {"TST:1"}
        assert await subjects(opened, **power, after_min=30) == set()
        assert await subjects(opened, about="threshold", obis="1-0:16.7.0", below=50.0, after_min=30) == {
            "TST:1",
            "TST:2",
        }
        assert await subjects(opened, about="threshold", obis="1-0:16.7.0", above=100.0, below=1.0) == set()
        (day,) = await subjects(opened, about="consumption", above_kwh=5.0)
        assert day.startswith("TST:1 20")
        assert await subjects(opened, about="consumption", above_kwh=11.0) == set()
        assert await subjects(opened, about="consumption", above_cost=3.0, price_per_kwh=0.5) == {day}
        assert {"TST:1", "TST:2"}.isdisjoint(await subjects(opened, about="silent"))
        assert "TST:3" in await subjects(opened, about="silent")
        assert "NEW:1" in await subjects(opened, about="unknown_meter")
        assert await subjects(opened, about="key_wanted") == {"NEW:1"}
        assert await subjects(opened, about="certificate") == {"root", "broker"}
        assert await subjects(opened, about="enrolment") == set()
        assert "TST:3" not in await subjects(opened, about="gap")
    finally:
        await owner.close()
        await opened.close()


def test_a_days_cost_is_an_energy_by_its_price() -> None:
    """The first limit that is reached counts; what costs nothing has none."""
    values: dict[str, Any] = {"about": "consumption", "channel": "ops"}
    assert limit_kwh(Rule(**values, above_kwh=10, above_cost=2, price_per_kwh=0.5)) == 4
    assert limit_kwh(Rule(**values, above_kwh=3, above_cost=2, price_per_kwh=0.5)) == 3
    assert limit_kwh(Rule(**values, above_cost=2, price_per_kwh=0)) == float("inf")


async def test_what_waits_is_bounded_and_what_is_beyond_is_counted(database: Database) -> None:
    """Of a rule so many events, of a channel so many messages: further ones are counted, or dead for a person."""
    opened = await asyncpg.connect(database.dsn())
    now = datetime.now(UTC)
    try:
        await opened.execute(CHANNEL)
        await opened.execute(
            "INSERT INTO notice_rule (name, channel, enabled, events, document, author)"
            " VALUES ('r', 'ops', true, '{x}', '{}', '')"
        )
        for first in (0, 5):
            names = [f"event {number}" for number in range(first, first + 5)]
            of = [None] * 5
            await store.add_found_events(
                opened, "r", names, of, of, ["error"] * 5, [now] * 5, of, [""] * 5, 7
            )  # fmt: skip
        (rule,) = await rows(database, "SELECT more FROM notice_rule")
        found = await rows(database, "SELECT subject FROM notice_found")
        assert (len(found), rule["more"]) == (7, 3)
        for _ in range(3):
            await store.add_notice(opened, uuid4(), "r", "ops", {}, "", "", 5, 2)
        states = [one["state"] for one in await rows(database, "SELECT state FROM notice_delivery")]
        assert sorted(states) == ["dead", "waiting", "waiting"]

        await opened.execute(EVENT)
        await opened.execute("SELECT setval(pg_get_serial_sequence('notice_event', 'id'), 200000)")
        await opened.execute(EVENT)
        await opened.execute(
            "INSERT INTO event (received_at, at, source, event, severity)"
            " VALUES (now(), now(), 'device', 'x', 'info'), (now(), now(), 'device', 'y', 'info')"
        )
        assert await store.notices_missed(opened) == 1
        assert len(await rows(database, "SELECT FROM notice_event")) == 2
    finally:
        await opened.close()


async def test_two_workers_never_hold_one_channel_at_once(database: Database) -> None:
    """However they race: one message in hand, the next only behind its outcome, and a late outcome changes nothing."""
    pool = await asyncpg.create_pool(database.dsn("wattline_ingestor"), min_size=6, max_size=6)
    opened = await asyncpg.connect(database.dsn())
    try:
        await opened.execute(CHANNEL)
        for _ in range(3):
            await store.add_notice(opened, uuid4(), "r", "ops", {}, "", "", 5, 100)
        for number in range(3):
            taken = [
                one for one in await asyncio.gather(*(store.take_notice(pool, "ops", 60) for _ in range(6))) if one
            ]
            assert len(taken) == 1, number
            assert await store.due_channels(pool) == []
            await store.end_notice(pool, taken[0].id, "sent", "yes", taken[0].tries, timedelta())
            await store.end_notice(pool, taken[0].id, "waiting", "late", taken[0].tries, timedelta(hours=1))
        assert await store.take_notice(pool, "ops", 60) is None
        assert [one["answer"] for one in await rows(database, "SELECT answer FROM notice_channel")] == ["yes"]
    finally:
        await opened.close()
        await pool.close()
