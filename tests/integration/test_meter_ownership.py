"""Whose reading it is, on real servers: no device changes what is another's, and honest moves go by themselves."""

import asyncio
import base64
import json
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from broker.contract.messages import MeterSeen
from broker.contract.topics import Kind
from cli.meters import meter
from gateway.fleet.store.claims import spoken_of
from gateway.meter_claims.run import GONE_S
from gateway.meter_claims.store import is_ingesting
from meters.wires.encode.p1 import encode_p1
from tests.rigs.cli import typed
from tests.rigs.gateway import connection, entered, events, gateway, gateway_settings, now, p1_meter
from tests.rigs.ingesting import Device, Table, device, ingesting, settings, table
from tests.rigs.proxy import TcpProxy
from tests.rigs.redecoding import START, add_job, ended, keep, pushes, spec_named, worker_settings, working
from tests.rigs.registrations import Registrant
from tests.rigs.servers import Broker, Database
from tests.rigs.waiting import until, until_equal

KEY, OWN, GAS = "KFM:E0026000123456789", "ZZZ:own", "MBUS:G0044"
FORGED = 99999.0
CODE = "1-0:1.8.0"
FORGERIES = "SELECT count(*)::int FROM named_reading WHERE meter = $1 AND value > 90000"
REFUSED = "SELECT count(*) FROM frame WHERE kind = 'payload' AND reason = 'foreign_meter' AND resolved_at IS NULL"
SPEAKERS = """SELECT DISTINCT d.name FROM message e JOIN device d ON d.id = e.device_id
              WHERE e.meter_id = (SELECT id FROM meter WHERE key = $1)"""


def sample(at: datetime, value: float, *codes: str) -> dict[str, Any]:
    return {"at": at.isoformat(), "values": dict.fromkeys(codes or (CODE,), value)}


def reading(pi: Device, at: datetime, value: float, *codes: str, key: str = KEY) -> bytes:
    return pi.payload(meter=key, samples=[sample(at, value, *codes)])


def frames(pi: Device, key: str, at: datetime, data: bytes, reason: str = "no_spec") -> bytes:
    pi.seq += 1
    one = {"at": at.isoformat(), "data": base64.b64encode(data).decode()}
    return json.dumps(
        {"boot": pi.boot, "seq": pi.seq, "reason": reason, "port": "/dev/ttyUSB0", "protocol": "p1", "meter": key,
         "clock": "synced", "frames": [one]}
    ).encode()  # fmt: skip


def event(pi: Device, key: str, at: datetime) -> bytes:
    pi.seq += 1
    document = {"boot": pi.boot, "seq": pi.seq, "at": at.isoformat(), "event": "meter_silent", "meter": key}
    return json.dumps(document).encode()


async def owner(asked: Table, key: str = KEY) -> str:
    found = await asked.value("SELECT d.name FROM meter m JOIN device d ON d.id = m.device_id WHERE m.key = $1", key)
    return str(found)


def gas_behind(key: str) -> MeterSeen:
    return p1_meter(GAS, parent=key, facts={"channel": "1"})


def carrying(gas: str) -> bytes:
    """A telegram of a meter with a gas meter of this serial behind it."""
    behind = ["0-1:24.1.0(003)", f"0-1:96.1.0({gas.encode().hex()})", "0-1:24.2.1(261120120000W)(99999.000*m3)"]
    return encode_p1("ZZZ5\\X", ["1-0:1.8.0(000001.000*kWh)", *behind])


async def forge(thief: Device, start: datetime, instant: datetime) -> int:
    """Send of a meter of another's what would change its history; returns how many messages that were."""
    past, future, between = start - timedelta(days=3), now() + timedelta(hours=1), start + timedelta(seconds=90)
    codes = [f"1-0:{n}.8.0" for n in range(3, 40)]
    for at in (past, between, instant, future, start):
        await thief.send(reading(thief, at, FORGED))
    await thief.send(reading(thief, instant, FORGED, *codes))
    await thief.send(event(thief, KEY, now()), Kind.EVENTS)
    await thief.send(frames(thief, KEY, START, pushes(1)[0].data), Kind.FRAMES)
    return 8


