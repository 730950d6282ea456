"""Odd but lawful messages of one device: stored, and no list of the API fails by them for everybody."""

import json
from datetime import UTC, datetime
from typing import Any

from broker.contract.topics import Kind
from tests.rigs.gateway import gateway, gateway_settings
from tests.rigs.ingesting import device, ingesting, settings, table
from tests.rigs.servers import Broker, Database
from tests.rigs.waiting import until_equal

NEVER_SET = ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z")


async def test_times_of_clocks_that_were_never_set(broker: Broker, database: Database) -> None:
    """The first and the last instant that there is, in events, frames and statuses: listed with all others."""
    of = settings(broker, database.dsn("wattline_ingestor"))
    async with (
        table(database) as asked,
        gateway(gateway_settings(broker, database)) as running,
        ingesting(of),
        device(broker) as pi,
    ):
        await pi.readings(1)
        meter = f"TST:{pi.name}"
        for at in (*NEVER_SET, datetime.now(UTC).isoformat()):
            pi.seq += 2
            said: dict[str, Any] = {"boot": pi.boot, "seq": pi.seq - 1, "meter": meter}
            await pi.send(json.dumps(said | {"at": at, "event": "odd"}).encode(), Kind.EVENTS)
            frame = {"seq": pi.seq, "reason": "no_spec", "port": "p", "protocol": "sml"}
            await pi.send(json.dumps(said | frame | {"frames": [{"at": at, "data": "AAAA"}]}).encode(), Kind.FRAMES)
            status = {"online": True, "boot": pi.boot, "software": "x", "since": at}
            await pi.send(json.dumps(status).encode(), Kind.STATUS, retain=True)
        await until_equal(asked.entered, 7)
        assert await asked.quarantined() == {}
        events = (await running.get("/events"))["items"]
        assert sorted(one["at"][:4] for one in events if one["event"] == "odd") == ["0001", "2026", "9999"]
        frames = (await running.get(f"/meters/{meter}/frames"))["items"]
        assert sorted(one["at"][:4] for one in frames) == ["0001", "2026", "9999"]
        assert [one["device"] for one in (await running.get("/devices"))["items"]] == [pi.name]


async def test_a_registration_with_nul_in_its_texts(broker: Broker, database: Database) -> None:
    """As /proc/device-tree/model ends with one, and serials off a wire may: the device is let in, its texts cleaned."""
    async with gateway(gateway_settings(broker, database)) as running, table(database) as asked, device(broker) as pi:
        key = "TST:1"
        meter = {"key": key, "port": "p", "protocol": "sml", "serial": "1\0", "facts": {"f\0": "v\0"}}
        document = {
            "boot": pi.boot,
            "at": datetime.now(UTC).isoformat(),
            "hardware": {"model": "Raspberry Pi 4\0"},
            "software": {"version": "1"},
            "meters": [meter],
        }
        await pi.send(json.dumps(document).encode(), Kind.REGISTRATION)
        await until_equal(lambda: asked.value("SELECT serial FROM meter WHERE key = $1", key), "1\ufffd")
        shown = await running.get(f"/devices/{pi.name}")
        assert shown["registration"]["hardware"]["model"] == "Raspberry Pi 4\ufffd"
