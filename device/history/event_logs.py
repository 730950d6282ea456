"""The event logs of this device's meters: when one is to be read, and its entries as events, each told once."""

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final

from broker.contract.messages import Clock
from broker.errors import FrameError
from device.history.log_memory import TOLD_MAX, KnownLog, LogMemory
from device.outbox.outgoing import Severity
from device.readings.context import Context
from meters.decoding.event_log import LogEntry, log_entries
from meters.specs.event_log import EventLog
from meters.specs.spec import Spec
from meters.telegram import ProfileRow

FIRST: Final = timedelta(days=30)
"""How far back a log is read for the first time."""
OVERLAP: Final = timedelta(days=1)
"""How much is read again each time: a clock that is set back enters what is older than the newest entry."""
AHEAD: Final = timedelta(days=1)
DEEPEST: Final = timedelta(days=400)
FARTHEST: Final = timedelta(days=3660)
"""How far back a person may ask."""
LEAST_S: Final = 3600.0
"""However often a meter or the device comes back, a log is not read more often by itself."""
SILENCE_S: Final = 60.0
"""A silence of a meter that is longer, and longer than some readings, may have been one of its power."""
SILENT_READINGS: Final = 3.0
MOST_ENTRIES: Final = 500
"""Told of one reading; of more the newest. So many are asked for where a meter selects by entry."""
FEWEST_ENTRIES: Final = 10
ENTRIES_A_DAY: Final = 1000
"""Told of all meters together, by days of UTC since this start: a talkative meter leaves other events their quota."""
RETRY_FIRST_S: Final = 300.0
RETRY_CAP_S: Final = 3600.0
TRIES: Final = 3
"""After so many failures it is left in peace until it is due again."""
TOO_MUCH: Final = frozenset({"too_long", "truncated", "malformed"})


@dataclass(slots=True)
class LogWish:
    """A log that a command asked for: how many entries were read, how many of them were new, and why none were."""

    key: str
    since: datetime
    entries: int = 0
    new: int = 0
    error: str = ""
    done: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True)
class _Tries:
    failures: int = 0
    again_s: float = 0.0
    depth: timedelta = FARTHEST
    entries: int = MOST_ENTRIES


