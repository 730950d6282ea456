"""What keeps tests/unit without I/O."""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.rigs.unit_guard import io_done


def _bind() -> None:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))


def _write() -> None:
    with tempfile.TemporaryFile() as file:
        file.write(b"x")


@pytest.mark.parametrize(
    ("act", "named"),
    [
        (_bind, "socket.bind"),
        (_write, "open"),
        (lambda: subprocess.run([sys.executable, "--version"], capture_output=True, check=True), "subprocess.Popen"),
        (lambda: os.mkdir(os.devnull), "os.mkdir"),  # noqa: PTH102 - the call that is audited
        (lambda: Path(os.devnull).write_bytes(b""), "open"),
    ],
)
def test_io_is_seen_even_where_its_error_is_swallowed(act: Callable[[], object], named: str) -> None:
    """A socket, a file, a folder, a process: each is named; what only reads the repository is none."""
    with io_done() as seen, contextlib.suppress(OSError):
        act()
    assert named in {line.partition(" ")[0] for line in seen}
    with io_done() as seen:
        Path(__file__).read_text("utf-8")
    assert seen == []


def test_a_file_object_for_what_is_open_already_is_no_io_of_its_own() -> None:
    """As hypothesis makes one, between two examples, for a file of its folder that it opened by name."""
    reading, writing = os.pipe()
    with io_done() as seen, os.fdopen(reading, "rb"), os.fdopen(writing, "wb"):
        pass
    assert seen == []
