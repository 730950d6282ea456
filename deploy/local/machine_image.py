"""The disk of a bare Debian 13 with systemd and sshd, from which tests start virtual machines, and wheels beside it."""

import hashlib
import os
import shlex
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.local.debian import KEYRING, SUITE, Progress, ProvisionError, apt_options, host_packages, mirror_of, run
from deploy.local.locks import file_lock
from deploy.local.settings import LocalSettings
from deploy.local.toolchain import ToolchainError

_HOST: Final = {
    "qemu-system-x86": Path("/usr/bin/qemu-system-x86_64"),
    "mmdebstrap": Path("/usr/bin/mmdebstrap"),
    "openssh-client": Path("/usr/bin/ssh"),
    "e2fsprogs": Path("/usr/sbin/mkfs.ext4"),
    "iptables": Path("/usr/sbin/iptables"),
}
_BARE: Final = (
    "systemd-sysv", "dbus", "udev", "iproute2", "openssh-server", "openssh-sftp-server", "python3", "python3-apt",
    "ca-certificates", "linux-image-amd64", "initramfs-tools", "zstd", "kmod",
)  # fmt: skip
"""What a minimal installation has, and what Ansible needs of Python."""
_WITHIN_REACH: Final = (
    "mosquitto", "postgresql-17-timescaledb", "python3-venv", "curl", "logrotate", "openssl", "systemd-timesyncd",
    "podman", "crun", "netavark", "git", "ansible-core", "wget",
)  # fmt: skip
"""What apt finds as if it had a mirror: fetched, not installed."""
_SIZE: Final = "6G"
_PYTHON: Final = "3.13"
NETWORK: Final = "10.77.0"
NAMES: Final = ("server", "pi-1", "pi-2", "pi-3")
"""Machines by the last number of their address, from 1 on."""
MAC: Final = "52:54:00:77:00"
_FILES: Final = {
    "etc/fstab": "/dev/vda / ext4 defaults 0 1\n"
    "wheels /srv/wheels 9p trans=virtio,version=9p2000.L,msize=262144,ro,nofail,x-systemd.automount 0 0\n",
    "etc/hostname": "debian\n",
    "etc/hosts": "127.0.0.1 localhost\n"
    + "".join(f"{NETWORK}.{number} {name}\n" for number, name in enumerate(NAMES, 1)),
    "etc/systemd/network/10-host.network": "[Match]\nName=eth0\n\n[Network]\nDHCP=ipv4\nLinkLocalAddressing=no\n",
    **{
        f"etc/systemd/network/20-{name}.network": f"[Match]\nMACAddress={MAC}:0{number}\n\n"
        f"[Link]\nRequiredForOnline=no\n\n[Network]\nAddress={NETWORK}.{number}/24\nLinkLocalAddressing=no\n"
        for number, name in enumerate(NAMES, 1)
    },
    "etc/initramfs-tools/conf.d/machine": "MODULES=list\nCOMPRESS=zstd\n",
    "etc/initramfs-tools/modules": "virtio_pci\nvirtio_blk\next4\n",
}


@dataclass(frozen=True, slots=True)
class MachineImage:
    """A folder of the cache that holds a bare machine."""

    folder: Path
    wheels: Path
    """Every wheel that requirements/server.txt and requirements/device.txt name, for Debian 13's Python."""

    @property
    def disk(self) -> Path:
        """An ext4 file system, to be copied."""
        return self.folder / "disk"

    @property
    def kernel(self) -> Path:
        """Debian's."""
        return self.folder / "vmlinuz"

    @property
    def initrd(self) -> Path:
        """... and what it starts from."""
        return self.folder / "initrd"

    @property
    def key(self) -> Path:
        """The private key by which root logs in over ssh."""
        return self.folder / "ssh"


