"""Registrations through a real broker into a real database, and the retained configuration that answers them."""

import json
from typing import Any

import pytest

from broker.contract.messages import Desired
from broker.contract.topics import Kind
from gateway.bus.handlers import Handlers
from meters.specs.catalogue import catalogue
from tests.rigs.gateway import (
    connection,
    entered,
    events,
    gateway,
    gateway_settings,
    p1_meter,
    registration,
    report,
    rows,
    send,
    watching,
)
from tests.rigs.servers import Broker, Database
from tests.rigs.waiting import until


async def test_a_registration_is_answered_with_desired_config_and_its_spec(broker: Broker, database: Database) -> None:
    """A new device gets version 1 with the spec that fits, and that spec is retained before it."""
    await broker.add_device("d1")
    async with (
        watching(broker) as seen,
        gateway(gateway_settings(broker, database)) as running,
        entered(broker, "d1") as device,
    ):
        await send(device, broker.topics, Kind.REGISTRATION, "d1", registration(p1_meter()))
        desired: Desired = await until(lambda: seen.desired("d1"), "desired is retained")
        spec = desired.meters["KFM:E0026000123456789"].spec
        assert desired.version == 1
        assert desired.hash == desired.digest()
        assert spec is not None
        assert spec.startswith("generic-p1@")
        assert seen.specs() == {spec}
        detail = await running.get("/devices/d1")
        assert [meter["spec"] for meter in detail["meters"]] == [spec]
        assert detail["in_step"] is False
    assert len(await rows(database, "SELECT FROM spec")) == len(catalogue())
    assert len(await events(database, "device_registered")) == 1


async def test_a_repeat_changes_nothing(broker: Broker, database: Database) -> None:
    """The same registration again, and again after a re-flash under another boot, raises no version."""
    await broker.add_device("d1")
    async with (
        watching(broker) as seen,
        gateway(gateway_settings(broker, database)) as running,
        entered(broker, "d1") as device,
    ):
        await send(device, broker.topics, Kind.REGISTRATION, "d1", registration(p1_meter()))
        await until(lambda: seen.desired("d1"), "desired is retained")
        for boot in ("b3f1a2c4", "cafe0001"):
            await send(device, broker.topics, Kind.REGISTRATION, "d1", registration(p1_meter(), boot=boot))
        name = "wattline_gateway_messages_total"
        await until(lambda: _three(running, name), "all three are dealt with")
        desired = seen.desired("d1")
        assert desired is not None
        assert desired.version == 1
        assert seen.times("d1") == 1
    assert len(await rows(database, "SELECT FROM device")) == 1
    assert len(await rows(database, "SELECT FROM meter WHERE removed_at IS NULL")) == 1
    assert len(await rows(database, "SELECT FROM desired_history")) == 1
    assert len(await events(database, "meter_installed")) == 1


async def _three(running: object, name: str) -> bool:
    count = await running.metric(name, kind="registration", result="stored")  # type: ignore[attr-defined]
    return bool(count == 3)


async def test_a_swapped_meter_is_removed_and_the_new_one_installed(broker: Broker, database: Database) -> None:
    """Another meter at the port closes the old one with those behind it; a silent port removes nobody."""
    await broker.add_device("d1")
    gas = p1_meter("ZZZ:gas", parent="ZZZ:old", facts={"channel": "1"})
    async with (
        watching(broker) as seen,
        gateway(gateway_settings(broker, database)),
        entered(broker, "d1") as device,
    ):
        await send(device, broker.topics, Kind.REGISTRATION, "d1", registration(p1_meter("ZZZ:old"), gas))
        first = await until(lambda: seen.desired("d1"), "desired is retained")
        assert set(first.meters) == {"ZZZ:old"}
        await send(device, broker.topics, Kind.REGISTRATION, "d1", registration())
        await send(device, broker.topics, Kind.REGISTRATION, "d1", registration(p1_meter("ZZZ:new")))
        second = await until(lambda: (d := seen.desired("d1")) and d.version == 2 and d, "version 2 is retained")
        assert set(second.meters) == {"ZZZ:new"}
    meters = {row["key"]: row for row in await rows(database, "SELECT * FROM meter")}
    assert meters["ZZZ:old"]["removed_at"] is not None
    assert meters["ZZZ:gas"]["removed_at"] is not None
    assert meters["ZZZ:gas"]["parent_id"] == meters["ZZZ:old"]["id"]
    assert meters["ZZZ:new"]["removed_at"] is None
    assert meters["ZZZ:new"]["installed_at"] == meters["ZZZ:old"]["removed_at"]
    assert {row["detail"]["software"] for row in await events(database, "device_registered")} == {"0.1.0"}


