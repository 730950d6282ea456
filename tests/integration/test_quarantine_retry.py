"""Payloads that a limit or a clock refused, and their way back: `wattline quarantine`, the API, the worker."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from broker.contract.topics import Kind
from cli.jobs import job
from cli.quarantine import quarantine
from ingestor.worker.store import retry_frames
from tests.rigs.cli import typed
from tests.rigs.gateway import connection, gateway, gateway_settings
from tests.rigs.ingesting import Table, device, ingesting, settings, table
from tests.rigs.redecoding import worker_settings, working
from tests.rigs.servers import Broker, Database
from tests.rigs.waiting import until_equal

SOON = (datetime.now(UTC) + timedelta(hours=1)).replace(microsecond=0)
LEDGER = "SELECT received_at, boot, seq, rows FROM message ORDER BY seq, received_at"


def sample(at: datetime, *codes: str) -> dict[str, Any]:
    return {"at": at.isoformat(), "values": dict.fromkeys(codes, 1.5)}


async def refused(broker: Broker, database: Database, asked: Table) -> str:
    """A device whose meter, series and time were beyond the limits of then, and one payload that never can be taken."""
    of = settings(broker, database.dsn("wattline_ingestor"), meters_per_device=1, series_per_meter=2, max_future_s=10)
    start = datetime(2026, 11, 23, tzinfo=UTC)
    async with ingesting(of), device(broker) as pi:
        one, two, three = "1-0:1.8.0", "1-0:2.8.0", "1-0:16.7.0"
        await pi.send(pi.payload(samples=[sample(start, one, two)]))
        await until_equal(asked.readings, 2)
        await pi.send(pi.payload(samples=[sample(start + timedelta(seconds=1), one, two, three)]))
        await pi.send(pi.payload(samples=[sample(start, one)], meter=f"TST:{pi.name}-other"))
        await pi.send(pi.payload(samples=[sample(SOON, one, two)]))
        await pi.send(pi.payload(samples=[]))
        await pi.send(b"{not json", Kind.EVENTS)
        await until_equal(lambda: asked.value("SELECT count(*) FROM frame"), 5)
        # what the gateway refused is not the worker's to take
        await asked.execute(
            "INSERT INTO frame (received_at, topic, kind, reason, data, delivery) VALUES (now(), "  # noqa: S608 - the test's own text
            f"'{broker.topics.of(Kind.REGISTRATION, pi.name)}', 'payload', 'invalid_message', '', gen_random_uuid())"
        )
        return pi.name


async def test_a_boot_end_that_was_refused_reaches_the_ledger(broker: Broker, database: Database) -> None:
    """What an event beyond a limit tells of the boot before counts once it is stored: its lost end is known."""
    of = settings(broker, database.dsn("wattline_ingestor"), max_devices=1)
    async with table(database) as asked, ingesting(of), device(broker) as first, device(broker) as pi:
        await first.readings(1)
        await until_equal(asked.readings, 3)
        began = {"boot": "b3f2", "seq": 1, "at": SOON.isoformat(), "event": "boot_began"}
        await pi.send(json.dumps(began | {"previous": {"boot": "b3f1", "seq": 7}}).encode(), Kind.EVENTS)
        await until_equal(asked.quarantined, {"device_limit": 1})
        async with gateway(gateway_settings(broker, database)) as running, working(worker_settings(database)):
            queued = json.loads((await typed(running, quarantine, "retry", "--json")).output)
            assert (await typed(running, job, "watch", str(queued["job"]))).exit_code == 0
        assert await asked.rows("SELECT boot, seq FROM event WHERE event = 'boot_began'") == [("b3f2", 1)]
        assert await asked.rows("SELECT boot, seq FROM ledger_boot_end") == [("b3f1", 7)]


async def test_what_was_refused_comes_back(broker: Broker, database: Database) -> None:
    """Listed, shown, retried: what can be taken now is stored and resolved, once; the rest stays; the ledger too."""
    async with table(database) as asked:
        name = await refused(broker, database, asked)
        ledger = await asked.rows(LEDGER)
        async with gateway(gateway_settings(broker, database)) as running, working(worker_settings(database)):
            listed = json.loads((await typed(running, quarantine, "list", "--device", name, "--json")).output)
            assert {one["reason"] for one in listed} == {
                "series_limit", "meter_limit", "implausible_time", "invalid_message", "invalid_json",
            }  # fmt: skip
            first = next(one for one in listed if one["reason"] == "series_limit")
            shown = (await typed(running, quarantine, "show", str(first["id"]))).output
            assert "1-0:16.7.0" in shown
            only = await typed(running, quarantine, "retry", "--cause", "meter_limit", "--author", "eva", "--json")
            assert only.exit_code == 0, only.output
            number = json.loads(only.output)["job"]
            assert (await typed(running, job, "watch", str(number))).exit_code == 0
            assert await asked.readings() == 5
            for again in (False, True):
                queued = await typed(running, quarantine, "retry", "--json")
                watched = await typed(running, job, "watch", str(json.loads(queued.output)["job"]), "--json")
                done = json.loads(watched.output.splitlines()[-1])
                assert (done["kind"], done["state"], done["undecodable"]) == ("retry", "done", 3), done
                assert (done["frames"], done["readings"]) == ((3, 0) if again else (5, 3))
                assert "samples" in done["note"] or "JSON" in done["note"]
            left = json.loads((await typed(running, quarantine, "list", "--json")).output)
            assert {one["reason"] for one in left} == {"invalid_message", "invalid_json"}
            everything = json.loads((await typed(running, quarantine, "list", "--resolved", "--json")).output)
            assert len(everything) == 6
            assert "wattline quarantine list" in (await typed(running, quarantine, "show", "77777")).output
        assert await asked.readings() == 8
        assert await asked.rows("SELECT count(*) FROM frame") == [(6,)]
        assert await asked.rows(LEDGER) == ledger
        events = "SELECT event, count(*)::int FROM event WHERE event LIKE 'quarantine_retry%' GROUP BY 1 ORDER BY 1"
        assert await asked.rows(events) == [("quarantine_retry_done", 3), ("quarantine_retry_queued", 3)]


async def test_a_portion_of_a_retry_is_bounded_in_bytes(database: Database) -> None:
    """As many as fit, and one whatever its size: a payload in quarantine may have a mebibyte."""
    entered = (
        "INSERT INTO frame (received_at, topic, kind, reason, data, delivery) "
        "SELECT now(), 't', 'payload', 'too_large', repeat('x', 100)::bytea, gen_random_uuid() "
        "FROM generate_series(1, 4)"
    )
    async with connection(database) as opened:
        await opened.execute(entered)
        behind = (datetime(2000, 1, 1, tzinfo=UTC), 0, 2**53, None, 500, None)
        assert [len(await retry_frames(opened, *behind, most)) for most in (1, 250, 10_000)] == [1, 3, 4]
