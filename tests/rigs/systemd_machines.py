"""Bare Debian 13 machines with systemd in namespaces of this host's kernel: a second to start, and as fast as it is.

What they can't show, machines under qemu do (tests/rigs/machines.py): a boot, a serial adapter, a clock of their own.
"""

import asyncio
import contextlib
import os
import shutil
import subprocess
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from deploy.local.machine_image import MAC, NAMES, NETWORK, MachineImage
from tests.rigs.machines import Machine
from tests.rigs.waiting import until

_BOOT = r"""
set -e
mount -o ro,loop,noload "$DISK" base
mount -t overlay overlay -o lowerdir=base,upperdir=upper,workdir=work root
cd root
mount -t proc proc proc
# the kernel is this host's: its settings are not theirs to change, but for those of their own network
mount --bind proc/sys proc/sys
mount --bind proc/sys/net proc/sys/net
mount -o remount,ro,bind proc/sys
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs dev
node() { mknod -m 666 "dev/$1" c "$2" "$3"; }
node null 1 3; node zero 1 5; node full 1 7; node random 1 8; node urandom 1 9; node tty 5 0
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,gid=5 devpts dev/pts
ln -s pts/ptmx dev/ptmx; ln -s /proc/self/fd dev/fd
if [ -n "$METER" ]; then touch dev/ttyUSB0; mount --bind "$METER" dev/ttyUSB0; fi
mount -t tmpfs -o mode=755 tmpfs run
mkdir -p srv/wheels srv/shared var/lib/containers
# containers' layers are no layers over ours
mount --bind ../containers var/lib/containers
mount --bind "$WHEELS" srv/wheels; mount --bind "$SHARED" srv/shared
sed -i 's/^wheels .*//' etc/fstab
# where controllers of control groups are version 1's, there is none for processes of a container
if ! grep -q pids sys/fs/cgroup/cgroup.controllers; then
  mkdir -p etc/containers/containers.conf.d
  printf '[containers]\npids_limit = 0\n' > etc/containers/containers.conf.d/namespaces.conf
  mkdir -p etc/containers/systemd/wattline-device.container.d
  printf '%s' "$UNBOUNDED" > etc/containers/systemd/wattline-device.container.d/namespaces.conf
fi
hostname "$NAME"; echo "$NAME" > etc/hostname
# else it may be another machine's, and two Pis one device
echo "$ID" > etc/machine-id
# their one wire is asked of nobody
ln -sf /dev/null etc/systemd/system/systemd-networkd-wait-online.service
pivot_root . mnt
umount -l /mnt
# as systemd has it where it finds no container around it: services' credentials are mounted from within
mount --make-rshared /
# neither this host's clock nor its modules
exec setpriv --bounding-set -sys_time,-sys_module,-sys_boot,-sys_rawio \
  env -i container=namespaces PATH=/usr/sbin:/usr/bin /sbin/init systemd.mask=systemd-resolved.service
"""
UNBOUNDED = "[Container]\nPidsLimit=\n"
"""Takes the bound of processes from our quadlet."""
_HOME = "192.168.7"
_BEHIND = f"""set -eu
printf '[Match]\\nName=eth1\\n[Network]\\nAddress={_HOME}.2/24\\nGateway={_HOME}.1\\nLinkLocalAddressing=no\\n' \\
  > /etc/systemd/network/10-home.network
networkctl reload
until ip -brief address show eth1 | grep -q {_HOME}.2; do sleep 0.1; done
"""
"""What is said to a machine whose wire is a home's."""
_DIALOUT = 20
"""Debian's number of the group that serial ports belong to."""