async def test_facts_that_arrive_later_find_a_better_spec_and_are_not_forgotten(
    broker: Broker, database: Database
) -> None:
    """A meter of an unheard-of protocol has no spec; facts add up over registrations and restarts."""
    await broker.add_device("d1")
    bare = p1_meter("LGZ:1", protocol="sml", manufacturer=None, facts={}, addresses=("1-0:1.8.0",))
    told = p1_meter("LGZ:1", protocol="sml", manufacturer="LGZ", facts={"server_id": "0a"}, addresses=("1-0:16.7.0",))
    odd = p1_meter("XXX:1", port="/dev/ttyUSB1", protocol="morse")
    async with (
        watching(broker) as seen,
        gateway(gateway_settings(broker, database)) as running,
        entered(broker, "d1") as device,
    ):
        await send(device, broker.topics, Kind.REGISTRATION, "d1", registration(bare, odd))
        desired = await until(lambda: seen.desired("d1"), "desired is retained")
        assert desired.meters["XXX:1"].spec is None
        assert (desired.meters["LGZ:1"].spec or "").startswith("generic-sml@")
        await send(device, broker.topics, Kind.REGISTRATION, "d1", registration(told, odd))
        await send(device, broker.topics, Kind.REGISTRATION, "d1", registration(bare, odd, boot="cafe0001"))
        await until(lambda: _three(running, "wattline_gateway_messages_total"), "all three are dealt with")
        meter = await running.get("/meters/LGZ:1")
    assert meter["manufacturer"] == "LGZ"
    assert meter["facts"] == {"server_id": "0a"}
    assert meter["addresses"] == ["1-0:16.7.0", "1-0:1.8.0"] or meter["addresses"] == ["1-0:1.8.0", "1-0:16.7.0"]


async def test_reports_are_kept_and_drift_shows(broker: Broker, database: Database) -> None:
    """What a device reports stands in the API, with the fields in which it differs from what is desired."""
    await broker.add_device("d1")
    async with (
        watching(broker) as seen,
        gateway(gateway_settings(broker, database)) as running,
        entered(broker, "d1") as device,
    ):
        await send(device, broker.topics, Kind.REGISTRATION, "d1", registration())
        await until(lambda: seen.desired("d1"), "desired is retained")
        await send(device, broker.topics, Kind.REPORTED, "d1", report(1, reading_interval_s=30.0))

        async def reported() -> dict[str, object] | None:
            view: dict[str, object] = await running.get("/devices/d1")
            return view if view["reported"] else None

        view = await until(reported, "the report is stored")
        assert view["reported_version"] == 1
        assert view["drift"] == [{"field": "parameters.reading_interval_s", "desired": 10.0, "reported": 30.0}]


async def test_payloads_that_break_the_contract_go_to_quarantine(broker: Broker, database: Database) -> None:
    """Garbage is kept with its bytes and reason, told of, and does not block what follows it; a NUL is no garbage."""
    await broker.add_device("d1")
    garbage = {
        Kind.REGISTRATION: b'{"boot": 1}',
        Kind.REPORTED: b'{"version":1,"state":"applied","boot":"b3f1a2c4","at":"yesterday","effective":{}}',
        Kind.REPLIES: b"\xff\xfe",
    }
    async with (
        watching(broker) as seen,
        gateway(gateway_settings(broker, database)),
        entered(broker, "d1") as device,
    ):
        for kind, payload in garbage.items():
            await send(device, broker.topics, kind, "d1", payload)
        nul = json.loads(registration(p1_meter("ZZZ:nul", facts={"identification": "A"})))
        nul["meters"][0]["facts"] = {"identification": "a\0b"}
        await send(device, broker.topics, Kind.REGISTRATION, "d1", json.dumps(nul).encode())
        await send(device, broker.topics, Kind.REGISTRATION, "d1", registration(p1_meter()))
        await until(lambda: seen.desired("d1"), "the good registration behind them is answered")
    kept = await rows(database, "SELECT * FROM frame ORDER BY id")
    assert [bytes(row["data"]) for row in kept] == [*garbage.values()]
    assert {row["kind"] for row in kept} == {"payload"}
    assert "boot" in kept[0]["detail"]
    assert "at" in kept[1]["detail"]
    assert len(await events(database, "payload_refused")) == 3
    [entered_as] = await rows(database, "SELECT facts ->> 'identification' AS text FROM meter WHERE key = 'ZZZ:nul'")
    assert entered_as["text"] == "a\ufffdb"


