"""The history of this device's meters: what is missed is noted, asked for in slices, delivered, and done with."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from broker.contract.messages import Clock, Source
from broker.contract.obis import unit_is_open
from broker.errors import FrameError
from device.history.memory import HistoryMemory, Known
from device.history.rows import Intervals, intervals
from device.history.spans import Span, added, exhausted, missed, next_slice, overlap, within, without
from device.history.tries import RETRY_FIRST_S, Tries
from device.history.wishes import Wish, progress
from device.readings.context import Context
from meters.decoding.obis_filter import ObisFilter
from meters.specs.sections import History as HistorySection
from meters.specs.spec import Spec
from meters.telegram import ProfileRow

log = structlog.get_logger()

SAVE_EVERY_S: Final = 900.0
"""How old the mark of the last live reading may be on disk: so much may be read from the meter again after a cut."""
FEWEST_READINGS: Final = 2.5
"""A silence of fewer reading intervals is none."""
DEPTH_MARGIN: Final = timedelta(hours=1)
"""What is about to fall out of a meter's memory is not asked for."""
DEEPEST: Final = timedelta(days=400)
"""Further back nothing is asked for by itself, where no spec says how far: a clock may have jumped by years."""
FARTHEST: Final = timedelta(days=3660)
"""How far back a person may ask where nobody knows what a meter remembers."""
LOG_EVERY_S: Final = 60.0


class History:
    """Which spans of which meter are wanted, in `memory`; ports ask for what is due and bring what they read.

    Nothing is due while `connected` says no: what a meter keeps needs no place in the outbox.
    """

    def __init__(self, context: Context, memory: HistoryMemory, connected: Callable[[], bool]) -> None:
        self._context = context
        self._memory = memory
        self._connected = connected
        self._tries: dict[str, Tries] = {}
        self._read_at: dict[str, datetime] = {}
        self._logged_s: dict[str, float] = {}
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

    def asked_for(self) -> tuple[str, ...]:
        """The meters of which something is still to be read on command."""
        return tuple(key for key, known in self._memory.all() if any(span.why == "command" for span in known.wanted))

    def cancel(self, key: str) -> dict[str, Any]:
        """Give up what commands asked for of a meter and is not read yet, and tell what that was."""
        known = self._memory.get(key) or Known()
        given_up = [span for span in known.wanted if span.why == "command"]
        seconds = sum((span.until - span.since).total_seconds() for span in given_up)
        told = {"intervals": sum(span.read for span in given_up), "unread_h": round(seconds / 3600, 1)}
        if given_up:
            self._memory.put(key, replace(known, wanted=tuple(one for one in known.wanted if one not in given_up)))
            self._context.outgoing.event("history_cancelled", "info", meter=key, **told)
        self._end_wishes(key, "cancelled by the command cancel_profile")
        return told

    def progress(self, wish: Wish) -> dict[str, Any]:
        """How far a wish is."""
        known, tries = self._memory.get(wish.key) or Known(), self._of(wish.key)
        rest_s = tries.again_s - self._context.monotonic()
        trouble = f"{tries.trouble}; asked again in {rest_s:.0f} s" if tries.trouble and rest_s > 0 else ""
        return progress(wish, known.wanted, trouble if self._connected() else "the broker is away")

    def due(self, key: str) -> Span | None:
        """The slice that is to be read of a meter now; None where there is none."""
        known = self._memory.get(key)
        if known is None or not known.wanted or self._section(key) is None or not self._connected():
            return None
        tries = self._of(key)
        if self._context.monotonic() < tries.again_s:
            return None
        return next_slice(known.wanted, tries.slice_s)

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
            self._of(key).wait(context.monotonic(), RETRY_FIRST_S, "the disk refuses")
            return
        self._of(key).read(took_s)
        context.metrics.history_slices.labels("read").inc()
        self._done_with(key, span, found.count)

    def failed(self, key: str, span: Span, error: FrameError) -> None:
        """A slice could not be read: it is tried again later, or given up with all that is wanted of the meter."""
        context = self._context
        context.metrics.history_slices.labels(error.reason).inc()
        if not self._of(key).failed(error, context.monotonic()):
            return
        known = self._memory.get(key) or Known()
        since = known.wanted[0].since if known.wanted else span.since
        context.outgoing.event(
            "history_refused", "warning", meter=key, since=since.isoformat(), until=span.until.isoformat(),
            reason=error.reason, detail=error.detail,
            fix="see history in its spec (command, password_ref, stamps_in), then wattline device command read_profile",
        )  # fmt: skip
        self._tries.pop(key, None)
        self._memory.put(key, replace(known, wanted=()))
        self._end_wishes(key, f"{error.reason}: {error.detail}")

    def upkeep(self) -> None:
        """Measure; call it about once a second."""
        self._context.metrics.history_wanted_s.set(self._memory.wanted_s)

    def _section(self, key: str) -> HistorySection | None:
        spec = self._context.effective.spec_of(key)
        return None if spec is None else spec.history

    def _of(self, key: str) -> Tries:
        return self._tries.setdefault(key, Tries())

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
        whole = next((one for one in known.wanted if span.since <= one.since and one.until == span.until), None)
        wanted = without(known.wanted, span.since, span.until, count)
        older = exhausted(wanted)
        wanted = tuple(one for one in wanted if one not in older)
        self._memory.put(key, replace(known, wanted=wanted))
        for wish in self._wishes:
            if wish.key == key and overlap(span, wish.span) is not None:
                wish.read += count
        if whole is not None:
            self._read(key, whole, whole.read + count)
        for one in older:
            # whoever asked is told where it ends, and not asked for years that nobody remembers
            began_at = one.until + timedelta(seconds=one.empty_s)
            self._read(key, replace(one, since=began_at), one.read, ended="the meter has nothing older")
        for wish in [wish for wish in self._wishes if wish.key == key]:
            if without(wanted, wish.span.since, wish.span.until) == wanted:
                self._end(wish)
        self._log_progress(key, span, wanted)

    def _read(self, key: str, span: Span, count: int, **detail: str) -> None:
        self._context.outgoing.event(
            "history_read", "info", meter=key, since=span.since.isoformat(), why=span.why, intervals=count, **detail
        )

    def _log_progress(self, key: str, span: Span, wanted: Sequence[Span]) -> None:
        now_s = self._context.monotonic()
        if now_s - self._logged_s.get(key, float("-inf")) < LOG_EVERY_S:
            return
        self._logged_s[key] = now_s
        left_s = sum((one.until - one.since).total_seconds() for one in wanted)
        log.info("history_progress", meter=key, read_back_to=span.since.isoformat(), left_h=round(left_s / 3600, 1))

    def _end_wishes(self, key: str, error: str) -> None:
        for wish in [wish for wish in self._wishes if wish.key == key]:
            wish.error = error
            self._end(wish)

    def _end(self, wish: Wish) -> None:
        wish.done.set()
        self._wishes.remove(wish)
