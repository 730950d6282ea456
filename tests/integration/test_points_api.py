"""Points over the API and the command line, unknown meters in the counts, and points for what was there before."""

import json
from typing import Any

import asyncpg

from cli.points import point
from deploy.local.postgres import PostgresServer
from store.migrate import migrate, shipped
from tests.rigs.cli import typed
from tests.rigs.gateway import Gateway, entered, events, gateway, gateway_settings, p1_meter
from tests.rigs.registrations import Registrant
from tests.rigs.servers import Broker, Database
from tests.rigs.waiting import until


async def patch(running: Gateway, path: str, body: Any) -> tuple[int, dict[str, Any]]:
    async with running.http.patch(f"{running.url}/api/v1{path}", json=body) as response:
        return response.status, await response.json()


async def test_points_are_listed_and_renamed(broker: Broker, database: Database) -> None:
    """By API and command; a name is one point's only, wrong ones are refused by field, a new point never collides."""
    await broker.add_device("d1")
    async with gateway(gateway_settings(broker, database)) as running, entered(broker, "d1") as session:
        registrant = Registrant(broker, running, session)
        await registrant.register(p1_meter("ZZZ:a", "/dev/ttyUSB0"), p1_meter("ZZZ:b", "/dev/ttyUSB1"))
        shown = await typed(running, point, "list", "d1")
        assert [line.split()[:3] for line in shown.output.splitlines()[1:]] == [
            ["1", "d1/ttyUSB0", "ZZZ:a"],
            ["2", "d1/ttyUSB1", "ZZZ:b"],
        ]
        renamed = await typed(running, point, "rename", "d1/ttyUSB0", "Mill Lane 4", "--author", "anna")
        assert renamed.output == "point 1 is called Mill Lane 4\n"
        status, taken = await patch(running, "/points/2", {"name": "Mill Lane 4"})
        assert (status, taken["field"]) == (409, "name")
        status, empty = await patch(running, "/points/2", {"name": "  "})
        assert (status, empty["field"]) == (422, "name")
        status, odd = await patch(running, "/points/2", {"nome": "x"})
        assert status == 422
        assert {fault["field"] for fault in odd["errors"]} == {"name", "nome"}
        assert (await patch(running, "/points/99", {"name": "x"}))[0] == 404
        assert (await patch(running, "/points/x", {"name": "x"}))[0] == 404
        assert (await patch(running, "/points/2", {"name": "d1/ttyUSB9"}))[0] == 200
        await registrant.register(p1_meter("ZZZ:c", "/dev/ttyUSB9"))
        first = await running.get("/points", limit="2")
        rest = await running.get("/points", limit="2", cursor=first["next"])
        assert [one["name"] for one in first["items"] + rest["items"]] == ["Mill Lane 4", "d1/ttyUSB9", "d1/ttyUSB9~3"]
        missing = await typed(running, point, "rename", "nowhere", "x")
        assert missing.exit_code == 1
        assert "wattline point list" in missing.output
        as_json = json.loads((await typed(running, point, "list", "--json")).output)
        assert [one["meter"] for one in as_json] == ["ZZZ:a", "ZZZ:b", "ZZZ:c"]
    first_event = (await events(database, "point_renamed"))[0]["detail"]
    assert (first_event["old"], first_event["point"], first_event["author"]) == (
        "d1/ttyUSB0",
        "Mill Lane 4",
        "local (for anna)",
    )


async def test_a_meter_that_only_a_generic_spec_reads_is_counted_as_unknown(broker: Broker, database: Database) -> None:
    """In the view that dashboards read, by their role, and in the gateway's metrics."""
    await broker.add_device("d1")
    async with gateway(gateway_settings(broker, database, settle_s=0.1)) as running, entered(broker, "d1") as session:
        known = p1_meter(
            "ISK:1", "/dev/ttyUSB1", manufacturer="ISK", facts={"identification": "ISK5\\2M550T-1012", "version": "50"}
        )
        await Registrant(broker, running, session).register(p1_meter("ZZZ:a"), known)

        async def counted() -> bool:
            return await running.metric("wattline_gateway_meters_unknown") == 1

        await until(counted, "the metric counts it")
        as_grafana = await asyncpg.connect(database.dsn("wattline_grafana"))
        found = [row["meter"] for row in await as_grafana.fetch("SELECT meter FROM unknown_meter")]
        await as_grafana.close()
    assert found == ["ZZZ:a"]


async def test_meters_of_before_get_their_points(own_postgres: PostgresServer) -> None:
    """Migrating gives each meter its point and stay; those that share a port get a slot each, channels their own."""
    dsn = own_postgres.dsn("wattline")
    await migrate(dsn, tuple(one for one in shipped() if one.name < "0007"))
    opened = await asyncpg.connect(dsn)
    await opened.execute(
        """INSERT INTO device (name) VALUES ('d1');
           INSERT INTO meter (key, device_id, port, facts, installed_at, removed_at) VALUES
               ('A:old', 1, '/dev/ttyUSB0', '{}', '2026-01-01Z', '2026-02-01Z'),
               ('A:one', 1, '/dev/ttyUSB0', '{}', '2026-02-01Z', NULL),
               ('A:two', 1, '/dev/ttyUSB0', '{}', '2026-03-01Z', NULL),
               ('A:untold', 1, NULL, '{}', '2026-03-01Z', NULL);
           INSERT INTO meter (key, device_id, port, facts, installed_at, parent_id)
           SELECT 'A:gas', 1, '/dev/ttyUSB0', '{"channel": "1"}', '2026-02-01Z', id FROM meter WHERE key = 'A:one'"""
    )
    await migrate(dsn)
    overview = await opened.fetch(
        "SELECT point, meter, previous_meter, since::date::text FROM point_overview ORDER BY point_id"
    )
    swaps = await opened.fetch("SELECT old_meter, new_meter FROM meter_swap")
    await opened.close()
    assert {tuple(row) for row in overview} == {
        ("d1/ttyUSB0", "A:one", "A:old", "2026-02-01"),
        ("d1/ttyUSB0#2", "A:two", None, "2026-03-01"),
        ("d1/ttyUSB0/1", "A:gas", None, "2026-02-01"),
    }
    assert [tuple(row) for row in swaps] == [("A:old", "A:one")]
