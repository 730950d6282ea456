"""What a unit test opened, started or wrote beyond its own memory, by Python's audit (PEP 578)."""

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any

_ELSEWHERE = frozenset({
    "socket.bind", "socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.fork", "os.posix_spawn", "os.system",
    "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.truncate", "os.link", "os.symlink", "pty.spawn",
})  # fmt: skip
"""What a unit test has no business with; the self-pipe of an event loop is a socketpair, which is not among these."""
_TOOLS = (".hypothesis", "__pycache__", ".pytest_cache")
"""Folders that the tools which run the tests write at any time."""
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_watched: list[list[str]] = []


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if not _watched or (event not in _ELSEWHERE and event != "open"):
        return
    if any(tool in str(argument) for argument in arguments[:2] for tool in _TOOLS):
        return
    if event == "open" and isinstance(arguments[0], int):
        return  # what is open already was judged as it was opened: so do tools with the temporary files of theirs
    if event != "open" or arguments[2] & _WRITES:
        _watched[-1].append(f"{event} {arguments[0]!r}")


sys.addaudithook(_audit)  # one for the process, which Python takes back from nobody


@contextlib.contextmanager
def io_done() -> Iterator[list[str]]:
    """The I/O of what runs inside, however it ended; of two contexts the inner one takes it."""
    _watched.append([])
    try:
        yield _watched[-1]
    finally:
        _watched.pop()
