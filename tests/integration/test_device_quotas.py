"""Quotas of devices at a running ingestor: whoever floods is cut, named and counted, and nobody else waits for it."""

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

from broker.contract.messages import Receipts, Status
from broker.contract.topics import Kind
from broker.mqtt.publication import Publication
from broker.mqtt.session import Session, SessionOptions
from store.quotas import MIB, ROW_BYTES, QuotaLimits
from tests.rigs.gateway import entered, events, gateway, gateway_settings, now, p1_meter, registration, report, send
from tests.rigs.ingesting import DEADLINE_S, Device, Process, Table, device, ingesting, settings, table
from tests.rigs.proxy import TcpProxy
from tests.rigs.servers import Broker, Database
from tests.rigs.waiting import until, until_equal

QUOTA = {
    "events_per_day": 5,
    "new_meters_per_day": 3,
    "new_series_per_day": 20,
    "quarantine_mib_per_day": 1,
    "frames_mib_per_day": 1,
}
USED = "SELECT used, cut FROM device_quota WHERE device = $1 AND quota = $2"
TOLD = """
SELECT e.severity, e.detail ->> 'quota', (e.detail ->> 'allowed')::int, e.detail ->> 'until' IS NOT NULL
FROM event e JOIN device d ON d.id = e.device_id WHERE e.event = 'quota_exceeded' AND d.name = $1
"""


@contextlib.asynccontextmanager
async def hearing(broker: Broker, pi: Device) -> AsyncIterator[set[int]]:
    """The numbers for which a device has receipts."""
    numbers: set[int] = set()

    async def listen(session: Session) -> None:
        async for message in session.messages():
            for ranges in Receipts.parse(message.payload).boots.values():
                numbers.update(seq for one in ranges for seq in range(one.root[0], one.root[1] + 1))

    options = SessionOptions(f"{pi.name}-ears", subscriptions=((broker.topics.of(Kind.RECEIPTS, pi.name), 0),))
    async with Session(broker.address(pi.name), options) as session, asyncio.TaskGroup() as group:
        await asyncio.wait_for(session.wait_connected(), DEADLINE_S)
        listening = group.create_task(listen(session))
        yield numbers
        listening.cancel()


def numbered(pi: Device, **more: Any) -> bytes:
    pi.seq += 1
    return json.dumps({"boot": pi.boot, "seq": pi.seq, **more}).encode()


def event(pi: Device) -> bytes:
    return numbered(pi, at="2026-11-23T10:00:00Z", event="odd", severity="info")


def frame(pi: Device) -> bytes:
    data = base64.b64encode(bytes(60_000)).decode()
    frames = [{"at": "2026-11-23T10:00:00Z", "data": data}]
    return numbered(pi, port="/dev/x", protocol="p1", reason="no_spec", frames=frames)


def of_new_meter(pi: Device) -> bytes:
    return pi.payload(meter=f"TST:{pi.name}-{pi.seq}")


def of_new_series(pi: Device) -> bytes:
    values = {f"1-{pi.seq % 200}:{group}.7.0": 1.5 for group in range(1, 12)}
    return pi.payload(samples=[{"at": "2026-11-23T10:00:00Z", "values": values}])


async def flood(broker: Broker, pi: Device, kind: Kind, make: Callable[[Device], bytes], count: int) -> None:
    """Send so many messages of a kind."""
    topic = broker.topics.of(kind, pi.name)
    for start in range(0, count, 20):
        payloads = [make(pi) for _ in range(min(20, count - start))]
        await asyncio.gather(*(pi.session.publish(Publication(topic, payload), DEADLINE_S) for payload in payloads))


async def over(asked: Table, device_name: str, quota: str) -> tuple[int, int]:
    """What a device used and what was cut of a quota, once something was."""

    async def cut() -> tuple[int, int] | None:
        rows = await asked.rows(USED, device_name, quota)
        return rows[0] if rows and rows[0][1] else None

    found: tuple[int, int] = await until(cut, f"{quota} of {device_name} is over")
    return found


