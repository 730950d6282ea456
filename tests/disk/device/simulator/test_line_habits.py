"""Meters with habits out of bug reports, on a pty, read by the agent's own line and sign-on."""

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[4]
MOVED = {
    "device.line": "device.ports.line",
    "device.readout": "device.ports.readout",
    "meters.iec62056_signon": "meters.wires.iec62056_signon",
}
"""Modules by the names that the script of the reports knows, and where they are."""
RUN = """
import importlib, runpy, sys
for name in sys.argv[2:]:
    before, now = name.split("=")
    sys.modules[before] = importlib.import_module(now)
runpy.run_path(sys.argv[1], run_name="__main__")
"""


@pytest.mark.field
async def test_every_reported_habit_is_read(field: Path) -> None:
    """Rates that are proposed and not followed, late answers, pauses, parity bits, odd identifications, noise."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", RUN, str(field / "cases" / "iec-line-habits.py"), *(f"{a}={b}" for a, b in MOVED.items()),
        cwd=ROOT, stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    async with asyncio.timeout(240):
        output, _ = await process.communicate()
    tries = [line for line in output.decode().splitlines() if re.search(r" try \d+: ", line)]
    assert process.returncode == 0
    assert len(tries) >= 14
    assert [line for line in tries if "frame" not in line] == []
