"""Points of delivery through a real broker and database: swaps and their registers, moves, channels, shared lines."""

import json
from datetime import timedelta
from typing import Any

from broker.contract.messages import MeterSeen
from tests.rigs.gateway import entered, events, gateway, gateway_settings, now, p1_meter, rows
from tests.rigs.points import eventually, registers, store
from tests.rigs.registrations import Registrant
from tests.rigs.servers import Broker, Database
from tests.rigs.waiting import until


async def points(database: Database) -> dict[str, dict[str, Any]]:
    return {row["point"]: row for row in await rows(database, "SELECT * FROM point_overview")}


def values_of(text: Any) -> dict[str, float]:
    return {one["obis"]: one["value"] for one in (json.loads(text) if isinstance(text, str) else text)}


async def test_a_swap_closes_one_meter_and_opens_the_other_with_their_registers(
    broker: Broker, database: Database
) -> None:
    """One event with the old meter's last registers and the new one's first, which come later; late ones correct it."""
    await broker.add_device("d1")
    swapped_at = now() - timedelta(minutes=5)
    async with (
        gateway(gateway_settings(broker, database, settle_s=0.1)) as running,
        entered(broker, "d1") as session,
    ):
        registrant = Registrant(broker, running, session)
        await registrant.register(p1_meter("ZZZ:old", since=swapped_at - timedelta(days=1)))
        await store(database, "ZZZ:old", registers(100.0, 7.0), swapped_at - timedelta(hours=1))
        await registrant.register(p1_meter("ZZZ:new", since=swapped_at))
        await registrant.register(p1_meter("ZZZ:new", since=swapped_at), boot="cafe0001")
        [event] = await events(database, "meter_swapped")
        assert (event["detail"]["old"], event["detail"]["new"]) == ("ZZZ:old", "ZZZ:new")
        assert event["detail"]["point"] == "d1/ttyUSB0"
        assert event["at"] == swapped_at
        assert values_of(event["detail"]["closing"]) == {"1-0:1.8.0": 100.0, "1-0:2.8.0": 7.0}
        assert event["detail"]["opening"] == []
        # the new meter speaks, and what the old one said last arrives from the outbox
        await store(database, "ZZZ:new", registers(3.0), swapped_at + timedelta(seconds=5))
        await store(database, "ZZZ:new", registers(3.5), swapped_at + timedelta(seconds=65))
        await store(database, "ZZZ:old", registers(101.5, 7.25), swapped_at - timedelta(minutes=1))
        await until(
            eventually(
                database,
                "SELECT true FROM event WHERE event = 'meter_swapped' AND jsonb_array_length(detail -> 'opening') = 2"
                " AND detail #>> '{closing,0,value}' = '101.5' AND detail #>> '{closing,1,value}' = '7.25'",
            ),
            "the event has all registers",
        )
        [event] = await events(database, "meter_swapped")
        assert values_of(event["detail"]["opening"]) == {"1-0:1.8.0": 3.0, "1-0:2.8.0": 0.0}
        [swap] = await rows(database, "SELECT *, closing::text AS c, opening::text AS o FROM meter_swap")
        assert values_of(swap["c"]) == {"1-0:1.8.0": 101.5, "1-0:2.8.0": 7.25}
        assert values_of(swap["o"]) == {"1-0:1.8.0": 3.0, "1-0:2.8.0": 0.0}
        page = await running.get("/points", device="d1")
        detail = await running.get(f"/points/{page['items'][0]['id']}")
    assert [(one["meter"], one["previous_meter"]) for one in page["items"]] == [("ZZZ:new", "ZZZ:old")]
    assert [stay["meter"] for stay in detail["stays"]] == ["ZZZ:new", "ZZZ:old"]
    assert detail["stays"][1]["closing"][0]["value"] == 101.5
    meters = {row["key"]: row for row in await rows(database, "SELECT * FROM meter")}
    assert meters["ZZZ:old"]["removed_at"] == meters["ZZZ:new"]["installed_at"] == swapped_at
    assert meters["ZZZ:old"]["point_id"] == meters["ZZZ:new"]["point_id"]


async def test_registers_are_found_after_a_restart_of_the_gateway(broker: Broker, database: Database) -> None:
    """What was due when the gateway stopped is done by the next one, and doing it twice changes nothing."""
    await broker.add_device("d1")
    at = now() - timedelta(minutes=5)
    async with gateway(gateway_settings(broker, database)) as running, entered(broker, "d1") as session:
        registrant = Registrant(broker, running, session)
        await registrant.register(p1_meter("ZZZ:old", since=at - timedelta(days=1)))
        await registrant.register(p1_meter("ZZZ:new", since=at))
    await store(database, "ZZZ:new", registers(3.0), at + timedelta(seconds=5))
    async with gateway(gateway_settings(broker, database, settle_s=0.1)):
        await until(eventually(database, "SELECT count(*) = 2 FROM meter_register"), "the openings are found")
    [event] = await events(database, "meter_swapped")
    assert values_of(event["detail"]["opening"])["1-0:1.8.0"] == 3.0


