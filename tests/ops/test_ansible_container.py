"""Ansible sets up a Pi whose agent runs in a container, by podman's quadlet under systemd, with its updater."""

import asyncio
import time
from pathlib import Path

import pytest

from deploy.local.machine_image import provide_machine_image
from deploy.local.settings import LocalSettings
from device.simulator import SimulatedP1Meter
from tests.rigs import pi_images
from tests.rigs.field import SOURCE, Desk, Field
from tests.rigs.images import Built
from tests.rigs.ops_report import record
from tests.rigs.pi_releases import CRASHES, TOP, build
from tests.rigs.playing import Playing, changes
from tests.rigs.systemd_machines import SystemdNetwork
from tests.rigs.waiting import until

FIRST, BAD = "0.2.0", "0.4.1"


def _publish(desk: Desk, images: Built, version: str, faults: dict[str, str] | None) -> None:
    """Sign a release of an image and of wheels."""
    layout = pi_images.as_version(images.folder / "agent", version, desk.publisher.folder, faults)
    wheel = desk.wheel if version == FIRST else desk.made(version)
    pi_images.publish(desk.publisher, layout, wheel, desk.others)


@pytest.mark.timeout(3600)
async def test_a_pi_in_a_container(images: Built, tmp_path: Path) -> None:
    """From bare Debian to readings by one playbook, again, and back from a bad release that the platform gives it."""
    image = await asyncio.to_thread(provide_machine_image, LocalSettings(), TOP, print)
    desk = Desk.begun(tmp_path / "desk", await asyncio.to_thread(build, tmp_path), image.wheels)
    playing = await Playing.made(tmp_path, desk.wheel)
    playing.given = {
        "wattline_pi_runtime": "container", "pi_ports": ["/dev/ttyUSB0"], "pi_device_id": "pi-1",
        "wattline_releases_source": SOURCE, "wattline_releases_root": str(desk.root),
    }  # fmt: skip
    for version, faults in ((FIRST, None), (BAD, CRASHES)):
        await asyncio.to_thread(_publish, desk, images, version, faults)
    network = SystemdNetwork(image, tmp_path / "machines", desk.public)
    with network.wired():
        async with (
            SimulatedP1Meter(serial="E0044007133156018", seed=1) as meter,
            network.machine("server") as server,
            network.machine("pi-1", meter=Path(meter.port)) as pi,
        ):
            playing.machines = {"server": server, "pi-1": pi}
            platform = Field(server, {"pi-1": pi}, desk)
            await platform.hand_out_releases()
            began = time.monotonic()
            await playing.play("site")
            took_s = time.monotonic() - began
            await platform.reads("pi-1", FIRST)
            unit = await pi.run("systemctl show -p FragmentPath,ActiveState wattline-device; podman ps --noheading")
            assert "FragmentPath=/run/systemd/generator/wattline-device.service" in unit
            assert "ActiveState=active" in unit
            assert "wattline-device" in unit.splitlines()[-1]
            again, said = await playing.play("site", "--diff")
            assert again == {"server": 0, "pi-1": 0}, changes(said)
            record("ansible_container", first_run_s=round(took_s), second_run_changed=sum(again.values()))
            await _is_gone_back_from(platform)
            await platform.whole()


async def _is_gone_back_from(platform: Field) -> None:
    """An image whose agent crashes is on trial under systemd, and the one before returns."""
    await platform.operator("config", "set", "--fleet", f"software_source={SOURCE}")
    await platform.operator("update", "publish", BAD, "--device", "pi-1", "--probation", "60")

    async def undone() -> bool:
        return "rolled_back" in await platform.history("pi-1", BAD)

    await until(undone, f"pi-1 goes back from {BAD}", timeout_s=300)
    await platform.reads("pi-1", FIRST)
    assert (await platform.pis["pi-1"].run("readlink /opt/wattline/current")).strip() == f"slots/{FIRST}"
