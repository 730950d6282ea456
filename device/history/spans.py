"""Spans of time that are to be read from a meter's memory. Pure functions; times are aware UTC."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal

Why = Literal["first", "outage", "command"]
SPANS_MAX: Final = 64
"""Spans of one meter; beyond it the oldest two are joined, with what lies between them."""
NOTHING_OLDER_S: Final = 31 * 86400.0
"""So long without an interval, going back, no meter is off that remembers what was before: its memory ends there."""
FIRST_SLICE_S: Final = 6 * 3600.0
LONGEST_SLICE_S: Final = 86400.0
SHORTEST_SLICE_S: Final = 3600.0
SLOW_S: Final = 20.0
QUICK_S: Final = 8.0
"""A slice that keeps live reads waiting for longer than the one is halved, below the other the next is doubled."""


@dataclass(frozen=True, slots=True)
class Span:
    """Intervals that end after `since` and not after `until`, why they are wanted, and how many of them were read.

    It is read from its end on; `empty_s` is how long, since the last interval that came, the meter had none.
    """

    since: datetime
    until: datetime
    why: Why
    read: int = 0
    empty_s: float = 0.0


def added(spans: Sequence[Span], new: Span) -> tuple[Span, ...]:
    """The spans with one more, oldest first; what is wanted already is not wanted twice."""
    pieces = [new]
    for span in spans:
        pieces = [rest for piece in pieces for rest in without([piece], span.since, span.until)]
    found = sorted([*spans, *pieces], key=lambda span: span.since)
    while len(found) > SPANS_MAX:
        one, two, *found = found
        found.insert(0, replace(two, since=one.since, read=one.read + two.read))
    return tuple(found)


def without(spans: Sequence[Span], since: datetime, until: datetime, read: int | None = None) -> tuple[Span, ...]:
    """What is left of spans without this part; `read` intervals of it are counted for the part that goes on."""
    left: list[Span] = []
    for span in spans:
        if span.until <= since or until <= span.since:
            left.append(span)
            continue
        older, newer = span.since < since, until < span.until
        if older:
            empty_s = 0.0 if read else span.empty_s + (min(until, span.until) - since).total_seconds()
            empty_s = span.empty_s if read is None else empty_s
            left.append(replace(span, until=since, read=span.read + (read or 0), empty_s=empty_s))
        if newer:
            left.append(replace(span, since=until, read=0 if older else span.read + (read or 0)))
    return tuple(left)


def exhausted(spans: Sequence[Span]) -> tuple[Span, ...]:
    """Spans whose meter has had nothing for so long, going back, that it has nothing older."""
    return tuple(span for span in spans if span.empty_s >= NOTHING_OLDER_S)


def overlap(one: Span, other: Span) -> Span | None:
    """What of one span lies in another."""
    return within(one, other.since, other.until)


def within(span: Span, earliest: datetime, latest: datetime) -> Span | None:
    """A span cut to what can be there; None where nothing of it can."""
    since, until = max(span.since, earliest), min(span.until, latest)
    return replace(span, since=since, until=until) if since < until else None


def next_slice(spans: Sequence[Span], slice_s: float) -> Span | None:
    """What to read next: the newest, which is what people look at, and a long read of years holds up no outage."""
    if not spans:
        return None
    newest = spans[-1]
    return replace(newest, since=max(newest.since, newest.until - timedelta(seconds=slice_s)))


def next_slice_s(slice_s: float, took_s: float) -> float:
    """How long the next slice of history may be, by how long the line was taken for the one before."""
    if took_s > SLOW_S:
        return max(SHORTEST_SLICE_S, slice_s / 2)
    return min(LONGEST_SLICE_S, slice_s * 2) if took_s < QUICK_S else slice_s


def missed(read_at: datetime | None, now_at: datetime, period_s: float, days_back: float) -> Span | None:
    """What of a meter's time nobody has read, now that it is read again: `read_at` is the reading before.

    None where a span is shorter than `period_s`: no interval need have ended in it. A meter of which nothing is known
    is asked for `days_back`.
    """
    if read_at is None:
        since = now_at - timedelta(days=days_back)
        return Span(since, now_at, "first") if days_back > 0 else None
    return Span(read_at, now_at, "outage") if (now_at - read_at).total_seconds() > period_s else None