class EventLogs:
    """Which meter's event log is due, in `memory`; ports ask for it and bring what they read.

    Nothing is due while `connected` says no: what a meter keeps needs no place in the outbox.
    """

    def __init__(self, context: Context, memory: LogMemory, connected: Callable[[], bool]) -> None:
        self._context = context
        self._memory = memory
        self._connected = connected
        self._tries: dict[str, _Tries] = {}
        self._live_s: dict[str, float] = {}
        self._returned: set[str] = set()
        self._refused: set[str] = set()
        self._wishes: list[LogWish] = []
        self._told_on: date | None = None
        self._told_today = 0

    @property
    def damage(self) -> str:
        """What was found wrong with the memory, empty where it was whole."""
        return self._memory.damage

    def live(self, key: str) -> None:
        """A meter was read live: for the first time since this start, or after a silence, its log may tell why."""
        context = self._context
        now_s, before_s = context.monotonic(), self._live_s.get(key)
        self._live_s[key] = now_s
        silence_s = max(SILENCE_S, SILENT_READINGS * context.config.parameters.reading_interval_s)
        if before_s is None or now_s - before_s > silence_s:
            self._returned.add(key)

    def ask(self, key: str, days: float) -> LogWish | None:
        """Read the newest days on command; None where the meter's spec says no event log."""
        if self._section(key) is None:
            return None
        wish = LogWish(key, self._context.clock.now() - timedelta(days=days))
        self._wishes.append(wish)
        self._tries.pop(key, None)
        return wish

    def forget(self, wish: LogWish) -> None:
        """Nobody waits for a wish any more."""
        if wish in self._wishes:
            self._wishes.remove(wish)

    def is_awaited(self, key: str) -> bool:
        """Whether a command waits for a meter's log."""
        return bool(self._wished(key))

    def entries_of(self, key: str) -> int:
        """How many entries are asked for where a meter selects by entry: fewer after each answer that was too much."""
        return self._tries.get(key, _Tries()).entries

    def due(self, key: str) -> tuple[datetime, datetime] | None:
        """From when to when a meter's log is to be read now; None where it is not."""
        context, section = self._context, self._section(key)
        tries = self._tries.get(key, _Tries())
        if section is None or not self._connected() or context.monotonic() < tries.again_s:
            return None
        now_at = context.clock.now()
        wished = [wish.since for wish in self._wishes if wish.key == key]
        since = min(wished) if wished else self._since(key, now_at)
        return None if since is None else (max(since, now_at - tries.depth), now_at + AHEAD)

    async def take(
        self, key: str, spec: Spec, logs: Mapping[str, Sequence[ProfileRow]], since: datetime, *, doubted: bool = False
    ) -> None:
        """Tell what is new in logs, by their names; done once the disk has it. `doubted`: the meter's clock is off."""
        section = spec.event_log
        if section is None:
            return
        context, known = self._context, self._memory.get(key)
        told = known.told if known is not None else ()
        zone = context.config.parameters.time_zone or spec.time.zone
        found = [(name, entry) for name, rows in logs.items() for entry in log_entries(rows, section, zone)]
        new = {mark: one for one in found if one[1].at > since and (mark := _mark(*one)) not in told}
        kept = sorted(new.items(), key=lambda one: one[1][1].at)
        kept = kept[max(0, len(kept) - min(MOST_ENTRIES, self._left_today())) :]
        self._told_today += len(kept)
        self._tell_cut(key, len(kept), len(new) - len(kept), since)
        for _, (name, entry) in kept:
            self._tell(key, name, entry, doubted=doubted)
        if not await context.make_durable():
            self._tries.setdefault(key, _Tries()).again_s = context.monotonic() + RETRY_FIRST_S
            return
        context.metrics.event_logs.labels("read").inc()
        context.metrics.log_entries.inc(len(kept))
        now_at = context.clock.now()
        times = [one.at for _, one in found if one.at <= now_at + AHEAD]
        newest = max([*times, *([known.newest_at] if known is not None and known.newest_at else [])], default=None)
        reach_at = now_at - self._tries.get(key, _Tries()).depth
        self._read(key, KnownLog(now_at, newest, (*told, *(mark for mark, _ in kept))[-TOLD_MAX:]))
        for wish in self._wished(key):
            # one of while it was read may ask for more days; more than the meter can bear nobody has
            if max(wish.since, reach_at) >= since:
                wish.entries, wish.new = len(found), len(kept)
                self._end(wish)

    def failed(self, key: str, error: FrameError) -> None:
        """A log could not be read: it is tried again later, then left in peace until it is due again."""
        context, tries = self._context, self._tries.setdefault(key, _Tries())
        tries.failures += 1
        tries.again_s = context.monotonic() + min(RETRY_CAP_S, RETRY_FIRST_S * 2 ** (tries.failures - 1))
        if error.reason in TOO_MUCH:
            now_at = context.clock.now()
            asked = now_at - (self._since(key, now_at) or now_at - FIRST)
            tries.entries = max(FEWEST_ENTRIES, tries.entries // 2)
            tries.depth = max(timedelta(hours=1), min(tries.depth, asked) / 4)
        context.metrics.event_logs.labels(error.reason).inc()
        for wish in self._wished(key):
            wish.error = f"{error.reason}: {error.detail}"
            self._end(wish)
        if tries.failures < TRIES:
            return
        if key not in self._refused:
            self._refused.add(key)
            context.outgoing.event(
                "meter_log_refused", meter=key, reason=error.reason, detail=error.detail,
                fix="see event_log in its spec (command, password_ref, logs), then wattline device command read_log",
            )  # fmt: skip
        known = self._memory.get(key)
        now_at = context.clock.now()
        self._read(key, KnownLog(now_at) if known is None else KnownLog(now_at, known.newest_at, known.told))

    def _section(self, key: str) -> EventLog | None:
        spec = self._context.effective.spec_of(key)
        return None if spec is None else spec.event_log

    def _since(self, key: str, now_at: datetime) -> datetime | None:
        """From when a log is to be read by itself; None where it is not its turn, or nobody vouches for the clock."""
        context = self._context
        interval_s = context.config.parameters.event_log_interval_h * 3600
        if interval_s <= 0 or not (context.clock.trust() is Clock.SYNCED or context.clock.checked):
            return None
        known = self._memory.get(key)
        if known is None:
            return now_at - FIRST
        # a clock that was set back makes it no later
        age_s = abs((now_at - known.read_at).total_seconds())
        if age_s < interval_s and not (key in self._returned and age_s >= LEAST_S):
            return None
        newest_at = known.newest_at or now_at - FIRST
        return max(min(newest_at, known.read_at) - OVERLAP, now_at - DEEPEST)

    def _tell(self, key: str, name: str, entry: LogEntry, *, doubted: bool) -> None:
        detail: dict[str, object] = {"log": name, "code": entry.code, "stamp": entry.stamp}
        detail |= {"meaning": entry.meaning} if entry.meaning else {}
        detail |= {"values": [f"{code} {text}" for code, text in entry.values.items()]} if entry.values else {}
        detail |= {"clock": "off"} if doubted else {}
        severity: Severity = "warning" if entry.grave else "info"
        self._context.outgoing.event_at(entry.at, "meter_event", severity, meter=key, **detail)

    def _left_today(self) -> int:
        """How many entries may be told today."""
        today = self._context.clock.now().date()
        if today != self._told_on:
            self._told_on, self._told_today = today, 0
        return ENTRIES_A_DAY - self._told_today

    def _tell_cut(self, key: str, told: int, left_out: int, since: datetime) -> None:
        if left_out > 0:
            self._context.outgoing.event(
                "meter_log_cut", "warning", meter=key, since=since.isoformat(), told=told, left_out=left_out
            )

    def _read(self, key: str, known: KnownLog) -> None:
        self._tries.pop(key, None)
        self._returned.discard(key)
        self._memory.put(key, known)

    def _wished(self, key: str) -> list[LogWish]:
        return [wish for wish in self._wishes if wish.key == key]

    def _end(self, wish: LogWish) -> None:
        wish.done.set()
        self._wishes.remove(wish)


def _mark(name: str, entry: LogEntry) -> str:
    """A short name of an entry, by what the meter itself states."""
    content = "\x00".join((name, entry.stamp, entry.code, *(f"{code}={text}" for code, text in entry.values.items())))
    return hashlib.blake2b(content.encode(), digest_size=8).hexdigest()
