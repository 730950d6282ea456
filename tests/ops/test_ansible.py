"""Ansible on bare Debian machines with systemd: from nothing to stored readings by one playbook, and again."""

import asyncio
import time
from pathlib import Path

import pytest

from deploy.local.machine_image import MachineImage, provide_machine_image
from deploy.local.settings import LocalSettings
from device.simulator import SimulatedP1Meter
from tests.rigs.machines import Machine, Network
from tests.rigs.ops_report import record
from tests.rigs.pi_releases import build
from tests.rigs.playing import Playing
from tests.rigs.waiting import until

TOP = Path(__file__).resolve().parents[2]
_READINGS = "SELECT count(*) FROM named_reading WHERE time > now() - interval '1 hour'"


@pytest.fixture(scope="module")
def image() -> MachineImage:
    """Bare machines."""
    return provide_machine_image(LocalSettings(), TOP, print)


@pytest.fixture
async def playing(tmp_path: Path) -> Playing:
    """Ansible with our collection, and the wheel of this checkout."""
    return await Playing.made(tmp_path, await asyncio.to_thread(build, tmp_path))


async def _readings(server: Machine) -> int:
    return int(await server.run("runuser", "-u", "postgres", "--", "psql", "-XAt", "-c", _READINGS, "wattline"))


@pytest.mark.timeout(7200)
async def test_bare_debian_becomes_a_platform_by_one_playbook(
    image: MachineImage, playing: Playing, tmp_path: Path
) -> None:
    """A server and a Pi at a meter: readings are stored, a second run changes nothing, and so says a check."""
    network = Network(image, tmp_path)
    async with (
        SimulatedP1Meter(serial="E0044007133156018", seed=1) as meter,
        network.machine("server", memory_mib=1536) as server,
        network.machine("pi-1", memory_mib=512, processors=1, meter=Path(meter.port)) as pi,
    ):
        playing.machines |= {"server": server, "pi-1": pi}
        began = time.monotonic()
        changed, said = await playing.play("site")
        took_s = time.monotonic() - began
        assert set(changed) == {"server", "pi-1"}, said[-3000:]
        assert min(changed.values()) > 5

        async def stored() -> bool:
            return await _readings(server) > 0

        await until(stored, "readings", timeout_s=900)
        token = (await server.run("grep -h TOKEN= /etc/wattline/claims/warsaw.env")).split("=", 1)[1].strip()
        assert token in await pi.run("cat /etc/wattline/device.env")
        for machine in (server, pi):
            assert await machine.run("find /etc/wattline -type f -perm /077") == ""
        again, more = await playing.play("site", "--diff", "-vvv")
        assert token not in said + more
        said = more
        assert again == {"server": 0, "pi-1": 0}, said[-6000:]
        foretold, said = await playing.play("site", "--check", "--diff")
        assert foretold == {"server": 0, "pi-1": 0}, said[-6000:]
        record("ansible", first_run_s=round(took_s), second_run_changed=sum(again.values()))
