"""Meters with habits out of bug reports, on a pty, read by the agent's own line and sign-on."""

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.field
async def test_every_reported_habit_is_read(field: Path) -> None:
    """Rates that are proposed and not followed, late answers, pauses, parity bits, odd identifications, noise."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(field / "cases" / "iec-line-habits.py"), cwd=ROOT, stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    async with asyncio.timeout(240):
        output, _ = await process.communicate()
    tries = [line for line in output.decode().splitlines() if re.search(r" try \d+: ", line)]
    assert process.returncode == 0
    assert len(tries) >= 14
    assert [line for line in tries if "frame" not in line] == []
