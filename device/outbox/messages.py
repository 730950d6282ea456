"""The outbox's messages on disk and where each stands: waiting for the broker, taken by it, or done."""

from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from device.outbox.record import Record
from device.outbox.segments import Segment, SegmentLog, thinned_out
from device.outbox.state import State, StateFiles, Thinned


@dataclass(frozen=True, slots=True)
class Lost:
    """Messages that are gone without the store's word: `taken` of them the broker had, `waiting` it had not."""

    waiting: int = 0
    taken: int = 0

    @property
    def all(self) -> int:
        """Both."""
        return self.waiting + self.taken


class Messages:
    """Segments, and the state of each message in them; `left` counts what is not done, `taken` what the broker has.

    `on_damage` is given messages that should be in a segment and are not.
    """

    def __init__(self, folder: Path, segment_bytes: int, on_damage: Callable[[Lost, int], None]) -> None:
        self.log = SegmentLog(folder, segment_bytes)
        self.files = StateFiles(folder)
        self.state = State()
        self.changed = False
        self.left = 0
        self.taken = 0
        self.whole_end = 1
        self._on_damage = on_damage
        self._end = 1
        self._loaded: tuple[Segment, int, list[Record]] | None = None
        self._used = False

    def open(self) -> None:
        """Take up what an earlier run left. Raises OSError."""
        # each step is done again where the power went before the next one
        if self.log.has_newer():
            # before its segments: as long as one of them stands there the states are that agent's
            self.files.set_aside()
        if self.log.has_kept():
            # before the segments: by the state of the agent that kept them, they are done with
            self.files.forget()
        self._end = self.log.open()
        if not self.log.newer:
            # behind the segments: as long as one of them is kept the states in place are the older agent's
            self.files.take_back()
        self.state = self.files.load()
        state = self.state
        for first, end in self.log.newer:
            # they are not ours to send, and not lost
            state.done.add(first, end)
        for record in self.log.tail:
            state.boots.note(record.index, record.payload)
        self.log.tail = []
        for first, end in state.done:
            state.taken.remove(first, end)
        given = state.following
        state.following = max(given, self._end, state.done.end, state.taken.end)
        self.whole_end = max(self._end, state.done.next_missing(1))
        segments = self.log.segments
        edge = segments[0].first if segments else state.following
        for first, end in ((1, edge), (self._end, state.following)):
            lost = self._miss(first, end)
            # an older state does not know what was done since it was saved: nothing can be said by it
            if self.files.is_newest:
                self._note_lost(lost, end - lost.all)
        self._end = state.following
        self._pass_over_unused(given)
        for segment in list(segments):
            self._take_up(segment)
        self.changed = True

    def _pass_over_unused(self, given: int) -> None:
        """Be done with indices from `given` on that nobody used: an older agent began far beyond our last message."""
        if not self.files.is_newest:
            return
        for segment in self.log.segments[:-1]:
            end = self.end_of(segment)
            records = self.log.load(segment) if end > given else []
            if records:
                self._miss(max(given, records[-1].index + 1), end)

    def append(self, record: Record) -> None:
        """Write a new message at the end. Raises OSError, and has it not then."""
        self.log.append(record)
        self._end = record.index + 1
        # a message that waited in memory while the disk refused may have gone out from there
        self._shift(self.log.segments[-1], left=1, taken=record.index in self.state.taken)

    def waits(self, index: int) -> bool:
        """Whether a message still waits for the broker."""
        return index not in self.state.done and index not in self.state.taken

    def take(self, index: int) -> None:
        """The broker has a message that waited."""
        self.state.taken.add(index, index + 1)
        self.changed = True
        segment = self._segment_of(index)
        if segment is not None and index < self._end:
            self._shift(segment, taken=1)
            self._close_gaps(segment)

    def settle(self, first: int, end: int) -> int:
        """Be done with all messages from `first` to `end` - 1; how many on disk were not done before."""
        before = self.left
        segments = list(self._overlapping(first, end))
        for segment in segments:
            left, taken = self._count_left(segment, max(first, segment.first), min(end, self.end_of(segment)))
            self._shift(segment, left=-left, taken=-taken)
        new = self.state.done.add(first, end)
        self.state.taken.remove(first, end)
        self.changed = self.changed or new > 0
        for segment in segments:
            self._close_gaps(segment)
        return before - self.left

    def waiting_after(self, index: int, most: int) -> list[Record]:
        """The first messages beyond an index that wait for the broker, in order."""
        found: list[Record] = []
        for segment in self._overlapping(index + 1, self._end):
            if segment.left > segment.taken:
                found += [one for one in self.load(segment) if one.index > index and self.waits(one.index)]
            if len(found) >= most:
                break
        return found[:most]

    def taken_within(self, first: int, end: int, most: int) -> list[Record]:
        """The first messages from `first` to `end` - 1 that the broker has and the store has not, in order."""
        found: list[Record] = []
        taken = self.state.taken
        for segment in self._overlapping(first, end):
            if segment.taken:
                found += [one for one in self.load(segment) if first <= one.index < end and one.index in taken]
            if len(found) >= most:
                break
        return found[:most]

    def load(self, segment: Segment) -> list[Record]:
        """All records of a segment, kept until another one is loaded. What is missing is done with, and reported."""
        if self._is_loaded(segment):
            return self._records(segment)
        records = self._records(segment)
        if segment.thinned:
            before = Lost(segment.left - segment.taken, segment.taken)
            self._count(segment)
            self._note_lost(_difference(before, segment), segment.first)
            return records
        edges = [segment.first - 1, *(record.index for record in records), self.end_of(segment)]
        for index, following in pairwise(edges):
            lost = self._miss(index + 1, following)
            self._shift(segment, left=-lost.all, taken=-lost.taken)
            self._note_lost(lost, index + 1)
        return records

    def _is_loaded(self, segment: Segment) -> bool:
        return self._loaded is not None and self._loaded[0] is segment and self._loaded[1] == segment.size

    def let_go(self) -> None:
        """Free the memory of the segment that was read last, unless it was asked for since the last call."""
        if not self._used:
            self._loaded = None
        self._used = False

    def _records(self, segment: Segment) -> list[Record]:
        self._used = True
        if self._loaded is None or not self._is_loaded(segment):
            self._loaded = (segment, segment.size, self.log.load(segment))
            for record in self._loaded[2]:
                self.state.boots.note(record.index, record.payload)
        return self._loaded[2]

    def _note_lost(self, lost: Lost, first: int) -> None:
        if lost.all > 0:
            self._on_damage(lost, first)

    def end_of(self, segment: Segment) -> int:
        """One more than the highest index that may lie in a segment."""
        return self.log.end_of(segment, self._end)

    def thin(self, segment: Segment) -> Lost:
        """Leave out every second readings message of each meter; which are lost by it. Raises OSError."""
        records = self.load(segment)
        before = Lost(segment.left - segment.taken, segment.taken)
        self.log.rewrite(segment, thinned_out(records), thinned=True)
        self._loaded = None
        self._count(segment)
        return _difference(before, segment)

    def leave_out_taken(self, segment: Segment) -> Lost:
        """Leave out what the broker has, of a closed segment. Raises OSError."""
        if segment.taken == segment.left:
            return self.drop(segment)
        records = self.load(segment)
        self.log.rewrite(segment, [one for one in records if self.waits(one.index)], thinned=segment.thinned)
        lost = Lost(taken=segment.taken)
        gone = [one.index for one in records if one.index in self.state.taken]
        self._loaded = None
        for first, end in self.state.taken.within(segment.first, self.end_of(segment)):
            self.state.done.add(first, end)
        self.state.taken.remove(segment.first, self.end_of(segment))
        self._shift(segment, left=-len(gone), taken=-segment.taken)
        self.changed = True
        return lost

    def drop(self, segment: Segment) -> Lost:
        """Be done with a whole segment, and delete it."""
        lost = Lost(segment.left - segment.taken, segment.taken)
        end = self.end_of(segment)
        self._shift(segment, left=-segment.left, taken=-segment.taken)
        self.state.done.add(segment.first, end)
        self.state.taken.remove(segment.first, end)
        self.changed = True
        self._forget(segment)
        return lost

    def save(self, *, durable: bool) -> None:
        """Write the state down, then delete segments that are done. Raises OSError."""
        self.state.boots.forget_below(self.state.done.next_missing(1))
        thinned = (one for one in self.log.segments if one.thinned)
        self.state.thinned = {one.first: Thinned(one.size, one.left, one.taken) for one in thinned}
        self.files.save(self.state, durable=durable)
        self.changed = False
        self.files.drop_old()
        for segment in self.log.closed:
            if segment.left <= 0 and self.state.done.next_missing(segment.first) >= self.end_of(segment):
                self._forget(segment)

    def _take_up(self, segment: Segment) -> None:
        """Count a segment that an earlier run left; a thinned one by the state, if that is of the file as it is."""
        known = self.state.thinned.get(segment.first) if segment.thinned and self.files.is_newest else None
        if known is not None and known.size == segment.size:
            self._shift(segment, left=known.left, taken=known.taken)
        else:
            self._count(segment)

    def _count(self, segment: Segment) -> None:
        left, taken = self._count_left(segment, segment.first, self.end_of(segment))
        self._shift(segment, left=left - segment.left, taken=taken - segment.taken)
        self._close_gaps(segment)

    def _count_left(self, segment: Segment, first: int, end: int) -> tuple[int, int]:
        """How many messages of a part of a segment are not done, and how many of those the broker has."""
        state = self.state
        if not segment.thinned:
            return state.done.missing(first, end), state.taken.count(first, end)
        indices = [one.index for one in self._records(segment) if first <= one.index < end]
        indices = [index for index in indices if index not in state.done]
        return len(indices), sum(index in state.taken for index in indices)

    def _close_gaps(self, segment: Segment) -> None:
        """One interval for a thinned segment of which all is done, or all that is left is taken."""
        if not segment.thinned or segment.left > segment.taken:
            return
        state, end = self.state, self.end_of(segment)
        if segment.left <= 0:
            self.changed = state.done.add(segment.first, end) > 0 or self.changed
            state.taken.remove(segment.first, end)
            return
        state.taken.add(segment.first, end)
        for first, stop in state.done.within(segment.first, end):
            state.taken.remove(first, stop)

    def _miss(self, first: int, end: int) -> Lost:
        """Be done with messages that are not there; how many were not done."""
        taken = self.state.taken.remove(first, end)
        new = self.state.done.add(first, end)
        self.changed = self.changed or new > 0
        return Lost(new - taken, taken)

    def _shift(self, segment: Segment, *, left: int = 0, taken: int = 0) -> None:
        segment.left += left
        segment.taken += taken
        self.left += left
        self.taken += taken

    def _segment_of(self, index: int) -> Segment | None:
        place = bisect_right(self.log.segments, index, key=lambda segment: segment.first) - 1
        return self.log.segments[place] if place >= 0 else None

    def _overlapping(self, first: int, end: int) -> Iterator[Segment]:
        place = bisect_right(self.log.segments, first, key=lambda segment: segment.first) - 1
        for segment in self.log.segments[max(0, place) :]:
            if segment.first >= end:
                return
            yield segment

    def _forget(self, segment: Segment) -> None:
        if self._loaded is not None and self._loaded[0] is segment:
            self._loaded = None
        self.log.delete(segment)


def _difference(before: Lost, segment: Segment) -> Lost:
    return Lost(before.waiting - segment.left + segment.taken, before.taken - segment.taken)
