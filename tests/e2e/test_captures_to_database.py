"""Telegrams of real meters, replayed through ptys into an agent, arrive in the database as what they say."""

import asyncio
import contextlib
import json
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import aiohttp
import asyncpg
import pytest
from yarl import URL

from device.simulator import SimulatedIecMeter
from meters.explain.cli import decode_stream
from meters.specs.catalogue import catalogue
from meters.specs.identify import Identifier
from meters.telegram import Frame
from meters.wires.encode.iec62056 import encode_iec62056
from meters.wires.readers import AnyFramer, parse
from tests.rigs.replay import Replay
from tests.rigs.servers import Broker, Database
from tests.rigs.whole_loop import TOKEN, Loop, whole_loop

pytestmark = [pytest.mark.captures, pytest.mark.timeout(900)]
FILES_A_PI = 4
AT_A_TIME = 12
"""Ports in one process: a busy machine can't serve many more at their speed, and a telegram with a hole is none."""
STORED = """
SELECT m.key, d.name || ' ' || m.port AS place, s.obis, array_agg(DISTINCT r.value) AS values FROM reading r
JOIN series s ON s.id = r.series_id JOIN meter m ON m.id = s.meter_id JOIN device d ON d.id = m.device_id
WHERE m.parent_id IS NULL AND r.source NOT IN (SELECT id FROM reading_source WHERE source = 'profile')
GROUP BY 1, 2, 3
"""
"""Without what telegrams carry of the months before."""
FAST = {"reading_interval_s": 0.2, "publish_interval_s": 0.2}


@dataclass
class Case:
    """A capture being replayed, its meter's key ('' where the wire never tells), and its values by OBIS code."""

    replay: Replay
    key: str
    values: dict[str, set[float]]
    place: str = ""
    """Device and port: a port of an earlier wave may be another's by now."""

    @property
    def name(self) -> str:
        """By what the store knows the meter."""
        return self.key or self.place


def cases(captures: Path, folder: str, baud: int) -> dict[str, Case]:
    """Every capture of a folder in which the decoder finds readings."""
    made = {}
    for number, path in enumerate(sorted((captures / folder).iterdir())):
        data = path.read_bytes()[:20000]
        values: dict[str, set[float]] = {}
        for line in decode_stream(data, "auto", catalogue()):
            for code, value in line.get("values", {}).items():
                values.setdefault(code, set()).add(float(value))
        if values:
            speed = 9600 if b"/ESY" in data else baud
            replay = Replay(data, speed, seed=number, byte_by_byte=number % 2 == 0)
            made[f"{folder}/{path.name}"] = Case(replay, key_of(data), values)
    return made


def key_of(data: bytes) -> str:
    identifier, key = Identifier(), ""
    framer = AnyFramer()
    for found in framer.feed(data) + framer.finish():
        if isinstance(found, Frame):
            key = identifier.add(parse(found)).key or key
    return key


def waves(chosen: dict[str, Case]) -> list[dict[str, Case]]:
    """The captures in turns, so that no meter is at two ports at a time: several captures are of one meter."""
    turns: list[dict[str, Case]] = []
    for name, case in chosen.items():
        for turn in turns:
            if len(turn) < AT_A_TIME and (not case.key or case.key not in {other.key for other in turn.values()}):
                turn[name] = case
                break
        else:
            turns.append({name: case})
    return turns


async def test_captures_reach_the_database(captures: Path, broker: Broker, database: Database, tmp_path: Path) -> None:
    """Each value that the decoder finds in a capture of a push meter is stored, from a port of unknown settings."""
    chosen = cases(captures, "sml", 9600) | cases(captures, "p1", 115200)
    assert len(chosen) >= 35
    async with whole_loop(broker, database, tmp_path) as loop:
        await _fast(loop.api_url)
        for number, wave in enumerate(waves(chosen)):
            await _replay(loop, wave, number)
        wrong = _wrong(chosen, await _stored(loop.connection))
        assert not wrong, json.dumps(wrong, indent=1)


async def _replay(loop: Loop, wave: dict[str, Case], number: int) -> None:
    """Replay the captures of a wave at fresh agents until a value of each code has arrived."""
    chosen = list(wave.values())
    async with contextlib.AsyncExitStack() as exits:
        for case in chosen:
            await exits.enter_async_context(case.replay.running())
        stops = []
        for start in range(0, len(chosen), FILES_A_PI):
            device, of_it = f"pi-{number}-{start}", chosen[start : start + FILES_A_PI]
            for case in of_it:
                case.place = f"{device} {case.replay.port}"
            stops.append(await loop.start_agent(device, tuple(case.replay.port for case in of_it)))
        missing: dict[str, list[str]] = {}
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(300):
                while missing := _missing(wave, await _stored(loop.connection)):
                    await _move_meters(loop.api_url)
                    await asyncio.sleep(0.5)
        for stop in stops:
            stop.set()
        assert not missing, json.dumps(missing, indent=1)


