"""What podman's own generator makes of our container's unit, on Debian 13: the service that a Pi starts."""

import os
import subprocess
from pathlib import Path
from typing import Final

import jinja2
import pytest

from deploy.local.debian import ProvisionError, Recipe, loader_of, provide_root
from deploy.local.settings import LocalSettings
from tests.rigs.systemd_machines import UNBOUNDED

TOP = Path(__file__).resolve().parents[2]
_QUADLET: Final = "usr/libexec/podman/quadlet"


def _check(growing: Path, _: Path) -> None:
    if not (growing / _QUADLET).is_file():
        raise ProvisionError(f"Debian's podman has no {_QUADLET} any more")


PODMAN: Final = Recipe(
    name="quadlet",
    packages=("podman", "libc6"),
    unused=("usr/share", "var", "dev", "tmp", "usr/bin", "usr/sbin"),
    contents="podman's generator of units (about 30 MB)",
    prepare=_check,
)


def generated(units: Path) -> str:
    """The services that it would make of a folder."""
    root = provide_root(PODMAN, LocalSettings(), print)
    loader = loader_of(root)
    done = subprocess.run(
        [loader, "--library-path", loader.parent, root / _QUADLET, "-dryrun"],
        env={**os.environ, "QUADLET_UNIT_DIRS": str(units)}, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "unsupported" not in done.stderr, done.stderr
    return done.stdout


def passed(*ports: str) -> str:
    """What the role writes for these serial ports."""
    template = jinja2.Environment(trim_blocks=True, autoescape=False).from_string(  # noqa: S701 - no markup
        (TOP / "deploy/ansible/roles/pi/templates/ports.conf.j2").read_text()
    )
    return template.render(ansible_managed="by Ansible", pi_ports=ports)


def test_the_container_s_unit_becomes_the_agent_s_service(tmp_path: Path) -> None:
    """Confined, of the image that the current slot names, with its ports and folders; a wrong key is refused."""
    unit = tmp_path / "wattline-device.container"
    unit.write_text((TOP / "deploy/systemd" / unit.name).read_text())
    ports = tmp_path / f"{unit.name}.d"
    ports.mkdir()
    (ports / "ports.conf").write_text(passed("/dev/serial/by-id/not-there-when-it-is-made", "/dev/ttyS1"))
    service = generated(tmp_path)
    assert "wattline-device.service" in service
    (start,) = [line for line in service.splitlines() if line.startswith("ExecStart=")]
    for words in (
        "--pull never", "--read-only", "--cap-drop all", "--security-opt=no-new-privileges", "--network host",
        "--group-add dialout", "--pids-limit 200", "-v /dev:/dev:ro", '"--device-cgroup-rule=c 188:* rw"',
        '"--device-cgroup-rule=c 166:* rw"', '"--device-cgroup-rule=c 204:* rw"', '"--device-cgroup-rule=c 4:65 rw"',
        "--env=WATTLINE_DEVICE_*",
        "-v /var/lib/wattline:/var/lib/wattline", "-v /etc/machine-id:/etc/machine-id:ro",
    ):  # fmt: skip
        assert words in start, start
    assert "--device " not in start, start
    assert "--privileged" not in start, start
    assert start.count("device-cgroup-rule") == 4, start
    assert start.endswith(" ${WATTLINE_IMAGE}"), start
    for line in (
        "EnvironmentFile=/opt/wattline/current/image.env", "EnvironmentFile=/etc/wattline/device.env",
        "SuccessExitStatus=75", "Restart=always", "WantedBy=multi-user.target",
    ):  # fmt: skip
        assert line in service
    (ports / "unbounded.conf").write_text(UNBOUNDED)
    assert "--pids-limit" not in generated(tmp_path), "as a machine without that controller needs it"
    unit.write_text(unit.read_text().replace("ReadOnly=true", "ReadMostly=true"))
    with pytest.raises(AssertionError, match="ReadMostly"):
        generated(tmp_path)
