"""Bare Debian 13 machines with systemd under qemu, without acceleration: a minute to start, and slow in all they do."""

import asyncio
import contextlib
import os
import shlex
import shutil
import subprocess
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.machine_image import MAC, NAMES, NETWORK, MachineImage
from deploy.local.process import HOST, free_port

_QEMU = "/usr/bin/qemu-system-x86_64"
_START_S = 600.0
_SSH = (
    "-oStrictHostKeyChecking=no", "-oUserKnownHostsFile=/dev/null", "-oLogLevel=ERROR", "-oConnectTimeout=20",
    "-oServerAliveInterval=15", "-oServerAliveCountMax=8",
)  # fmt: skip


@dataclass(frozen=True)
class Machine:
    """A running machine, as root at this host sees it by ssh."""

    name: str
    port: int
    key: Path
    console: Path
    """What it says at its first serial port."""
    proxy: str = ""
    """The command that reaches its ssh server, where no port of this host does."""

    @property
    def address(self) -> str:
        """... on the machines' own network."""
        return f"{NETWORK}.{NAMES.index(self.name) + 1}"

    @property
    def ssh(self) -> tuple[str, ...]:
        """The words that log in."""
        return ("ssh", "-i", str(self.key), f"-p{self.port}", *_SSH, *self._by_proxy, f"root@{self._host}")

    @property
    def inventory(self) -> str:
        """Its line in an inventory of Ansible's."""
        options = shlex.join((*_SSH, *self._by_proxy)).replace("'", '"')
        return (
            f"{self.name} ansible_host={self._host} ansible_port={self.port} ansible_user=root "
            f"ansible_ssh_private_key_file={self.key} ansible_ssh_common_args='{options}'"
        )

    @property
    def _host(self) -> str:
        # Ansible keeps a connection by host and port, and would take one machine's for another's
        return self.name if self.proxy else HOST

    @property
    def _by_proxy(self) -> tuple[str, ...]:
        return (f"-oProxyCommand={self.proxy}",) if self.proxy else ()

    async def run(self, *words: str, timeout_s: float = 300.0) -> str:
        """Run a command there, by a shell; raises AssertionError with its last words where it fails."""
        command = shlex.join(words) if len(words) > 1 else words[0]
        process = await asyncio.create_subprocess_exec(
            *self.ssh, command, stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            async with asyncio.timeout(timeout_s):
                said, wrong = await process.communicate()
        except TimeoutError:
            process.kill()
            raise
        if process.returncode:
            last = (wrong or said).decode(errors="replace")[-3000:]
            raise AssertionError(f"{self.name}: {command} failed ({process.returncode}): {last}")
        return said.decode(errors="replace")


@dataclass
class Network:
    """What machines of one test share: a wire of their own, on this host's loopback."""

    image: MachineImage
    folder: Path
    port: int = field(default_factory=free_port)

    @contextlib.asynccontextmanager
    async def machine(
        self, name: str, *, memory_mib: int = 1024, processors: int = 2, meter: Path | None = None
    ) -> AsyncIterator[Machine]:
        """A machine with a disk of its own, from its start until it is switched off; `meter` is a pty at its USB."""
        disk = self.folder / f"{name}.disk"
        await asyncio.to_thread(_copy, self.image.disk, disk)
        machine = Machine(name, free_port(), self.image.key, self.folder / f"{name}.console")
        with machine.console.open("wb") as console:
            process = subprocess.Popen(  # noqa: ASYNC220  (bound to no loop)
                ["setpriv", "--pdeathsig", "KILL", "nice", "-n", "15", *self._command(machine, disk, memory_mib,
                 processors, meter)],
                stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True,
            )  # fmt: skip
        try:
            await _up(machine, process)
            yield machine
        finally:
            process.kill()
            process.wait()
            disk.unlink(missing_ok=True)

    def _command(
        self, machine: Machine, disk: Path, memory_mib: int, processors: int, meter: Path | None
    ) -> Sequence[str]:
        number = NAMES.index(machine.name) + 1
        at_meter = () if meter is None else (
            "-device", "qemu-xhci", "-chardev", f"serial,id=meter,path={meter.resolve()}",
            "-device", "usb-serial,chardev=meter",
        )  # fmt: skip
        return (
            _QEMU, "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", str(processors), "-m", str(memory_mib),
            "-nographic", "-no-user-config", "-monitor", "none", "-kernel", str(self.image.kernel),
            "-initrd", str(self.image.initrd), "-append",
            f"root=/dev/vda rw console=ttyS0 net.ifnames=0 systemd.hostname={machine.name} quiet mitigations=off",
            "-drive", f"file={disk},format=raw,if=virtio,cache=unsafe",
            "-netdev", f"user,id=host,restrict=on,hostfwd=tcp:{HOST}:{machine.port}-:22",
            "-device", "virtio-net-pci,netdev=host",
            "-netdev", f"socket,id=own,mcast=230.0.0.1:{self.port},localaddr={HOST}",
            "-device", f"virtio-net-pci,netdev=own,mac={MAC}:0{number}",
            "-virtfs", f"local,path={self.image.wheels},mount_tag=wheels,security_model=none,readonly=on",
            "-device", "virtio-rng-pci", *at_meter,
        )  # fmt: skip


def _copy(disk: Path, to: Path) -> None:
    subprocess.run(["cp", "--sparse=always", "--reflink=auto", disk, to], check=True)


async def _up(machine: Machine, process: subprocess.Popen[bytes]) -> None:
    """Wait until it lets root in."""
    async with asyncio.timeout(_START_S):
        while True:
            assert process.poll() is None, (
                f"{machine.name} ended: {machine.console.read_text(errors='replace')[-2000:]}"
            )
            with contextlib.suppress(AssertionError, TimeoutError):
                await machine.run("systemctl is-system-running --wait || true", timeout_s=180)
                return
            await asyncio.sleep(1)


def tools_on_path() -> dict[str, str]:
    """This process's environment without settings of Wattline's."""
    assert shutil.which("ssh")
    return {name: value for name, value in os.environ.items() if not name.startswith("WATTLINE_")}
