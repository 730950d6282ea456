"""The outbox: every message on disk before it is sent, bounded by a stated policy, and it always starts."""

import time
from bisect import bisect_right
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import structlog

from broker.errors import ContractError
from broker.topics import Kind
from device.files import write_atomically
from device.outbox_acks import Acks
from device.outbox_record import Record, encode, stream_of
from device.outbox_segments import Segment, SegmentLog

log = structlog.get_logger()

ACKS_FILE: Final = "acks.json"
MEMORY_LIMIT_BYTES: Final = 4 * 1024 * 1024
RETRY_DISK_S: Final = 2.0
NEAR_FULL: Final = 0.8
NEAR_FULL_OVER: Final = 0.7


@dataclass(frozen=True, slots=True)
class Notice:
    """Something an operator should know of the outbox, to be sent as an event."""

    event: str
    severity: Literal["info", "warning", "error"]
    detail: dict[str, Any]


@dataclass(slots=True)
class Counts:
    """What happened since the start, in messages."""

    appended: int = 0
    acknowledged: int = 0
    dropped: int = 0
    thinned: int = 0
    damaged: int = 0
    disk_errors: int = 0


class Outbox:
    """Messages of one device, in the order of their indices, until the broker has each.

    Bounded by `limit_bytes` on disk. When it is full, the oldest closed segment that was not thinned yet loses every
    second readings message of each meter; when all are thinned, the oldest segment is dropped whole. When the disk
    takes no more, messages wait in memory (MEMORY_LIMIT_BYTES), the oldest of them dropped when that is full, and are
    written once the disk takes them again. Both are counted and told by `take_notices()`.
    """

    def __init__(self, folder: Path, *, limit_bytes: int, wall: Callable[[], float] = time.time) -> None:
        self.limit_bytes = limit_bytes
        self.counts = Counts()
        self.disk_error = ""
        self.in_use: Callable[[int, int], bool] = lambda _first, _end: False
        self._folder = folder
        self._wall = wall
        self._acks = Acks()
        self._acks_changed = False
        self._log = SegmentLog(folder, segment_bytes(limit_bytes))
        self._memory: OrderedDict[int, Record] = OrderedDict()
        self._memory_bytes = 0
        self._loaded: tuple[Segment, int, list[Record]] | None = None
        self._notices: deque[Notice] = deque(maxlen=64)
        self._near_full = False
        self._retry_at = 0.0
        self._next = 1
        self._waiting = 0

    def open(self) -> None:
        """Take up what an earlier run left; whatever is damaged is cut off or moved aside, and counted."""
        try:
            self._next = self._log.open()
            self._acks = Acks.from_json((self._folder / ACKS_FILE).read_bytes())
        except FileNotFoundError:
            pass
        except ContractError as error:
            log.warning("outbox_acks_unreadable", error=str(error))
            self._notice("outbox_damaged", "warning", acks=str(error))
        except OSError as error:
            self._failed(error)
        self._next = max(self._next, self._acks.end)
        self._acks.add(1, self._log.segments[0].first if self._log.segments else self._next)
        for segment in list(self._log.segments):
            end = self._log.end_of(segment, self._next)
            if segment.thinned:
                segment.left = sum(record.index not in self._acks for record in self._log.load(segment))
                self._finish_thinned(segment, end)
            self._waiting += segment.left if segment.thinned else self._acks.missing(segment.first, end)
        damages = self._log.damages
        if damages.torn_bytes or damages.files:
            self._notice("outbox_damaged", "warning", torn_bytes=damages.torn_bytes, files_set_aside=damages.files)
        self._delete_finished()

    @property
    def waiting(self) -> int:
        """Messages not yet acknowledged."""
        return self._waiting

    @property
    def size_bytes(self) -> int:
        """Octets on disk and in memory."""
        return self._log.size + self._memory_bytes

    @property
    def damaged_bytes(self) -> int:
        """Octets found torn or damaged since the start."""
        return self._log.damages.torn_bytes + self._log.damages.damaged_bytes

    @property
    def next_index(self) -> int:
        """The index that the next message gets."""
        return self._next

    def oldest_age_s(self) -> float:
        """How long the oldest message has waited, 0 where none does; reads at most one segment."""
        oldest = self.read_after(0, 1)
        return max(0.0, self._wall() - oldest[0].appended_ms / 1000) if oldest else 0.0

    def append(self, kind: Kind, payload: bytes, meter: str = "") -> Record:
        """Take one message; it is on disk after the next sync, or in memory where the disk refuses."""
        stream = stream_of(meter) if meter else 0
        record = Record(self._next, int(self._wall() * 1000), stream, kind, payload)
        in_memory = bool(self._memory) and not self._write_memory()
        if not in_memory:
            # before the index is given: where no segment is open, the last one would seem to hold this message
            self._make_room(len(encode(record)))
        self._next += 1
        self._waiting += 1
        self.counts.appended += 1
        if in_memory:
            self._remember(record)
            return record
        try:
            self._log.append(record)
        except OSError as error:
            self._failed(error)
            self._remember(record)
        return record

    def acknowledge(self, index: int) -> None:
        """The broker has this message; its segment is deleted once all of it is done."""
        if not self._gone(index, index + 1):
            return
        self.counts.acknowledged += 1
        record = self._memory.pop(index, None)
        if record is not None:
            self._memory_bytes -= len(record.payload)
            return
        segment = self._segment_of(index)
        if segment is not None and segment.thinned:
            segment.left -= 1
            self._finish_thinned(segment, self._log.end_of(segment, self._end_on_disk()))

    def holds(self, index: int) -> bool:
        """Whether a message that was given this index still waits."""
        return index not in self._acks

    def read_after(self, index: int, most: int) -> list[Record]:
        """The first unacknowledged messages beyond an index, in order."""
        found: list[Record] = []
        for segment in list(self._log.segments):
            end = self._log.end_of(segment, self._end_on_disk())
            if len(found) >= most or end <= index + 1 or self._acks.next_missing(max(index + 1, segment.first)) >= end:
                continue
            found += [r for r in self._load(segment, end) if r.index > index and r.index not in self._acks]
        if len(found) < most:
            found += [record for record in self._memory.values() if record.index > index]
        return found[:most]

    def set_limit(self, limit_bytes: int) -> None:
        """Another bound, obeyed at once."""
        self.limit_bytes = limit_bytes
        self._log.segment_bytes = segment_bytes(limit_bytes)
        self._make_room(0)

    def take_unsynced(self) -> list[int]:
        """Descriptors for `outbox_segments.sync`, in a thread; writes first what waits in memory."""
        if self._memory:
            self._write_memory()
        return self._log.take_unsynced()

    def save_acks(self) -> None:
        """Write down what is acknowledged, delete segments that are done; call it about once a second.

        What is not written down is repeated after a restart, never lost. After an error of the disk it is written
        in any case, and waited for: that shows whether the disk works again.
        """
        if not self._acks_changed and not self.disk_error:
            return
        self._delete_finished()
        try:
            write_atomically(self._folder / ACKS_FILE, self._acks.to_json(), durable=bool(self.disk_error))
            self._acks_changed = False
        except OSError as error:
            self._failed(error)
        else:
            if not self._memory:
                self._recovered()

    def sync_failed(self, error: OSError) -> None:
        """Note that the disk refused a sync; the segment is left and another begun."""
        self._failed(error)
        self._log.rotate()

    def take_notices(self) -> list[Notice]:
        """What to tell since the last call."""
        notices = list(self._notices)
        self._notices.clear()
        return notices

    def _load(self, segment: Segment, end: int) -> list[Record]:
        if self._loaded is not None and self._loaded[0] is segment and self._loaded[1] == segment.size:
            return self._loaded[2]
        records = self._log.load(segment)
        self._loaded = (segment, segment.size, records)
        if segment.thinned:
            left = sum(record.index not in self._acks for record in records)
            self.counts.damaged += segment.left - left
            self._waiting -= segment.left - left
            segment.left = left
            self._finish_thinned(segment, end)
            return records
        present = Acks()
        for record in records:
            present.add(record.index, record.index + 1)
        index = segment.first
        while (index := present.next_missing(index)) < end:
            self.counts.damaged += self._gone(index, index + 1)
            index += 1
        return records

    def _end_on_disk(self) -> int:
        return next(iter(self._memory), self._next)

    def _gone(self, first: int, end: int) -> int:
        """Done with these waiting messages; how many of them were still waiting."""
        new = self._acks.add(first, end)
        self._waiting -= new
        self._acks_changed = self._acks_changed or new > 0
        return new

    def _finish_thinned(self, segment: Segment, end: int) -> None:
        """Close the gaps of a thinned segment that is done: it is one interval from then on."""
        if segment.left <= 0 and self._acks.add(segment.first, end):
            self._acks_changed = True

    def _segment_of(self, index: int) -> Segment | None:
        place = bisect_right(self._log.segments, index, key=lambda segment: segment.first) - 1
        return self._log.segments[place] if place >= 0 else None

    def _delete_finished(self) -> None:
        for segment in self._log.closed:
            if self._acks.next_missing(segment.first) >= self._log.end_of(segment, self._end_on_disk()):
                self._forget(segment)

    def _forget(self, segment: Segment) -> None:
        if self._loaded is not None and self._loaded[0] is segment:
            self._loaded = None
        self._log.delete(segment)

    def _make_room(self, wanted: int) -> None:
        size = self._log.size
        while size + wanted > self.limit_bytes and self._log.closed:
            oldest = next((segment for segment in self._log.closed if self._may_thin(segment)), None)
            if oldest is None or not self._thin(oldest):
                self._drop(self._log.closed[0])
            size = self._log.size
        share = (size + wanted) / self.limit_bytes
        if share >= NEAR_FULL and not self._near_full:
            self._near_full = True
            self._notice("outbox_near_full", "warning", bytes=size, limit_bytes=self.limit_bytes, waiting=self.waiting)
        elif share < NEAR_FULL_OVER:
            self._near_full = False

    def _may_thin(self, segment: Segment) -> bool:
        # a message on its way must not be left out: its acknowledgement would count for one that stays
        return not segment.thinned and not self.in_use(segment.first, self._log.end_of(segment, self._end_on_disk()))

    def _thin(self, segment: Segment) -> bool:
        try:
            left_out = self._log.thin(segment)
        except OSError as error:
            self._failed(error)
            return False
        self._loaded = None
        end = self._log.end_of(segment, self._end_on_disk())
        before = self._acks.missing(segment.first, end)
        lost = sum(index not in self._acks for index in left_out)
        segment.left = before - lost
        self._waiting -= lost
        self.counts.thinned += lost
        self._finish_thinned(segment, end)
        if lost:
            self._notice("outbox_thinned", "warning", messages=lost, from_index=segment.first)
        return True

    def _drop(self, segment: Segment) -> None:
        end = self._log.end_of(segment, self._end_on_disk())
        lost = segment.left if segment.thinned else self._acks.missing(segment.first, end)
        self._waiting -= lost
        self._acks.add(segment.first, end)
        self._acks_changed = True
        self._forget(segment)
        if lost:
            self.counts.dropped += lost
            self._notice("outbox_dropped", "error", messages=lost, from_index=segment.first, why="limit")

    def _remember(self, record: Record) -> None:
        self._memory[record.index] = record
        self._memory_bytes += len(record.payload)
        lost = 0
        while self._memory_bytes > MEMORY_LIMIT_BYTES:
            index, oldest = self._memory.popitem(last=False)
            self._memory_bytes -= len(oldest.payload)
            lost += self._gone(index, index + 1)
        if lost:
            self.counts.dropped += lost
            self._notice("outbox_dropped", "error", messages=lost, from_index=record.index, why="disk and memory full")

    def _write_memory(self) -> bool:
        if time.monotonic() < self._retry_at:
            return False
        while self._memory:
            index, record = next(iter(self._memory.items()))
            self._make_room(len(record.payload))
            try:
                self._log.append(record)
            except OSError as error:
                self._failed(error)
                return False
            del self._memory[index]
            self._memory_bytes -= len(record.payload)
        self._recovered()
        return True

    def _recovered(self) -> None:
        if self.disk_error:
            self.disk_error = ""
            self._notice("outbox_disk_recovered", "info")

    def _failed(self, error: OSError) -> None:
        self.counts.disk_errors += 1
        self._retry_at = time.monotonic() + RETRY_DISK_S
        text = error.strerror or str(error)
        if text != self.disk_error:
            log.warning("outbox_disk_error", error=text)
            self._notice("outbox_disk_error", "error", error=text)
        self.disk_error = text

    def _notice(self, event: str, severity: Literal["info", "warning", "error"], **detail: Any) -> None:
        last = self._notices[-1] if self._notices else None
        if last is not None and last.event == event and "messages" in detail:
            self._notices.pop()
            detail["messages"] += last.detail["messages"]
        self._notices.append(Notice(event, severity, detail))


def segment_bytes(limit_bytes: int) -> int:
    """The size of a segment: a sixteenth of the limit, 64 KiB to 1 MiB, so that a drop never takes much."""
    return max(64 * 1024, min(1024 * 1024, limit_bytes // 16))
