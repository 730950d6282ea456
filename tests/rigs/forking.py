"""Our own programs as processes of their own, forked in hundredths of a second where nothing speaks against it.

An interpreter spends one to three seconds of a processor on its imports, which is most of what a process costs that a
test starts and kills. `start` asks a server (`tests/rigs/fork_server.py`) that has done them; the servers are as long
there as a process that has asked them, and all workers of a run of the tests share them.
"""

import asyncio
import atexit
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tests.rigs.fork_server import LENGTH, NUMBER

ROOT: Final = Path(__file__).resolve().parents[2]
PIPE: Final = asyncio.subprocess.PIPE
DEVNULL: Final = asyncio.subprocess.DEVNULL
STDOUT: Final = asyncio.subprocess.STDOUT
Process = asyncio.subprocess.Process
_AT_START: Final = ("PYTHON", "LD_", "LC_", "LANG", "TZ", "MALLOC_", "GLIBC_", "SSL_", "OPENSSL_", "COVERAGE", "COV_")
"""How the names of variables begin that act when an interpreter starts or a library is loaded."""
_RUN: Final = "TESTS_FORK_SERVERS"
_AS_BEGUN: Final = {name: value for name, value in os.environ.items() if name.startswith(_AT_START)}
_ALONE: Final = {"JE_ARROW_MALLOC_CONF": "background_thread:false"}
"""pyarrow has a thread from its import on, which a fork would lose."""
_PLATFORM: Final = ("gateway", "ingestor", "intake", "outlet", "cli")
_askers: dict[str, socket.socket] = {}


