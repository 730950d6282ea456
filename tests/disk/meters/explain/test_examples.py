"""The captures that ship, and README's commands on them."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.rigs.examples import EXAMPLES, FOLDER
from tests.rigs.pages import TOP, blocks, commands, section

(BLOCK,) = blocks(section("README.md", "What do these bytes mean?"))


def test_the_captures_are_our_encoders_own() -> None:
    """No byte of a real meter ships: each file is what tests/rigs/examples.py makes."""
    assert {path.name: path.read_bytes() for path in FOLDER.glob("*.bin")} == EXAMPLES


@pytest.mark.parametrize("command", commands(BLOCK))
def test_readme_s_command_works_as_it_stands(command: str) -> None:
    """From the top of a clone, on the first try."""
    line = command.replace(".venv/bin/wattline", str(Path(sys.executable).with_name("wattline")))
    done = subprocess.run(["sh", "-c", line], cwd=TOP, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1234.567" in done.stdout
    assert ("✗" in done.stdout) is ("damaged" in command)


def test_every_capture_is_shown() -> None:
    """None ships that nobody is told of."""
    assert all(name in BLOCK for name in EXAMPLES)