async def test_a_shipped_spec_that_differs_from_the_published_one_is_refused(
    broker: Broker, bare_database: Database
) -> None:
    """A published spec never changes: the difference is counted and told of, the stored document stays."""
    spec = catalogue()[0]
    async with connection(bare_database) as opened:
        await opened.execute(
            "INSERT INTO spec (name, version, document, source, sha256) VALUES ($1, $2, '{}', '', 'other')",
            spec.name,
            spec.version,
        )
    async with gateway(gateway_settings(broker, bare_database)) as running:
        assert await running.metric("wattline_gateway_spec_conflicts_total") == 1
    assert (await rows(bare_database, "SELECT sha256 FROM spec WHERE name = $1", spec.name))[0]["sha256"] == "other"
    assert (await events(bare_database, "spec_conflict"))[0]["detail"]["spec"] == spec.ref


async def test_a_role_can_be_no_device(broker: Broker, database: Database) -> None:
    """Names that begin as the platform's own do are nobody's, though a login of that name may write."""
    await broker.add_devices("d1", "wattline-1")
    async with (
        watching(broker) as seen,
        gateway(gateway_settings(broker, database)),
        entered(broker, "wattline-1") as other,
        entered(broker, "d1") as device,
    ):
        await send(other, broker.topics, Kind.REGISTRATION, "wattline-1", registration(p1_meter()))
        await send(device, broker.topics, Kind.REGISTRATION, "d1", registration(p1_meter()))
        await until(lambda: seen.desired("d1"), "the real device is answered")
    assert [row["name"] for row in await rows(database, "SELECT name FROM device WHERE registered_at IS NOT NULL")] == [
        "d1"
    ]
    assert "role" in (await rows(database, "SELECT detail FROM frame"))[0]["detail"]


async def test_a_device_that_the_ingestor_enters_at_the_same_moment_is_registered(
    broker: Broker, database: Database
) -> None:
    """Its status and its registration come together: the one waits for the other, and neither is refused."""
    await broker.add_device("d1")
    async with (
        watching(broker) as seen,
        gateway(gateway_settings(broker, database)),
        entered(broker, "d1") as device,
        connection(database) as ingestor,
    ):
        async with ingestor.transaction():
            await ingestor.execute("INSERT INTO device (name) VALUES ('d1')")
            await send(device, broker.topics, Kind.REGISTRATION, "d1", registration(p1_meter()))
            waiting = (
                "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'transactionid' AND datname = current_database()"
            )
            await until(lambda: rows(database, waiting), "the gateway waits for the ingestor")
        await until(lambda: seen.desired("d1"), "the registration is answered")
    assert not await rows(database, "SELECT 1 FROM frame")


async def test_a_message_that_breaks_our_own_code_stops_nobody(
    broker: Broker, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes to quarantine once and is counted; what other devices send after it is dealt with."""
    await broker.add_device("d1")
    await broker.add_device("d2")
    real = Handlers.reported

    async def breaks(self: Handlers, address: Any, payload: bytes) -> str:
        if address.device == "d1":
            raise KeyError("nobody foresaw this")
        return await real(self, address, payload)

    monkeypatch.setattr(Handlers, "reported", breaks)
    async with (
        gateway(gateway_settings(broker, database)) as running,
        entered(broker, "d1") as odd,
        entered(broker, "d2") as sound,
    ):
        await send(odd, broker.topics, Kind.REPORTED, "d1", report(1))
        await send(sound, broker.topics, Kind.REPORTED, "d2", report(1))
        await until(
            lambda: running.metric("wattline_gateway_messages_total", kind="config/reported", result="stored"), "d2"
        )
        assert await running.metric("wattline_gateway_message_errors_total") == 1
    found = await rows(database, "SELECT topic, detail FROM quarantine")
    assert [("d1" in row["topic"], "nobody foresaw this" in row["detail"]) for row in found] == [(True, True)]
