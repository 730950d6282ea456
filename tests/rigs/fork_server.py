"""`python -m tests.rigs.fork_server IMAGE`: has imported our programs once, and forks a process for each start.

It listens on the socket that `tests/rigs/forking.py` hands it as its standard input. A connection is a process: what is
to run and the process's three standard files come in, its id goes out, and in the end its exit status. Who closes the
connection, as the kernel does for the dead, kills the process. Without a connection the server ends.

It has one thread, no event loop and no file of its own open when it forks, so that the child is what a fresh
interpreter is after its imports. Its main module then returns into the child's program, which ends as all do: threads
are waited for, `atexit` is obeyed, what is unsaid is written.
"""

import array
import ctypes
import gc
import importlib
import json
import os
import random
import runpy
import selectors
import signal
import socket
import struct
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

IMAGES: Final = {
    "platform": (
        "gateway.service", "gateway.__main__", "ingestor.service", "ingestor.__main__", "ingestor.worker.service",
        "intake.hooks.service", "intake.hooks.__main__", "intake.bridge.service", "outlet.service", "outlet.__main__",
        "cli.__main__",
    ),
    # first what an agent does without, see device/light_imports.py
    "device": ("device.__main__", "device.service", "cli.__main__"),
    "bare": (),
}  # fmt: skip
"""What each has imported: an agent's libraries are others than a server's."""
LENGTH: Final = struct.Struct("!I")
NUMBER: Final = struct.Struct("!i")
"""A process's id, and its exit status: as Python has it, -9 for SIGKILL."""
_FIRST_ASKER_S: Final = 60.0
_ASKED_WITHIN_S: Final = 10.0
_STANDARD_FILES: Final = 3
_PR_SET_PDEATHSIG: Final = 1


@dataclass
class _Connection:
    """One process, once it was asked for."""

    socket: socket.socket
    pidfd: int = -1
    pid: int = 0


@dataclass
class _Server:
    listener: socket.socket
    selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    connections: list[_Connection] = field(default_factory=list)

    def serve(self) -> dict[str, Any] | None:
        """Serve until nobody is connected, then None; in each child what it is to run, its standard files in place."""
        self.selector.register(self.listener, selectors.EVENT_READ)
        within_s: float | None = _FIRST_ASKER_S
        while events := self.selector.select(within_s):
            for key, _ in events:
                if key.data is None:
                    self._accept()
                elif key.fileobj == key.data.pidfd:
                    self._ended(key.data)
                elif (asked := self._heard(key.data)) is not None:
                    return asked
            if not self.connections:
                break
            within_s = None
        return None

    def _accept(self) -> None:
        connection = _Connection(self.listener.accept()[0])
        found = connection.socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        _, user, _ = struct.unpack("3i", found)
        if user != os.geteuid():
            connection.socket.close()
            return
        # who stands still in the middle of asking holds up the others no longer than this
        connection.socket.settimeout(_ASKED_WITHIN_S)
        self.connections.append(connection)
        self.selector.register(connection.socket, selectors.EVENT_READ, connection)

    def _heard(self, connection: _Connection) -> dict[str, Any] | None:
        try:
            asked, files = _received(connection.socket)
        except (EOFError, OSError):
            self.selector.unregister(connection.socket)
            if connection.pidfd >= 0:
                signal.pidfd_send_signal(connection.pidfd, signal.SIGKILL)
            else:
                self._forget(connection)
            return None
        parent, pid = os.getpid(), os.fork()
        if pid == 0:
            self._close()
            _stand_in(asked, files, parent)
            return asked
        for file in files:
            os.close(file)
        connection.pid, connection.pidfd = pid, os.pidfd_open(pid)
        self.selector.register(connection.pidfd, selectors.EVENT_READ, connection)
        _say(connection.socket, pid)
        return None

    def _ended(self, connection: _Connection) -> None:
        _, status = os.waitpid(connection.pid, 0)
        _say(connection.socket, os.waitstatus_to_exitcode(status))
        self.selector.unregister(connection.pidfd)
        os.close(connection.pidfd)
        if connection.socket in self.selector.get_map():
            self.selector.unregister(connection.socket)
        self._forget(connection)

    def _close(self) -> None:
        """In the child: let go of the server's files, else each is closed with its object, whatever has its number."""
        self.selector.close()
        self.listener.close()
        for connection in self.connections:
            connection.socket.close()
            if connection.pidfd >= 0:
                os.close(connection.pidfd)

    def _forget(self, connection: _Connection) -> None:
        connection.socket.close()
        self.connections.remove(connection)


def _say(to: socket.socket, number: int) -> None:
    try:
        to.sendall(NUMBER.pack(number))
    except OSError:
        return  # it is gone, and its process is killed for it


def _received(connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
    head, ancillary, _, _ = connection.recvmsg(LENGTH.size, socket.CMSG_SPACE(_STANDARD_FILES * NUMBER.size))
    files = array.array("i")
    for _, _, data in ancillary:
        files.frombytes(data)
    if len(head) < LENGTH.size:
        raise EOFError
    (left,) = LENGTH.unpack(head)
    body = b""
    while len(body) < left:
        part = connection.recv(left - len(body))
        if not part:
            raise EOFError
        body += part
    return json.loads(body), list(files)


def _stand_in(asked: dict[str, Any], files: list[int], parent: int) -> None:
    """In the child: become the process that was asked for, before it runs."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    if asked["new_session"]:
        os.setsid()
    for number, file in enumerate(files):
        os.dup2(file, number)
    os.closerange(_STANDARD_FILES, os.sysconf("SC_OPEN_MAX"))
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    random.seed()


def run(asked: dict[str, Any]) -> None:
    """Run a module as `python -m` does, in the working folder that is set."""
    module = asked["module"]
    sys.argv = [module, *asked["arguments"]]
    sys.path[0] = str(Path.cwd())
    # it is about to run under the name of __main__, and runpy warns of what is imported already
    for name in (module, f"{module}.__main__"):
        if name in IMAGES["platform"] + IMAGES["device"]:
            sys.modules.pop(name, None)
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def main() -> None:
    """Import, then serve."""
    listener = socket.socket(fileno=os.dup(sys.stdin.fileno()))
    os.dup2(os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC), sys.stdin.fileno())
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in IMAGES[sys.argv[1]]:
        importlib.import_module(name)
    threads = len(list(Path("/proc/self/task").iterdir()))
    if threads > 1:
        sys.exit(f"{sys.argv[1]}: {threads} threads after its imports, which a fork would lose")
    gc.collect()
    gc.freeze()
    asked = _Server(listener).serve()
    if asked is not None:
        run(asked)


if __name__ == "__main__":
    main()