async def registry(asked: Table) -> list[list[tuple[Any, ...]]]:
    """What is known of the meters that are not the thief's, and where they stand."""
    meters = (
        "SELECT key, device_id, parent_id, firmware, facts, port, installed_at FROM meter WHERE key <> $1 ORDER BY 1"
    )
    stays = """SELECT s.id, s.point_id, s.meter_id, s.installed_at, s.removed_at, s.opened_by, s.closed_by
               FROM meter_stay s JOIN meter m ON m.id = s.meter_id WHERE m.key <> $1 ORDER BY s.id"""
    return [await asked.rows(meters, OWN), await asked.rows(stays, OWN)]


async def test_what_one_device_sends_changes_nothing_of_anothers(broker: Broker, database: Database) -> None:
    """Past, future, the same instant, junk codes, events, frames, a registration, meters behind: all in quarantine."""
    start = now() - timedelta(hours=2)
    instant = start + timedelta(minutes=30)
    of = settings(broker, database.dsn("wattline_ingestor"), series_per_meter=8)
    async with (
        table(database) as asked,
        ingesting(of) as ingestor,
        gateway(gateway_settings(broker, database, claim_tick_s=0.2)) as running,
        device(broker, "victim") as victim,
        device(broker, "thief") as thief,
    ):
        home, registrant = (
            Registrant(broker, running, victim.session, "victim"),
            Registrant(broker, running, thief.session, "thief"),
        )
        shown = p1_meter(KEY, since=start)
        await home.register(shown, gas_behind(KEY))
        for n in range(3):
            await victim.send(reading(victim, start + timedelta(minutes=n), float(n)))
        await until_equal(asked.readings, 3)
        before = await registry(asked)

        refused = await forge(thief, start, instant)
        await until_equal(lambda: asked.value(REFUSED), refused)
        # the honest one at that instant, with a code that is new
        await victim.send(reading(victim, instant, 4.0, CODE, "1-0:2.8.0"))
        await until_equal(asked.readings, 5)

        # claims: the meter, one behind it, one of its own behind the victim's
        await registrant.register(
            p1_meter(KEY, since=start - timedelta(days=30), firmware="evil", facts={"identification": "EVIL"}),
            gas_behind(KEY), p1_meter("ZZZ:behind", parent=KEY, facts={"channel": "2"}), p1_meter(OWN, "/dev/ttyUSB1"),
        )  # fmt: skip
        await home.register(shown, gas_behind(KEY))
        assert await registry(asked) == before
        await thief.send(reading(thief, now(), FORGED))
        await until_equal(lambda: asked.value(REFUSED), refused + 1)
        listed = (await running.get("/meter-claims"))["items"]
        assert {(one["meter"], one["owner"], one["device"], one["state"]) for one in listed} == {
            (KEY, "victim", "thief", "waiting"), (GAS, "victim", "thief", "waiting"),
        }  # fmt: skip
        assert len(await events(database, "meter_claimed")) == 2

        await redecode_the_thiefs(database, asked, thief)
        for key in (KEY, GAS):
            assert await asked.value(FORGERIES, key) == 0
        honest = "SELECT time, value FROM named_reading WHERE meter = $1 AND obis = $2 ORDER BY time"
        expected = [*((start + timedelta(minutes=n), float(n)) for n in range(3)), (instant, 4.0)]
        assert await asked.rows(honest, KEY, CODE) == expected
        assert await asked.value("SELECT count(*) FROM series_name WHERE meter = $1", KEY) == 2
        assert await asked.value("SELECT count(*) FROM event_log WHERE event = 'meter_silent'") == 0
        assert await asked.rows(SPEAKERS, KEY) == [("victim",)]
        # acknowledged and in the ledger like all quarantine, told once, counted
        assert await asked.rows("SELECT lost FROM message_gap WHERE device = 'thief'") == [(0,)]
        [told] = await events(database, "foreign_meter")
        assert (told["severity"], told["detail"]["meters"]) == ("warning", [KEY])
        assert await ingestor.metric('wattline_ingestor_quarantined_total{reason="foreign_meter"}') == refused + 1
        assert await owner(asked) == await owner(asked, GAS) == "victim"


