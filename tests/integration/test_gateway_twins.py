"""Two live devices of one id at the gateway: what is one, what is none, and what it does to their meters."""

import json
from datetime import timedelta

from broker.contract.messages import Registration
from tests.rigs.gateway import entered, events, gateway, gateway_settings, now, p1_meter, registration, rows
from tests.rigs.registrations import Registrant
from tests.rigs.servers import Broker, Database
from tests.rigs.waiting import until

ONE, TWO = "aaaa0001", "bbbb0002"


def later(payload: bytes, seconds: int, serial: str | None = None) -> bytes:
    """The same registration made a little later, by hardware of this serial."""
    message = Registration.parse(payload)
    hardware = message.hardware.model_copy(update={"serial": serial})
    return message.model_copy(update={"at": message.at + timedelta(seconds=seconds), "hardware": hardware}).payload()


async def test_boots_that_alternate_are_told_once_with_both(broker: Broker, database: Database) -> None:
    """A, B, A: an error with both boots and their hardware, a gauge and a mark; within the hour it is told once."""
    await broker.add_device("d1")
    async with gateway(gateway_settings(broker, database, settle_s=0.1)) as running, entered(broker, "d1") as session:
        registrant = Registrant(broker, running, session)
        one, two = registration(p1_meter(), boot=ONE), registration(p1_meter(), boot=TWO)
        for n in range(3):
            await registrant.send(later(one, 2 * n, "pi-serial-1"))
            await registrant.send(later(two, 2 * n + 1, "pi-serial-2"))
        [event] = await events(database, "device_duplicated")
        assert event["severity"] == "error"
        assert {(boot["boot"], boot["hardware_serial"]) for boot in event["detail"]["boots"]} == {
            (ONE, "pi-serial-1"),
            (TWO, "pi-serial-2"),
        }
        [overview] = await rows(database, "SELECT * FROM device_overview")
        assert overview["duplicated"] is True
        [twin] = await rows(database, "SELECT * FROM device_twin")
        assert twin["alternations"] == 4

        async def counted() -> bool:
            return await running.metric("wattline_gateway_devices_duplicated") == 1

        await until(counted, "the gauge shows it")


async def test_machines_that_take_turns_with_new_boots_are_told(broker: Broker, database: Database) -> None:
    """S1, S2, S1 by starts of which none comes twice; a card that is moved (S1, S2) is none."""
    await broker.add_device("d1")
    async with gateway(gateway_settings(broker, database)) as running, entered(broker, "d1") as session:
        registrant = Registrant(broker, running, session)
        for n, (boot, serial) in enumerate([("aaaa", "S1"), ("bbbb", "S2"), ("bbbb2", "S2")]):
            await registrant.send(later(registration(p1_meter(), boot=boot), n, serial))
        assert not await events(database, "device_duplicated")
        await registrant.send(later(registration(p1_meter(), boot="cccc"), 3, "S1"))
        [event] = await events(database, "device_duplicated")
    boots = {(boot["boot"], boot["hardware_serial"]) for boot in event["detail"]["boots"]}
    assert boots == {("bbbb2", "S2"), ("cccc", "S1")}


async def test_restarts_repeats_and_late_copies_are_no_second_device(broker: Broker, database: Database) -> None:
    """A restart brings a new boot once; what the broker gives again, in whatever order, carries times known already."""
    await broker.add_device("d1")
    async with gateway(gateway_settings(broker, database)) as running, entered(broker, "d1") as session:
        registrant = Registrant(broker, running, session)
        first = registration(p1_meter(), boot=ONE)
        sent = [
            first,
            later(first, 5),
            later(registration(p1_meter(), boot=TWO), 10),
            later(registration(boot="cccc"), 20),
        ]
        for payload in (*sent, *sent, sent[0]):
            await registrant.send(payload)
    assert not await events(database, "device_duplicated")
    assert [row["duplicated"] for row in await rows(database, "SELECT * FROM device_overview")] == [False]


async def test_meters_of_two_devices_with_one_id_do_not_swap_one_another(broker: Broker, database: Database) -> None:
    """The swap that the second device seemed to be is withdrawn; both meters stay open, each at its own point."""
    await broker.add_device("d1")
    async with gateway(gateway_settings(broker, database)) as running, entered(broker, "d1") as session:
        registrant = Registrant(broker, running, session)
        start = now() - timedelta(days=1)
        gas = p1_meter("MBUS:g1", parent="ZZZ:a", facts={"channel": "1"}, since=start)
        here = registration(p1_meter("ZZZ:a", since=start), gas, boot=ONE)
        other_gas = p1_meter("MBUS:g2", parent="ZZZ:b", facts={"channel": "1"})
        there = registration(p1_meter("ZZZ:b"), other_gas, boot=TWO)
        await registrant.send(here)
        await registrant.send(later(there, 1))
        assert len(await events(database, "meter_swapped")) == 2
        for n in range(3):
            await registrant.send(later(here, 2 * n + 2))
            await registrant.send(later(there, 2 * n + 3))
        detail = await running.get("/devices/d1")
    withdrawn = [(row["detail"]["old"], row["detail"]["new"]) for row in await events(database, "meter_swap_withdrawn")]
    assert withdrawn == [("ZZZ:a", "ZZZ:b"), ("MBUS:g1", "MBUS:g2")]
    assert len(await events(database, "meter_swapped")) == 2
    overview = await rows(database, "SELECT * FROM point_overview ORDER BY point_id")
    assert {row["point"]: row["meter"] for row in overview} == {
        "d1/ttyUSB0": "ZZZ:a",
        "d1/ttyUSB0/1": "MBUS:g1",
        "d1/ttyUSB0#2": "ZZZ:b",
        "d1/ttyUSB0#2/1": "MBUS:g2",
    }
    assert not await rows(database, "SELECT FROM meter_swap")
    stays = await rows(database, "SELECT m.key, s.* FROM meter_stay s JOIN meter m ON m.id = s.meter_id")
    assert len(stays) == 4
    assert all(stay["removed_at"] is None for stay in stays)
    assert next(stay for stay in stays if stay["key"] == "ZZZ:a")["installed_at"] == start
    assert set(detail["desired"]["meters"]) == {"ZZZ:a", "ZZZ:b"}


async def test_a_second_device_that_is_gone_for_an_hour_is_history(broker: Broker, database: Database) -> None:
    """The mark goes, and a real swap is a swap again."""
    await broker.add_device("d1")
    async with gateway(gateway_settings(broker, database)) as running, entered(broker, "d1") as session:
        registrant = Registrant(broker, running, session)
        one = registration(p1_meter("ZZZ:a"), boot=ONE)
        await registrant.send(one)
        await registrant.send(later(registration(p1_meter("ZZZ:a"), boot=TWO), 1))
        await registrant.send(later(one, 2))
        await rows(database, "UPDATE device_twin SET seen_at = seen_at - interval '61 minutes' RETURNING 1")
        await registrant.send(later(registration(p1_meter("ZZZ:b"), boot=ONE), 3))
    assert len(await events(database, "device_duplicated")) == 1
    assert [json.loads(row["text"])["new"] for row in await events(database, "meter_swapped")] == ["ZZZ:b"]
    assert [row["duplicated"] for row in await rows(database, "SELECT * FROM device_overview")] == [False]
