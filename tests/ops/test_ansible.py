"""Ansible on bare Debian machines with systemd: from nothing to stored readings by one playbook, and again.

WATTLINE_OPS_MACHINES says on which: `namespaces` (if not set), `qemu`, or both.
"""

import asyncio
import json
import shlex
import time
from pathlib import Path
from typing import Final

import pytest

from deploy.local.machine_image import MachineImage, provide_machine_image
from deploy.local.settings import LocalSettings
from device.simulator import SimulatedP1Meter
from tests.rigs.field import as_operator
from tests.rigs.machine_kinds import machines_of, wanted_kinds
from tests.rigs.machines import Machine
from tests.rigs.ops_report import record
from tests.rigs.pi_releases import build
from tests.rigs.playing import Playing, changes
from tests.rigs.pulling import pulled, serve_repository
from tests.rigs.waiting import until

TOP = Path(__file__).resolve().parents[2]
_DEVICES = "SELECT count(DISTINCT device) FROM named_reading WHERE time > now() - interval '1 hour'"
SERVICES: Final = {
    "gateway": "", "ingestor": 8081, "worker": 8082, "intake": 8091, "bridge": 8088, "outlet": 8087, "backup": 8090,
}  # fmt: skip
"""All that the role can run, and where their health is; the gateway's is told over TLS."""
GIVEN: Final = {
    "server_outlet_settings": {"WATTLINE_OUTLET_HOME_ASSISTANT__ENABLED": True}, "server_backup": True,
    "server_backup_settings": {"WATTLINE_WORKER_BACKUP_PASSPHRASE_FILE": "/root/backup.passphrase"},
}  # fmt: skip
_HIDDEN = "import socket; socket.create_connection(('192.168.7.2', 22), 5)"


@pytest.fixture(scope="module")
def image() -> MachineImage:
    """Bare machines."""
    return provide_machine_image(LocalSettings(), TOP, print)


@pytest.fixture
async def playing(tmp_path: Path) -> Playing:
    """Ansible with our collection, and the wheel of this checkout."""
    return await Playing.made(tmp_path, await asyncio.to_thread(build, tmp_path))


async def _read(server: Machine, devices: int) -> None:
    async def stored() -> bool:
        found = await server.run("runuser", "-u", "postgres", "--", "psql", "-XAt", "-c", _DEVICES, "wattline")
        return int(found) >= devices

    await until(stored, f"readings of {devices} devices", timeout_s=900)


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("kind", wanted_kinds())
async def test_bare_debian_becomes_a_platform_by_one_playbook(
    kind: str, image: MachineImage, playing: Playing, tmp_path: Path
) -> None:
    """A server and a Pi at a meter: readings are stored, a second run changes nothing, and so says a check."""
    playing.given |= GIVEN
    async with (
        SimulatedP1Meter(serial="E0044007133156018", seed=1) as meter,
        SimulatedP1Meter(serial="E0044007133156019", seed=2) as another,
        machines_of(
            kind, image, tmp_path,
            {"server": None, "pi-1": Path(meter.port)} | ({"pi-2": Path(another.port)} if kind == "namespaces" else {}),
        ) as machines,
    ):  # fmt: skip
        server, pi = machines["server"], machines["pi-1"]
        playing.machines |= {"server": server, "pi-1": pi}
        await server.run("umask 077; echo long enough for a test > /root/backup.passphrase")
        began = time.monotonic()
        changed, said = await playing.play("site")
        took_s = time.monotonic() - began
        assert set(changed) == {"server", "pi-1"}, said[-3000:]
        assert min(changed.values()) > 5
        await _read(server, 1)
        readings_s = time.monotonic() - began
        token = (await server.run("grep -h TOKEN= /etc/wattline/claims/warsaw.env")).split("=", 1)[1].strip()
        assert token in await pi.run("cat /etc/wattline/device.env")
        for machine in (server, pi):
            assert await machine.run("find /etc/wattline -type f -perm /077") == ""
        again, more = await playing.play("site", "--diff", "-vvv")
        assert token not in said + more
        assert again == {"server": 0, "pi-1": 0}, changes(more)
        foretold, said = await playing.play("site", "--check", "--diff")
        assert foretold == {"server": 0, "pi-1": 0}, changes(said)
        record(
            "ansible" if kind == wanted_kinds()[0] else f"ansible_{kind}", machines=kind, first_run_s=round(took_s),
            readings_s=round(readings_s), second_run_changed=sum(again.values()),
        )  # fmt: skip
        await _all_serve(server)
        if "pi-2" in machines:
            await _pulls(server, machines["pi-2"], playing, tmp_path / "shared")
        await _one_is_switched_off(server, playing)


async def _all_serve(server: Machine) -> None:
    """Each service is well, confined by its unit; the worker of backups makes a verified one of all there is."""
    for name, port in SERVICES.items():
        assert await server.run(f"systemctl is-active wattline-{name}") == "active\n"
        if port:
            await server.run(f"curl -fsS http://127.0.0.1:{port}/healthz")
        # 10 is a service that may do all
        exposed = await server.run(f"systemd-analyze security --no-pager wattline-{name} | tail -1")
        assert float(exposed.split(":")[1].split()[0]) < 5, exposed
    assert "30 2 * * *" in await as_operator(server, "job", "schedule", "list")
    await as_operator(server, "job", "run", "backup")

    async def made() -> bool:
        (job,) = json.loads(await as_operator(server, "job", "list", "--json"))
        assert not job["error"], job
        return bool(job["state"] == "done")

    await until(made, "a backup", timeout_s=300)
    assert (await server.run("ls /var/backups/wattline")).endswith(".backup\n")
    assert ".partial." not in await server.run("ls /var/backups/wattline")


async def _pulls(server: Machine, pi: Machine, playing: Playing, shared: Path) -> None:
    """A Pi that nobody reaches sets itself up out of a repository, by the claim on its card; again changes nothing."""
    with pytest.raises(AssertionError, match="unreachable"):
        await server.run("python3", "-c", _HIDDEN)
    await serve_repository(server, playing, shared)
    claim = await server.run("cat /etc/wattline/claims/warsaw.env")
    await pi.run(f"umask 077; mkdir -p /boot/firmware; printf %s {shlex.quote(claim)} > /boot/firmware/claim.env")
    await pi.run("apt-get install -q -y --no-install-recommends git ansible-core", timeout_s=600)
    began = time.monotonic()
    assert await pulled(pi) > 5
    pulled_s = time.monotonic() - began
    await _read(server, 2)
    again = await pulled(pi)
    assert again == 0
    record("ansible_pull", first_run_s=round(pulled_s), second_run_changed=again)


async def _one_is_switched_off(server: Machine, playing: Playing) -> None:
    """What is wanted no more is ended, and nothing else changes."""
    changed, said = await playing.play("site", "--limit", "wattline_server", "-e", '{"server_bridge": false}')
    assert changed == {"server": 1}, changes(said)
    assert await server.run("systemctl is-active wattline-bridge || true") == "inactive\n"