async def redecode_the_thiefs(database: Database, asked: Table, thief: Device) -> None:
    """Frames of its own meter that carry the victim's gas meter, and some that lie among the victim's from before."""
    raw = "SELECT count(*) FROM frame WHERE kind = 'frame'"
    await thief.send(frames(thief, OWN, START, carrying("G0044")), Kind.FRAMES)
    await until_equal(lambda: asked.value(raw), 1)
    await keep(database, pushes(3), KEY)
    by_thief = "UPDATE frame SET device_id = (SELECT id FROM device WHERE name = 'thief') WHERE kind = 'frame'"
    await asked.execute(by_thief)
    async with working(worker_settings(database)):
        done = await ended(database, await add_job(database, spec_named("generic-p1").ref, (KEY, OWN)))
    assert (done["frames"], done["undecodable"]) == (4, 0)
    assert done["refused"] > 0
    of_others = "SELECT count(*) FROM named_reading WHERE source = 'redecoded' AND meter <> $1"
    assert await asked.value(of_others, OWN) == 0


async def test_a_replaced_device_gets_the_meter_by_the_others_silence(broker: Broker, database: Database) -> None:
    """What it sent while it waited is taken in, and what the old one delivers late of its own time; two ingestors."""
    of = settings(broker, database.dsn("wattline_ingestor"), share_group="g", receipts_every_s=0.1)
    started = datetime.now(UTC)
    changes = {"claim_silence_s": 3, "claim_disputed_s": 3600, "claim_tick_s": 0.2}
    async with (
        table(database) as asked,
        ingesting(of),
        ingesting(of.model_copy(update={"client_id": f"{of.client_id}-2"})),
        gateway(gateway_settings(broker, database, **changes)) as running,
        working(worker_settings(database)),
        device(broker, "old") as old,
        device(broker, "new") as new,
    ):
        await Registrant(broker, running, old.session, "old").register(p1_meter(KEY, since=started - timedelta(days=1)))
        for n in range(8):
            await old.send(reading(old, started - timedelta(seconds=8 - n), float(n)))
        await until_equal(asked.readings, 8)
        # carried over: the new one is sure of the meter since now, and the last of the old one is still on its way
        carried = datetime.now(UTC)
        late = reading(old, carried - timedelta(microseconds=5), 8.0)
        shown = p1_meter(KEY, since=carried)
        await Registrant(broker, running, new.session, "new").register(shown)
        sent = 0

        async def has_it() -> bool:
            nonlocal sent
            sent += 1
            await new.send(reading(new, carried + timedelta(milliseconds=sent), 100.0 + sent))
            return await owner(asked) == "new"

        await until(has_it, "the meter is the new device's")
        assert len(await events(database, "foreign_meter")) == 1
        waited = await asked.value("SELECT decided_at FROM meter_move") - carried
        assert waited > timedelta(seconds=2)
        await until_equal(asked.readings, 8 + sent)
        assert await asked.rows("SELECT from_device, to_device, why, author, at FROM meter_move_overview") == [
            ("old", "new", "silent", "system", carried)
        ]
        assert await asked.value(REFUSED) == 0
        # the old one's outbox drains; what it says of later is not its own any more, whichever ingestor is given it
        await old.send(late)
        await until_equal(asked.readings, 9 + sent)
        forged = [reading(old, carried + timedelta(seconds=60 + n), FORGED) for n in range(20)]
        await old.send_all(forged)
        # nor is the past the new one's
        await new.send_all([reading(new, started - timedelta(minutes=n), FORGED) for n in range(1, 21)])
        await until_equal(lambda: asked.value(REFUSED), 40)
        assert await asked.value(FORGERIES, KEY) == 0
        assert await asked.readings() == 9 + sent
        [moved] = await events(database, "meter_moved")
        assert (moved["detail"]["from"], moved["detail"]["to"], moved["severity"]) == ("old", "new", "warning")
        assert await running.metric("wattline_gateway_meter_claims_total", event="silent") == 1