async def _stored(connection: asyncpg.Connection) -> dict[tuple[str, str], set[float]]:
    """Stored values by (meter key, code) and by (place, code); sub-meters are left out."""
    rows = await connection.fetch(STORED)
    stored: dict[tuple[str, str], set[float]] = {}
    for row in rows:
        for name in (row["key"], row["place"]):
            stored.setdefault((name, row["obis"]), set()).update(row["values"])
    return stored


def _missing(chosen: dict[str, Case], stored: dict[tuple[str, str], set[float]]) -> dict[str, list[str]]:
    """By file, the codes of which no value of its own has arrived."""
    lost = {
        name: sorted(code for code, values in case.values.items() if not values & stored.get((case.name, code), set()))
        for name, case in chosen.items()
    }
    return {name: codes for name, codes in lost.items() if codes}


def _wrong(chosen: dict[str, Case], stored: dict[tuple[str, str], set[float]]) -> dict[str, list[str]]:
    """By meter, stored values that none of its captures holds."""
    allowed: dict[tuple[str, str], set[float]] = {}
    for case in chosen.values():
        for code, values in case.values.items():
            allowed.setdefault((case.name, code), set()).update(values)
    meters = {meter for meter, _ in allowed}
    return {
        f"{meter} {code}": [str(sorted(values)), str(sorted(allowed.get((meter, code), ())))]
        for (meter, code), values in stored.items()
        if meter in meters and values - allowed.get((meter, code), set())
    }


async def _move_meters(url: str) -> None:
    """Give each meter to the device that shows it now, as a person does who knows that the wave before is over."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with aiohttp.ClientSession(headers=headers) as http:
        async with http.get(f"{url}/api/v1/meter-claims") as answer:
            claims = (await answer.json())["items"]
        for claim in claims:
            where = URL(url) / "api/v1/meters" / claim["meter"] / "move" % {"device": claim["device"]}
            async with http.post(where) as answer:
                # what stands behind a meter goes with it: alone it can't, and once it went it is there already
                assert answer.ok or answer.status == HTTPStatus.CONFLICT, await answer.text()


async def _fast(url: str) -> None:
    """Ask the whole fleet for quick readings, as an engineer would."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with aiohttp.ClientSession(headers=headers) as http, asyncio.timeout(60):
        while True:
            with contextlib.suppress(aiohttp.ClientConnectionError):
                async with http.patch(f"{url}/api/v1/parameters", json=FAST) as answer:
                    assert answer.ok, await answer.text()
                    return
            await asyncio.sleep(0.1)


class CapturedMeter(SimulatedIecMeter):
    """A mode C meter with the identification and the data lines of a real one."""

    def __init__(self, identification: str, lines: list[str]) -> None:
        super().__init__(serial="1", identification=identification)
        self._lines = lines

    def _encode(self) -> bytes:
        return encode_iec62056(self._lines, parity=True)


async def test_mode_c_captures_reach_the_database(
    captures: Path, broker: Broker, database: Database, tmp_path: Path
) -> None:
    """The data of real mode C meters is read by sign-on with change of baud rate, and stored."""
    folder = captures / "iec62056-21"
    hager = (folder / "hager_ehz161wa").read_bytes().decode().splitlines()
    metcom = (folder / "metcom_table1.txt").read_bytes().decode().splitlines()
    metcom_id = (folder / "metcom_identification.bin").read_bytes().strip(b"\r\n\x03/").decode()
    meters = (
        CapturedMeter(hager[0].removeprefix("/"), [line for line in hager[1:] if "(" in line]),
        CapturedMeter(metcom_id, [line for line in metcom if "(" in line]),
    )
    async with whole_loop(broker, database, tmp_path) as loop, meters[0] as first, meters[1] as second:
        await _fast(loop.api_url)
        await loop.start_agent("pi-c", (str(first.port), str(second.port)))
        value = """SELECT r.value FROM reading r JOIN series s ON s.id = r.series_id JOIN meter m ON m.id = s.meter_id
                   WHERE m.spec LIKE $1 || '@%' AND s.obis = $2 LIMIT 1"""
        assert await loop.eventually(value, "hager-ehz161", "1-0:52.7.0") == 228.38
        assert await loop.eventually(value, "hager-ehz161", "1-0:41.7.0") == 0.026
        assert await loop.eventually(value, "metcom-mcs301", "1-0:1.8.0") == 1281.6601
