"""One device with a login of its own against all others, on real servers: it harms its own record and nobody else's."""

import asyncio
import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from broker.contract.messages import Status
from broker.contract.topics import Kind
from tests.rigs.gateway import Gateway, gateway, gateway_settings, now, p1_meter, registration
from tests.rigs.ingesting import Device, Table, device, ingesting, settings, table
from tests.rigs.registrations import Registrant
from tests.rigs.servers import Broker, Database
from tests.rigs.waiting import until, until_equal

KEY, GAS = "KFM:E0026000123456789", "MBUS:G0044"
FIRST, LAST = "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"
OPEN = ("/livez", "/readyz", "/openapi.json")


def at_port(number: int, key: str = "", **more: Any) -> Any:
    return p1_meter(key or f"HOS:{number}", f"/dev/tty{number}", **more)


async def everything_answers(running: Gateway) -> None:
    """Each list of the API, whatever it holds."""
    document = await running.get("/openapi.json")
    paths = [path for path, item in document["paths"].items() if "get" in item and "{" not in path]
    assert len(paths) > 20
    for path in paths:
        if path.endswith(("/stream", "/export")):
            continue
        async with running.http.get(running.url + path) as answer:
            text = await answer.text()
            assert answer.status in {200, 400}, (path, answer.status, text[:300])


async def registry(asked: Table) -> list[list[tuple[Any, ...]]]:
    """What is known of the victim's meters, and where they stand."""
    meters = "SELECT * FROM meter WHERE key = ANY ($1::text[]) ORDER BY id"
    stays = """SELECT s.id, s.point_id, s.meter_id, s.installed_at, s.removed_at FROM meter_stay s
               JOIN meter m ON m.id = s.meter_id WHERE m.key = ANY ($1::text[]) ORDER BY s.id"""
    return [await asked.rows(meters, [KEY, GAS]), await asked.rows(stays, [KEY, GAS])]


async def test_what_it_registers(broker: Broker, database: Database) -> None:
    """Ports, parents, boots, facts and claims without end: bounded, and the platform goes on for all others."""
    quota = {"placements_per_day": 12, "control_per_min": 6000, "new_meters_per_day": 400, "configurations_per_day": 20}
    of = gateway_settings(broker, database, claim_silence_s=3600, claim_tick_s=0.1, quota=quota)
    async with (
        table(database) as asked,
        gateway(of) as running,
        device(broker, "victim") as victim,
        device(broker, "gone") as gone,
        device(broker, "flipping") as flipping,
        device(broker, "hostile") as pi,
    ):
        home, left, hostile = (Registrant(broker, running, one.session, one.name) for one in (victim, gone, pi))
        shown = (p1_meter(KEY), p1_meter(GAS, parent=KEY, facts={"channel": "1"}))
        await home.register(*shown)
        before = await registry(asked)

        # claims that come and go, of other times, under other boots, with what is behind them and other spellings
        for number in range(8):
            since = datetime(1, 1, 1, tzinfo=UTC) if number % 2 else now() + timedelta(days=99)
            claim = p1_meter(KEY, since=since, facts={"identification": f"EVIL{number}"})
            odd = [
                at_port(901, "ring:a", parent="ring:b"), at_port(901, "ring:b", parent="ring:a"),
                at_port(902, "self", parent="self"), at_port(903, KEY.lower()), at_port(904, f"{KEY}~"),
                p1_meter("behind", parent=GAS), p1_meter("further", parent="behind"),
            ]  # fmt: skip
            await hostile.register(*((claim,) if number % 3 else ()), *odd, boot=f"{0xABC0 + number % 4:x}")
        chain = [at_port(905, "chain:0"), *(at_port(905, f"chain:{n}", parent=f"chain:{n - 1}") for n in range(1, 40))]
        await hostile.register(*reversed(chain))

        # facts that add up, ports that change
        for number in range(8):
            facts = {f"fact{number}-{n}": "x" * 900 for n in range(60)}
            await hostile.register(at_port(910 + number, "mover", facts=facts, addresses=tuple("ab" * 50 for _ in "x")))
        assert await asked.value("SELECT length(facts::text) FROM meter WHERE key = 'mover'") < 70_000
        for number in range(12):
            await hostile.register(at_port(1000 + number, "mover"))
        moves = "SELECT used, cut > 0 FROM device_quota WHERE device = 'hostile' AND quota = 'placements'"
        assert await asked.rows(moves) == [(12, True)]

        # more meters than a device can be configured for, the last of them by a claim
        for start, count in ((0, 250), (250, 20)):
            await hostile.register(*(at_port(2000 + n, f"MANY:{n}") for n in range(start, start + count)))
        await left.register(p1_meter("GONE:1"))
        await hostile.register(p1_meter("GONE:1", "/dev/ttyUSB9"))
        await left.register(p1_meter("GONE:2"))
        owner = "SELECT d.name FROM meter m JOIN device d ON d.id = m.device_id WHERE m.key = 'GONE:1'"
        await until_equal(lambda: asked.value(owner), "hostile")
        desired = await asked.value(
            "SELECT document -> 'meters' FROM desired d JOIN device x ON x.id = d.device_id WHERE x.name = 'hostile'"
        )
        assert len(json.loads(desired)) == 256

        # another product at each turn
        for number in range(30):
            shape = registration(at_port(1, "FLIP:1", protocol=("p1", "sml")[number % 2]))
            await flipping.send(shape, Kind.REGISTRATION)
        dealt = {"kind": "registration", "result": "cut"}
        await until_equal(lambda: running.metric("wattline_gateway_messages_total", **dealt), 5)
        version = "SELECT d.version FROM desired d JOIN device x ON x.id = d.device_id WHERE x.name = 'flipping'"
        assert await asked.value(version) == 20

        assert await registry(asked) == before
        await home.register(*shown)
        change = {"reading_interval_s": 7}
        async with running.http.patch(f"{running.url}/api/v1/parameters", json=change) as answer:
            assert answer.status == 200, await answer.text()
        await everything_answers(running)


