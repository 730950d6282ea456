"""Bad input among good messages: quarantined with its bytes and a reason, the rest of the batch stored."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from broker.session import Publication
from broker.topics import Kind, Topics
from tests.faults.ingesting import Device, device, ingesting, settings, table, until_equal
from tests.servers import Broker, Database

DIGITS = b"9" * 1_000_000


def poison(pi: Device, name: str) -> bytes:
    """One bad readings payload."""
    good = pi.payload()
    pi.seq -= 1
    match name:
        case "no_json":
            return b"{not json"
        case "no_utf8":
            return b'{"boot":"\xff\xfe"}'
        case "empty":
            return b""
        case "array":
            return b"[1,2,3]"
        case "nested":
            return b"[" * 100_000
        case "wrong_type":
            return good.replace(b'"test@1"', b"17")
        case "missing":
            return good.replace(b'"meter"', b'"metre"')
        case "nan":
            return good.replace(b'"1-0:1.8.0": ', b'"1-0:1.8.0": NaN, "1-0:9.8.0": ')
        case "infinite":
            return good.replace(b'"1-0:1.8.0": ', b'"1-0:1.8.0": -Infinity, "1-0:9.8.0": ')
        case "too_big_a_float":
            return good.replace(b'"1-0:1.8.0": ', b'"1-0:1.8.0": 1e999, "1-0:9.8.0": ')
        case "many_digits":
            return good.replace(b'"1-0:1.8.0": ', b'"1-0:1.8.0": ' + DIGITS[:200_000] + b', "1-0:9.8.0": ')
        case "million_digits":
            return good.replace(b'"1-0:1.8.0": ', b'"1-0:1.8.0": ' + DIGITS + b', "1-0:9.8.0": ')
        case "large":
            return good + b" " * 300 * 1024
        case "nul":
            return good.replace(b'"test@1"', b'"te\\u0000st@1"')
        case "code":
            return (
                good.replace(b"1-0:1.8.0", b"1-0:999.8.0")
                .replace(b'"1-0:2.8.0"', b'"1-0:2.888.0"')
                .replace(b'"1-0:16.7.0"', b'"1-0:16.777.0"')
            )
        case _:
            return good.replace(b"2026-11-23T", f"{name}-11-23T".encode())


CASES = {
    "no_json": ("invalid_json", "payload"),
    "no_utf8": ("invalid_json", "payload"),
    "empty": ("invalid_json", "payload"),
    "array": ("invalid_message", "payload"),
    "nested": ("invalid_json", "payload"),
    "wrong_type": ("invalid_message", "spec"),
    "missing": ("invalid_message", "meter"),
    "nan": ("invalid_message", "samples.0.values.1-0:1.8.0"),
    "infinite": ("invalid_message", "samples.0.values.1-0:1.8.0"),
    "too_big_a_float": ("invalid_message", "samples.0.values.1-0:1.8.0"),
    "many_digits": ("invalid_message", "samples.0.values.1-0:1.8.0"),
    "million_digits": ("too_large", "payload"),
    "large": ("too_large", "payload"),
    "nul": ("invalid_message", "spec"),
    "code": ("invalid_message", "obis"),
    "1970": ("implausible_time", "samples.0.at"),
    "2099": ("implausible_time", "samples.0.at"),
    "9999": ("implausible_time", "samples.0.at"),
    "0001": ("implausible_time", "samples.0.at"),
}


async def test_each_poison_is_kept_with_its_reason(broker: Broker, database: Database) -> None:
    """Every kind of bad payload lands in quarantine with the field to blame and its bytes; its neighbours are stored."""
    of = settings(broker, database.dsn("wattline_ingestor"), batch_wait_s=0.3)
    async with table(database) as asked, ingesting(of) as ingestor, device(broker) as pi:
        sent = {}
        for name in CASES:
            await pi.readings(2)
            sent[name] = poison(pi, name)
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
        for name, (reason, field) in CASES.items():
            assert sent[name] in kept, name
            assert kept[sent[name]][0] == reason, name
            assert field in kept[sent[name]][1], (name, kept[sent[name]][1])
        assert await ingestor.metric('wattline_ingestor_quarantined_total{reason="implausible_time"}') == 4
        assert await asked.lost() == 0


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


async def test_a_message_over_more_days_than_the_server_can_lock(broker: Broker, database: Database) -> None:
    """A load profile of years, a chunk a day, is stored though one transaction can't hold so many locks."""
    async with (
        table(database) as asked,
        ingesting(settings(broker, database.dsn("wattline_ingestor"))),
        device(broker) as pi,
    ):
        start = datetime(2016, 1, 1, tzinfo=UTC)
        samples = [
            {"at": (start + timedelta(days=number)).isoformat(), "values": {"1-0:1.8.0": 1.5}} for number in range(300)
        ]
        await pi.send(pi.payload(samples=samples, source="profile"))
        await until_equal(asked.readings, 300)
