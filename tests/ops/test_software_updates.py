"""Each way in which an update of a Pi can go wrong, with everything real: it heals, says why, and loses nothing."""

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import pytest

from broker.contract.software import SoftwareReported
from tests.rigs.agent_process import P1
from tests.rigs.ops_report import record
from tests.rigs.pi_releases import CRASHES, DEAF, HUNGRY
from tests.rigs.servers import Broker, Database
from tests.rigs.software_updates import Ground, Publishing, ground
from tests.rigs.waiting import stays, until

BAD = (
    ("0.4.1", CRASHES, "the agent does not answer"),
    ("0.4.2", DEAF, "it takes no readings"),
    ("0.4.3", HUNGRY, "MiB, more than 80"),
)


@pytest.fixture
async def all_(broker: Broker, database: Database, tmp_path: Path) -> AsyncIterator[Ground]:
    """A Pi on 0.2.0, and the next releases."""
    publishing = Publishing.begun(tmp_path / "publishing")
    for version in ("0.2.0", "0.3.0"):
        publishing.publish(version)
    for version, faults, _ in BAD:
        publishing.publish(version, faults)
    async with ground(broker, database, publishing, tmp_path) as made:
        yield made


async def test_bad_releases_go_back_by_themselves(all_: Ground) -> None:
    """One that crashes at its start, one that hears no meter, one that eats memory: each with its reason."""
    figures = {}
    for version, _, why in BAD:
        undone = await all_.told(wanted := await all_.desire(version, memory_limit_mib=80.0), "rolled_back")
        assert (undone.running, all_.pi.current) == ("0.2.0", "0.2.0")
        assert why in undone.reasons[0].reason
        await all_.reads("0.2.0")
        trial = next(one for one in all_.reports(wanted) if one.state == "trial")
        figures[version] = (undone.at - trial.at).total_seconds()
    before, resident_mib = len(all_.platform.samples(P1)), all_.pi.updater.resident_mib()
    kept = await all_.told(await all_.desire("0.3.0"), "confirmed")
    await all_.reads("0.3.0")
    messages = await all_.whole()
    times = sorted(sample.at for _, sample in all_.platform.samples(P1)[before:])
    unheard_s = max((later - at).total_seconds() for at, later in pairwise(times))
    await until(lambda: all_.pi.updater.slot == "0.3.0", "the updater is of what is confirmed")
    record("update_beside", bytes=kept.octets, seconds=kept.seconds, lost=0, unheard_s=unheard_s, messages=messages)
    record(
        "rollback_beside",
        seconds=max(figures.values()),
        lost=0,
        **{f"seconds_{name}": one for name, one in figures.items()},
    )
    _say(f"from trial to rolled back: {figures} s")
    _say(f"updated: {kept.octets} octets, {kept.seconds} s, {unheard_s} s between two samples")
    _say(f"{messages} messages, 0 lost; the updater holds {resident_mib:.0f} MiB")


async def test_what_is_between_pi_and_publisher_may_fail(all_: Ground) -> None:
    """No source at all, then other bytes in place of the wheel: it waits, says so, and goes on once they are right."""
    public, wheel = all_.wire.folder, next(all_.publishing.folder.glob("wattline-0.3.0-*.whl"))
    all_.wire.folder = public.parent / "nowhere"
    version = await all_.desire("0.3.0")
    waits = await all_.told(version, "waiting")
    assert waits.running == "0.2.0"
    (served,) = (path for path in (public / "files").iterdir() if path.read_bytes() == wheel.read_bytes())
    served.write_bytes(b"x" * wheel.stat().st_size)
    all_.wire.folder = public
    await until(lambda: any("another content" in reason for reason in _reasons(all_.reports(version))), timeout_s=60)
    assert all_.pi.current == "0.2.0"
    served.write_bytes(wheel.read_bytes())
    await all_.told(version, "confirmed")
    await all_.reads("0.3.0")
    await all_.whole()


async def test_an_updater_that_is_killed_goes_on_where_it_was(all_: Ground) -> None:
    """With -9 again and again, while it fetches, builds and tries: the release is kept in the end, each start whole."""
    version = await all_.desire("0.3.0")
    killed: list[str] = []
    while not (states := [one.state for one in all_.reports(version)]):
        await asyncio.sleep(0.02)
    for state, pause_s in (("fetching", 0.0), ("fetching", 0.7), ("fetching", 1.5), ("trial", 0.1), ("trial", 1.0)):
        await until(lambda state=state: state in [one.state for one in all_.reports(version)], state, timeout_s=120)
        # different places of the same state
        await asyncio.sleep(pause_s)
        starts = all_.pi.updater.starts
        all_.pi.updater.kill()
        killed.append(state)
        await until(lambda starts=starts: all_.pi.updater.starts > starts, "the updater is started again")
    await all_.told(version, "confirmed")
    await all_.reads("0.3.0")
    assert len(killed) == 5
    assert states[0] == "fetching"
    await all_.whole()


async def test_the_broker_is_away_during_the_trial(own_broker: Broker, database: Database, tmp_path: Path) -> None:
    """Probation stands still for an agent whose platform is away, and what was read meanwhile arrives."""
    publishing = Publishing.begun(tmp_path / "publishing")
    for version in ("0.2.0", "0.3.0"):
        publishing.publish(version)
    async with ground(own_broker, database, publishing, tmp_path) as all_:
        version = await all_.desire("0.3.0", probation_s=30.0)
        await all_.told(version, "trial")
        await own_broker.server.stop()
        # longer than the probation
        await stays(lambda: all_.pi.current == "0.3.0", 35, "the new release is tried on")
        await own_broker.server.start()
        await all_.told(version, "confirmed")
        await all_.reads("0.3.0")
        await all_.whole()


def _reasons(reports: list[SoftwareReported]) -> list[str]:
    return [reason.reason for report in reports for reason in report.reasons]


def _say(line: str) -> None:
    print(f"\n{line}")  # noqa: T201 - docs/OPERATIONS.md states it