async def test_swapped_ports_go_at_once_and_people_decide_the_rest(broker: Broker, database: Database) -> None:
    """Who gives a meter up lets it go; a claim that the owner's readings dispute waits; yes and no by a person."""
    await broker.add_devices("d1", "d2", "d3")
    one, two, start = "ZZZ:1", "ZZZ:2", now() - timedelta(minutes=10)
    async with (
        gateway(gateway_settings(broker, database, claim_silence_s=86400, claim_tick_s=0.1)) as running,
        entered(broker, "d1") as first,
        entered(broker, "d2") as second,
        entered(broker, "d3") as third,
        table(database) as asked,
    ):
        registrants = [
            Registrant(broker, running, session, f"d{n + 1}") for n, session in enumerate((first, second, third))
        ]
        await registrants[0].register(p1_meter(one, since=start))
        await registrants[1].register(p1_meter(two, since=start))
        recent = now() - timedelta(minutes=1)
        await registrants[0].register(p1_meter(two, since=recent))
        assert await owner(asked, two) == "d2"
        await registrants[1].register(p1_meter(one, since=recent))
        await until_equal(lambda: owner(asked, two), "d1")
        assert await owner(asked, one) == "d2"
        whys = await asked.rows("SELECT meter, to_device, why FROM meter_move_overview ORDER BY meter")
        assert whys == [(one, "d2", "given_up"), (two, "d1", "given_up")]
        desired = (await running.get("/devices/d1"))["desired"]
        assert set(desired["meters"]) == {two}

        # a person says no, which the owner's giving it up does not change, and then yes
        await registrants[2].register(p1_meter(one))
        said = await typed(running, meter, "refuse", one, "--to", "d3", "--author", "eva", "--reason", "a mistake")
        assert said.exit_code == 0, said.output
        await registrants[1].register(p1_meter("ZZZ:9"))
        await registrants[2].register(p1_meter(one, firmware="2"))
        listed = json.loads((await typed(running, meter, "claims", one, "--json")).output)
        assert [(claim["device"], claim["state"], claim["refused_by"]) for claim in listed] == [
            ("d3", "refused", "local (for eva)")
        ]
        assert await owner(asked, one) == "d2"
        later = (now() - timedelta(seconds=30)).isoformat()
        said = await typed(running, meter, "move", one, "--to", "d3", "--since", later, "--author", "eva")
        assert said.exit_code == 0, said.output
        assert await owner(asked, one) == "d3"
        [moved] = await asked.rows("SELECT why, author FROM meter_move_overview WHERE to_device = 'd3'")
        assert moved == ("person", "local (for eva)")
        lines = "SELECT action, status FROM audit_log WHERE action IN ('moveMeter', 'refuseMeterClaim') ORDER BY at"
        await until_equal(lambda: asked.rows(lines), [("refuseMeterClaim", 200), ("moveMeter", 200)])
        for words, wrong in (
            ((one, "--to", "d3"), "already"), ((two, "--to", "d3"), "does not show"),
            (("ZZZ:none", "--to", "d3"), "no meter"),
            ((two, "--to", "d2", "--since", "2999-01-01"), "to come"),
        ):  # fmt: skip
            refused = await typed(running, meter, "move", *words)
            assert refused.exit_code == 1, refused.output
            assert wrong in refused.output


async def test_a_meter_behind_another_moves_with_it_or_not_at_all(broker: Broker, database: Database) -> None:
    """A person who moves it alone is told so, and nothing says that it moved."""
    await broker.add_devices("d1", "d2")
    one, behind = "ZZZ:1", "ZZZ:GAS"
    async with (
        gateway(gateway_settings(broker, database, claim_silence_s=86400, claim_tick_s=0.1)) as running,
        entered(broker, "d1") as first,
        entered(broker, "d2") as second,
        table(database) as asked,
    ):
        for number, session in enumerate((first, second), 1):
            registrant = Registrant(broker, running, session, f"d{number}")
            await registrant.register(p1_meter(one), p1_meter(behind, parent=one))
        refused = await typed(running, meter, "move", behind, "--to", "d2")
        assert refused.exit_code == 1, refused.output
        assert "stands behind a meter that is not d2's" in refused.output
        assert await asked.rows("SELECT * FROM meter_move_overview") == []
        assert (await typed(running, meter, "move", one, "--to", "d2")).exit_code == 0
        assert (await owner(asked, one), await owner(asked, behind)) == ("d2", "d2")
        whys = await asked.rows("SELECT meter, why FROM meter_move_overview ORDER BY meter")
        assert whys == [(one, "person"), (behind, "person")]


