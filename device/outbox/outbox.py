"""The outbox: every message on disk until the store confirms it, bounded by a stated policy, and it always starts."""

import time
from collections import OrderedDict, deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from broker.contract.messages import BootEnd
from broker.contract.topics import Kind
from device.outbox.lanes import Lanes
from device.outbox.messages import Lost, Messages
from device.outbox.notices import Counts, Notice, Notices
from device.outbox.record import Record, encode, stream_of
from device.outbox.segments import Segment

log = structlog.get_logger()

MEMORY_LIMIT_BYTES: Final = 4 * 1024 * 1024
RETRY_DISK_S: Final = 2.0
NEAR_FULL: Final = 0.8
NEAR_FULL_OVER: Final = 0.7
AGES_MAX: Final = 1024
"""Newest messages of which it is known without reading when they were appended."""


class Outbox:
    """Messages of one device, in the order of their indices, until the store has confirmed each.

    A message waits for the broker; at its PUBACK it is taken (`acknowledge`); only a receipt (`confirm`) removes it.
    One whose boot and number can't be read is done at its PUBACK, for no receipt could name it.

    Bounded by `limit_bytes` on disk. When it is full, what the broker has goes first, oldest segment by segment; then
    the oldest closed segment that was not thinned yet loses every second readings message of each meter; when all are
    thinned, the oldest segment is dropped whole. When the disk takes no more, messages wait in memory
    (MEMORY_LIMIT_BYTES), of which those that the broker has, then the oldest are dropped when that is full, and are
    written once the disk takes them again. All is counted, and reported by `take_notices()`.
    """

    def __init__(
        self, folder: Path, *, limit_bytes: int, lanes: Lanes | None = None, wall: Callable[[], float] = time.time
    ) -> None:
        self.limit_bytes = limit_bytes
        self.counts = Counts()
        self.disk_error = ""
        self._lanes = lanes or Lanes()
        self.previous: BootEnd | None = None
        """How far the boot before this run had got, None where nothing is known of one."""
        self._wall = wall
        self._on_disk = Messages(folder, segment_bytes(limit_bytes), self._damaged)
        self._memory: OrderedDict[int, Record] = OrderedDict()
        self._memory_bytes = 0
        self._memory_taken = 0
        self._notices = Notices()
        self._near_full = False
        self._retry_at = 0.0
        self._newest_ms: deque[int] = deque(maxlen=AGES_MAX)
        self._oldest: tuple[int, int] | None = None

    def open(self) -> None:
        """Take up what an earlier run left; whatever is damaged is cut off or moved aside, and counted."""
        disk = self._on_disk
        try:
            disk.open()
        except OSError as error:
            self._failed(error)
        for damage in disk.files.damage:
            self._notices.add("outbox_damaged", "warning", state=damage)
        self.previous = disk.state.boots.last()
        damages = disk.log.damages
        if damages.torn_bytes or damages.files:
            self._notices.add("outbox_damaged", "warning", torn_bytes=damages.torn_bytes, files_set_aside=damages.files)
        if disk.log.newer:
            self._notices.add("outbox_of_newer_agent", "warning", segments=len(disk.log.newer))
        self._save(durable=True)

    @property
    def waiting(self) -> int:
        """Messages that the broker does not have."""
        return self._on_disk.left - self._on_disk.taken + len(self._memory) - self._memory_taken

    @property
    def unconfirmed(self) -> int:
        """Messages that the broker has and the store has not confirmed."""
        return self._on_disk.taken + self._memory_taken

    @property
    def has_receipts(self) -> bool:
        """Whether a receipt ever came: without one the platform may be of before receipts."""
        return self._on_disk.state.has_receipts

    @property
    def size_bytes(self) -> int:
        """Octets on disk and in memory."""
        return self._on_disk.log.size + self._memory_bytes

    @property
    def damaged_bytes(self) -> int:
        """Octets found torn or damaged since the start."""
        return self._on_disk.log.damages.torn_bytes + self._on_disk.log.damages.damaged_bytes

    @property
    def next_index(self) -> int:
        """The index that the next message gets."""
        return self._on_disk.state.following

    @property
    def whole_end(self) -> int:
        """All messages below this index were on the disk at the start, or done with."""
        return self._on_disk.whole_end

    def oldest_age_s(self) -> float:
        """How long the oldest message has waited for the broker, 0 where none does.

        Reads a segment where another old message has become the oldest, and nothing while messages come and go.
        """
        if not self.waiting:
            return 0.0
        index, newest = self._on_disk.state.next_waiting(1), self._newest_ms
        if self.next_index - len(newest) <= index < self.next_index:
            appended_ms = newest[index - self.next_index]
        elif self._oldest is not None and self._oldest[0] == index:
            appended_ms = self._oldest[1]
        else:
            found = self.read_after(0, 1)
            if not found:
                return 0.0
            appended_ms = found[0].appended_ms
            self._oldest = (index, appended_ms)
        return max(0.0, self._wall() - appended_ms / 1000)

    def append(self, kind: Kind, payload: bytes, meter: str = "") -> Record:
        """Take one message; it is on disk after the next sync, or in memory where the disk refuses."""
        stream = stream_of(meter) if meter else 0
        state = self._on_disk.state
        record = Record(state.following, int(self._wall() * 1000), stream, kind, payload)
        in_memory = bool(self._memory) and not self._write_memory()
        if not in_memory:
            # before the index is given: where no segment is open, the last one would seem to hold this message
            self._make_room(len(encode(record)))
        state.following += 1
        state.boots.note(record.index, payload)
        self._on_disk.changed = True
        self._newest_ms.append(record.appended_ms)
        self.counts.appended += 1
        if in_memory:
            self._remember(record)
            return record
        try:
            self._on_disk.append(record)
        except OSError as error:
            self._failed(error)
            self._remember(record)
        return record

    def acknowledge(self, index: int) -> None:
        """The broker has this message; it is kept until the store confirms it."""
        if not self.waits(index):
            return
        self.counts.acknowledged += 1
        if not self._on_disk.state.boots.knows(index):
            self.finish(index)
            return
        self._memory_taken += index in self._memory
        self._on_disk.take(index)

    def finish(self, index: int) -> None:
        """Be done with one message for good, whatever the store says."""
        self._settle(index, index + 1)

    def confirm(self, boot: str, first_seq: int, last_seq: int) -> list[tuple[int, int]]:
        """The store has a boot's messages of these numbers; the indices that they have here, which is done with.

        Numbers that no message here is known to carry change nothing.
        """
        state = self._on_disk.state
        found = state.boots.indices(boot, first_seq, last_seq)
        if found and not state.has_receipts:
            state.has_receipts = self._on_disk.changed = True
        for first, end in found:
            self.counts.confirmed += self._settle(first, end)
        return found

    def waits(self, index: int) -> bool:
        """Whether a message that was given this index still waits for the broker."""
        return self._on_disk.waits(index)

    def is_unconfirmed(self, index: int) -> bool:
        """Whether the broker has a message and the store has not."""
        return index in self._on_disk.state.taken and index not in self._on_disk.state.done

    def read_after(self, index: int, most: int) -> list[Record]:
        """The first messages beyond an index that wait for the broker, in order."""
        found = self._on_disk.waiting_after(index, most)
        if len(found) < most:
            found += [one for one in self._memory.values() if one.index > index and self.waits(one.index)]
        return found[:most]

    def read_unconfirmed(self, first: int, end: int, most: int) -> list[Record]:
        """The first messages from `first` to `end` - 1 that the broker has and the store has not, in order."""
        found = self._on_disk.taken_within(first, end, most)
        if len(found) < most and self._memory_taken:
            taken = self._on_disk.state.taken
            found += [one for one in self._memory.values() if first <= one.index < end and one.index in taken]
        return found[:most]

    def unconfirmed_spans(self) -> list[tuple[int, int]]:
        """Intervals of indices in which messages lie that the broker has and the store has not."""
        return list(self._on_disk.state.taken)

    def done_within(self, first: int, end: int) -> list[tuple[int, int]]:
        """Intervals from `first` to `end` - 1 of which nothing waits any more, for the broker or for a receipt."""
        return self._on_disk.state.done.within(first, end)

    def give_up_unconfirmed(self, first: int, end: int) -> int:
        """Drop what the broker has from `first` to `end` - 1, without the store's word; how many messages."""
        lost = 0
        for start, stop in self._on_disk.state.taken.within(first, end):
            lost += self._settle(start, stop)
        self.counts.unconfirmed_dropped += lost
        return lost

    def set_limit(self, limit_bytes: int) -> None:
        """Another bound, obeyed at once."""
        self.limit_bytes = limit_bytes
        self._on_disk.log.segment_bytes = segment_bytes(limit_bytes)
        self._make_room(0)

    def take_unsynced(self) -> list[int]:
        """Descriptors for `segments.sync`, in a thread; writes first what waits in memory. Raises OSError."""
        if self._memory:
            self._write_memory()
        return self._on_disk.log.take_unsynced()

    def save_state(self) -> None:
        """Write down the state of each message, delete segments that are done; call it about once a second.

        What is not written down is repeated after a restart, never lost. After an error of the disk it is written
        in any case, and waited for: that shows whether the disk works again.
        """
        self._on_disk.let_go()
        if self._on_disk.changed or self.disk_error:
            self._save(durable=bool(self.disk_error))

    def sync_failed(self, error: OSError) -> None:
        """Note that the disk refused a sync; the segment is left and another begun."""
        self._failed(error)
        self._on_disk.log.rotate()

    def take_notices(self) -> list[Notice]:
        """What to report since the last call."""
        return self._notices.take()

    def _save(self, *, durable: bool) -> None:
        try:
            self._on_disk.save(durable=durable)
        except OSError as error:
            self._failed(error)
        else:
            if not self._memory:
                self._recovered()

    def _settle(self, first: int, end: int) -> int:
        """Be done with messages, on disk and in memory; how many were not done before."""
        in_memory = [index for index in self._memory if first <= index < end]
        for index in in_memory:
            self._memory_bytes -= len(self._memory.pop(index).payload)
            self._memory_taken -= index in self._on_disk.state.taken
        return self._on_disk.settle(first, end) + len(in_memory)

    def _damaged(self, lost: Lost, first: int) -> None:
        self.counts.damaged += lost.all
        self._notices.add("outbox_damaged", "error", messages=lost.all, from_index=first)

    def _make_room(self, wanted: int) -> None:
        disk = self._on_disk
        while disk.log.size + wanted > self.limit_bytes and disk.log.closed:
            oldest = next((segment for segment in disk.log.closed if segment.taken), None)
            if oldest is not None and self._leave_out_taken(oldest):
                continue
            oldest = next((segment for segment in disk.log.closed if self._may_thin(segment)), None)
            if oldest is None or not self._thin(oldest):
                self._drop(disk.log.closed[0])
        self._check_fill(wanted)

    def _check_fill(self, wanted: int) -> None:
        segments = self._on_disk.log
        size = segments.size
        if size + wanted >= NEAR_FULL_OVER * self.limit_bytes:
            # what the broker has may go at any time: it makes nothing full
            size -= sum(segment.size for segment in segments.closed if 0 < segment.taken >= segment.left)
        share = (size + wanted) / self.limit_bytes
        if share >= NEAR_FULL and not self._near_full:
            self._near_full = True
            self._notices.add(
                "outbox_near_full", "warning", bytes=size, limit_bytes=self.limit_bytes, waiting=self.waiting
            )
        elif share < NEAR_FULL_OVER:
            self._near_full = False

    def _may_thin(self, segment: Segment) -> bool:
        return not segment.thinned and not self._lanes.any_of(segment.first, self._on_disk.end_of(segment))

    def _leave_out_taken(self, segment: Segment) -> bool:
        try:
            self._count_lost(self._on_disk.leave_out_taken(segment), segment, "limit")
        except OSError as error:
            self._failed(error)
            return False
        return True

    def _thin(self, segment: Segment) -> bool:
        try:
            lost = self._on_disk.thin(segment)
        except OSError as error:
            self._failed(error)
            return False
        self.counts.thinned += lost.all
        if lost.all:
            self._notices.add("outbox_thinned", "warning", messages=lost.all, from_index=segment.first)
        return True

    def _drop(self, segment: Segment) -> None:
        self._count_lost(self._on_disk.drop(segment), segment, "limit")

    def _count_lost(self, lost: Lost, segment: Segment, why: str) -> None:
        self.counts.dropped += lost.waiting
        self.counts.unconfirmed_dropped += lost.taken
        if lost.waiting:
            self._notices.add("outbox_dropped", "error", messages=lost.waiting, from_index=segment.first, why=why)
        if lost.taken and self.has_receipts:
            self._notices.add(
                "outbox_unconfirmed_dropped", "warning", messages=lost.taken, from_index=segment.first, why=why
            )
        if lost.all:
            # what is not written down would be missed at the next start
            self._save(durable=False)

    def _remember(self, record: Record) -> None:
        self._memory[record.index] = record
        self._memory_bytes += len(record.payload)
        lost = 0
        while self._memory_bytes > MEMORY_LIMIT_BYTES:
            taken = self._on_disk.state.taken
            index = next((index for index in self._memory if index in taken), next(iter(self._memory)))
            self.counts.unconfirmed_dropped += index in taken
            lost += index not in taken
            self._settle(index, index + 1)
        if lost:
            self.counts.dropped += lost
            self._notices.add(
                "outbox_dropped", "error", messages=lost, from_index=record.index, why="disk and memory full"
            )

    def _write_memory(self) -> bool:
        if time.monotonic() < self._retry_at:
            return False
        while self._memory:
            index, record = next(iter(self._memory.items()))
            self._make_room(len(record.payload))
            try:
                self._on_disk.append(record)
            except OSError as error:
                self._failed(error)
                return False
            del self._memory[index]
            self._memory_bytes -= len(record.payload)
            self._memory_taken -= index in self._on_disk.state.taken
        self._recovered()
        return True

    def _recovered(self) -> None:
        if self.disk_error:
            self.disk_error = ""
            self._notices.add("outbox_disk_recovered", "info")

    def _failed(self, error: OSError) -> None:
        self.counts.disk_errors += 1
        self._retry_at = time.monotonic() + RETRY_DISK_S
        text = error.strerror or str(error)
        if text != self.disk_error:
            log.warning("outbox_disk_error", error=text)
            self._notices.add("outbox_disk_error", "error", error=text)
        self.disk_error = text


def segment_bytes(limit_bytes: int) -> int:
    """The size of a segment: a sixteenth of the limit, 64 KiB to 1 MiB, so that a drop never takes much."""
    return max(64 * 1024, min(1024 * 1024, limit_bytes // 16))
