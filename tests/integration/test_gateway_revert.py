"""A device that went back from a version: the platform shows it, and does not fight it."""

from datetime import datetime, timedelta

from broker.contract.messages import Parameters, Reason, Reported
from broker.contract.topics import Kind
from tests.rigs.gateway import (
    BOOT,
    entered,
    gateway,
    gateway_settings,
    now,
    p1_meter,
    registration,
    rows,
    send,
    watching,
)
from tests.rigs.servers import Broker, Database
from tests.rigs.waiting import until, until_equal


def reverted(version: int, in_force: int, at: datetime | None = None) -> bytes:
    """The report of a device that undid a version."""
    reason = Reason(field="meters.KFM:1", reason="no good reading in 120 s: nothing was heard of it")
    return Reported(
        version=version,
        state="reverted",
        in_force=in_force,
        boot=BOOT,
        at=at or now(),
        reasons=(reason,),
        effective=Parameters(),
    ).payload()


async def test_a_revert_is_drift_and_is_not_published_again(broker: Broker, database: Database) -> None:
    """Shown with its reasons over API and view; neither reports nor restarts publish it again; a change does."""
    await broker.add_device("d1")
    options = gateway_settings(broker, database)
    async with watching(broker) as watcher, entered(broker, "d1") as device:
        async with gateway(options) as running:
            await send(device, broker.topics, Kind.REGISTRATION, "d1", registration(p1_meter()))
            first = await until(lambda: watcher.desired("d1"), "a configuration is published")
            async with running.http.patch(
                f"{running.url}/api/v1/devices/d1/parameters", json={"reading_interval_s": 77}
            ) as response:
                version = (await response.json())["version"]
            await until(lambda: (d := watcher.desired("d1")) and d.version == version, "the change is published")
            times, at = watcher.times("d1"), now()
            for _ in range(2):
                await send(device, broker.topics, Kind.REPORTED, "d1", reverted(version, first.version, at))

            async def shown() -> bool:
                return bool((await running.get("/devices/d1"))["reported_state"] == "reverted")

            await until(shown, "the revert is stored")
            found = await running.get("/devices/d1")
            assert (found["in_step"], found["reported"]["in_force"]) == (False, first.version)
            assert found["reported"]["reasons"][0]["field"] == "meters.KFM:1"
            drift = {one["field"]: (one["desired"], one["reported"]) for one in found["drift"]}
            assert drift["parameters.reading_interval_s"] == (77.0, 10.0)
        async with gateway(options) as running:
            later = at + timedelta(seconds=1)
            await send(device, broker.topics, Kind.REPORTED, "d1", reverted(version, first.version, later))
            await send(device, broker.topics, Kind.REGISTRATION, "d1", registration(p1_meter()))
            dealt = "wattline_gateway_messages_total"
            for kind in ("config/reported", "registration"):
                await until_equal(lambda kind=kind: running.metric(dealt, kind=kind, result="stored"), 1)
            assert watcher.times("d1") == times
            [state] = await rows(database, "SELECT * FROM config_state")
            assert (state["reported_state"], state["in_force"], state["in_step"]) == ("reverted", first.version, False)
            assert "no good reading" in state["reasons"]
            async with running.http.patch(
                f"{running.url}/api/v1/devices/d1/parameters", json={"reading_interval_s": 78}
            ) as response:
                assert (await response.json())["version"] == version + 1
            await until(lambda: (d := watcher.desired("d1")) and d.version == version + 1, "a higher one is published")


async def test_a_store_that_is_behind_overtakes_a_reverted_version(broker: Broker, database: Database) -> None:
    """A device takes nothing below what it went back from, so what a restored store publishes is above it."""
    await broker.add_device("d1")
    async with (
        watching(broker) as watcher,
        entered(broker, "d1") as device,
        gateway(gateway_settings(broker, database)),
    ):
        await send(device, broker.topics, Kind.REGISTRATION, "d1", registration(p1_meter()))
        first = await until(lambda: watcher.desired("d1"), "a configuration is published")
        await send(device, broker.topics, Kind.REPORTED, "d1", reverted(first.version + 20, first.version + 10))
        await until(lambda: (d := watcher.desired("d1")) and d.version == first.version + 21, "it is overtaken")