async def test_moves_by_hand_are_known_in_the_order_of_their_commits(broker: Broker, database: Database) -> None:
    """Also of a meter that was nobody's, and where the first that was begun ends last: no ingestor passes it over."""
    of = settings(broker, database.dsn("wattline_ingestor"))
    give = "UPDATE meter SET device_id = (SELECT id FROM device WHERE name = $1) WHERE key = $2"
    async with (
        table(database) as asked,
        ingesting(of),
        device(broker, "d1") as first,
        device(broker, "d2") as second,
        connection(database) as one,
        connection(database) as other,
    ):
        keys = ["ZZZ:1", "ZZZ:2", "ZZZ:3"]
        for key in keys:
            await first.send(reading(first, now(), 1.0, key=key))
        await second.send(reading(second, now(), 1.0, key="ZZZ:4"))
        await until_equal(asked.readings, 4)
        await other.execute("UPDATE meter SET device_id = NULL WHERE key = 'ZZZ:3'")
        slow = one.transaction()
        await slow.start()
        await one.execute(give, "d2", "ZZZ:1")

        async def quick() -> None:
            await other.execute(give, "d2", "ZZZ:2")
            await other.execute(give, "d2", "ZZZ:3")

        async with asyncio.TaskGroup() as group:
            task = group.create_task(quick())
            waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'advisory'"
            await until(lambda: done_or(task, asked, waiting), "the other has ended, or waits")
            # an ingestor looks for moves with each batch
            await second.send(reading(second, now() + timedelta(seconds=9), 2.0, key="ZZZ:4"))
            await until_equal(asked.readings, 5)
            await slow.commit()
        for key in keys:
            await first.send(reading(first, now() + timedelta(seconds=5), FORGED, key=key))
        await until_equal(lambda: asked.value(REFUSED), 3)
        # and their history is still the first one's
        for key in keys:
            await first.send(reading(first, now() - timedelta(hours=1), 3.0, key=key))
            await second.send(reading(second, now() - timedelta(hours=1), FORGED, key=key))
        await until_equal(lambda: asked.value(REFUSED), 6)
        await until_equal(asked.readings, 8)
        for key in keys:
            assert await asked.value(FORGERIES, key) == 0


async def done_or(task: asyncio.Task[None], asked: Table, waiting: str) -> bool:
    return task.done() or bool(await asked.value(waiting))


async def test_nobody_is_silent_while_nobody_could_be_heard(broker: Broker, database: Database) -> None:
    """Ingestors whose link to the broker is down hear nobody; and a device that is cut by a quota has spoken."""
    address = broker.address("ingestor")
    async with (
        TcpProxy(address.host, address.port) as link,
        table(database) as asked,
        device(broker, "owner") as pi,
        connection(database) as gateway_s,
    ):
        of = settings(broker, database.dsn("wattline_ingestor"))
        of = of.model_copy(update={"broker": address.model_copy(update={"port": link.port})})
        async with ingesting(of):
            await pi.send(reading(pi, now(), 1.0))
            await until_equal(asked.readings, 1)
            await until(lambda: is_ingesting(gateway_s, 8.0, GONE_S), "all is heard")
            await link.cut()
            await until_equal(lambda: is_ingesting(gateway_s, 8.0, GONE_S), wanted=False)
            assert await asked.value("SELECT expires_at > now() FROM upkeep_lease")
        meter_id, device_id = (await asked.rows("SELECT id, device_id FROM meter WHERE key = $1", KEY))[0]
        since = datetime.now(UTC)
        assert await spoken_of(gateway_s, [meter_id], [device_id], [since]) == []
        cut = "INSERT INTO quota_day (day, device_id, quota, cut, cut_at) VALUES (now(), $1, 'messages', 1, now())"
        await gateway_s.execute(cut, device_id)
        assert await spoken_of(gateway_s, [meter_id], [device_id], [since]) == [meter_id]
        assert await spoken_of(gateway_s, [meter_id], [device_id], [datetime.now(UTC)]) == []


