"""What the ingestor stores, updates and leaves alone, with a real broker and a real database."""

import asyncio
import json
from datetime import UTC, datetime

import pytest

from broker.contract.messages import Clock, Source
from broker.contract.topics import Kind
from broker.errors import PermanentError
from deploy.local.postgres import PostgresServer
from store.codes import KIND_CODES, SOURCE_CODES
from tests.rigs.ingesting import DEADLINE_S, device, ingesting, settings, table
from tests.rigs.servers import Broker, Database
from tests.rigs.waiting import until_equal


async def test_readings_arrive_with_their_names(broker: Broker, database: Database) -> None:
    """A published value is a row with its time, code, unit, device, meter, source and clock, and a ledger entry."""
    async with (
        table(database) as asked,
        ingesting(settings(broker, database.dsn("wattline_ingestor"))),
        device(broker) as pi,
    ):
        payload = pi.payload(
            samples=[{"at": "2026-11-23T10:00:00.25Z", "values": {"1-0:1.8.0": 12345.678, "0-1:24.2.1": 7.5}}],
            units={"0-1:24.2.1": "m³"},
            clock="meter",
            source="backfill",
        )
        await pi.send(payload)
        await until_equal(asked.readings, 2)
        at = datetime(2026, 11, 23, 10, 0, 0, 250000, tzinfo=UTC)
        meter = f"TST:{pi.name}"
        assert await asked.rows(
            "SELECT time, device, meter, obis, unit, kind, value, source, clock FROM named_reading ORDER BY obis"
        ) == [
            (at, pi.name, meter, "0-1:24.2.1", "m³", "register", 7.5, "backfill", "meter"),
            (at, pi.name, meter, "1-0:1.8.0", "kWh", "register", 12345.678, "backfill", "meter"),
        ]
        ledger = "SELECT device_id, meter_id, boot, seq, rows, kind, spec, newest_at FROM message"
        assert await asked.rows(ledger) == [(1, 1, "b3f1", 1, 2, 1, "test@1", at)]
        assert await asked.value("SELECT bool_and(stored_at >= received_at) FROM message")
        assert await asked.value("SELECT spec FROM meter") == "test@1"


async def test_a_repeat_changes_nothing(broker: Broker, database: Database) -> None:
    """The same message twice, as a resend too, or the same values in another one, leave the readings as they are."""
    async with (
        table(database) as asked,
        ingesting(settings(broker, database.dsn("wattline_ingestor"))) as ingestor,
        device(broker) as pi,
    ):
        first = pi.payload()
        await pi.send_all([first, first])
        await until_equal(lambda: asked.value("SELECT count(*) FROM message"), 2)
        await pi.send(first.replace(b'"seq": 1', b'"seq": 2'))
        await pi.send(first.replace(b'"seq": 1', b'"seq": 1, "resent": 1'))
        await until_equal(lambda: asked.value("SELECT count(*) FROM message"), 4)
        assert await asked.rows("SELECT value FROM reading") == [(1.0,)] * 3
        assert await asked.rows("SELECT messages, lost, repeated, late FROM message_gap") == [(2, 0, 2, 0)]
        assert await ingestor.metric("wattline_ingestor_rows_repeated_total") == 9
        assert await asked.quarantined() == {}


@pytest.mark.parametrize("batch_wait_s", [0.0, 0.5])
async def test_another_value_at_a_time_that_is_taken_is_kept(
    broker: Broker, database: Database, batch_wait_s: float
) -> None:
    """A meter whose clock was set back: the first values stand, the others are in quarantine once, and it is told."""
    of = settings(broker, database.dsn("wattline_ingestor"), batch_wait_s=batch_wait_s)
    async with table(database) as asked, ingesting(of) as ingestor, device(broker) as pi:
        times = ["2026-11-23T10:00:01Z", "2026-11-23T10:00:02Z"]
        codes = ("1-0:1.8.0", "1-0:2.8.0")

        def readings(first: float, source: str = "live") -> bytes:
            samples = [{"at": at, "values": {codes[0]: first, codes[1]: 5.0}} for at in times]
            return pi.payload(samples=samples, source=source)

        before, after = readings(1.5), readings(2.5)
        rounded = readings(1.0, "profile")
        await pi.send_all([before, after, after, after.replace(b'"seq": 2', b'"seq": 2, "resent": 1'), rounded])
        await until_equal(lambda: asked.value("SELECT count(*) FROM message"), 5)
        assert await asked.rows("SELECT value, count(*) FROM reading GROUP BY 1 ORDER BY 1") == [(1.5, 2), (5.0, 2)]
        [(reason, data, detail, meter)] = await asked.rows(
            "SELECT reason, data, detail, m.key FROM frame f JOIN device d ON d.id = f.device_id"
            " JOIN meter m ON m.id = f.meter_id"
        )
        assert (reason, meter) == ("value_conflict", f"TST:{pi.name}")
        assert [sample["values"] for sample in json.loads(data)["samples"]] == [{codes[0]: 2.5}] * 2
        assert "1-0:1.8.0 is 2.5 here and was 1.5" in detail
        events = "SELECT device, meter, severity, detail ->> 'kept' FROM event_log WHERE event = 'value_conflict'"
        assert await asked.rows(events) == [(pi.name, f"TST:{pi.name}", "warning", "1.5")]
        assert await ingestor.metric("wattline_ingestor_rows_conflicting_total") == 6
        assert await ingestor.metric("wattline_ingestor_rows_repeated_total") == 10


