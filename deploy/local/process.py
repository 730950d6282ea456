"""One server process of the local stack: its start, its end, and the certainty that it does not outlive its owner."""

import asyncio
import errno
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from broker.errors import TransientError
from deploy.local.settings import server_account

HOST = "127.0.0.1"
_POLL_S = 0.01
_GONE_S = 10.0
_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
_FIRST_PORT = 10_000
_locks: deque[int] = deque(maxlen=128)
_SERVERS = ("postgres", "mosquitto", "ld-linux", "node")
"""How the names of programs begin that may be killed; those of the provided root run as their loader."""


class ServerError(TransientError):
    """A server that did not start, or did not end; `log` holds its last words."""

    def __init__(self, program: str, reason: str, log: str = "") -> None:
        super().__init__(f"{program} {reason}" + (f": {log}" if log else ""))
        self.program = program
        self.reason = reason
        self.log = log


class ServerProcess:
    """A program with its own working folder and log file, started under the servers' account or `as_owner`.

    It runs in a session of its own, so that Ctrl-C on the terminal reaches its owner only, and the kernel sends
    it `orphan_signal` when the owner dies. It is bound to no event loop: a fixture may start it in one loop and a
    test stop it in another.
    """

    def __init__(
        self, command: Sequence[str | Path], folder: Path, *, orphan_signal: str, as_owner: bool = False
    ) -> None:
        self.command = [str(word) for word in command]
        self.folder = folder
        self.name = Path(self.command[0]).name
        self.log_path = folder.with_name(f"{folder.name}.log")
        self._orphan_signal = orphan_signal
        self._as_owner = as_owner
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """Its process id while it lives."""
        return self._process.pid if self._process and self.running else None

    async def start(self, ready: Callable[[], Awaitable[bool]], *, timeout_s: float) -> None:
        """Start it and wait until `ready` holds, which asks the server itself. Raises ServerError."""
        offset = self.log_path.stat().st_size if self.log_path.exists() else 0
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: ASYNC220  (bound to no loop, see the class)
                [*_as_server(self._orphan_signal, as_owner=self._as_owner), *self.command],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            async with asyncio.timeout(timeout_s):
                while self.running and not await ready():
                    await asyncio.sleep(_POLL_S)
        except TimeoutError as error:
            await self.kill()
            raise ServerError(self.name, f"was not ready in {timeout_s:g} s", self.log_tail(offset)) from error
        except asyncio.CancelledError:
            await self.kill()
            raise
        if not self.running:
            raise ServerError(self.name, "ended at its start", self.log_tail(offset))

    async def stop(self, number: signal.Signals, *, timeout_s: float) -> None:
        """End it with this signal and wait; past the time it is killed and ServerError is raised."""
        if self._process is None or not self.running:
            return
        self._process.send_signal(number)
        if not await self._gone(timeout_s):
            await self.kill()
            raise ServerError(self.name, f"did not end in {timeout_s:g} s", self.log_tail(0))

    async def kill(self) -> None:
        """End it and its children at once, as kill -9 and the loss of power do."""
        kill_servers_in(self.folder)
        if self._process is not None:
            self._process.kill()
            await self._gone(10.0)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal. Raises ServerError where it does not run."""
        if self._process is None or not self.running:
            raise ServerError(self.name, "does not run")
        self._process.send_signal(number)

    def log_tail(self, offset: int, lines: int = 12) -> str:
        """The last lines of its log after this byte."""
        try:
            with self.log_path.open("rb") as file:
                file.seek(offset)
                return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])
        except FileNotFoundError:
            return ""

    async def _gone(self, timeout_s: float) -> bool:
        try:
            await until(lambda: not self.running, timeout_s=timeout_s)
        except TimeoutError:
            return False
        return True


async def until(condition: Callable[[], bool], *, timeout_s: float) -> None:
    """Wait for something that another process does and cannot announce. Raises TimeoutError."""
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(_POLL_S)


def quiet_ports(ephemeral: int) -> range:
    """The ports below the first that the kernel gives to outgoing connections; all, if it leaves hardly any."""
    return range(_FIRST_PORT, ephemeral if ephemeral >= 2 * _FIRST_PORT else 65_536)


def free_port() -> int:
    """A TCP port of the loopback that nobody uses, and that no other process gets from here while this one lives.

    It is drawn from below the ports that the kernel hands to outgoing connections: one of those may be taken by
    anybody's connection before its server listens, or while the server restarts. Between processes that ask here
    an abstract Unix socket by the port's name is the lock (unix(7)); the kernel drops it with its process. Only the
    latest are held, for descriptors are few.
    """
    ports = quiet_ports(int(_EPHEMERAL.read_text().split()[0]))
    while True:
        port = secrets.choice(ports)
        lock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            lock.bind(f"\0wattline-port-{port}")
            with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
                probe.bind((HOST, port))
        except OSError as error:
            lock.close()
            if error.errno != errno.EADDRINUSE:
                raise
            continue
        if len(_locks) == _locks.maxlen:
            os.close(_locks.popleft())
        _locks.append(lock.detach())
        return port


def own(path: Path) -> None:
    """Give a file or folder to the servers' account."""
    account = server_account()
    if account is not None:
        os.chown(path, account.pw_uid, account.pw_gid)


def run_as_server(command: Sequence[str | Path], *, timeout_s: float) -> None:
    """Run a program to its end under the servers' account. Raises ServerError."""
    words = [*_as_server(None), *(str(word) for word in command)]
    done = subprocess.run(words, cwd="/", capture_output=True, text=True, check=False, timeout=timeout_s)
    if done.returncode:
        raise ServerError(Path(command[0]).name, "failed", (done.stderr or done.stdout).strip()[-2000:])


def kill_servers_in(folder: Path) -> int:
    """Kill every server whose working folder is this one or below it and see it gone; returns how many there were.

    PostgreSQL's children stay in its data folder, so this finds those whose postmaster is gone as well.
    """
    deadline = time.monotonic() + _GONE_S
    killed = 0
    while (found := _kill_once(str(folder.resolve()))) and time.monotonic() < deadline:
        killed = max(killed, found)
        time.sleep(_POLL_S)
    return killed


def _kill_once(inside: str) -> int:
    killed = 0
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            place = str((entry / "cwd").readlink()).removesuffix(" (deleted)")
            program = (entry / "exe").readlink().name
            if (place == inside or place.startswith(inside + "/")) and program.startswith(_SERVERS):
                os.kill(int(entry.name), signal.SIGKILL)
                killed += 1
        except OSError:
            # It ended meanwhile, or belongs to somebody else.
            continue
    return killed


def _as_server(orphan_signal: str | None, *, as_owner: bool = False) -> list[str]:
    account = None if as_owner else server_account()
    words = ["--pdeathsig", orphan_signal] if orphan_signal else []
    if account is not None:
        words += ["--reuid", str(account.pw_uid), "--regid", str(account.pw_gid), "--clear-groups"]
    if not words:
        return []
    setpriv = shutil.which("setpriv") or "/usr/bin/setpriv"
    if not Path(setpriv).exists():
        raise ServerError("setpriv", "is missing: install util-linux")
    return [setpriv, *words]
