"""Registers that somebody read at a swap: entered by API and command line, kept, told of, and counted by."""

import asyncio
from datetime import timedelta
from typing import Any

from click.testing import CliRunner, Result

from cli.points import point
from tests.rigs.gateway import Gateway, connection, entered, events, gateway, gateway_settings, now, p1_meter, rows
from tests.rigs.points import eventually, registers, store
from tests.rigs.registrations import Registrant
from tests.rigs.servers import Broker, Database
from tests.rigs.waiting import until

KWH = "1-0:1.8.0"


async def typed(running: Gateway, *words: str) -> Result:
    """Run the command in a thread of its own, as it brings its own event loop."""
    return await asyncio.to_thread(CliRunner().invoke, point, ["--url", running.url, *words])


async def put(running: Gateway, **register: Any) -> tuple[int, dict[str, Any]]:
    url = f"{running.url}/api/v1/points/1/registers"
    async with running.http.put(url, json={"kind": "closing", "obis": KWH, **register}) as response:
        return response.status, await response.json()


async def test_what_somebody_read_at_a_swap_counts(broker: Broker, database: Database) -> None:
    """It replaces the nearest reading in stay, event and consumption, until it is withdrawn."""
    await broker.add_device("d1")
    swapped = now() - timedelta(hours=2)
    async with (
        gateway(gateway_settings(broker, database, settle_s=0.1)) as running,
        entered(broker, "d1") as session,
    ):
        registrant = Registrant(broker, running, session)
        await registrant.register(p1_meter("ZZZ:old", since=swapped - timedelta(days=1)))
        await store(database, "ZZZ:old", registers(100.0), swapped - timedelta(hours=2))
        await store(database, "ZZZ:old", registers(101.5), swapped - timedelta(minutes=20))
        await registrant.register(p1_meter("ZZZ:new", since=swapped))
        await store(database, "ZZZ:new", registers(12346.5), swapped + timedelta(minutes=5))
        await until(
            eventually(database, "SELECT count(*) = 6 FROM meter_register"), "the readings are found", timeout_s=60
        )
        assert await consumed(database) == 1.5

        closing = await typed(running, "read", "d1/ttyUSB0", "ZZZ:old", "closing", KWH, "102", "--author", "anna")
        assert closing.output == f"d1/ttyUSB0: closing register {KWH} of ZZZ:old is 102, as anna read it\n"
        opening = await typed(running, "read", "1", "ZZZ:new", "opening", KWH, "12345.6", "--author", "anna")
        assert opening.exit_code == 0, opening.output
        assert round(await consumed(database), 6) == 2.9  # 102 - 100 and 12346.5 - 12345.6
        # a reading that comes late changes nothing of it
        await store(database, "ZZZ:old", registers(101.75), swapped - timedelta(minutes=1))
        async with connection(database) as opened:
            await opened.execute("UPDATE meter_stay SET check_at = now()")
        await until(
            eventually(database, "SELECT count(*) = 0 FROM meter_stay WHERE check_at <= now()"),
            "it looked",
            timeout_s=60,
        )
        stays = {one["meter"]: one for one in (await running.get("/points/1"))["stays"]}
        shown = next(one for one in stays["ZZZ:old"]["closing"] if one["obis"] == KWH)
        assert (shown["value"], shown["read_by"]) == (102, "local (for anna)")
        [event] = await events(database, "meter_swapped")
        told = {one["obis"]: (one["value"], one.get("read_by")) for one in event["detail"]["opening"]}
        assert told == {KWH: (12345.6, "local (for anna)"), "1-0:2.8.0": (0, None)}
        assert [one["detail"]["value"] for one in await events(database, "register_read")] == [102, 12345.6]

        withdrawn = await typed(running, "read", "1", "ZZZ:old", "closing", KWH, "--withdraw")
        assert "is as the readings say" in withdrawn.output
        await until(
            eventually(database, "SELECT value = 101.75 FROM meter_register WHERE kind = 'closing' AND obis = $1", KWH),
            "the reading holds again",
            timeout_s=60,
        )