async def test_each_batch_is_entered_with_the_time_of_its_commit(broker: Broker, database: Database) -> None:
    """The next batch enters it, with what /metrics says that writing and commit took, messages and values."""
    of = settings(broker, database.dsn("wattline_ingestor"))
    total = "wattline_ingestor_commit_seconds_sum"
    async with table(database) as asked, ingesting(of) as ingestor, device(broker) as pi:
        await pi.readings(3)
        stored = 'wattline_ingestor_messages_total{kind="readings"}'
        await until_equal(lambda: ingestor.metric(stored), 3.0)
        took_s = await ingestor.metric(total)
        assert took_s > 0
        await pi.readings(1)
        await until_equal(lambda: asked.value("SELECT sum(messages)::int FROM batch_log"), 3)
        assert await asked.rows("SELECT sum(rows)::int, min(ingestor), max(ingestor) FROM batch_log") == [
            (9, of.client_id, of.client_id)
        ]
        assert await asked.value("SELECT sum(commit_s) FROM batch_log") == pytest.approx(took_s)


async def test_spellings_of_a_code_are_one_series(broker: Broker, database: Database) -> None:
    """`*255` and leading zeros do not make another series; a value without a catalogued unit takes the message's."""
    async with (
        table(database) as asked,
        ingesting(settings(broker, database.dsn("wattline_ingestor"))),
        device(broker) as pi,
    ):
        for number, code in enumerate(("1-0:1.8.0", "1-0:1.8.0*255", "01-00:1.8.0")):
            await pi.send(pi.payload(samples=[{"at": f"2026-11-23T10:00:0{number}Z", "values": {code: 1.0}}]))
        await until_equal(asked.readings, 3)
        assert await asked.rows("SELECT obis, unit FROM series") == [("1-0:1.8.0", "kWh")]
        wrong = pi.payload(
            samples=[{"at": "2026-11-23T10:00:09Z", "values": {"1-0:1.8.0": 1.0}}], units={"1-0:1.8.0": "Wh"}
        )
        await pi.send(wrong)
        await until_equal(asked.quarantined, {"invalid_message": 1})
        assert await asked.readings() == 3