def provide_machine_image(settings: LocalSettings, top: Path, progress: Progress) -> MachineImage:
    """The image and the wheels of the checkout `top`, made first where the cache lacks them (a minute).

    Raises ToolchainError with one sentence on what to install.
    """
    try:
        host_packages(_HOST, progress)
        mark = hashlib.sha256(repr((SUITE, _BARE, _WITHIN_REACH, _SIZE, sorted(_FILES.items()))).encode()).hexdigest()
        folder = settings.cache / f"machine-{mark[:12]}"
        _once(folder, lambda growing: _make_disk(growing, settings, progress), progress)
        requirements = [top / f"requirements/{name}.txt" for name in ("server", "device")]
        mark = hashlib.sha256(b"".join(one.read_bytes() for one in requirements)).hexdigest()
        wheels = settings.cache / f"wheels-{mark[:12]}"
        _once(wheels, lambda growing: _fetch_wheels(growing, top, requirements, progress), progress)
    except ProvisionError as error:
        raise ToolchainError(f"virtual machines need {', '.join(_HOST)} ({error}): install them") from error
    return MachineImage(folder, wheels)


def _once(folder: Path, make: Callable[[Path], None], progress: Progress) -> None:
    """Make a folder of the cache under another name, so that it is whole or not there."""
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    with file_lock(folder.with_name(f"{folder.name}.lock"), lambda: progress("waiting for another run")):
        if folder.exists():
            return
        for left in folder.parent.glob(f"{folder.name}.growing-*"):
            run("rm", "-rf", "--one-file-system", str(left))
        growing = folder.with_name(f"{folder.name}.growing-{os.getpid()}")
        growing.mkdir()
        make(growing)
        growing.rename(folder)


def _make_disk(growing: Path, settings: LocalSettings, progress: Progress) -> None:
    if os.geteuid() != 0:
        raise ProvisionError("only root makes the disk of a machine")
    progress("making a bare Debian 13 with a kernel (about 200 MB)")
    root = growing / "root"
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "tests", "-f", str(growing / "ssh"))
    # ... its own initramfs is made while packages are configured, so the modules are named before
    early = "".join(
        f'mkdir -p "$1/{Path(name).parent}"; printf %s {shlex.quote(text)} > "$1/{name}"; '
        for name, text in _FILES.items()
        if "initramfs" in name
    )
    fetch = "apt-get -q -y --no-install-recommends --download-only install"
    run(
        "mmdebstrap", "--mode=root", "--variant=minbase", "--quiet", f"--keyring={KEYRING}", "--components=main",
        "--skip=cleanup/apt,cleanup/reproducible", f"--include={','.join(_BARE)}", f"--essential-hook={early}",
        f'--customize-hook=chroot "$1" {fetch} {" ".join(_WITHIN_REACH)}',
        *apt_options(), SUITE, str(root), settings.mirror or mirror_of(progress),
    )  # fmt: skip
    for name, text in _FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    for name in ("root/.ssh", "srv/wheels"):
        (root / name).mkdir(mode=0o700, exist_ok=True)
    shutil.copy(growing / "ssh.pub", root / "root/.ssh/authorized_keys")
    run("systemctl", f"--root={root}", "enable", "systemd-networkd", "ssh")
    (root / "etc/machine-id").write_text("")  # each machine makes its own
    for name in ("vmlinuz", "initrd"):
        shutil.copy((root / name if (root / name).exists() else root / f"{name}.img"), growing / name)
    progress("writing its disk")
    with (growing / "disk").open("wb") as file:
        file.truncate(int(_SIZE.removesuffix("G")) << 30)
    run("mkfs.ext4", "-q", "-E", "root_owner=0:0", "-d", str(root), str(growing / "disk"))
    run("rm", "-rf", "--one-file-system", str(root))


def _fetch_wheels(growing: Path, top: Path, requirements: list[Path], progress: Progress) -> None:
    progress("fetching the wheels of the pinned requirements (about 100 MB)")
    pip = str(top / ".venv/bin/pip")
    for file in requirements:
        run(
            pip, "download", "--quiet", "--require-hashes", "--only-binary=:all:", f"--python-version={_PYTHON}",
            "--platform=manylinux_2_28_x86_64", "--platform=manylinux_2_17_x86_64", "--platform=manylinux2014_x86_64",
            f"--dest={growing}", "-r", str(file),
        )  # fmt: skip
