"""The outbox's files: append-only segments, the oldest deleted whole, read whole, each bounded in size."""

import contextlib
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import structlog

from broker.contract.topics import Kind
from device.files import sync_folder, write_atomically
from device.formats import NEWER, set_aside, take_back
from device.outbox.record import Damage, Record, encode, is_newer, scan

log = structlog.get_logger()

NAME: Final = re.compile(r"([0-9]{20})(\.thin)?\.seg")
DAMAGED_LIMIT_BYTES: Final = 8 * 1024 * 1024
"""What is kept of damaged octets for a person to look at; beyond it they are only counted."""


@dataclass(slots=True)
class Segment:
    """One file: its records' indices begin at `first` and end before the next segment's `first`.

    A thinned one has gaps between its indices. `left` counts its messages that are not done, `taken` those of them that
    the broker has.
    """

    path: Path
    first: int
    size: int
    thinned: bool = False
    left: int = 0
    taken: int = 0


@dataclass(slots=True)
class Damages:
    """What was found damaged since the start: octets of torn tails cut off, other damages, files moved aside."""

    torn_bytes: int = 0
    damaged_bytes: int = 0
    files: int = 0


@dataclass(slots=True)
class _Writing:
    segment: Segment
    descriptor: int
    unsynced: bool = False


@dataclass(slots=True)
class SegmentLog:
    """Segments in one folder, oldest first; a new one is begun at each start and whenever one is full.

    Calls block on the disk for one segment at most. `append` raises OSError and leaves no half record behind.
    """

    folder: Path
    segment_bytes: int
    segments: list[Segment] = field(default_factory=list)
    damages: Damages = field(default_factory=Damages)
    tail: list[Record] = field(default_factory=list)
    """The records of the last segment, as `open` found it."""
    newer: list[tuple[int, int]] = field(default_factory=list)
    """Where indices of a newer agent's segments begin and end, which are kept for it beside ours."""
    _writing: _Writing | None = None
    _closed_unsynced: list[int] = field(default_factory=list)

    def open(self) -> int:
        """Find the segments, cut the torn tail of the last; returns the lowest index that is free. Raises OSError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._keep_newer()
        for path in sorted(self.folder.iterdir()):
            name = NAME.fullmatch(path.name)
            if name is not None and path.is_file():
                self.segments.append(Segment(path, int(name[1]), path.stat().st_size, thinned=name[2] is not None))
            elif path.suffix in (".seg", ".new"):
                self._set_aside(path)
        following = max((end for _, end in self.newer), default=1)
        while self.segments:
            last = self.segments[-1]
            records = self._cut_tail(last)
            following = max(following, records[-1].index + 1 if records else last.first)
            if records:
                self.tail = records
                break
            self.delete(last)
        return following

    def has_newer(self) -> bool:
        """Whether a newer agent's segments stand in place of ours, which `open` keeps for it."""
        return any(is_newer(_beginning(path)) for path in self.folder.glob("*.seg"))

    def has_kept(self) -> bool:
        """Whether an older agent kept segments that this one reads."""
        return any(not is_newer(_beginning(path)) for path in self.folder.glob(f"*.seg{NEWER}"))

    def _keep_newer(self) -> None:
        """Set segments of a newer agent aside, and take back those that an older one did.

        How many messages are in one is not known: no more than its octets, and none from the next segment on.
        """
        for kept in list(self.folder.glob(f"*.seg{NEWER}")):
            if not is_newer(_beginning(kept)):
                take_back(kept.with_name(kept.name.removesuffix(NEWER)))
        for path in list(self.folder.glob("*.seg")):
            if is_newer(_beginning(path)):
                set_aside(path)
        found = sorted(
            (int(name[1]), path)
            for path in self.folder.iterdir()
            if (name := NAME.fullmatch(path.name.removesuffix(NEWER))) is not None
        )
        ends = [first for first, _ in found[1:]] + [2**63]
        self.newer = [
            (first, min(first + path.stat().st_size, end))
            for (first, path), end in zip(found, ends, strict=False)
            if path.suffix == NEWER
        ]

    @property
    def size(self) -> int:
        """Octets of all segments."""
        return sum(segment.size for segment in self.segments)

    @property
    def closed(self) -> list[Segment]:
        """The segments that nothing is appended to any more, oldest first."""
        return self.segments[:-1] if self._writing is not None else list(self.segments)

    def end_of(self, segment: Segment, following: int) -> int:
        """One more than the highest index that may lie in a segment; `following` is the next index to be given."""
        place = self.segments.index(segment) + 1
        return self.segments[place].first if place < len(self.segments) else following

    def append(self, record: Record) -> None:
        """Write one record at the end. Raises OSError."""
        data = encode(record)
        if self._writing is None or self._writing.segment.size + len(data) > self.segment_bytes:
            self._rotate(record.index)
        writing = self._writing
        if writing is None:
            raise OSError("no segment is open")
        done = 0
        try:
            while done < len(data):
                done += os.write(writing.descriptor, data[done:])
        except OSError:
            if done:
                # A file that can't even be cut is left alone: its torn record is skipped when it is read.
                with contextlib.suppress(OSError):
                    os.ftruncate(writing.descriptor, writing.segment.size)
            self.rotate()
            raise
        writing.segment.size += len(data)
        writing.unsynced = True

    def rotate(self) -> None:
        """Close the segment being written; the next append begins another."""
        if self._writing is None:
            return
        if self._writing.unsynced:
            self._closed_unsynced.append(self._writing.descriptor)
        else:
            os.close(self._writing.descriptor)
        segment = self._writing.segment
        self._writing = None
        if segment.size == 0:
            self.delete(segment)

    def load(self, segment: Segment) -> list[Record]:
        """All whole records of a segment; damage is counted and set aside. An unreadable file is moved aside."""
        try:
            data = segment.path.read_bytes()
        except OSError as error:
            log.warning("outbox_segment_unreadable", path=str(segment.path), error=str(error))
            self._set_aside(segment.path)
            return []
        records = []
        for item in scan(data):
            if isinstance(item, Record):
                records.append(item)
            else:
                self._note(item, data, segment)
        return records

    def delete(self, segment: Segment) -> None:
        """Forget a segment and its file."""
        if self._writing is not None and self._writing.segment is segment:
            os.close(self._writing.descriptor)
            self._writing = None
        with contextlib.suppress(ValueError):
            self.segments.remove(segment)
        try:
            segment.path.unlink(missing_ok=True)
        except OSError as error:
            log.warning("outbox_segment_not_deleted", path=str(segment.path), error=str(error))

    def rewrite(self, segment: Segment, kept: list[Record], *, thinned: bool) -> None:
        """Replace the contents of a closed segment; a thinned one says so by its name. Raises OSError."""
        data = b"".join(encode(record) for record in kept)
        path = self.folder / f"{segment.first:020d}{'.thin' if thinned else ''}.seg"
        write_atomically(path, data)
        if path != segment.path:
            segment.path.unlink(missing_ok=True)
        segment.path, segment.size, segment.thinned = path, len(data), thinned

    def take_unsynced(self) -> list[int]:
        """Descriptors whose contents the disk may not have yet; hand them to `sync`. Raises OSError, and gives none."""
        if self._writing is not None and self._writing.unsynced:
            self._closed_unsynced.append(os.dup(self._writing.descriptor))
            self._writing.unsynced = False
        descriptors, self._closed_unsynced = self._closed_unsynced, []
        return descriptors

    def _rotate(self, first: int) -> None:
        self.rotate()
        path = self.folder / f"{first:020d}.seg"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        segment = Segment(path, first, 0)
        self.segments.append(segment)
        self._writing = _Writing(segment, descriptor)
        sync_folder(self.folder)

    def _cut_tail(self, segment: Segment) -> list[Record]:
        try:
            items = list(scan(segment.path.read_bytes()))
            if items and isinstance(items[-1], Damage):
                os.truncate(segment.path, items[-1].offset)
                self.damages.torn_bytes += items[-1].length
                segment.size = items[-1].offset
                log.warning("outbox_tail_cut", path=str(segment.path), bytes=items[-1].length)
        except OSError as error:
            log.warning("outbox_segment_unreadable", path=str(segment.path), error=str(error))
            self._set_aside(segment.path)
            return []
        return [item for item in items if isinstance(item, Record)]

    def _note(self, damage: Damage, data: bytes, segment: Segment) -> None:
        self.damages.damaged_bytes += damage.length
        log.warning("outbox_damaged", path=str(segment.path), offset=damage.offset, bytes=damage.length)
        if self.damages.damaged_bytes <= DAMAGED_LIMIT_BYTES:
            with contextlib.suppress(OSError):
                aside = self.folder / "damaged" / f"{segment.path.name}.{damage.offset}"
                write_atomically(aside, data[damage.offset : damage.offset + damage.length], durable=False)

    def _set_aside(self, path: Path) -> None:
        self.damages.files += 1
        log.warning("outbox_file_set_aside", path=str(path))
        with contextlib.suppress(OSError):
            (self.folder / "damaged").mkdir(exist_ok=True)
            path.rename(self.folder / "damaged" / path.name)


def _beginning(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(16)
    except OSError:
        # whoever reads it tells of it
        return b""


def thinned_out(records: list[Record]) -> list[Record]:
    """The records without every second readings message of each meter; frames and events stay."""
    kept, turn = [], dict[int, bool]()
    for record in records:
        turn[record.stream] = not turn.get(record.stream, False)
        if record.kind is not Kind.READINGS or turn[record.stream]:
            kept.append(record)
    return kept


def sync(descriptors: list[int]) -> None:
    """Wait until the disk has the contents, then close them; blocks: call it in a thread. Raises the first OSError."""
    failed: OSError | None = None
    for descriptor in descriptors:
        try:
            os.fsync(descriptor)
        except OSError as error:
            failed = failed or error
        finally:
            os.close(descriptor)
    if failed is not None:
        raise failed
