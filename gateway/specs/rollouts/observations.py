"""What the store knows of a canary's meters: before they got it, since then, and of the rest of the fleet meanwhile."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from broker.contract.messages import Readings
from broker.errors import ContractError
from gateway.specs.rollouts.jumps import Pair, implausible
from gateway.specs.rollouts.models import Limits
from gateway.specs.rollouts.store import (
    CanaryMeter,
    canary_counts,
    canary_edges,
    canary_jumps,
    canary_refused,
    canary_rest,
    canary_times,
)
from gateway.specs.rollouts.verdict import Counts, ObservedMeter
from store.sql import Connection

IMPOSSIBLE: Final = {"implausible_time": "an impossible time", "implausible_value": "an impossible value"}
"""By the reason in quarantine."""
Key = tuple[int, datetime, datetime]
"""A meter and a span."""
SETTLED: Final = timedelta(seconds=120)
"""How long after a canary was given the last readings by the version before it may still come."""
Edge = tuple[int, int, datetime]
"""A canary's meter, itself or one behind it, and until when its readings came by another spec."""


@dataclass(frozen=True, slots=True)
class Span:
    """A meter and when to look at it."""

    meter_id: int
    since: datetime
    until: datetime

    @property
    def key(self) -> Key:
        """For what is remembered."""
        return self.meter_id, self.since, self.until


class Observer:
    """Reads the store for the judge. Spans that are over do not change and are remembered while a canary needs them."""

    def __init__(self) -> None:
        self._past: dict[Key, Counts] = {}
        self._edges: dict[Key, list[Edge]] = {}

    def keep_only(self, keys: set[Key]) -> None:
        """Forget the spans that no canary needs any more: they are bounded by the meters of all canaries."""
        self._past = {key: counts for key, counts in self._past.items() if key in keys}
        self._edges = {key: edges for key, edges in self._edges.items() if key in keys}

    async def given(
        self, connection: Connection, ref: str, rows: Sequence[CanaryMeter], limits: Limits, now: datetime
    ) -> tuple[list[ObservedMeter], set[Key]]:
        """The meters of a canary, and the spans that are worth remembering."""
        window = timedelta(seconds=limits.window_s)
        past = [Span(row.meter_id, row.given_at - window, row.given_at) for row in rows]
        spans = [Span(row.meter_id, max(row.given_at, now - window), now) for row in rows]
        before = await self._remembered(connection, past)
        counts = await _counts(connection, spans, ref)
        begun = [span for span in past if counts[span.meter_id].messages]
        odd = await self._implausible(connection, ref, rows, begun, limits)
        observed = [
            ObservedMeter(
                row.key,
                before[row.meter_id],
                counts[row.meter_id],
                (now - row.given_at).total_seconds(),
                bool(row.reachable),
                tuple(odd[row.meter_id]),
                row.reverted,
            )
            for row in rows
        ]
        return observed, {span.key for span in past}

    async def rest(
        self, connection: Connection, befores: Iterable[str], first: datetime, limits: Limits, now: datetime
    ) -> tuple[list[ObservedMeter], set[Key]]:
        """Meters that still have what the canary's had, before `first` (when the canary was first given) and since."""
        rows = await canary_rest(connection, sorted(set(befores)))
        window = timedelta(seconds=limits.window_s)
        past = [Span(row.meter_id, first - window, first) for row in rows]
        start = max(first, now - window)
        before = await self._remembered(connection, past)
        counts = await _counts(connection, [Span(row.meter_id, start, now) for row in rows], None)
        since_s = (now - first).total_seconds()
        observed = [
            ObservedMeter(row.key, before[row.meter_id], counts[row.meter_id], since_s, row.reachable) for row in rows
        ]
        return observed, {span.key for span in past}

    async def _remembered(self, connection: Connection, spans: Sequence[Span]) -> dict[int, Counts]:
        new = [span for span in spans if span.key not in self._past]
        counts = await _counts(connection, new, None)
        self._past |= {span.key: counts[span.meter_id] for span in new}
        return {span.meter_id: self._past[span.key] for span in spans}

    async def _implausible(
        self, connection: Connection, ref: str, rows: Sequence[CanaryMeter], begun: Sequence[Span], limits: Limits
    ) -> dict[int, list[str]]:
        """What is odd about each meter's readings by the canary."""
        odd: dict[int, list[str]] = defaultdict(list)
        pairs: dict[int, list[Pair]] = defaultdict(list)
        edges = await self._found_edges(connection, ref, begun)
        if edges:
            tops, meters, times = (list(column) for column in zip(*edges, strict=True))
            for jump in await canary_jumps(connection, tops, meters, times):
                pairs[jump.top].append(jump)
        for meter_id, found in pairs.items():
            odd[meter_id] += implausible(found, limits.max_kw)
        ids, since = [row.meter_id for row in rows], min(row.given_at for row in rows)
        for value in await canary_refused(connection, ids, ref, since):
            odd[value.meter_id].append(f"{value.address} is refused")
        by_key = {row.key: row.meter_id for row in rows}
        devices = [row.device_id for row in rows]
        for payload in await canary_times(connection, devices, since):
            meter = _meter_of(payload.data, ref)
            if meter in by_key:
                odd[by_key[meter]].append(IMPOSSIBLE[payload.reason])
        return odd

    async def _found_edges(self, connection: Connection, ref: str, begun: Sequence[Span]) -> list[Edge]:
        """Until when the readings of meters, which have begun to come by a canary, came by what was before.

        They are settled some time after a meter got the canary: the ledger is then not searched again.
        """
        new = [span for span in begun if span.key not in self._edges]
        found: dict[int, list[Edge]] = defaultdict(list)
        if new:
            ids, given = [span.meter_id for span in new], [span.until for span in new]
            start = min(given) - SETTLED
            for edge in await canary_edges(connection, ids, given, ref, start):
                found[edge.top].append((edge.top, edge.meter_id, edge.old_until))
        now = datetime.now(UTC)
        settled = [span for span in new if now - span.until > SETTLED and found[span.meter_id]]
        self._edges |= {span.key: found[span.meter_id] for span in settled}
        return [one for span in begun for one in (self._edges.get(span.key) or found[span.meter_id])]


async def _counts(connection: Connection, spans: Sequence[Span], ref: str | None) -> dict[int, Counts]:
    if not spans:
        return {}
    ids, since, until = zip(*((span.meter_id, span.since, span.until) for span in spans), strict=True)
    found = await canary_counts(connection, ids, since, until, min(since), max(until), ref)
    return {one.top: one for one in found}


def _meter_of(data: bytes, ref: str) -> str:
    """Whose readings by this spec a payload is; '' where it is another's."""
    try:
        message = Readings.parse(data)
    except ContractError:
        return ""
    return message.meter if message.spec == ref else ""