async def test_frames_events_and_status(broker: Broker, database: Database) -> None:
    """Raw frames and events are stored once each, whatever text they hold; the status is the last one."""
    async with (
        table(database) as asked,
        ingesting(settings(broker, database.dsn("wattline_ingestor"))),
        device(broker) as pi,
    ):
        frames = {
            "boot": "b3f1", "seq": 1, "reason": "no_spec", "port": "/dev/ttyUSB0", "protocol": "sml",
            "hints": {"server_id": "0a01\u0000"},
            "frames": [{"at": f"2026-11-23T10:00:0{n}Z", "data": data} for n, data in enumerate(("GxsbGw==", "AAE="))],
        }  # fmt: skip
        event = {
            "boot": "b3f1", "seq": 2, "at": "1970-01-01T00:00:10Z", "event": "clock_stepped", "severity": "warning",
            "meter": "TST:1", "detail": {"text": "a\u0000b", "by": 0.5, "list": [1, None, "\\u0000"]},
        }  # fmt: skip
        status = {"online": True, "boot": "b3f1", "software": "wattline 0.1.0", "since": "2026-11-23T10:00:00Z"}
        for _ in range(2):
            await pi.send(json.dumps(frames).encode(), Kind.FRAMES)
            await pi.send(json.dumps(event).encode(), Kind.EVENTS)
        await pi.send(json.dumps(status).encode(), Kind.STATUS, retain=True)
        await pi.send(json.dumps(status | {"online": False}).encode(), Kind.STATUS, retain=True)
        await until_equal(lambda: asked.value("SELECT online FROM device"), False)
        assert await asked.rows("SELECT kind, reason, port, data FROM frame ORDER BY at") == [
            ("frame", "no_spec", "/dev/ttyUSB0", b"\x1b\x1b\x1b\x1b"), ("frame", "no_spec", "/dev/ttyUSB0", b"\0\1"),
        ]  # fmt: skip
        [(name, severity, meter, detail)] = await asked.rows("SELECT event, severity, meter, detail FROM event_log")
        assert (name, severity, meter) == ("clock_stepped", "warning", "TST:1")
        assert json.loads(detail) == {"text": "a\\0b", "by": 0.5, "list": [1, None, "\\u0000"]}
        assert await asked.rows("SELECT boot, software FROM device") == [("b3f1", "wattline 0.1.0")]
        assert await asked.rows("SELECT messages, lost, repeated FROM message_gap") == [(2, 0, 2)]


async def test_what_a_status_tells_of_the_outbox_is_kept(broker: Broker, database: Database) -> None:
    """A last will, which can't know it, leaves what was told before; an agent that does not tell, nothing."""
    await broker.add_device("pi-1")
    told = "SELECT online, waiting, unconfirmed, unconfirmed_for_s FROM outbox_overview"
    status = {"online": True, "boot": "b3f1", "software": "x", "since": "2026-11-23T10:00:00Z"}
    outbox = {"at": "2026-11-23T11:00:00Z", "waiting": 7, "waiting_for_s": 2.5, "unconfirmed": 42,
              "unconfirmed_for_s": 75.5}  # fmt: skip
    later = outbox | {"at": "2026-11-23T12:00:00Z", "waiting_for_s": 900.0, "unconfirmed": 1, "unconfirmed_for_s": 0.5}
    steps: tuple[tuple[dict[str, object], list[tuple[object, ...]]], ...] = (
        (status | {"outbox": outbox}, [(True, 0, 42, 75.5)]),
        (status | {"online": False}, [(False, 0, 42, 75.5)]),
        (status | {"outbox": later}, [(True, 7, 0, 0.0)]),
        (status, []),
    )
    async with (
        table(database) as asked,
        ingesting(settings(broker, database.dsn("wattline_ingestor"))),
        device(broker) as pi,
    ):
        for sent, kept in steps:
            await pi.send(json.dumps(sent).encode(), Kind.STATUS, retain=True)
            await until_equal(lambda: asked.rows(told), kept)


async def test_codes_in_sql_are_the_codes_in_python(database: Database) -> None:
    """The tables that name reading.source and message.kind say what the ingestor writes."""
    async with table(database) as asked:
        assert {
            (Source(source), Clock(clock)): number
            for number, source, clock in await asked.rows("SELECT id, source, clock FROM reading_source")
        } == SOURCE_CODES
        assert {
            Kind(kind): number for number, kind in await asked.rows("SELECT id, kind FROM message_kind")
        } == KIND_CODES


async def test_the_broker_is_the_buffer(broker: Broker, database: Database) -> None:
    """With a tiny receive maximum and a stopped ingestor messages wait in the broker; all arrive in the end."""
    of = settings(broker, database.dsn("wattline_ingestor"), receive_maximum=3, batch_rows=1)
    async with table(database) as asked, device(broker) as pi:
        async with ingesting(of):
            await pi.readings(20)
            await until_equal(asked.readings, 60)
        await pi.readings(30)
        async with ingesting(of):
            await until_equal(asked.readings, 150)
        assert await asked.rows("SELECT messages, lost, repeated FROM message_gap") == [(50, 0, 0)]


async def test_a_database_that_was_not_migrated(broker: Broker, own_postgres: PostgresServer) -> None:
    """The ingestor ends with a message that says what to do."""
    with pytest.raises(ExceptionGroup) as caught:
        async with ingesting(settings(broker, own_postgres.dsn("wattline")), connected=False):
            await asyncio.sleep(DEADLINE_S)
    assert caught.group_contains(PermanentError, match="wattline migrate")
