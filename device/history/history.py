"""The history of this device's meters: what is missed is noted, asked for in slices, delivered, and done with."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from broker.contract.messages import Clock, Source
from broker.contract.obis import unit_is_open
from broker.errors import FrameError
from device.history.memory import HistoryMemory, Known
from device.history.rows import Intervals, intervals
from device.history.spans import FIRST_SLICE_S, Span, added, first_slice, missed, next_slice_s, within, without
from device.readings.context import Context
from meters.decoding.obis_filter import ObisFilter
from meters.specs.sections import History as HistorySection
from meters.specs.spec import Spec
from meters.telegram import ProfileRow

SAVE_EVERY_S: Final = 900.0
"""How old the mark of the last live reading may be on disk: so much may be read from the meter again after a cut."""
FEWEST_READINGS: Final = 2.5
"""A silence of fewer reading intervals is none."""
RETRY_FIRST_S: Final = 60.0
RETRY_CAP_S: Final = 3600.0
REFUSALS: Final = 3
"""How often a meter may say no before nothing more is asked of it."""
DEPTH_MARGIN: Final = timedelta(hours=1)
"""What is about to fall out of a meter's memory is not asked for."""
DEEPEST: Final = timedelta(days=400)
"""Further back nothing is asked for by itself, where no spec says how far: a clock may have jumped by years."""
FARTHEST: Final = timedelta(days=3660)
"""How far back a person may ask where nobody knows what a meter remembers."""
LEAST_SLICE_S: Final = 900.0
TOO_MUCH: Final = frozenset({"too_long", "truncated", "malformed"})
"""Failures that less at a time may heal."""
GIVEN_UP: Final = frozenset({"meter_refused", "undecodable"})
"""Failures that another try will hardly heal."""


@dataclass(slots=True)
class Wish:
    """A span that a command asked for: how many intervals of it came, and why nothing did."""

    key: str
    span: Span
    read: int = 0
    error: str = ""
    done: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True)
class _Tries:
    slice_s: float = FIRST_SLICE_S
    failures: int = 0
    refusals: int = 0
    again_s: float = 0.0


