"""From the last release to the next on three Pis by canary: a bad one ends at one Pi, which heals, and none is lost."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import pytest

from deploy.local.machine_image import provide_machine_image
from deploy.local.settings import LocalSettings
from device.simulator import SimulatedP1Meter
from tests.rigs.field import SOURCE, Desk, Field
from tests.rigs.ops_report import record
from tests.rigs.pi_releases import CRASHES, DEAF, TOP, build
from tests.rigs.playing import Playing
from tests.rigs.released import LAST
from tests.rigs.systemd_machines import SystemdNetwork
from tests.rigs.waiting import until

PIS = ("pi-1", "pi-2", "pi-3")
CANARY = ("-e", '{"wattline_at_once": [1, "100%"], "update_within_s": 40}')
# a quarter of the probation is to see the old agent read its meter, every 10 s, before the new one is judged by it
THEN_ALL = ("--first", "pi-1", "--share", "100", "--probation", "60", "--settle", "3", "--timeout", "300")


@pytest.fixture
async def field(tmp_path: Path) -> AsyncIterator[tuple[Field, Playing]]:
    """A platform of this checkout, set up by Ansible, and three Pis of the last release, which read their meters."""
    image = await asyncio.to_thread(provide_machine_image, LocalSettings(), TOP, print)
    wheel = await asyncio.to_thread(build, tmp_path)
    desk = Desk.begun(tmp_path / "desk", wheel, image.wheels)
    playing = await Playing.made(tmp_path, wheel)
    network = SystemdNetwork(image, tmp_path / "machines", desk.public)
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(network.wired())
        playing.machines["server"] = await stack.enter_async_context(network.machine("server"))
        for number, name in enumerate(PIS, 1):
            meter = await stack.enter_async_context(SimulatedP1Meter(serial=f"E004400713315601{number}", seed=number))
            machine = await stack.enter_async_context(network.machine(name, meter=Path(meter.port)))
            playing.machines[name] = machine
        await playing.play("site", "--limit", "wattline_server")
        made = Field(playing.machines["server"], {name: playing.machines[name] for name in PIS}, desk)
        await made.install_last()
        for name in PIS:
            await made.reads(name, LAST)
        yield made, playing


@pytest.mark.timeout(5400)
async def test_the_last_release_becomes_the_next_by_canary(field: tuple[Field, Playing]) -> None:
    """By Ansible to the first release with an updater, by the platform from then on; the first Pi proves each."""
    platform, playing = field
    await _by_ansible(platform, playing)
    await _updaters(platform, playing)
    undone = {version: await _is_stopped(platform, version) for version in ("0.4.1", "0.4.2")}
    platform.desk.publish("0.4.0")
    await platform.operator("update", "publish", "0.4.0", "--reason", "new decoder", *THEN_ALL)
    kept = {}
    for name in PIS:

        async def confirmed(name: str = name) -> bool:
            return "confirmed" in await platform.history(name, "0.4.0")

        await until(confirmed, f"{name} keeps 0.4.0", timeout_s=300)
        await platform.reads(name, "0.4.0")
        kept[name] = (await platform.history(name, "0.4.0"))["confirmed"]
    canary, *others = (datetime.fromisoformat(kept[name]["received_at"]) for name in PIS)
    assert canary < min(others)
    messages = await platform.whole()
    record(
        "update", machines="namespaces", bytes=max(one["octets"] for one in kept.values()), lost=0, messages=messages,
        seconds=round(max(one["seconds"] for one in kept.values()), 1),
    )  # fmt: skip
    record("rollback", machines="namespaces", seconds=round(max(undone.values()), 1), lost=0)


async def _by_ansible(platform: Field, playing: Playing) -> None:
    """A wheel that crashes or hears no meter is taken back at the first Pi, no other sees it; then one that works."""
    for version, faults in (("0.2.8", CRASHES), ("0.2.9", DEAF)):
        bad = platform.desk.made(version, faults)
        status, said = await playing.played("update", "--limit", "wattline_pi", *CANARY, "-e", f"wattline_wheel={bad}")
        assert status != 0
        assert f"{bad.name} was taken back" in said, said[-3000:]
        assert "pi-2" not in said.split("PLAY RECAP")[1], said[-3000:]
        for name in PIS:
            await platform.reads(name, LAST)
            assert (await platform.pis[name].run("ls /opt")).split() == ["wattline"]
    playing.wheel = platform.desk.made("0.3.0")
    changed, said = await playing.play("update", *CANARY)
    assert min(changed.values()) > 0, said[-3000:]
    for name in PIS:
        await platform.reads(name, "0.3.0")
        assert (await platform.pis[name].run("ls /etc/wattline")).split() == ["device.env", "device.password"]
    await platform.whole()


async def _updaters(platform: Field, playing: Playing) -> None:
    """Certificates in place of passwords, and the updater, by the playbook that sets up any Pi."""
    platform.desk.publish("0.3.0")
    await platform.hand_out_releases()
    playing.given = {
        "pi_device_id": "{{ inventory_hostname }}", "pi_read_mostly": False,
        "wattline_releases_source": SOURCE, "wattline_releases_root": str(platform.desk.root),
    }  # fmt: skip
    await playing.play("site", "--limit", "wattline_server,wattline_pi")

    async def waiting() -> list[str]:
        found = [str(one["id"]) for one in await platform.asked("enrol", "list")]
        return found if len(found) == len(PIS) else []

    await platform.operator("enrol", "approve", *await until(waiting, "each Pi asks for its certificate"))
    for name in PIS:
        await platform.reads(name, "0.3.0")
        assert (await platform.pis[name].run("readlink /opt/wattline/current")).strip() == "slots/0.3.0"
    await platform.operator("config", "set", "--fleet", f"software_source={SOURCE}")
    await platform.operator("update", "publish", "0.3.0", "--reason", "what runs", *THEN_ALL)
    for name in PIS:

        async def confirmed(name: str = name) -> bool:
            return "confirmed" in await platform.history(name, "0.3.0")

        await until(confirmed, f"{name} says what it runs", timeout_s=120)
    await platform.settled()


async def _is_stopped(platform: Field, version: str) -> float:
    """A bad release ends with the canary, which goes back by itself; returns the seconds from its trial to that."""
    platform.desk.publish(version, {"0.4.1": CRASHES, "0.4.2": DEAF}[version])
    await platform.operator("update", "publish", version, "--reason", "too good to be true", *THEN_ALL)

    async def undone() -> bool:
        return "rolled_back" in await platform.history("pi-1", version)

    await until(undone, f"pi-1 goes back from {version}", timeout_s=300)
    await platform.settled()
    history = await platform.history("pi-1", version)
    for name in PIS:
        await platform.reads(name, "0.3.0")
        slots = (await platform.pis[name].run("ls /opt/wattline/slots")).split()
        assert name == "pi-1" or slots == ["0.3.0"]
    await platform.whole()
    at = {state: datetime.fromisoformat(history[state]["received_at"]) for state in ("trial", "rolled_back")}
    return (at["rolled_back"] - at["trial"]).total_seconds()
