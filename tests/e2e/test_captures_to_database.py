"""Telegrams of real meters, replayed through ptys into an agent, arrive in the database as what they say."""

import asyncio
import contextlib
import json
from pathlib import Path

import aiohttp
import pytest

from meters.catalogue import catalogue
from meters.decode_cli import decode_stream
from tests.e2e.replay import Replay
from tests.e2e.whole_loop import TOKEN, whole_loop
from tests.servers import Broker, Database

pytestmark = [pytest.mark.captures, pytest.mark.timeout(300)]
FILES_A_PI = 8
FAST = {"reading_interval_s": 0.2, "publish_interval_s": 0.2}


def replays(captures: Path, folder: str, baud: int) -> dict[str, Replay]:
    files = sorted((captures / folder).iterdir())
    made = {}
    for number, path in enumerate(files):
        data = path.read_bytes()[:20000]
        speed = 9600 if b"/ESY" in data else baud
        made[f"{folder}/{path.name}"] = Replay(data, speed, seed=number, byte_by_byte=number % 2 == 0)
    return made


def expected(data: bytes) -> dict[tuple[str, str], set[float]]:
    """What the decoder says of the bytes: by serial of the meter's identification and OBIS code, all values."""
    wanted: dict[tuple[str, str], set[float]] = {}
    for line in decode_stream(data, "auto", catalogue()):
        for code, value in line.get("values", {}).items():
            wanted.setdefault((str(line["identification"]), code), set()).add(float(value))
    return wanted


@pytest.mark.parametrize(("folder", "baud"), [("sml", 9600), ("p1", 115200)])
async def test_captures_reach_the_database(
    folder: str, baud: int, captures: Path, broker: Broker, database: Database, tmp_path: Path
) -> None:
    """Each value that the decoder finds in a capture of a push meter is stored, from a port of unknown settings."""
    meters = replays(captures, folder, baud)
    decodable = {name: replay for name, replay in meters.items() if expected(replay.data)}
    assert len(decodable) >= len(meters) * 0.6
    async with contextlib.AsyncExitStack() as exits:
        loop = await exits.enter_async_context(whole_loop(broker, database, tmp_path))
        await _fast(loop.api_url)
        for replay in decodable.values():
            await exits.enter_async_context(replay.running())
        for number, chunk in enumerate(_chunks(list(decodable.values()), FILES_A_PI)):
            await loop.start_agent(f"pi-{number}", tuple(replay.port for replay in chunk))
        query = """
            SELECT m.port, s.obis, array_agg(DISTINCT r.value) AS values FROM reading r
            JOIN series s ON s.id = r.series_id JOIN meter m ON m.id = s.meter_id
            WHERE m.parent_id IS NULL GROUP BY 1, 2
        """
        missing: dict[str, list[str]] = {}
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(120):
                while True:
                    rows = await loop.connection.fetch(query)
                    stored = {(row["port"], row["obis"]): set(row["values"]) for row in rows}
                    missing = _missing(decodable, stored)
                    if not missing:
                        break
                    await asyncio.sleep(0.5)
        assert not missing, json.dumps(missing, indent=1)
        wrong = _wrong(decodable, stored)
        assert not wrong, json.dumps(wrong, indent=1)


def _chunks(items: list[Replay], size: int) -> list[list[Replay]]:
    return [items[start : start + size] for start in range(0, len(items), size)]


def _missing(decodable: dict[str, Replay], stored: dict[tuple[str, str], set[float]]) -> dict[str, list[str]]:
    """By file, the codes of which no value has arrived."""
    lost: dict[str, list[str]] = {}
    for name, replay in decodable.items():
        codes = {code for _, code in expected(replay.data)}
        lost[name] = sorted(code for code in codes if not stored.get((replay.port, code)))
    return {name: codes for name, codes in lost.items() if codes}


def _wrong(decodable: dict[str, Replay], stored: dict[tuple[str, str], set[float]]) -> dict[str, list[str]]:
    """By file, stored values that its telegrams do not hold."""
    strange: dict[str, list[str]] = {}
    for name, replay in decodable.items():
        allowed: dict[str, set[float]] = {}
        for (_, code), values in expected(replay.data).items():
            allowed.setdefault(code, set()).update(values)
        for (port, code), values in stored.items():
            if port == replay.port and values - allowed.get(code, set()):
                strange.setdefault(name, []).append(f"{code}: {sorted(values)} not in {sorted(allowed.get(code, []))}")
    return strange


async def _fast(url: str) -> None:
    """Ask the whole fleet for quick readings, as an engineer would."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with aiohttp.ClientSession(headers=headers) as http, asyncio.timeout(30):
        while True:
            with contextlib.suppress(aiohttp.ClientConnectionError):
                async with http.patch(f"{url}/api/v1/parameters", json=FAST) as answer:
                    assert answer.ok, await answer.text()
                    return
            await asyncio.sleep(0.1)