class History:
    """Which spans of which meter are wanted, in `memory`; ports ask for what is due and bring what they read.

    Nothing is due while `connected` says no: what a meter keeps needs no place in the outbox.
    """

    def __init__(self, context: Context, memory: HistoryMemory, connected: Callable[[], bool]) -> None:
        self._context = context
        self._memory = memory
        self._connected = connected
        self._tries: dict[str, _Tries] = {}
        self._read_at: dict[str, datetime] = {}
        self._wishes: list[Wish] = []

    @property
    def damage(self) -> str:
        """What was found wrong with the memory, empty where it was whole."""
        return self._memory.damage

    def live(self, key: str, at: datetime) -> None:
        """A meter was read live; what was missed since the reading before is wanted from its memory.

        Not by a clock that nobody vouches for: it would take any time for an outage.
        """
        context, section = self._context, self._section(key)
        if section is None or not (context.clock.trust() is Clock.SYNCED or context.clock.checked):
            return
        known = self._memory.get(key)
        read_at = self._read_at.get(key, known.read_at if known else None)
        self._read_at[key] = at
        parameters = context.config.parameters
        period_s = max(section.capture_period_s, FEWEST_READINGS * parameters.reading_interval_s)
        span = missed(read_at, at, period_s, parameters.history_days_back)
        span = None if span is None else self._possible(section, span, at)
        known = known or Known()
        if span is not None:
            known = self._want(key, known, span)
        if span is not None or known.read_at is None or abs((at - known.read_at).total_seconds()) >= SAVE_EVERY_S:
            self._memory.put(key, replace(known, read_at=at))

    def ask(self, key: str, since: datetime, until: datetime) -> Wish | None:
        """Read a span on command, whatever was read before; None where the meter's spec says no history."""
        section, now_at = self._section(key), self._context.clock.now()
        if section is None:
            return None
        wish = Wish(key, Span(since, until, "command"))
        span = self._possible(section, wish.span, now_at)
        if span is None:
            wish.error = "nothing of that span can be in its memory"
            wish.done.set()
            return wish
        wish.span = span
        self._wishes.append(wish)
        self._tries.pop(key, None)
        self._memory.put(key, self._want(key, self._memory.get(key) or Known(), span))
        return wish

    def forget(self, wish: Wish) -> None:
        """Nobody waits for a wish any more; what it asked for is read all the same."""
        if wish in self._wishes:
            self._wishes.remove(wish)

    def due(self, key: str) -> Span | None:
        """The slice that is to be read of a meter now; None where there is none."""
        known = self._memory.get(key)
        if known is None or not known.wanted or self._section(key) is None or not self._connected():
            return None
        tries = self._of(key)
        if self._context.monotonic() < tries.again_s:
            return None
        return first_slice(known.wanted, tries.slice_s)

    async def take(
        self, key: str, spec: Spec, span: Span, rows: Sequence[ProfileRow], took_s: float, *, doubted: bool = False
    ) -> None:
        """Deliver what a slice brought; it is done with once the disk has it. `doubted`: the meter's clock is off."""
        context = self._context
        parameters = context.config.parameters
        wanted = ObisFilter(parameters.obis_include, parameters.obis_exclude)
        try:
            found = intervals(spec, rows, span, parameters.time_zone, wanted)
        except FrameError as error:
            self.failed(key, span, error)
            return
        self._send(key, spec, found, doubted=doubted)
        if not await context.make_durable():
            # the disk refuses: it is read again, which changes nothing in the store
            self._of(key).again_s = context.monotonic() + RETRY_FIRST_S
            return
        tries = self._of(key)
        self._tries[key] = _Tries(next_slice_s(tries.slice_s, took_s))
        context.metrics.history_slices.labels("read").inc()
        self._done_with(key, span, found.count)

    def failed(self, key: str, span: Span, error: FrameError) -> None:
        """A slice could not be read: it is tried again later, or given up with all that is wanted of the meter."""
        context, tries = self._context, self._of(key)
        tries.failures += 1
        tries.refusals += error.reason in GIVEN_UP
        if error.reason in TOO_MUCH:
            tries.slice_s = max(LEAST_SLICE_S, tries.slice_s / 2)
        tries.again_s = context.monotonic() + min(RETRY_CAP_S, RETRY_FIRST_S * 2 ** min(tries.failures - 1, 10))
        context.metrics.history_slices.labels(error.reason).inc()
        if tries.refusals < REFUSALS:
            return
        known = self._memory.get(key) or Known()
        until = known.wanted[-1].until if known.wanted else span.until
        context.outgoing.event(
            "history_refused", "warning", meter=key, since=span.since.isoformat(), until=until.isoformat(),
            reason=error.reason, detail=error.detail,
            fix="see history in its spec (command, password_ref, stamps_in), then wattline device command read_profile",
        )  # fmt: skip
        self._tries.pop(key, None)
        self._memory.put(key, replace(known, wanted=()))
        for wish in [wish for wish in self._wishes if wish.key == key]:
            wish.error = f"{error.reason}: {error.detail}"
            self._end(wish)

    def upkeep(self) -> None:
        """Measure; call it about once a second."""
        self._context.metrics.history_wanted_s.set(self._memory.wanted_s)

    def _section(self, key: str) -> HistorySection | None:
        spec = self._context.effective.spec_of(key)
        return None if spec is None else spec.history

    def _of(self, key: str) -> _Tries:
        return self._tries.setdefault(key, _Tries())

    def _possible(self, section: HistorySection, span: Span, now_at: datetime) -> Span | None:
        deep = timedelta(days=section.depth_days) - DEPTH_MARGIN if section.depth_days else DEEPEST
        if span.why == "command" and not section.depth_days:
            deep = max(deep, min(now_at - span.since, FARTHEST))
        return within(span, now_at - deep, now_at)

    def _want(self, key: str, known: Known, span: Span) -> Known:
        context = self._context
        context.outgoing.event(
            "history_wanted", meter=key, since=span.since.isoformat(), until=span.until.isoformat(), why=span.why
        )
        return replace(known, wanted=added(known.wanted, span))

    def _send(self, key: str, spec: Spec, found: Intervals, *, doubted: bool) -> None:
        if not found.samples:
            return
        units = {code: unit for code, unit in found.units.items() if unit and unit_is_open(code)}
        clock = Clock.UNSYNCED if doubted else Clock.METER
        self._context.outgoing.readings(key, spec.ref, clock, Source.PROFILE, found.samples, units)
        self._context.metrics.samples.labels(Source.PROFILE).inc(len(found.samples))

    def _done_with(self, key: str, span: Span, count: int) -> None:
        known = self._memory.get(key) or Known()
        whole = next((one for one in known.wanted if one.since <= span.since and one.until == span.until), None)
        wanted = without(known.wanted, span.since, span.until, count)
        self._memory.put(key, replace(known, wanted=wanted))
        if whole is not None:
            self._context.outgoing.event(
                "history_read", meter=key, until=span.until.isoformat(), why=span.why, intervals=whole.read + count
            )
        for wish in [wish for wish in self._wishes if wish.key == key]:
            if span.since < wish.span.until and wish.span.since < span.until:
                wish.read += count
            if without(wanted, wish.span.since, wish.span.until) == wanted:
                self._end(wish)

    def _end(self, wish: Wish) -> None:
        wish.done.set()
        self._wishes.remove(wish)
