"""What the database holds against what the meters gave: lost, repeated and wrong, of readings, frames and events."""

import itertools
import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from tests.chaos.meters import CountingP1Meter, CountingSmlMeter
from tests.chaos.plan import DEVICES
from tests.chaos.truth import Telegram, Truth

_HERE: Final = Path(__file__).parent
_ENERGY: Final = {CountingP1Meter.energy: CountingP1Meter.power, CountingSmlMeter.energy: CountingSmlMeter.power}
EARLY_S: Final = 0.5
LATE_S: Final = 4.0
"""How far the time of a clockless meter's reading may be from the sending, on a busy machine."""
_FRAMES: Final = """SELECT m.key AS meter, f.data, f.reason FROM frame f JOIN meter m ON m.id = f.meter_id
                    WHERE f.kind = 'frame'"""
_EVENTS: Final = """SELECT d.name AS device, e.boot, e.seq, count(*) AS times
                    FROM event e JOIN device d ON d.id = e.device_id
                    WHERE e.source = 'device' AND e.boot IS NOT NULL GROUP BY d.name, e.boot, e.seq"""
READINGS: Final = 1
"""What message.kind says of readings."""

Identity = tuple[str, str, int]
"""A message: device, boot, number."""


class Asked(Protocol):
    """A stack as far as counting goes."""

    truth: Truth
    destroyed_wh: set[tuple[str, int]]
    foreign: set[str]

    async def query(self, sql: str, *arguments: Any) -> list[Any]:
        """Rows of the database."""


@dataclass
class Stored:
    """What the database holds."""

    times: dict[tuple[str, int], list[float]] = field(default_factory=lambda: defaultdict(list))
    """By meter and energy: the times under which it stands."""
    power: dict[tuple[str, float], float] = field(default_factory=dict)
    frames: Counter[tuple[str, bytes]] = field(default_factory=Counter)
    messages: dict[Identity, float] = field(default_factory=dict)
    """When each message was stored first."""
    readings_stored: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    events: dict[Identity, int] = field(default_factory=dict)
    quarantined: int = 0
    kept_wh: set[tuple[str, int]] = field(default_factory=set)
    """Readings that stand in quarantine with their reason, where a person can bring them back."""

    @property
    def energies(self) -> dict[str, set[int]]:
        """By meter."""
        found: dict[str, set[int]] = defaultdict(set)
        for meter, energy in self.times:
            found[meter].add(energy)
        return found

    def holes(self) -> set[Identity]:
        """Messages whose number lies between two of their boot that came."""
        found = set()
        boots: dict[tuple[str, str], set[int]] = defaultdict(set)
        for device, boot, seq in self.messages:
            boots[device, boot].add(seq)
        for (device, boot), numbers in boots.items():
            found |= {(device, boot, seq) for seq in range(1, max(numbers)) if seq not in numbers}
        return found


async def look(stack: Asked, *, readings_only: bool = False) -> Stored:
    """Read all of it."""
    stored = Stored()
    codes = [*_ENERGY, *_ENERGY.values()]
    for row in await stack.query((_HERE / "stored.sql").read_text(), codes):
        if row["meter"] in stack.foreign:
            continue
        if row["obis"] in _ENERGY:
            stored.times[row["meter"], round(row["value"] * 1000)].append(row["time_s"])
        else:
            stored.power[row["meter"], row["time_s"]] = row["value"]
    payloads = await stack.query("SELECT data FROM frame WHERE kind = 'payload'")
    stored.quarantined = len(payloads)
    for row in payloads:
        stored.kept_wh |= _readings_in(bytes(row["data"]))
    if readings_only:
        return stored
    for row in await stack.query(_FRAMES):
        if row["reason"] == "requested":
            stored.frames[row["meter"], bytes(row["data"]).rstrip()] += 1
    for row in await stack.query((_HERE / "messages.sql").read_text(), list(DEVICES)):
        stored.messages[row["device"], row["boot"], row["seq"]] = row["stored_s"]
        if row["kind"] == READINGS:
            stored.readings_stored[row["device"]].append(row["stored_s"])
    stored.events = {(row["device"], row["boot"], row["seq"]): row["times"] for row in await stack.query(_EVENTS)}
    return stored


def _readings_in(payload: bytes) -> set[tuple[str, int]]:
    """Meter and energy of the readings in a message of quarantine; empty where it is none."""
    try:
        document = json.loads(payload)
        found = {
            (document["meter"], round(sample["values"][code] * 1000))
            for sample in document["samples"]
            for code in _ENERGY
            if code in sample["values"]
        }
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return set()
    return found


async def missing(stack: Asked, since_s: float, until_s: float) -> list[Telegram]:
    """Telegrams of this time that somebody heard, neither stored, nor in quarantine, nor destroyed by a fault."""
    stored = await look(stack, readings_only=True)
    energies, elsewhere = stored.energies, stored.kept_wh | stack.destroyed_wh
    heard = stack.truth.heard(energies)
    return [
        telegram
        for meter, telegrams in heard.items()
        for telegram in telegrams
        if since_s <= telegram.sent_s < until_s
        and telegram.energy_wh not in energies[meter]
        and (meter, telegram.energy_wh) not in elsewhere
    ]


def longest_silence_s(stored: Stored, since_s: float, until_s: float) -> float:
    """The longest time in which nothing of some device was stored."""
    gaps = [0.0]
    for times in stored.readings_stored.values():
        inside = [since_s, *sorted(time_s for time_s in times if since_s < time_s < until_s), until_s]
        gaps += [later - earlier for earlier, later in itertools.pairwise(inside)]
    return max(gaps)


def wrong_readings(stored: Stored, truth: Truth, told: set[str]) -> set[tuple[str, int, float]]:
    """Readings that no meter gave, or that have another time or another power beside them.

    A time may be off by what a fault moved the clock by, where the meter is among those of which it was `told`.
    """
    given = {(t.meter, t.energy_wh): t for telegrams in truth.given.values() for t in telegrams}
    found = set()
    for (meter, energy), times in stored.times.items():
        telegram = given.get((meter, energy))
        for time_s in times:
            power_kw = stored.power.get((meter, time_s))
            fits = telegram is not None and _timed(telegram, time_s, truth, told)
            if not fits or telegram is None or power_kw is None or round(power_kw * 1000) != telegram.power_w:
                found.add((meter, energy, time_s))
    return found


def _timed(telegram: Telegram, time_s: float, truth: Truth, told: set[str]) -> bool:
    early_s, late_s = truth.clocks_stepped.get(telegram.meter, (0.0, 0.0)) if telegram.meter in told else (0.0, 0.0)
    if telegram.at is not None and (time_s == telegram.at or telegram.meter not in told):
        return time_s == telegram.at
    # what waited in the line's buffer for its agent to come back is read later
    waits = [d.to_s - telegram.sent_s for d in truth.deaf if d.meter == telegram.meter and _inside(telegram, d)]
    latest_s = max([LATE_S, *(wait_s + 2 * LATE_S for wait_s in waits)])
    return early_s - EARLY_S <= time_s - telegram.sent_s <= late_s + latest_s


def _inside(telegram: Telegram, deaf: Any) -> bool:
    return bool(deaf.from_s <= telegram.sent_s <= deaf.to_s + LATE_S)