async def test_a_meter_that_comes_back_and_one_that_moves(broker: Broker, database: Database) -> None:
    """A stay each time: back at its old point, and closed there when another device sees it."""
    await broker.add_devices("d1", "d2")
    start = now() - timedelta(hours=10)
    async with (
        gateway(gateway_settings(broker, database, settle_s=0.1, claim_silence_s=1)) as running,
        entered(broker, "d1") as one,
        entered(broker, "d2") as two,
    ):
        first, second = Registrant(broker, running, one), Registrant(broker, running, two, "d2")
        await first.register(p1_meter("ZZZ:a", since=start))
        await store(database, "ZZZ:a", registers(10.0), start + timedelta(minutes=30))
        await first.register(p1_meter("ZZZ:b", since=start + timedelta(hours=1)))
        await first.register(p1_meter("ZZZ:a", since=start + timedelta(hours=2)))
        await store(database, "ZZZ:a", registers(20.0), start + timedelta(hours=2, minutes=1))
        await store(database, "ZZZ:a", registers(30.0), start + timedelta(hours=2, minutes=50))
        await second.register(p1_meter("ZZZ:a", "/dev/ttyUSB7", since=start + timedelta(hours=3)))
        await until(eventually(database, "SELECT count(*) >= 8 FROM meter_register"), "all registers are found")
    stays = await rows(
        database,
        """SELECT p.name, m.key, s.installed_at, s.removed_at, o.value AS o, c.value AS c
           FROM meter_stay s
           JOIN meter m ON m.id = s.meter_id
           JOIN point p ON p.id = s.point_id
           LEFT JOIN meter_register o ON o.stay_id = s.id AND o.kind = 'opening' AND o.obis = '1-0:1.8.0'
           LEFT JOIN meter_register c ON c.stay_id = s.id AND c.kind = 'closing' AND c.obis = '1-0:1.8.0'
           ORDER BY s.installed_at""",
    )
    hours = [(row["name"], row["key"], (row["installed_at"] - start) / timedelta(hours=1)) for row in stays]
    assert hours == [
        ("d1/ttyUSB0", "ZZZ:a", 0),
        ("d1/ttyUSB0", "ZZZ:b", 1),
        ("d1/ttyUSB0", "ZZZ:a", 2),
        ("d2/ttyUSB7", "ZZZ:a", 3),
    ]
    assert [(row["o"], row["c"]) for row in stays] == [(10.0, 10.0), (None, None), (20.0, 30.0), (None, None)]
    assert [row["removed_at"] is None for row in stays] == [False, False, False, True]
    assert len(await events(database, "meter_swapped")) == 2
    overview = await points(database)
    assert overview["d1/ttyUSB0"]["meter"] is None
    assert overview["d1/ttyUSB0"]["previous_meter"] == "ZZZ:a"
    assert overview["d2/ttyUSB7"]["previous_meter"] is None


async def test_a_gas_meter_behind_is_swapped_alone_and_stays_when_its_host_is_swapped(
    broker: Broker, database: Database
) -> None:
    """Each M-Bus channel is a point of its own."""
    await broker.add_device("d1")

    def gas(key: str, parent: str) -> MeterSeen:
        return p1_meter(key, parent=parent, facts={"channel": "1"})

    async with gateway(gateway_settings(broker, database)) as running, entered(broker, "d1") as session:
        registrant = Registrant(broker, running, session)
        await registrant.register(p1_meter("ZZZ:a"), gas("MBUS:g1", "ZZZ:a"))
        await registrant.register(p1_meter("ZZZ:a"), gas("MBUS:g2", "ZZZ:a"))
        await registrant.register(p1_meter("ZZZ:b"), gas("MBUS:g2", "ZZZ:b"))
    told = [
        (row["detail"]["point"], row["detail"]["old"], row["detail"]["new"])
        for row in await events(database, "meter_swapped")
    ]
    assert told == [("d1/ttyUSB0/1", "MBUS:g1", "MBUS:g2"), ("d1/ttyUSB0", "ZZZ:a", "ZZZ:b")]
    overview = await points(database)
    assert {name: row["meter"] for name, row in overview.items()} == {"d1/ttyUSB0": "ZZZ:b", "d1/ttyUSB0/1": "MBUS:g2"}
    assert len(await rows(database, "SELECT FROM meter_stay")) == 4