@dataclass
class SystemdNetwork:
    """Machines of one test and the wire between them, which nobody else reaches; `shared` stands at /srv/shared."""

    image: MachineImage
    folder: Path
    shared: Path
    holder: int = 0

    @contextlib.contextmanager
    def wired(self) -> Iterator[None]:
        """Have the wire while the context lasts: a bridge in a network namespace of its own."""
        with _running(["unshare", "--net", "sleep", "infinity"]) as process:
            self.holder = process.pid
            ours = Path("/proc/self/ns/net").readlink()
            while Path(f"/proc/{self.holder}/ns/net").readlink() == ours:
                assert process.poll() is None
            for wire in ("wire", "home"):
                self._ip("link", "add", wire, "type", "bridge")
                self._ip("link", "set", wire, "up")
            yield

    @contextlib.asynccontextmanager
    async def machine(self, name: str, *, meter: Path | None = None, at_home: bool = False) -> AsyncIterator[Machine]:
        """A machine with a disk of its own, from its start until it is switched off; `meter` is a pty at its port.

        One `at_home` is behind a router: it reaches the wire under the router's address, and nobody there reaches it.
        """
        place = self.folder / name
        for part in ("base", "upper", "work", "root", "containers"):
            (place / part).mkdir(parents=True)
        port = _opened(meter) if meter is not None else ""
        environment = {
            "PATH": os.environ["PATH"], "NAME": name, "DISK": str(self.image.disk),
            "ID": uuid.uuid4().hex,
            "WHEELS": str(self.image.wheels), "SHARED": str(self.shared), "METER": port,
            "UNBOUNDED": UNBOUNDED,
        }  # fmt: skip
        group = _control_group(f"wattline-{os.getpid()}-{name}")
        words = [
            "sh", "-c", f'echo 0 > {group}/cgroup.procs; exec "$@"', "sh", "unshare", "--mount",
            "--uts", "--ipc", "--net", "--pid", "--cgroup", "--fork", "--kill-child", "--mount-proc", "sh", "-c", _BOOT,
        ]  # fmt: skip
        try:
            with (place / "boot.log").open("wb") as log, _running(words, place, environment, log) as process:
                made = await self._up(name, process, place / "boot.log", "home" if at_home else "wire")
                if at_home:
                    self._route()
                    await made.run(_BEHIND)
                yield made
        finally:
            await until(lambda: _removed(group), f"{name} is off")
            await asyncio.to_thread(shutil.rmtree, place, ignore_errors=True)

    async def _up(self, name: str, process: subprocess.Popen[bytes], log: Path, wire: str) -> Machine:
        """Wait until it runs, at that wire."""

        def init() -> int:
            assert process.poll() is None, log.read_text()
            found = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            return int(found[0]) if found and Path(f"/proc/{found[0]}/comm").read_text().strip() == "systemd" else 0

        pid = await until(init, f"systemd of {name}")
        number = NAMES.index(name) + 1
        self._ip(
            "link", "add", f"to{number}", "type", "veth",
            "peer", "name", "eth1", "address", f"{MAC}:0{number}", "netns", str(pid),
        )  # fmt: skip
        self._ip("link", "set", f"to{number}", "master", wire, "up")
        entering = f"nsenter -t {pid} -a --wd=/ /usr/sbin/sshd -i"
        machine = Machine(name, 22, self.image.key, log, proxy=entering)

        async def lets_in() -> bool:
            with contextlib.suppress(AssertionError):
                said = await machine.run("systemctl is-system-running --wait || true", timeout_s=60)
                return said.strip() in ("running", "degraded")
            return False

        await until(lets_in, f"{name} lets root in")
        return machine

    def _route(self) -> None:
        """Be a home's router, as they are: whatever goes out has the router's address."""
        self._ip("address", "add", f"{_HOME}.1/24", "dev", "home")
        self._ip("address", "add", f"{NETWORK}.254/24", "dev", "wire")
        self._there("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
        self._there("iptables", "-t", "nat", "-A", "POSTROUTING", "-o", "wire", "-j", "MASQUERADE")

    def _ip(self, *words: str) -> None:
        self._there("ip", *words)

    def _there(self, *words: str) -> None:
        subprocess.run(["nsenter", f"--net=/proc/{self.holder}/ns/net", *words], check=True, timeout=30)


@contextlib.contextmanager
def _running(
    words: list[str], folder: Path | None = None, environment: dict[str, str] | None = None, log: BinaryIO | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL", *words], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
        stdout=log or subprocess.DEVNULL, stderr=log or subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _opened(meter: Path) -> str:
    """A pty's device, for those who may use serial ports there."""
    port = meter.resolve()
    os.chown(port, 0, _DIALOUT)
    port.chmod(0o660)
    return str(port)


def _control_group(name: str) -> Path:
    """Make a control group, of version 2, that systemd takes for the machine's whole tree."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    top = Path(next(words[1] for words in mounts if words[2] == "cgroup2"))
    for left in top.glob("wattline-*-*"):
        # of a run that was killed
        if not Path("/proc", left.name.split("-")[1]).exists():
            _removed(left)
    (top / name).mkdir()
    return top / name


def _removed(group: Path) -> bool:
    """Remove it with what systemd has made below it; a group whose last process is still ending stays."""
    for folder, _, _ in sorted(os.walk(group, topdown=False)):
        with contextlib.suppress(OSError):
            Path(folder).rmdir()
    return not group.exists()
