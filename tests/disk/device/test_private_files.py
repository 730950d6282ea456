"""What a household's meter said is nobody else's on the Pi: modes of the agent's files after a real run."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from tests.rigs.waiting import until

ROOT = Path(__file__).resolve().parents[3]


@contextlib.asynccontextmanager
async def started(*words: str, **environment: str) -> AsyncIterator[None]:
    """A command of `wattline` under a shell's usual umask; leaving ends it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "cli", *words, cwd=ROOT, env={**os.environ, **environment}, umask=0o022,
        stderr=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield
    finally:
        process.terminate()
        await process.wait()


def open_to_others(folder: Path) -> list[str]:
    """What of a folder another account can read or write."""
    found = [path for path in folder.rglob("*") if not path.is_symlink() and path.stat().st_mode & 0o077]
    return sorted(path.relative_to(folder).as_posix() for path in found)


def reached_by_others(folder: Path) -> list[str]:
    """The same of what stands right in it: nobody gets through a folder that is closed."""
    return [name for name in open_to_others(folder) if "/" not in name]


async def test_no_other_account_reads_what_an_agent_keeps(tmp_path: Path) -> None:
    """New files are the agent's own, and what an older agent left open is closed by the next start."""
    meter, data = tmp_path / "meter", tmp_path / "data"
    data.mkdir(mode=0o755)
    agent = {
        "WATTLINE_DEVICE_DEVICE_ID": "pi-1",
        "WATTLINE_DEVICE_DATA_FOLDER": str(data),
        "WATTLINE_DEVICE_PORTS": str(meter),
        "WATTLINE_DEVICE_BROKER__PORT": "1",
        "WATTLINE_DEVICE_HTTP_PORT": "0",
    }

    def kept() -> bool:
        return any((data / "outbox").glob("*.seg")) and any((data / "held").rglob("*"))

    async with started("simulate", "--protocol", "p1", "--link", str(meter)):
        async with started("device", **agent):
            await until(kept, "what was read is kept on disk", timeout_s=120)
        assert open_to_others(data) == []
        before = sorted(path.name for path in data.iterdir())
        for path in data.rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o644)
        strange = data / "notes.txt"
        strange.touch(mode=0o644)
        async with started("device", **agent):
            await until(lambda: reached_by_others(data) == ["notes.txt"], "only what is no agent's stays open")
    assert {"outbox", "held"} <= set(before)
