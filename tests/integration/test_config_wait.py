"""`--wait` and the lists say how a change ended: confirmed, refused, reverted, or still not proved by readings."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from broker.contract.messages import Parameters, Reason, Reported
from broker.contract.topics import Kind
from broker.mqtt.session import Session
from cli.client.http import RequestRefusedError, ServiceUnreachableError
from cli.client.parameters import Target
from cli.config import wait
from cli.config.command import config
from cli.config.wait import settled
from deploy.device_command import device as devices
from tests.rigs.cli import typed
from tests.rigs.gateway import (
    BOOT,
    Gateway,
    Watcher,
    connection,
    entered,
    gateway,
    gateway_settings,
    now,
    p1_meter,
    registration,
    send,
    watching,
)
from tests.rigs.servers import Broker, Database
from tests.rigs.waiting import until

KEY = "KFM:1"
HELD = "parameters.obis_include"


def said(version: int, state: str = "applied", **more: Any) -> bytes:
    """A report of a device."""
    facts = {"in_force": version, "boot": BOOT, "at": now(), "effective": Parameters(), **more}
    return Reported(version=version, state=state, **facts).payload()  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits looks ten times as often, and asks a busy gateway again as soon."""
    monkeypatch.setattr(wait, "LOOK_S", 0.1)
    monkeypatch.setattr(wait, "BUSY_S", 0.3)


@contextlib.asynccontextmanager
async def gateway_watched(broker: Broker, database: Database) -> AsyncIterator[tuple[Gateway, Watcher, Session]]:
    """A gateway with one device, whose part the test plays."""
    await broker.add_device("d1")
    async with (
        watching(broker) as seen,
        gateway(gateway_settings(broker, database)) as running,
        entered(broker, "d1") as device,
    ):
        await send(device, broker.topics, Kind.REGISTRATION, "d1", registration(p1_meter()))
        await until(lambda: seen.desired("d1"), "desired is retained")
        yield running, seen, device


async def looked(running: Gateway, setting: "asyncio.Task[Any]", report: Reported) -> None:
    """Wait until a report stands in the gateway, and until whoever waits has looked at it or has ended."""
    path = "/devices/{device}/parameters"

    async def stands() -> bool:
        found = (await running.get(path.format(device="d1")))["reported"]
        wanted = {"version": report.version, "state": report.state, "probation": report.probation}
        return found is not None and wanted.items() <= found.items()

    async def looks() -> float:
        name = "wattline_gateway_http_request_seconds_count"
        return await running.metric(name, method="GET", route=f"/api/v1{path}", status="200")

    await until(stands, "the report is stored")
    before = await looks()

    async def again() -> bool:
        # one look may have begun before the report stood
        return setting.done() or await looks() >= before + 2

    await until(again, "who waits has looked")


async def told(
    running: Gateway, seen: Watcher, device: Session, broker: Broker, *reports: dict[str, Any], wait_s: int = 20
) -> Any:
    """Set a parameter with --wait, and let the device report these, one after another, of the version that it gets."""
    before = seen.desired("d1")
    version = (before.version if before else 0) + 1
    words = ("set", "d1", f"reading_interval_s={100 + version}", "--wait", str(wait_s))
    setting = asyncio.create_task(typed(running, config, *words))
    await until(lambda: (d := seen.desired("d1")) and d.version == version, "the change is retained")
    for report in reports:
        payload = said(version, **report)
        await send(device, broker.topics, Kind.REPORTED, "d1", payload)
        await looked(running, setting, Reported.parse(payload))
    return await setting


async def test_wait_ends_with_what_became_of_it(broker: Broker, database: Database) -> None:
    """Words and exit status of each ending; a report of applied ends nothing while it is on probation."""
    reason = (Reason(field=f"meters.{KEY}", reason="no good reading in 120 s"),)
    async with gateway_watched(broker, database) as (running, seen, device):
        good = await told(running, seen, device, broker, {"probation": True, "watched": (KEY,)}, {})
        assert good.exit_code == 0
        assert f"on probation: waits for readings of {KEY}" in good.output
        assert good.output.rstrip().endswith("d1 applied configuration version 2")

        going = {"probation": True, "watched": (KEY,)}
        back = {"state": "reverted", "in_force": 2, "reasons": reason, "held_back": ("parameters.reading_interval_s",)}
        bad = await told(running, seen, device, broker, going, back)
        assert bad.exit_code == 4
        assert "d1 reverted configuration version 3 (2 is in force, held back: reading_interval_s)" in bad.output
        assert "no good reading" in bad.output

        refused = await told(running, seen, device, broker, {"state": "refused", "in_force": 2})
        assert (refused.exit_code, "d1 refused configuration version 4" in refused.output) == (3, True)

        still = await told(running, seen, device, broker, {"probation": True, "watched": ()}, wait_s=8)
        assert still.exit_code == 5
        assert "has not confirmed configuration version 5 in 8 s" in still.output
        assert "never confirmed: no meter has spoken since" in still.output

        other = {"state": "reverted", "held_back": (HELD,), "reasons": reason}
        spared = await told(running, seen, device, broker, {**other, "probation": True, "watched": (KEY,)}, other)
        assert spared.exit_code == 0
        assert "d1 applied configuration version 6, in force without obis_include, as before" in spared.output