async def test_nobody_is_silent_while_one_of_several_may_have_heard(broker: Broker, database: Database) -> None:
    """An owner's readings may lie with whichever ingestor is cut off; one that was taken away is not waited for."""
    address, gone = (
        broker.address("ingestor"),
        "UPDATE ingestor_link SET caught_up_at = $2, noted_at = $2 WHERE ingestor = $1",
    )
    # as one of before notes it, which is at work all the same, and as one that is long gone
    notes = "INSERT INTO ingestor_link VALUES ($1, clock_timestamp() - make_interval(secs => $2))"
    async with (
        TcpProxy(address.host, address.port) as link,
        connection(database) as asked,
        connection(database) as gateway_s,
    ):
        of = settings(broker, database.dsn("wattline_ingestor"), share_group="several")
        cut = settings(broker, database.dsn("wattline_ingestor"), share_group="several")
        cut = cut.model_copy(update={"broker": address.model_copy(update={"port": link.port})})
        async with ingesting(of), ingesting(cut):
            known = "SELECT array_agg(ingestor ORDER BY ingestor) FROM ingestor_link"
            both = sorted((of.client_id, cut.client_id))
            await until_equal(lambda: asked.fetchval(known), both)
            await until(lambda: is_ingesting(gateway_s, 8.0, GONE_S), "both hear")
            await link.cut()
            await until_equal(lambda: is_ingesting(gateway_s, 8.0, GONE_S), wanted=False)
            heard = "SELECT clock_timestamp() - caught_up_at < INTERVAL '8 s' FROM ingestor_link WHERE ingestor = $1"
            assert await asked.fetchval(heard, of.client_id), "though the other one hears"
        async with ingesting(of):
            await until(lambda: asked.fetchval(heard, of.client_id), "it hears again")
            assert not await is_ingesting(gateway_s, 8.0, GONE_S)
            await asked.execute(gone, cut.client_id, datetime.now(UTC) - timedelta(hours=2))
            await until(lambda: is_ingesting(gateway_s, 8.0, GONE_S), "the other one has been taken away")
            await asked.execute(notes, "of-before", 20.0)
            assert not await is_ingesting(gateway_s, 8.0, GONE_S)
            await asked.execute(gone, "of-before", datetime.now(UTC) - timedelta(days=2))
            await until_equal(lambda: asked.fetchval(known), both)
        # back to a version that notes nothing, one of which is at work
        await asked.execute(
            "UPDATE ingestor_link SET noted_at = now() - INTERVAL '2 h', caught_up_at = now() - INTERVAL '2 h'"
        )
        for lasts_s in (-60.0, 60.0):
            await asked.execute("UPDATE upkeep_lease SET expires_at = now() + make_interval(secs => $1)", lasts_s)
            assert await is_ingesting(gateway_s, 8.0, GONE_S) is (lasts_s > 0)


async def test_an_ingestor_of_before_believes_whose_a_meter_becomes(database: Database) -> None:
    """It takes from_at of each move for the time from which on the next one is believed, nobody's or not."""
    moves = "SELECT extract(year FROM m.from_at)::int, m.from_at = m.at, d.name FROM meter_move m LEFT JOIN device d"
    async with connection(database) as asked:
        await asked.execute("INSERT INTO device (name) VALUES ('a'), ('b')")
        await asked.execute("INSERT INTO meter (key) VALUES ('ZZZ:1')")
        for device in ("a", None, "b"):
            await asked.execute("UPDATE meter SET device_id = (SELECT id FROM device WHERE name = $1)", device)
        found = [tuple(row) for row in await asked.fetch(f"{moves} ON d.id = m.to_device_id ORDER BY m.id")]
        year = datetime.now(UTC).year
        assert found == [(1, False, "a"), (year, True, None), (year, False, "b")]
        from_ats = "SELECT array_agg(from_at ORDER BY id) FROM meter_move"
        _, left, believed = await asked.fetchval(from_ats)
        assert believed == left, "a's own time stays a's"


async def test_judging_waits_for_no_claim_that_somebody_changes(broker: Broker, database: Database) -> None:
    """Else a person's move and the judge, who lock a device's claims in orders of their own, end in a deadlock."""
    await broker.add_devices("d1", "d2")
    keys = ("ZZZ:1", "ZZZ:2")
    async with (
        gateway(gateway_settings(broker, database, claim_silence_s=86400, claim_tick_s=0.1)) as running,
        entered(broker, "d1") as first,
        entered(broker, "d2") as second,
        table(database) as asked,
        table(database) as person,
    ):
        for number, session in enumerate((first, second), 1):
            await Registrant(broker, running, session, f"d{number}").register(*(p1_meter(key) for key in keys))
        of = "FROM meter_claim c JOIN meter m ON m.id = c.meter_id WHERE m.key"
        waits = f"SELECT count(*) {of} = $1 AND c.check_at > now()"
        for key in keys:
            await until_equal(partial(asked.value, waits, key), 1)
        await person.execute(f"BEGIN; SELECT {of} = 'ZZZ:1' FOR UPDATE OF c")
        await asked.execute(
            "UPDATE meter_claim SET check_at = now() FROM meter m WHERE m.id = meter_id AND m.key = 'ZZZ:2'"
        )
        await until_equal(lambda: asked.value(waits, "ZZZ:2"), 1)
        await person.execute("ROLLBACK")