async def test_meters_that_share_a_line_have_a_point_each(broker: Broker, database: Database) -> None:
    """Both stay open; one of them is swapped at its own point; a silent one is not."""
    await broker.add_device("d1")
    async with gateway(gateway_settings(broker, database)) as running, entered(broker, "d1") as session:
        registrant = Registrant(broker, running, session)
        await registrant.register(p1_meter("ZZZ:a"))
        await registrant.register(p1_meter("ZZZ:a"), p1_meter("ZZZ:b"))
        await registrant.register(p1_meter("ZZZ:b"), p1_meter("ZZZ:a"))
        assert not await events(database, "meter_swapped")
        await registrant.register(p1_meter("ZZZ:c"), p1_meter("ZZZ:b"))
        await registrant.register()
    [event] = await events(database, "meter_swapped")
    assert (event["detail"]["old"], event["detail"]["new"]) == ("ZZZ:a", "ZZZ:c")
    overview = await points(database)
    assert {name: row["meter"] for name, row in overview.items()} == {"d1/ttyUSB0": "ZZZ:c", "d1/ttyUSB0#2": "ZZZ:b"}


async def test_a_meter_that_is_shown_twice_is_one(broker: Broker, database: Database) -> None:
    """Two meters on a line that name the same gas meter: the registration is taken, the gas meter stands once."""
    await broker.add_device("d1")
    gas = [p1_meter("MBUS:g", parent=parent, facts={"channel": "1"}) for parent in ("ZZZ:a", "ZZZ:b")]
    async with gateway(gateway_settings(broker, database)) as running, entered(broker, "d1") as session:
        await Registrant(broker, running, session).register(p1_meter("ZZZ:a"), gas[0], p1_meter("ZZZ:b"), gas[1])
    overview = await points(database)
    assert {name: row["meter"] for name, row in overview.items()} == {
        "d1/ttyUSB0": "ZZZ:a",
        "d1/ttyUSB0/1": "MBUS:g",
        "d1/ttyUSB0#2": "ZZZ:b",
    }


async def test_two_meters_that_change_ports_swap_points(broker: Broker, database: Database) -> None:
    """Adapters plugged in the other way round: each meter closes here and opens there."""
    await broker.add_device("d1")
    one, two = "/dev/ttyUSB0", "/dev/ttyUSB1"
    async with gateway(gateway_settings(broker, database)) as running, entered(broker, "d1") as session:
        registrant = Registrant(broker, running, session)
        await registrant.register(p1_meter("ZZZ:a", one), p1_meter("ZZZ:b", two))
        await registrant.register(p1_meter("ZZZ:a", two), p1_meter("ZZZ:b", one))
    overview = await points(database)
    assert {name: row["meter"] for name, row in overview.items()} == {"d1/ttyUSB0": "ZZZ:b", "d1/ttyUSB1": "ZZZ:a"}
    assert len(await events(database, "meter_swapped")) == 2


async def test_a_device_whose_clock_is_wrong_does_not_date_a_swap(broker: Broker, database: Database) -> None:
    """A time ahead of ours, or before the old meter came, is not believed."""
    await broker.add_device("d1")
    async with gateway(gateway_settings(broker, database)) as running, entered(broker, "d1") as session:
        registrant = Registrant(broker, running, session)
        began = now()
        await registrant.register(p1_meter("ZZZ:a", since=began + timedelta(days=300)))
        await registrant.register(p1_meter("ZZZ:b", since=began - timedelta(days=20000)))
    stays = await rows(database, "SELECT * FROM meter_stay ORDER BY id")
    assert [began - timedelta(seconds=2) <= stay["installed_at"] <= now() + timedelta(seconds=2) for stay in stays] == [
        True
    ] * 2
    assert stays[0]["removed_at"] == stays[0]["installed_at"] == stays[1]["installed_at"]


async def test_grafana_reads_points_and_swaps(broker: Broker, database: Database) -> None:
    """The views are open to the role of the dashboards, the tables of boots are not."""
    import asyncpg
    import pytest

    opened = await asyncpg.connect(database.dsn("wattline_grafana"))
    try:
        await opened.fetch("SELECT * FROM point_overview")
        await opened.fetch("SELECT * FROM meter_swap")
        await opened.fetch("SELECT duplicated, duplicate_seen_at FROM device_overview")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await opened.fetch("SELECT * FROM device_boot")
    finally:
        await opened.close()
