"""Bad input among good messages: quarantined with its bytes and a reason, the rest of the batch stored."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from broker.contract.topics import Kind, Topics
from broker.mqtt.session import Publication
from tests.rigs.ingesting import device, ingesting, settings, table
from tests.rigs.servers import Broker, Database
from tests.rigs.waiting import until_equal

REGISTER = b'"1-0:1.8.0": '
OTHER = b', "1-0:9.8.0": '


def _instead(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    return lambda good: good.replace(old, new)


def _value(text: bytes) -> Callable[[bytes], bytes]:
    """The first value is this text; the one that was there moves to another code."""
    return _instead(REGISTER, REGISTER + text + OTHER)


def _code(group: bytes) -> Callable[[bytes], bytes]:
    """All codes get a group that is none."""
    return lambda good: re.sub(rb"1-0:\d+\.", b"1-0:" + group + b".", good)


def _year(year: bytes) -> Callable[[bytes], bytes]:
    return _instead(b"2026-11-23T", year + b"-11-23T")


CASES: dict[str, tuple[Callable[[bytes], bytes], str, str]] = {
    "no JSON": (lambda _: b"{not json", "invalid_json", "payload"),
    "no UTF-8": (lambda _: b'{"boot":"\xff\xfe"}', "invalid_json", "payload"),
    "empty": (lambda _: b"", "invalid_json", "payload"),
    "cut": (lambda good: good[:-5], "invalid_json", "payload"),
    "nested": (lambda _: b"[" * 100_000, "invalid_json", "payload"),
    "array": (lambda _: b"[1,2,3]", "invalid_message", "payload"),
    "wrong type": (_instead(b'"test@1"', b"17"), "invalid_message", "spec"),
    "missing field": (_instead(b'"meter"', b'"metre"'), "invalid_message", "meter"),
    "NUL": (_instead(b'"test@1"', b'"te\\u0000st@1"'), "invalid_message", "spec"),
    "no such code": (_code(b"999"), "invalid_message", "obis"),
    "text for a value": (_value(b'"12"'), "invalid_message", "samples.0.values.1-0:1.8.0"),
    "not a number": (_value(b"NaN"), "invalid_message", "samples.0.values.1-0:1.8.0"),
    "infinite": (_value(b"-Infinity"), "invalid_message", "samples.0.values.1-0:1.8.0"),
    "too big for a double": (_value(b"1e999"), "invalid_message", "samples.0.values.1-0:1.8.0"),
    "400 digits": (_value(b"9" * 400), "invalid_message", "samples.0.values.1-0:1.8.0"),
    "200 000 digits": (_value(b"9" * 200_000), "invalid_json", "number out of range"),
    "a million digits": (_value(b"9" * 1_000_000), "too_large", "payload"),
    "300 KiB": (lambda good: good + b" " * 300 * 1024, "too_large", "payload"),
    "1970": (_year(b"1970"), "implausible_time", "samples.0.at"),
    "2099": (_year(b"2099"), "implausible_time", "samples.0.at"),
    "year 1": (_year(b"0001"), "implausible_time", "samples.0.at"),
    "year 9999": (_year(b"9999"), "implausible_time", "samples.0.at"),
}
"""What is done to a good payload; the reason, and what the detail must name."""


async def test_each_poison_is_kept_with_its_reason(broker: Broker, database: Database) -> None:
    """Every kind of bad payload is in quarantine with its bytes and the field to blame; its neighbours are stored."""
    of = settings(broker, database.dsn("wattline_ingestor"), batch_wait_s=0.3)
    async with table(database) as asked, ingesting(of) as ingestor, device(broker) as pi:
        sent = {}
        for name in CASES:
            await pi.readings(2)
            sent[name] = CASES[name][0](pi.payload())
            await pi.send_all([sent[name]])
        await pi.readings(2)
        await until_equal(lambda: asked.value("SELECT count(*) FROM frame"), len(CASES))
        await until_equal(asked.readings, pi.published_values)
        kept = {
            bytes(data): (reason, detail)
            for data, reason, detail in await asked.rows(
                "SELECT data, reason, detail FROM frame JOIN device ON device.id = device_id WHERE kind = 'payload'"
            )
        }
        for name, (_, reason, field) in CASES.items():
            assert sent[name] in kept, name
            assert kept[sent[name]][0] == reason, name
            assert field in kept[sent[name]][1], (name, kept[sent[name]][1])
        assert await ingestor.metric('wattline_ingestor_quarantined_total{reason="implausible_time"}') == 4
        # what can't be read at all has no number: the ledger misses it, and quarantine has it
        unread = sum(b'"seq"' not in payload[:4096] for payload in sent.values())
        assert await asked.lost() == unread


async def test_a_message_with_one_implausible_sample(broker: Broker, database: Database) -> None:
    """The good samples of a message are stored, the bad one is quarantined as a message of its own."""
    async with (
        table(database) as asked,
        ingesting(settings(broker, database.dsn("wattline_ingestor"))),
        device(broker) as pi,
    ):
        soon = (datetime.now(UTC) + timedelta(days=2)).isoformat()
        samples = [
            {"at": at, "values": {"1-0:1.8.0": 1.5}} for at in ("2026-11-23T10:00:00Z", soon, "2026-11-23T10:00:02Z")
        ]
        await pi.send(pi.payload(samples=samples))
        await until_equal(asked.quarantined, {"implausible_time": 1})
        assert await asked.readings() == 2
        [(data, detail)] = await asked.rows("SELECT data, detail FROM frame")
        rest = json.loads(data)
        assert (rest["meter"], rest["seq"], len(rest["samples"])) == (f"TST:{pi.name}", 1, 1)
        assert "samples.1.at" in detail
        assert await asked.rows("SELECT rows, newest_at FROM message") == [
            (3, datetime(2026, 11, 23, 10, 0, 2, tzinfo=UTC))
        ]


async def test_unknown_topics_and_other_kinds(broker: Broker, database: Database) -> None:
    """A topic that the contract does not know is quarantined without a device; the gateway's kinds are left alone."""
    strange = Topics(f"{broker.topics.root}/other")
    await broker.server.add_root(strange)
    async with (
        table(database) as asked,
        ingesting(settings(broker, database.dsn("wattline_ingestor"))),
        device(broker) as pi,
    ):
        await pi.send(b"{}", Kind.REPLIES)
        await pi.send(b"rubbish", Kind.REGISTRATION)
        await pi.session.publish(Publication(strange.of(Kind.READINGS, pi.name), pi.payload()))
        await pi.readings(1)
        await until_equal(asked.readings, 3)
        await until_equal(asked.quarantined, {"unknown_topic": 1})
        [(topic, reason, device_id)] = await asked.rows("SELECT topic, reason, device_id FROM frame")
        assert (topic, reason, device_id) == (strange.of(Kind.READINGS, pi.name), "unknown_topic", None)