async def test_what_it_sends(broker: Broker, database: Database) -> None:
    """Times at the ends of all time, others' messages under its own name, numbers and boots without sense."""
    of = settings(broker, database.dsn("wattline_ingestor"), receipts_every_s=0.1)
    async with (
        table(database) as asked,
        ingesting(of) as ingestor,
        gateway(gateway_settings(broker, database)) as running,
        device(broker, "victim") as victim,
        device(broker, "hostile") as pi,
    ):
        honest = [victim.payload(meter=KEY) for _ in range(5)]
        await victim.send_all(honest)
        await until_equal(asked.readings, 15)
        # the owner's own messages, under its boot and numbers
        await pi.send_all(honest)
        for stamp in (FIRST, LAST, "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"):
            for payload, kind in odd_times(pi, stamp):
                await pi.send(payload, kind)
        # of before readings are kept: each of their days would make a chunk, over and over
        old = [{"at": f"{year}-01-01T00:00:00Z", "values": {"1-0:1.8.0": 1.0}} for year in range(2000, 2016)]
        await pi.send(pi.payload(meter="HOS:1", samples=old))
        for boot in range(30):
            pi.boot = f"{0xF000 + boot:x}"
            await pi.send(pi.payload(meter="HOS:1", seq=2**53, resent=2**31 - 1))
        await pi.send(victim.payload(meter=KEY))
        await victim.send(victim.payload(meter=KEY, seq=7))
        await until_equal(lambda: asked.value("SELECT count(*) FROM named_reading WHERE meter = $1", KEY), 18)
        assert await ingestor.metric("wattline_ingestor_message_errors_total") == 0
        kept = "SELECT count(*) FROM frame WHERE reason = 'implausible_time' AND detail LIKE '%2000-01-01%outside%'"
        await until_equal(lambda: asked.value(kept), 1)
        assert await asked.value("SELECT count(*) FROM reading WHERE time < '2016-01-01'") == 0
        mine = "SELECT lost, repeated FROM message_gap WHERE device = 'victim'"
        assert await asked.rows(mine) == [(1, 0)]
        await until(lambda: asked.value("SELECT count(*) > 3 FROM event"), "events are there")
        # as versions before wrote them that took the ends of time for infinity
        await asked.execute(
            """INSERT INTO event (received_at, at, device_id, source, event, severity, detail)
               SELECT now(), at, 1, 'device', 'odd', 'info', '{}' FROM unnest('{infinity,-infinity}'::timestamptz[]) at;
               INSERT INTO frame (received_at, at, device_id, topic, kind, reason, data, delivery)
               SELECT now(), at, 1, 't', 'frame', 'no_spec', 'x', gen_random_uuid()
               FROM unnest('{infinity,-infinity}'::timestamptz[]) at;
               UPDATE device SET status_at = '-infinity', outbox_at = 'infinity' WHERE name = 'hostile';
               UPDATE reported SET at = 'infinity'"""
        )
        await everything_answers(running)
        told = (await running.get("/events", device="victim"))["items"]
        assert {one["at"][:4] for one in told if one["event"] == "odd"} == {"0001", "9999"}
        for path in ("/devices/hostile", "/meters/HOS:1/frames"):
            await running.get(path)
        async with asyncio.timeout(30):
            assert (await ingestor.health())[0] == 200


def odd_times(pi: Device, stamp: str) -> list[tuple[bytes, Kind]]:
    """One message of each kind that tells of this time."""
    sample = {"at": stamp, "values": {"1-0:1.8.0": 1.0}}
    made: list[tuple[bytes, Kind]] = [(pi.payload(meter="HOS:1", samples=[sample]), Kind.READINGS)]
    data = base64.b64encode(b"x").decode()
    documents: list[tuple[Kind, dict[str, Any]]] = [
        (Kind.FRAMES, {"port": "p", "protocol": "p1", "reason": "no_spec", "meter": "HOS:1",
                       "frames": [{"at": stamp, "data": data}]}),
        (Kind.EVENTS, {"at": stamp, "event": "odd", "meter": "HOS:1", "detail": {"at": stamp, "n": 1e308}}),
        (Kind.REPORTED, {"version": 1, "state": "applied", "at": stamp}),
        (Kind.REPLIES, {"command": "ping", "ok": True, "at": stamp}),
    ]  # fmt: skip
    for kind, document in documents:
        pi.seq += 1
        numbered = {"boot": pi.boot} | ({"seq": pi.seq} if kind in (Kind.FRAMES, Kind.EVENTS) else {})
        made.append((json.dumps(numbered | document).encode(), kind))
    shown = json.loads(registration(p1_meter("HOS:1")))
    shown |= {"at": stamp, "meters": [shown["meters"][0] | {"since": stamp}]}
    made.append((json.dumps(shown).encode(), Kind.REGISTRATION))
    state = json.loads(Status(online=True, since=now(), boot=pi.boot, software="1").payload())
    made.append((json.dumps(state | {"since": stamp}).encode(), Kind.STATUS))
    return made
