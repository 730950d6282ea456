"""The demo from first to last: platform, fleet, a parameter changed on the way, drain, report."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg

from deploy.demo.change import change_parameter
from deploy.demo.fleet import HISTORY_DEVICE, Pi, own_environment, start_fleet
from deploy.demo.history import AWAY, Gap, History, leave_gap, told
from deploy.demo.platform import Platform, start_platform
from deploy.demo.report import ParameterChange, Report, count_stored, make_report
from deploy.demo.state import State
from deploy.demo.unknown import Engineer, make_unknown, wait_for_history
from deploy.demo.view import View
from deploy.demo.witness import Witness, watch
from store.sql import Connection

FIRST_INTERVAL_S = 1.0
PUBLISH_INTERVAL_S = 0.2
CHANGED_INTERVAL_S = 3.0
CHANGED_DEVICE = "pi-south"
CHANGE_AFTER_S = 15.0
DRAIN_S = 90.0
"""Long enough for frames that came later than their spec: they wait for the gateway's next look."""
LOOK_S = 0.5


@dataclass(slots=True)
class Run:
    """One run of the demo; `for_s` None runs until `stop` is set."""

    stop: asyncio.Event
    for_s: float | None
    unknown: bool = False
    witness: Witness = field(default_factory=Witness)
    state: State = field(default_factory=State)
    change: ParameterChange | None = None
    history: History | None = None
    powered_at: float = 0.0


async def run_demo(
    stop: asyncio.Event, for_s: float | None, picture: Path | None = None, *, unknown: bool = False
) -> Report:
    """Run the whole demo and report; `unknown` adds a Pi whose meter no catalogue has.

    Raises PermanentError if a part can't be started or ends by itself.
    """
    run = Run(stop, for_s, unknown)
    view = View([])
    async with contextlib.AsyncExitStack() as exits:
        platform = await exits.enter_async_context(start_platform(lambda line: view.say(f"· {line}")))
        connection = await exits.enter_async_context(_connect(platform.stack.postgres.dsn()))
        watching = await exits.enter_async_context(_witness(platform, run.witness))
        fleet_parameters = {"reading_interval_s": FIRST_INTERVAL_S, "publish_interval_s": PUBLISH_INTERVAL_S}
        await platform.api.patch("/parameters", fleet_parameters)
        view = exits.enter_context(View(_addresses(platform)))
        gap = leave_gap(platform.folder)
        hours = AWAY.total_seconds() / 3600
        view.say(f"· {HISTORY_DEVICE} was away for {hours:g} h; what it missed, its meter's load profile has")
        run.powered_at = time.monotonic()
        async with start_fleet(platform, unknown=unknown) as pis:
            await _follow(run, platform, connection, pis, gap, view)
        if picture is not None:
            view.picture(picture, run.state, run.witness)
        view.say("· the Pis are unplugged; draining")
        await _drain(run, connection)
        watching.cancel()
        return await make_report(
            connection,
            run.witness,
            enrolled_s=run.state.enrolled_s,
            first_reading_s=run.state.first_reading_s,
            change=run.change,
            history=run.history,
            unknown=await make_unknown(connection, run.witness) if unknown else None,
            versions=await platform.stack.versions(),
        )


@contextlib.asynccontextmanager
async def _connect(dsn: str) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(dsn, timeout=15)
    try:
        yield connection
    finally:
        await connection.close(timeout=10)


@contextlib.asynccontextmanager
async def _witness(platform: Platform, witness: Witness) -> AsyncIterator[asyncio.Task[None]]:
    ready = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(watch(platform.broker_address("monitor"), witness, ready), name="demo.witness")
        async with asyncio.timeout(30):
            await ready.wait()
        yield task
        task.cancel()