async def consumed(database: Database) -> float:
    """What the point used on the two days until now."""
    async with connection(database) as opened:
        return float(
            await opened.fetchval(
                "SELECT sum(c.value)::float8 FROM consumption_1h(now() - interval '2 days', now()) c"
                " JOIN series s ON s.id = c.series_id WHERE c.point_id = 1 AND s.obis = $1",
                KWH,
            )
        )


async def test_what_cannot_be_is_refused_by_its_field(broker: Broker, database: Database) -> None:
    """Another meter, register, time or direction; a register of a meter that still stands there."""
    await broker.add_device("d1")
    swapped = now() - timedelta(hours=2)
    async with gateway(gateway_settings(broker, database)) as running, entered(broker, "d1") as session:
        registrant = Registrant(broker, running, session)
        await registrant.register(p1_meter("ZZZ:old", since=swapped - timedelta(days=1)))
        await store(database, "ZZZ:old", registers(101.5), swapped - timedelta(minutes=20))
        await registrant.register(p1_meter("ZZZ:new", since=swapped))
        await store(database, "ZZZ:new", registers(7.0), swapped + timedelta(minutes=5))
        early, late = (swapped - timedelta(days=2)).isoformat(), (now() + timedelta(hours=1)).isoformat()
        for field, register in (
            ("meter", {"meter": "ZZZ:none", "value": 102}),
            ("obis", {"meter": "ZZZ:old", "value": 102, "obis": "1-0:9.8.0"}),
            ("at", {"meter": "ZZZ:old", "value": 102, "at": early}),
            ("at", {"meter": "ZZZ:old", "value": 102, "at": late}),
            ("at", {"meter": "ZZZ:new", "value": 5, "kind": "opening", "at": late}),
            ("value", {"meter": "ZZZ:old", "value": 101}),
            ("value", {"meter": "ZZZ:new", "value": 7.5, "kind": "opening"}),
            ("value", {"meter": "ZZZ:old", "value": -1}),
            ("kind", {"meter": "ZZZ:old", "value": 102, "kind": "middle"}),
        ):
            status, problem = await put(running, **register)
            assert (status, problem["field"]) == (422, field), register
        assert (await put(running, meter="ZZZ:new", value=8))[0] == 409
        refused = await typed(running, "read", "1", "ZZZ:old", "closing", KWH, "101")
        assert refused.exit_code == 1
        assert "101.5" in refused.output
        assert (await typed(running, "read", "1", "ZZZ:old", "closing", KWH)).exit_code == 2
    assert await rows(database, "SELECT FROM meter_register WHERE read_by IS NOT NULL") == []


REFUSE = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF new.value = 666 THEN
        RAISE numeric_value_out_of_range USING MESSAGE = 'no such register';
    END IF;
    RETURN new;
END
$$;
CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON meter_register FOR EACH ROW EXECUTE FUNCTION refuse();
"""


async def test_a_stay_that_the_database_refuses_holds_up_no_other(broker: Broker, database: Database) -> None:
    """The registers of all others are found, the refused one is counted, and found once it is taken."""
    await broker.add_device("d1")
    since = now() - timedelta(hours=2)
    async with (
        gateway(gateway_settings(broker, database, settle_s=0.1)) as running,
        entered(broker, "d1") as session,
    ):
        registrant = Registrant(broker, running, session)
        async with connection(database) as opened:
            await opened.execute(REFUSE)
        await registrant.register(
            p1_meter("ZZZ:bad", since=since), p1_meter("ZZZ:good", since=since, port="/dev/ttyUSB1")
        )
        await store(database, "ZZZ:bad", {KWH: ("register", 666.0)}, since + timedelta(minutes=5))
        await store(database, "ZZZ:good", {KWH: ("register", 1.0)}, since + timedelta(minutes=5))
        found = "SELECT array_agg(value ORDER BY value) = $1 FROM meter_register"
        await until(eventually(database, found, [1.0]), "the good one's register is found")

        async def refused() -> bool:
            return await running.metric("wattline_gateway_stays_refused_total") > 0

        await until(refused, "the other is counted")
        async with connection(database) as opened:
            await opened.execute("DROP TRIGGER refuse ON meter_register")
            await opened.execute("UPDATE meter_stay SET check_at = now()")
        await until(eventually(database, found, [1.0, 666.0]), "both are found")