class Forked(Process):
    """A process that was forked: to its owner one as any other."""

    def __init__(self, pid: int, connection: socket.socket) -> None:  # without its parent's, which asks the event loop
        self.pid = pid
        self.stdin: asyncio.StreamWriter | None = None
        self.stdout: asyncio.StreamReader | None = None
        self.stderr: asyncio.StreamReader | None = None
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[int] = self._loop.create_future()
        connection.setblocking(False)
        self._loop.add_reader(connection, self._read)

    def _read(self) -> None:
        try:
            said = self._connection.recv(NUMBER.size)
        except BlockingIOError:
            return
        except ConnectionError:
            said = b""
        self._loop.remove_reader(self._connection)
        self._connection.close()
        # the kernel kills it with its server
        self._ended.set_result(NUMBER.unpack(said)[0] if said else -signal.SIGKILL)

    @property
    def returncode(self) -> int | None:
        """Its exit status once it has ended, negative for a signal."""
        return self._ended.result() if self._ended.done() else None

    async def wait(self) -> int:
        """Wait until it has ended."""
        return await asyncio.shield(self._ended)

    def send_signal(self, number: int) -> None:
        """Send it a signal. Raises ProcessLookupError where it has ended."""
        if self.returncode is not None:
            raise ProcessLookupError
        # one that has ended and of which we have not heard yet, as a process that nobody has waited for takes it
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send it SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send it SIGKILL."""
        self.send_signal(signal.SIGKILL)

    async def communicate(
        self,
        input: bytes | bytearray | memoryview | None = None,  # noqa: A002 - its name there
    ) -> tuple[bytes, bytes]:
        """Give it its input, and take all that it says, until it has ended; a file that is no pipe says nothing."""
        reading = [one.read() for one in (self.stdout, self.stderr) if one is not None]
        *read, _ = await asyncio.gather(*reading, self._feed(input))
        said = iter(read)
        await self.wait()
        return next(said) if self.stdout else b"", next(said) if self.stderr else b""

    async def _feed(self, given: bytes | bytearray | memoryview | None) -> bytes:
        if self.stdin is not None:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self.stdin.write(given or b"")
                await self.stdin.drain()
            self.stdin.close()
        return b""


async def start(
    module: str,
    *arguments: str,
    cwd: Path = ROOT,
    env: Mapping[str, str] | None = None,
    stdin: Any = None,
    stdout: Any = None,
    stderr: Any = None,
    start_new_session: bool = False,
    executed: bool = False,
) -> Process:
    """Start what `python -m module` starts, with the parameters of `asyncio.create_subprocess_exec`.

    It is executed, not forked, for a test that asks for it, as one that measures memory must; in another tree than
    this; and where its environment differs from ours in what acts when an interpreter starts.
    """
    environment = dict(os.environ if env is None else env)
    if executed or not forkable(cwd, environment):
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", module, *arguments, cwd=cwd, env=environment,
            stdin=stdin, stdout=stdout, stderr=stderr, start_new_session=start_new_session,
        )  # fmt: skip
    request = {
        "module": module,
        "arguments": arguments,
        "cwd": str(cwd),
        "environment": environment,
        "new_session": start_new_session,
    }
    with contextlib.ExitStack() as theirs:
        files, ours = _opened((stdin, stdout, stderr), theirs)
        pid, connection = await asyncio.to_thread(_asked, _image(module, arguments), request, files)
    process = Forked(pid, connection)
    await _join(process, ours)
    return process


async def said(module: str, *arguments: str, given: bytes = b"", **more: Any) -> tuple[int | None, str]:
    """Run it to its end: its status, and what it wrote, errors last; `more` is as for `start`."""
    process = await start(module, *arguments, stdin=PIPE, stdout=PIPE, stderr=PIPE, **more)
    async with asyncio.timeout(60):
        out, err = await process.communicate(given)
    return process.returncode, (out + err).decode()


def forkable(cwd: Path, environment: Mapping[str, str]) -> bool:
    """Whether a process of this environment is what one that was executed would be."""
    other_tree = cwd.resolve() != ROOT and (cwd / "broker").exists()
    return (
        not other_tree
        and {name: value for name, value in environment.items() if name.startswith(_AT_START)} == _AS_BEGUN
    )


def _image(module: str, arguments: tuple[str, ...]) -> str:
    if module == "device" or (module == "cli" and arguments[:1] == ("device",)):
        return "device"
    return "platform" if module.partition(".")[0] in _PLATFORM else "bare"


def _opened(asked: tuple[Any, Any, Any], theirs: contextlib.ExitStack) -> tuple[list[int], list[int | None]]:
    """The files of the process, and our ends of its pipes."""
    files: list[int] = []
    ours: list[int | None] = [None] * 3
    for number, one in enumerate(asked):
        if one is None:
            files.append(number)
        elif one == STDOUT:
            files.append(files[1])
        elif one == DEVNULL:
            files.append(os.open(os.devnull, os.O_RDWR))
            theirs.callback(os.close, files[-1])
        elif one == PIPE:
            reading, writing = os.pipe()
            files.append(writing if number else reading)
            theirs.callback(os.close, files[-1])
            ours[number] = reading if number else writing
        else:
            files.append(one if isinstance(one, int) else one.fileno())
    return files, ours


async def _join(process: Forked, ours: list[int | None]) -> None:
    loop = asyncio.get_running_loop()
    readers: list[asyncio.StreamReader | None] = []
    for end in ours[1:]:
        if end is None:
            readers.append(None)
            continue
        reader = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda of=reader: asyncio.StreamReaderProtocol(of), os.fdopen(end, "rb", 0))
        readers.append(reader)
    process.stdout, process.stderr = readers
    if ours[0] is not None:
        protocol = asyncio.StreamReaderProtocol(asyncio.StreamReader())
        transport, _ = await loop.connect_write_pipe(lambda: protocol, os.fdopen(ours[0], "wb", 0))
        process.stdin = asyncio.StreamWriter(transport, protocol, None, loop)


def _asked(image: str, request: dict[str, Any], files: list[int]) -> tuple[int, socket.socket]:
    if image not in _askers:
        # the server stays while this process does
        _askers[image] = _connected(image)
        atexit.register(_askers[image].close)
    connection = _connected(image)
    body = json.dumps(request).encode()
    socket.send_fds(connection, [LENGTH.pack(len(body))], files)
    connection.sendall(body)
    said = connection.recv(NUMBER.size)
    if not said:
        connection.close()
        raise RuntimeError(f"the fork server {image} ended: its error output says why")
    return NUMBER.unpack(said)[0], connection


def _connected(image: str) -> socket.socket:
    """A connection to the server of this run, which is started where there is none: its abstract name is the lock."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID") or os.environ.setdefault(_RUN, str(os.getpid()))
    name = f"\0wattline-forks-{run}-{image}"
    while True:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.connect(name)
        except ConnectionRefusedError:
            connection.close()
        else:
            return connection
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener, contextlib.suppress(OSError):
            listener.bind(name)
            listener.listen(128)
            _serve(image, listener)


def _serve(image: str, listener: socket.socket) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.rigs.fork_server", image],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith(_AT_START)} | _AS_BEGUN | _ALONE,
        stdin=listener,
        # Ctrl-C on the terminal is for its askers
        start_new_session=True,
    )
    # it ends once nobody is connected: not to be waited for, nor warned of
    process.returncode = 0