async def _follow(run: Run, platform: Platform, connection: Connection, pis: list[Pi], gap: Gap, view: View) -> None:
    changing: asyncio.Task[ParameterChange] | None = None
    meeting: asyncio.Task[None] | None = None
    dsn = platform.stack.postgres.dsn()
    async with _connect(dsn) as second, _connect(dsn) as third, _connect(dsn) as fourth, asyncio.TaskGroup() as tasks:
        healing = tasks.create_task(gap.heal(fourth, pis, run.powered_at), name="demo.history")
        if run.unknown:
            meeting = tasks.create_task(Engineer(platform, view.say).meet(third), name="demo.unknown")
        while not _over(run, changing, meeting, healing):
            platform.check()
            for pi in pis:
                await pi.agent.keep()
            await run.state.look(connection, run.powered_at)
            if changing is None and _time_to_change(run):
                run.state.note = f"{CHANGED_DEVICE}: reading_interval_s {FIRST_INTERVAL_S:g} -> {CHANGED_INTERVAL_S:g}"
                work = change_parameter(platform.api, second, CHANGED_DEVICE, FIRST_INTERVAL_S, CHANGED_INTERVAL_S)
                changing = tasks.create_task(work, name="demo.change")
            _take(run, changing, healing, view)
            view.show(run.state, run.witness)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await run.stop.wait()
        _take(run, changing, healing, view)
        for task in (changing, meeting, healing):
            if task is not None:
                task.cancel()


def _take(run: Run, changing: asyncio.Task[ParameterChange] | None, healing: asyncio.Task[History], view: View) -> None:
    """Note and say what is done by now."""
    if changing is not None and changing.done() and run.change is None:
        run.change = changing.result()
        run.state.note = _said(run.change)
        view.say(f"· {run.state.note}")
    if healing.done() and run.history is None:
        run.history = healing.result()
        view.say(f"· {told(run.history)}")


def _over(run: Run, *tasks: asyncio.Task[Any] | None) -> bool:
    """Whether to end: when told, or when the time is up and what was begun is done."""
    if run.stop.is_set():
        return True
    if run.for_s is None or time.monotonic() - run.powered_at < run.for_s:
        return False
    return all(task is None or task.done() for task in tasks)


def _time_to_change(run: Run) -> bool:
    """After a while, and only once the device to change has published."""
    after_s = CHANGE_AFTER_S if run.for_s is None else min(CHANGE_AFTER_S, run.for_s / 3)
    published = CHANGED_DEVICE in run.witness.devices.values()
    return published and time.monotonic() - run.powered_at >= after_s


def _said(change: ParameterChange) -> str:
    reported = "not reported" if change.reported_after_s is None else f"reported after {change.reported_after_s:.2f} s"
    effect = "the readings obey" if change.effect_seen else "no effect seen in the readings"
    return f"{change.device}: {change.parameter} {change.from_:g} -> {change.to:g} {reported}; {effect}"


async def _drain(run: Run, connection: Connection) -> None:
    """Wait until all that was published is stored and all history filled, or the deadline."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_S):
            while await count_stored(connection) < len(run.witness.published):
                await asyncio.sleep(0.2)
            if run.unknown:
                await wait_for_history(connection, run.witness)


def _addresses(platform: Platform) -> list[tuple[str, str]]:
    broker, postgres = platform.stack.mosquitto, platform.stack.postgres
    return [
        ("console", f"{platform.api.url}/   (token {platform.api.token})"),
        ("API docs", f"{platform.api.url}/docs"),
        ("metrics", f"{platform.ingestor_url}/metrics (ingestor)   {platform.api.url}/metrics (gateway)"),
        ("MQTT", f"{broker.host}:{broker.port}   user engineer, password {broker.credentials['engineer']}"),
        ("MQTT, TLS", f"{broker.host}:{broker.device_port}   devices, by their certificates"),
        ("enrolment", f"{platform.enrolment_url}   CA {platform.authority}"),
        ("your own Pi", f"set -a; . {own_environment(platform.folder)}; set +a; wattline device   (docs/DEVICE.md)"),
        ("with others", "with the same settings: wattline intake, bridge or outlet   (docs/INTEGRATIONS.md)"),
        ("database", f"psql {postgres.dsn()}"),
        ("logs", f"{platform.folder}/logs"),
    ]