async def test_limits_of_names(broker: Broker, database: Database) -> None:
    """A device that invents meters and codes without end fills quarantine, not the dictionaries; its good data stay."""
    of = settings(broker, database.dsn("wattline_ingestor"), meters_per_device=3, series_per_meter=4)
    async with table(database) as asked, ingesting(of), device(broker) as pi:
        await pi.readings(1)
        await until_equal(asked.readings, 3)
        await pi.send_all([pi.payload(3, meter=f"BAD:{number}") for number in range(10)])
        await until_equal(asked.quarantined, {"meter_limit": 8})
        await pi.send_all([pi.payload(10), pi.payload(3)])
        await until_equal(asked.quarantined, {"meter_limit": 8, "series_limit": 1})
        await until_equal(asked.readings, 3 + 2 * 3 + 4 + 3)
        assert await asked.value("SELECT count(*) FROM meter") == 3
        assert await asked.value("SELECT count(*) FROM series") == 4 + 2 * 3
        assert await asked.lost() == 0


@pytest.mark.parametrize("staged", [False, True])
async def test_what_only_the_database_refuses(broker: Broker, database: Database, staged: bool) -> None:
    """A message that passes the contract but not the database is found by splitting its batch, and quarantined."""
    async with (
        table(database) as asked,
        ingesting(settings(broker, database.dsn("wattline_ingestor"), batch_wait_s=0.3)),
        device(broker) as pi,
    ):
        await pi.readings(5)
        await until_equal(asked.readings, 15)
        await asked.value("ALTER TABLE reading ADD CHECK (value <> 4711)")
        again = [pi.payload(boot="0000", seq=1)] if staged else []
        bad = pi.payload(samples=[{"at": "2026-11-23T12:00:00Z", "values": {"1-0:1.8.0": 4711}}])
        wave = [pi.payload() for _ in range(20)]
        await pi.send_all([*wave[:10], *again, bad, *again, *wave[10:]])
        await until_equal(asked.quarantined, {"refused_by_database": 1})
        await until_equal(asked.readings, 15 + 60 + 3 * len(again))
        assert await asked.value("SELECT data FROM frame") == bad


async def test_one_message_in_a_thousand_that_the_database_refuses(broker: Broker, database: Database) -> None:
    """It is found by halving: ten cuts, each part that is good is stored at once, and nobody else is refused."""
    of = settings(broker, database.dsn("wattline_ingestor"), receive_maximum=4000, batch_wait_s=2.0)
    async with table(database) as asked, device(broker) as pi:
        await asked.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE check_violation; END $$;"
            "CREATE TRIGGER refuse BEFORE INSERT ON reading FOR EACH ROW WHEN (NEW.value = 617)"
            " EXECUTE FUNCTION refuse()"
        )
        async with ingesting(of) as ingestor:
            await pi.readings(1000, 1)
            await until_equal(asked.readings, 999)
            await until_equal(asked.quarantined, {"refused_by_database": 1})
            assert await ingestor.metric("wattline_ingestor_batches_split_total") <= 12
            assert await asked.entered() == 1000