async def test_wait_for_a_fleet_names_who_did_not_take_it(broker: Broker, database: Database) -> None:
    """The status is that of the worst ending."""
    async with gateway_watched(broker, database) as (running, seen, device):
        setting = asyncio.create_task(typed(running, config, "set", "--fleet", "log_level=debug", "--wait", "20"))
        await until(lambda: (d := seen.desired("d1")) and d.version == 2, "the change is retained")
        back = said(2, "reverted", in_force=1, held_back=("parameters.log_level",))
        await send(device, broker.topics, Kind.REPORTED, "d1", back)
        done = await setting
        assert (done.exit_code, "reverted: d1" in done.output) == (4, True)


async def test_a_fleet_waits_for_proof_also_where_something_else_is_held_back(
    broker: Broker, database: Database
) -> None:
    """A device that holds back what it reverted before is not done with a change before readings have proved it."""
    other = {"state": "reverted", "held_back": (HELD,)}
    async with gateway_watched(broker, database) as (running, seen, device):
        setting = asyncio.create_task(typed(running, config, "set", "--fleet", "log_level=debug", "--wait", "8"))
        await until(lambda: (d := seen.desired("d1")) and d.version == 2, "the change is retained")
        await send(device, broker.topics, Kind.REPORTED, "d1", said(2, **other, probation=True, watched=(KEY,)))
        done = await setting
        assert (done.exit_code, "on probation: d1" in done.output) == (5, True)
        again = asyncio.create_task(typed(running, config, "set", "--fleet", "log_level=error", "--wait", "20"))
        await until(lambda: (d := seen.desired("d1")) and d.version == 3, "the change is retained")
        await send(device, broker.topics, Kind.REPORTED, "d1", said(3, **other))
        assert (await again).exit_code == 0


async def test_a_gateway_that_is_away_for_a_moment_ends_no_waiting() -> None:
    """The change is made: who waits asks again, to the end of the time; what is refused for good is told at once."""
    asked: list[str] = []

    class Flaky:
        async def parameters(self, target: Target) -> dict[str, Any]:
            asked.append(str(target))
            if len(asked) == 1:
                raise ServiceUnreachableError("nobody listens")
            if len(asked) == 2:
                raise RequestRefusedError(503, "the database is away", ())
            if len(asked) == 3:
                return {"version": 2, "config_state": "confirmed", "reported": {"version": 2, "held_back": []}}
            raise RequestRefusedError(403, "no", ())

    api: Any = Flaky()
    ending = await settled(api, Target(device="d1"), {"version": 2}, 30, ("log_level",))
    assert (ending.states, len(asked)) == ({"d1": "confirmed"}, 3)
    with pytest.raises(RequestRefusedError):
        await settled(api, Target(device="d1"), {"version": 2}, 30, ("log_level",))


async def test_lists_and_pages_say_how_it_stands(broker: Broker, database: Database) -> None:
    """API, command line and console tell on probation, never confirmed and reverted from in step, and who is silent."""
    async with gateway_watched(broker, database) as (running, _, device):

        async def after(report: bytes, state: str) -> dict[str, Any]:
            await send(device, broker.topics, Kind.REPORTED, "d1", report)

            async def stands() -> bool:
                return bool((await running.get("/devices/d1"))["config_state"] == state)

            await until(stands, state)
            [listed] = (await running.get("/devices"))["items"]
            assert listed["config_state"] == state
            return listed

        async def page(path: str) -> str:
            async with running.http.get(f"{running.url}{path}") as response:
                return await response.text()

        await after(said(1, probation=True, watched=(KEY,)), "on_probation")
        assert "1 on probation" in (await typed(running, devices, "list")).output
        assert "waits for readings of KFM:1" in (await typed(running, config, "get", "d1")).output
        assert ">1 on probation<" in await page("/")

        await after(said(1, probation=True, watched=()), "never_confirmed")
        assert "1 never confirmed" in (await typed(running, devices, "list")).output
        assert ">1 never confirmed<" in await page("/devices/d1")

        listed = await after(said(1, "reverted", held_back=(HELD,)), "reverted")
        assert listed["held_back"] == [HELD]
        assert "in force without obis_include" in (await typed(running, devices, "show", "d1")).output
        for path in ("/", "/devices/d1"):
            text = await page(path)
            assert ">reverted 1<" in text
            assert "in step" not in text.replace('"true" >in step', "")

        await after(said(1), "confirmed")
        assert listed["silent"] == []
        async with connection(database) as opened:
            told = await opened.fetchval("SELECT count(*) FROM change WHERE kind = 'reported'")
            assert told == 4, "pages follow each of these, though version and state are mostly the same"
            await opened.execute("UPDATE device SET online = true")
            await opened.execute("UPDATE meter SET installed_at = now() - INTERVAL '1 hour'")
        [meter] = (await running.get("/devices/d1"))["silent"]
        assert "yes, silent" in (await typed(running, devices, "list")).output
        assert f'title="No readings of {meter}">silent<' in await page("/")
        watched = await typed(running, config, "watch", "--for", "0.2", "--json")
        assert json.loads(watched.output)["silent"] == [meter]
