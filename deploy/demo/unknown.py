"""The demo's unknown meter: frames kept, a spec drafted and published by `wattline spec`, history filled."""

import asyncio
import os
import re
import shlex
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from broker.errors import PermanentError
from deploy.demo.platform import Platform
from deploy.demo.witness import Witness
from store.sql import Connection

DEVICE = "pi-east"
SPEC = "qvx-enova-s1"
REF = f"{SPEC}@1"
FRAMES_FIRST = 10
"""Frames that are kept before an engineer looks."""
WITHIN_S = 60.0
COMMAND_S = 60.0

KEPT = """
SELECT m.key, count(*) AS frames FROM frame f JOIN meter m ON m.id = f.meter_id JOIN device d ON d.id = m.device_id
WHERE d.name = $1 AND f.kind = 'frame' GROUP BY m.key
"""
FIRST_LIVE = """
SELECT extract(epoch FROM min(e.stored_at) - s.published_at)::float8
FROM spec s JOIN message e ON e.spec = s.name || '@' || s.version
WHERE s.name || '@' || s.version = $1 GROUP BY s.published_at
"""
REDECODED = """
SELECT count(*) FROM reading r JOIN series s ON s.id = r.series_id JOIN meter m ON m.id = s.meter_id
JOIN reading_source o ON o.id = r.source WHERE m.key = $1 AND o.source = 'redecoded'
"""
IMPORTED = """
SELECT r.time, r.value FROM reading r JOIN series s ON s.id = r.series_id JOIN meter m ON m.id = s.meter_id
WHERE m.key = $1 AND s.obis = '1-0:1.8.0'
"""
_IMPORT = re.compile(rb"1-0:1\.8\.0\*255\((\d+\.\d+)\)")


class Unknown(BaseModel):
    """What came of the unknown meter; times in seconds, readings are single values."""

    model_config = ConfigDict(frozen=True)

    frames_kept: int
    first_live_reading_after_s: float | None
    redecoded_readings: int
    history_complete: bool


@dataclass(frozen=True, slots=True)
class Engineer:
    """Who meets the meter, with nothing but the commands that README shows."""

    platform: Platform
    say: Callable[[str], None]

    async def meet(self, connection: Connection) -> None:
        """Wait for frames, draft a spec from them and publish it. Raises PermanentError where a command fails."""
        await _until(self._has_frames(connection))
        file = self.platform.folder / "new.yaml"
        await self._run("spec", "unknown")
        text = await self._run("spec", "draft", "--from-frames", "--name", SPEC, to=file)
        file.write_text(text)
        await self._run("spec", "validate", str(file))
        await self._run("spec", "add", str(file), "--publish", "--reason", "first seen at pi-east")
        await _until(_has_live(connection))

    async def _has_frames(self, connection: Connection) -> None:
        while True:
            row = await connection.fetchrow(KEPT, DEVICE)
            if row is not None and row["frames"] >= FRAMES_FIRST:
                self.say(f"· {DEVICE}: nobody knows {row['key']}; {row['frames']} frames are kept")
                return
            await asyncio.sleep(0.2)

    async def _run(self, *words: str, to: Path | None = None) -> str:
        """Run `wattline` and show what it says, or where its output goes."""
        self.say(f"$ wattline {shlex.join(words)}{f' > {shlex.quote(str(to))}' if to else ''}")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "cli", *words),
            env=os.environ | {"WATTLINE_URL": self.platform.api.url, "WATTLINE_TOKEN": self.platform.api.token},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(COMMAND_S):
            out, err = await process.communicate()
        if process.returncode:
            raise PermanentError(f"wattline {' '.join(words)} failed: {err.decode().strip()}")
        if to is None:
            self.say(out.decode().rstrip())
        return out.decode()


async def wait_for_history(connection: Connection, witness: Witness) -> None:
    """Wait until the frames have become readings, or the deadline; the report tells."""
    while not await _is_complete(connection, witness):
        await asyncio.sleep(0.2)


async def make_unknown(connection: Connection, witness: Witness) -> Unknown:
    """What the store has of the meter, held against the frames that the witness saw."""
    row = await connection.fetchrow(KEPT, DEVICE)
    after_s = await connection.fetchval(FIRST_LIVE, REF)
    return Unknown(
        frames_kept=row["frames"] if row else 0,
        first_live_reading_after_s=None if after_s is None else round(after_s, 3),
        redecoded_readings=await connection.fetchval(REDECODED, row["key"]) if row else 0,
        history_complete=await _is_complete(connection, witness),
    )


async def _is_complete(connection: Connection, witness: Witness) -> bool:
    """Whether each frame that was published has its register reading at the frame's time.

    The bytes are read here by a pattern of their own, so that the platform's decoder is not its own witness.
    """
    row = await connection.fetchrow(KEPT, DEVICE)
    sent = _registers(witness, row["key"]) if row else {}
    stored = {one["time"]: one["value"] for one in await connection.fetch(IMPORTED, row["key"])} if row else {}
    return bool(sent) and all(stored.get(at) == value for at, value in sent.items())


def _registers(witness: Witness, meter: str) -> dict[datetime, float]:
    found = {}
    for at, data in witness.frames.get(meter, ()):
        match = _IMPORT.search(bytes(octet & 0x7F for octet in data))
        if match is not None:
            found[at] = float(match[1])
    return found


async def _has_live(connection: Connection) -> None:
    while await connection.fetchval(FIRST_LIVE, REF) is None:
        await asyncio.sleep(0.05)


async def _until(work: Coroutine[None, None, None]) -> None:
    """Give it a minute; what did not happen by then, the report tells."""
    try:
        async with asyncio.timeout(WITHIN_S):
            await work
    except TimeoutError:
        return