async def used_of(asked: Table, device_name: str, quota: str) -> int:
    """How much of a quota a device has used."""
    ((found, _),) = await asked.rows(USED, device_name, quota)
    return found


async def test_each_quota_of_a_day_cuts_the_flood_and_nobody_else(broker: Broker, database: Database) -> None:
    """What is kept ends at the quota; the rest gets no receipt, one event and a row say it, and others go on."""
    of = settings(broker, database.dsn("wattline_ingestor"), receipts_every_s=0.05, quota=QUOTA)
    async with contextlib.AsyncExitStack() as exits:
        enter = exits.enter_async_context
        asked, ingestor, honest = await enter(table(database)), await enter(ingesting(of)), await enter(device(broker))
        hostile = [await enter(device(broker)) for _ in range(5)]
        heard = [await enter(hearing(broker, one)) for one in (honest, *hostile)]
        junk = b"\xff" * 50_000
        works: list[tuple[str, Kind, Callable[[Device], bytes], int]] = [
            ("events", Kind.EVENTS, event, 5),
            ("frame_bytes", Kind.FRAMES, frame, MIB // (60_000 + ROW_BYTES) * (60_000 + ROW_BYTES)),
            ("quarantine_bytes", Kind.READINGS, lambda _: junk, MIB // (50_000 + ROW_BYTES) * (50_000 + ROW_BYTES)),
            ("new_meters", Kind.READINGS, of_new_meter, 3),
            ("new_series", Kind.READINGS, of_new_series, 20),
        ]
        async with asyncio.TaskGroup() as group:
            group.create_task(honest.readings(40))
            for pi, (_, kind, make, _) in zip(hostile, works, strict=True):
                group.create_task(flood(broker, pi, kind, make, 40))
        await until_equal(lambda: len(heard[0]), 40)
        await honest.send(event(honest), Kind.EVENTS)
        await until_equal(lambda: len(heard[0]), 41)
        for pi, (quota, _, _, allowed) in zip(hostile, works, strict=True):
            _, cut = await over(asked, pi.name, quota)
            # what was cut may be entered before what was used
            await until_equal(lambda pi=pi, quota=quota: used_of(asked, pi.name, quota), allowed)
            ((severity, named, limit, until_when),) = await until(lambda pi=pi: asked.rows(TOLD, pi.name), quota)
            assert (severity, named, limit >= allowed, until_when) == ("warning", quota, True, True)
            assert await ingestor.metric(f'wattline_ingestor_quota_cut_total{{quota="{quota}"}}') >= cut
        assert [len(numbers) for numbers in heard[1:3]] == [5, MIB // (60_000 + ROW_BYTES)]
        assert await asked.value("SELECT count(*) FROM event WHERE event = 'odd'") == 6
        frames = "SELECT kind, count(*) FROM frame WHERE length(data) >= 50000 GROUP BY kind ORDER BY kind"
        assert await asked.rows(frames) == [("frame", 17), ("payload", 20)]
        assert await asked.value("SELECT count(*) FROM meter WHERE key LIKE $1", f"TST:{hostile[3].name}%") == 3
        series = "SELECT count(*) FROM series JOIN meter m ON m.id = meter_id WHERE m.key = $1"
        assert await asked.value(series, f"TST:{hostile[4].name}") == 20
        assert not await asked.rows(TOLD, honest.name)


async def test_a_flood_of_junk_takes_no_memory_and_nobody_waits_for_it(
    broker: Broker, database: Database, tmp_path: Path
) -> None:
    """While 400 MB come, of which hardly any are kept, another device's readings are stored and have their receipts."""
    changes = {"RECEIPTS_EVERY_S": "0.1", "QUOTA__QUARANTINE_MIB_PER_DAY": "8"}
    ingestor = Process(broker, database.dsn("wattline_ingestor"), tmp_path / "log", executed=True, **changes)
    await ingestor.start()
    most_mib = before_mib = ingestor.rss_mib()
    try:
        async with table(database) as asked, device(broker) as honest, device(broker) as hostile:
            async with hearing(broker, honest) as heard:
                junk = Publication(broker.topics.of(Kind.READINGS, hostile.name), b"\xff" * 250_000)
                for number in range(1, 21):
                    # as fast as the broker takes it, but no faster than this machine lets the ingestor read on
                    async with asyncio.TaskGroup() as group:
                        for _ in range(80):
                            group.create_task(hostile.session.publish(junk, DEADLINE_S))
                        group.create_task(honest.readings(1))
                    await until(lambda number=number: len(heard) == number, "the honest reading's receipt")
                    most_mib = max(most_mib, ingestor.rss_mib())
            await until_equal(asked.readings, honest.published_values)
            used, cut = await over(asked, hostile.name, "quarantine_bytes")
            assert (used <= 8 * MIB, cut > 0) == (True, True)
            assert await asked.value("SELECT sum(length(data)) FROM frame") <= 8 * MIB
        assert most_mib < before_mib + 300
    finally:
        assert await ingestor.stop() == 0


async def test_a_flood_of_good_readings_is_held_to_its_share(broker: Broker, database: Database) -> None:
    """More than the store takes: what is over gets no receipt and is named, and another's readings do not wait.

    That the device is gone is told all the same.
    """
    share = {"messages_per_s": 20, "burst_s": 2}
    async with (
        TcpProxy(database.server.host, database.server.port, delay_s=0.03) as slow,
        table(database) as asked, device(broker) as honest, device(broker) as hostile, hearing(broker, honest) as heard,
    ):  # fmt: skip
        dsn = database.dsn("wattline_ingestor").replace(f":{database.server.port}/", f":{slow.port}/")
        of = settings(broker, dsn, receipts_every_s=0.05, receive_maximum=60, quota=share)
        async with ingesting(of):
            await honest.readings(1)
            await until_equal(lambda: len(heard), 1)
            async with asyncio.TaskGroup() as group:
                group.create_task(hostile.readings(1200))
                group.create_task(honest.readings(20))
            gone = Status(online=False, since=now(), boot=hostile.boot, software="0.2.0")
            await hostile.send(gone.payload(), Kind.STATUS, retain=True)
            await until_equal(lambda: len(heard), honest.seq)
            await until_equal(
                lambda: asked.value("SELECT online FROM device WHERE name = $1", hostile.name), wanted=False
            )
            await until_equal(lambda: given(asked, hostile), 1200)
            assert await asked.rows(USED, honest.name, "messages") == []
            ((_, quota, _, until_when),) = await until(lambda: asked.rows(TOLD, hostile.name))
            assert (quota, until_when) == ("messages", False)


async def given(asked: Table, pi: Device) -> int:
    """Messages of a device that are in the store or cut."""
    stored = "SELECT count(*) FROM message m JOIN device d ON d.id = m.device_id WHERE d.name = $1"
    rows = await asked.rows(USED, pi.name, "messages")
    return int(await asked.value(stored, pi.name)) + sum(cut for _, cut in rows)


async def test_registrations_without_end_hold_up_no_engineer(broker: Broker, database: Database) -> None:
    """New meters end at the day's quota, of the rest the newest registration waits its turn, and changes go on."""
    await broker.add_device("d1")
    await broker.add_device("hostile")
    of = gateway_settings(broker, database, quota={"new_meters_per_day": 300, "control_per_min": 6})
    async with (
        table(database) as asked, gateway(of) as running,
        entered(broker, "d1") as honest, entered(broker, "hostile") as hostile,
    ):  # fmt: skip
        await send(honest, broker.topics, Kind.REGISTRATION, "d1", registration(p1_meter()))
        await until(lambda: asked.value("SELECT true FROM device WHERE name = 'd1'"), "d1 is known")
        floods = [
            registration(*(p1_meter(f"KFM:E{flood:03}{number:013}", f"/dev/ttyUSB{number}") for number in range(250)))
            for flood in range(40)
        ]
        async with asyncio.TaskGroup() as group:
            for payload in floods:
                group.create_task(send(hostile, broker.topics, Kind.REGISTRATION, "hostile", payload))
        junk = [group_payload(number) for number in range(20)]
        for number, payload in enumerate(junk):
            await send(hostile, broker.topics, Kind.REPLIES, "hostile", payload)
            change = {"reading_interval_s": 5 + number}
            async with running.http.patch(f"{running.url}/api/v1/devices/d1/parameters", json=change) as answer:
                assert answer.status == 200, await answer.text()
        mine = "SELECT count(*) FROM meter m JOIN device d ON d.id = m.device_id WHERE d.name = 'hostile'"
        await until_equal(lambda: asked.value(mine), 300)
        used, cut = await over(asked, "hostile", "new_meters")
        assert (used, cut > 0) == (300, True)
        _, cut = await over(asked, "hostile", "control")
        assert 30 <= cut < 40
        named = {row[1] for row in await until(lambda: asked.rows(TOLD, "hostile"))}
        assert named == {"new_meters", "control"}
        assert await running.metric("wattline_gateway_quota_cut_total", quota="new_meters") > 0
        assert not await asked.rows(TOLD, "d1")


async def test_claims_without_end_are_bounded_and_hold_up_no_engineer(broker: Broker, database: Database) -> None:
    """Of 10 000 meters of others a device claims as many as the quota says; what is behind one costs nothing."""
    await broker.add_devices("d1", "hostile")
    of = gateway_settings(broker, database, quota={"control_per_min": 6000, "new_claims_per_day": 300})
    async with (
        table(database) as asked, gateway(of) as running,
        entered(broker, "d1") as honest, entered(broker, "hostile") as hostile,
    ):  # fmt: skip
        await send(honest, broker.topics, Kind.REGISTRATION, "d1", registration(p1_meter()))
        await until(lambda: asked.value("SELECT id FROM device WHERE name = 'd1'"), "the honest device is known")
        await asked.execute(
            """INSERT INTO device (name) SELECT 'v' || n FROM generate_series(0, 39) n;
               INSERT INTO meter (key, device_id, port, protocol, facts, installed_at)
               SELECT 'VIC:' || n, d.id, 'p' || n, 'p1', '{}', now() FROM generate_series(0, 9999) n
               JOIN device d ON d.name = 'v' || n % 40"""
        )
        dealt, kind = "wattline_gateway_messages_total", {"kind": "registration", "result": "stored"}
        before = await running.metric(dealt, **kind)
        async with asyncio.TaskGroup() as group:
            for first in range(0, 10_000, 250):
                shown = [p1_meter(f"VIC:{n}", f"/dev/ttyUSB{n}") for n in range(first, first + 250)]
                behind = (p1_meter(f"HOS:{first}-{n}", parent=f"VIC:{first}") for n in range(2))
                further = p1_meter(f"HOS:{first}-2", parent=f"HOS:{first}-1")
                payload = registration(*shown, *behind, further)
                group.create_task(send(hostile, broker.topics, Kind.REGISTRATION, "hostile", payload))
        for number in range(10):
            change = {"reading_interval_s": 5 + number}
            async with running.http.patch(f"{running.url}/api/v1/devices/d1/parameters", json=change) as answer:
                assert answer.status == 200, await answer.text()
        await until_equal(lambda: running.metric(dealt, **kind), before + 40)
        assert await asked.value("SELECT count(*) FROM meter_claim") == 300
        assert len(await events(database, "meter_claimed")) == 300
        used, cut = await over(asked, "hostile", "new_claims")
        assert (used, cut) == (300, 9700)
        assert await asked.rows(USED, "hostile", "new_meters") == []
        assert await asked.value("SELECT count(*) FROM meter WHERE key LIKE 'HOS:%'") == 0
        assert {row[1] for row in await until(lambda: asked.rows(TOLD, "hostile"))} == {"new_claims"}
        assert await running.metric("wattline_gateway_quota_cut_total", quota="new_claims") == 9700


SHOWN = """
SELECT registration #>> '{meters,0,key}', (SELECT count(*) FROM gateway_waiting) FROM device
WHERE name LIKE 'd_' ORDER BY name
"""
"""What each device has registered last, and how much waits."""


KEPT_BEFORE_MARKS = """
INSERT INTO gateway_waiting (gateway, topic, payload)
SELECT $1, w.topic, w.payload FROM unnest($2::text[], $3::bytea[]) AS w (topic, payload) ORDER BY w.topic
ON CONFLICT (gateway, topic) DO UPDATE SET payload = excluded.payload, kept_at = now()
"""
"""How a gateway keeps messages that knows no marks."""


def shows(name: str, port: str) -> bytes:
    return registration(p1_meter(f"KFM:{name}/{port}", f"/dev/{port}"))


async def kept(broker: Broker, asked: Table, sessions: Mapping[str, Session], ports: str) -> None:
    """Have each device register often enough that the gateway at work deals with the first and keeps the last."""
    for port in ports:
        for name, session in sessions.items():
            await send(session, broker.topics, Kind.REGISTRATION, name, shows(name, port))
    held = "SELECT count(*) FROM gateway_waiting WHERE convert_from(payload, 'UTF8') LIKE $1"
    await until_equal(lambda: asked.value(held, f"%/dev/{ports[-1]}%"), len(sessions))
    await until_equal(lambda: asked.rows(SHOWN), [(f"KFM:{name}/{ports[0]}", len(sessions)) for name in sessions])


async def test_a_registration_that_waits_its_turn_outlives_its_gateway(broker: Broker, database: Database) -> None:
    """It has been acknowledged, so the next start deals with it; one that came meanwhile is not undone by it."""
    await broker.add_devices("d1", "d2")
    of = gateway_settings(broker, database, quota={"control_per_min": 1})
    async with table(database) as asked, entered(broker, "d1") as first, entered(broker, "d2") as second:
        async with gateway(of):
            await kept(broker, asked, {"d1": first, "d2": second}, "abc")
        # another gateway dealt with one of d1, then one of before, in this one's place, kept a newer one
        await asked.execute("UPDATE device SET registered_at = now() WHERE name = 'd1'")
        [(gateway_name, topic)] = await asked.rows(
            "SELECT gateway, topic FROM gateway_waiting WHERE topic LIKE '%/d1/%'"
        )
        await asked.rows(KEPT_BEFORE_MARKS, gateway_name, [topic], [shows("d1", "newest")])
        # while nobody is there
        await send(second, broker.topics, Kind.REGISTRATION, "d2", shows("d2", "new"))
        # has room for both, in whichever order they come
        async with gateway(of.model_copy(update={"quota": QuotaLimits()})):
            await until_equal(lambda: asked.rows(SHOWN), [("KFM:d1/newest", 0), ("KFM:d2/new", 0)])


async def test_what_was_dealt_with_elsewhere_is_not_undone_by_what_waited(broker: Broker, database: Database) -> None:
    """Another gateway dealt with a newer registration, and a newer report, and the session that had them has ended."""
    await broker.add_devices("d1", "d2")
    of = gateway_settings(broker, database, quota={"control_per_min": 1})
    other = gateway_settings(broker, database)
    reported = "SELECT version FROM reported"
    async with table(database) as asked, entered(broker, "d1") as first, entered(broker, "d2") as second:
        async with gateway(of):
            await kept(broker, asked, {"d1": first, "d2": second}, "abc")
            for version in (1, 2):
                await send(second, broker.topics, Kind.REPORTED, "d2", report(version))
            await until_equal(lambda: asked.value("SELECT count(*) FROM gateway_waiting"), 3)
        # whose session a broker no longer has
        async with Session(broker.address("gateway"), SessionOptions(of.client_id)) as ended:
            await ended.wait_connected()
        async with gateway(other):
            await send(first, broker.topics, Kind.REGISTRATION, "d1", shows("d1", "new"))
            await send(second, broker.topics, Kind.REPORTED, "d2", report(3))
            await until_equal(lambda: asked.value(reported), 3)
            await until_equal(lambda: asked.rows(SHOWN), [("KFM:d1/new", 3), ("KFM:d2/a", 3)])
        # one of before noted less; and one is no more
        await asked.execute(
            "UPDATE gateway_waiting SET dealt_at = NULL, kept_at = now() - INTERVAL '2 d' WHERE topic LIKE '%/reported'"
        )
        await asked.execute(
            "INSERT INTO gateway_waiting SELECT 'gone', topic, payload, now() - INTERVAL '8 d' FROM gateway_waiting"
        )
        async with gateway(of.model_copy(update={"quota": QuotaLimits()})):
            await until_equal(lambda: asked.rows(SHOWN), [("KFM:d1/new", 0), ("KFM:d2/c", 0)])
            assert await asked.value(reported) == 3


def group_payload(number: int) -> bytes:
    return json.dumps({"command": "ping", "ok": True, "at": "2026-11-23T10:00:00Z", "result": {"n": number}}).encode()


def partly_bad(pi: Device, at_s: int, *, resent: bool) -> bytes:
    """Two good values, and one that no meter has."""
    at = f"2026-11-23T11:{at_s // 60:02}:{at_s % 60:02}Z"
    values = {"1-0:1.8.0": 1.5, "1-0:16.7.0": 9e99}
    return pi.payload(samples=[{"at": at, "values": values}], **({"resent": 1} if resent else {}))


async def test_what_has_no_room_comes_again_and_costs_nobody_else(broker: Broker, database: Database) -> None:
    """Messages of which a value is refused, over and over: others' batches are copied, and nothing counts as repeated.

    Nor may one that repeats its own readings without saying so have others' batches staged each time.
    """
    quota = {"quarantine_mib_per_day": 1}
    of = settings(broker, database.dsn("wattline_ingestor"), receipts_every_s=0.05, quota=quota)
    staged = "wattline_ingestor_batches_staged_total"
    async with contextlib.AsyncExitStack() as exits:
        enter = exits.enter_async_context
        asked, ingestor = await enter(table(database)), await enter(ingesting(of))
        honest, odd, hostile = [await enter(device(broker)) for _ in range(3)]
        heard = await enter(hearing(broker, honest))
        await flood(broker, odd, Kind.READINGS, lambda _: b"\xff" * 60_000, 20)
        await flood(broker, odd, Kind.READINGS, lambda _: b"\xff", 60)
        await over(asked, odd.name, "quarantine_bytes")
        for resent in (False, True, True):
            odd.seq = 0
            for at_s in range(20):
                await odd.send(partly_bad(odd, at_s, resent=resent))
                await honest.readings(1)
                await until_equal(lambda: len(heard), honest.seq)
        series = "SELECT count(*) FROM named_reading WHERE meter = $1 AND obis = '1-0:1.8.0'"
        await until_equal(lambda: asked.value(series, f"TST:{odd.name}"), 20)
        assert await ingestor.metric(staged) == 0
        assert await asked.rows("SELECT repeated, lost FROM message_gap WHERE device = $1", odd.name) == [(0, 0)]

        same = [hostile.payload() for _ in range(2)]
        for _ in range(20):
            await hostile.send_all(same)
            await honest.readings(1)
            await until_equal(lambda: len(heard), honest.seq)
        assert await ingestor.metric(staged) == 1
        mine = "SELECT count(*) FROM named_reading WHERE meter = $1"
        assert await asked.value(mine, f"TST:{hostile.name}") == 6
        assert await asked.value(mine, f"TST:{honest.name}") == honest.published_values
