"""The write-ahead: what is gathered for a message lies on disk too, so that a power cut does not take it."""

import contextlib
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import structlog

from broker.contract.topics import Kind
from broker.errors import ContractError
from device.files import sync_folder
from device.outbox.gathered import Gathered, gathered_of, record_of
from device.outbox.kept_ahead import KeptAhead
from device.outbox.notices import Notice, Notices
from device.outbox.outbox import RETRY_DISK_S
from device.outbox.record import Damage, Record, encode, is_newer, scan

log = structlog.get_logger()

LIMIT_BYTES: Final = 1024 * 1024
"""Of each of the two files: an hour of a meter read each second is sent in about four parts."""
NAMES: Final = ("1.ahead", "2.ahead")


@dataclass(slots=True)
class _File:
    path: Path
    size: int = 0
    unsynced: bool = False
    descriptor: int | None = None


class Taking(Protocol):
    """The outbox, as far as it matters here."""

    @property
    def next_index(self) -> int:
        """The index that the next message gets."""

    @property
    def whole_end(self) -> int:
        """All messages below it were on its disk at the start, or done with."""


def _is_mark(record: Record) -> bool:
    return record.kind is Kind.EVENTS and record.payload.isdigit()


class WriteAhead:
    """Two files that take turns: one is written while the other, all sent, waits until the disk has the outbox.

    Each is bounded by `limit_bytes`; where there is no room `keep` says so and its caller sends what was gathered,
    which makes room. A mark behind what was sent says up to which index the outbox has it, so that a kill between the
    sending and the emptying repeats nothing. Where a power cut takes the mark too, what was sent within that second
    goes twice: samples of the same meter, time and value, which the store drops, and frames. So does what was sent in
    the last bundle before this agent was set back: the outbox has gone on without it, and bears out no mark of then.
    A disk that refuses costs the write-ahead and nothing else: it is reported and tried again.
    """

    def __init__(
        self,
        folder: Path,
        outbox: Taking | None = None,
        *,
        limit_bytes: int = LIMIT_BYTES,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.error = ""
        self.errors = 0
        self.damaged_bytes = 0
        self._folder = folder
        self._outbox = outbox
        self._unmarked = False
        self._limit = limit_bytes
        self._wall = wall
        self._files = [_File(folder / name) for name in NAMES]
        self._kept = KeptAhead(folder)
        self._writing = 0
        self._full_of_sent = False
        self._waiting = 0
        self._next = 1
        self._retry_at = 0.0
        self._left: list[Gathered] = []
        self._notices = Notices()

    def open(self) -> None:
        """Read what an earlier run had gathered and not sent; damaged records are left out and counted."""
        self._leave(self._whole_of(self._kept.contents()))
        records = self._whole_of(self._found(file) for file in self._files)
        records.sort(key=lambda record: record.index)
        self._next = records[-1].index + 1 if records else 1
        sent = self._sent_until(records)
        self._leave(record for record in records if record.index > sent)
        if self.damaged_bytes:
            self._notices.add("write_ahead_damaged", "warning", bytes=self.damaged_bytes, found=len(self._left))
        self._unmarked = bool(self._left)
        # both are full of what is sent now: the first sync empties one of them, the next one the other
        self._full_of_sent = bool(self._files[1].size)

    def _whole_of(self, contents: Iterable[bytes]) -> list[Record]:
        records = []
        for item in (item for data in contents for item in scan(data)):
            if isinstance(item, Damage):
                self.damaged_bytes += item.length
            else:
                records.append(item)
        return records

    def _leave(self, records: Iterable[Record]) -> None:
        for record in records:
            if _is_mark(record):
                continue
            try:
                self._left.append(gathered_of(record))
            except ContractError as error:
                self.damaged_bytes += len(encode(record))
                log.warning("write_ahead_unreadable", index=record.index, error=str(error))

    def _found(self, file: _File) -> bytes:
        """What a file holds; one of a newer agent is kept for it."""
        try:
            data = file.path.read_bytes()
        except FileNotFoundError:
            return b""
        except OSError as error:
            self._failed(error)
            return b""
        if is_newer(data):
            self._kept.keep(file.path)
            self._notices.add("outbox_of_newer_agent", "warning", file=file.path.name)
            return b""
        file.size = len(data)
        return data

    def take_left(self) -> list[Gathered]:
        """What `open` has found, in its order, once: to be sent before anything else is kept."""
        left, self._left = self._left, []
        return left

    @property
    def size_bytes(self) -> int:
        """Octets of both files."""
        return sum(file.size for file in self._files)

    def keep(self, gathered: Gathered) -> bool:
        """Write one down; False where there is no room for more until all that was gathered is sent."""
        if self.error and time.monotonic() < self._retry_at:
            return True
        data = encode(record_of(gathered, self._next, int(self._wall() * 1000)))
        file = self._files[self._writing]
        if file.size + len(data) > self._limit:
            # while the disk holds up the other file there is nothing to be gained by sending
            return self._full_of_sent
        self._next += 1
        self._waiting += 1
        self._unmarked = True
        try:
            self._write(file, data)
        except OSError as error:
            self._failed(error)
        else:
            self._recovered()
        return True

    def sent(self) -> None:
        """All that was kept is in the outbox: the file is emptied once the disk has that."""
        self._waiting = 0
        self._mark()
        if not self._full_of_sent and self._files[self._writing].size:
            self._full_of_sent = True
            self._writing = 1 - self._writing

    def take_unsynced(self) -> list[int]:
        """Descriptors for `outbox_segments.sync`; what was sent meanwhile needs no sync of its own."""
        file = self._files[self._writing]
        if not self._waiting or not file.unsynced or file.descriptor is None:
            return []
        try:
            descriptor = os.dup(file.descriptor)
        except OSError as error:
            self._failed(error)
            return []
        file.unsynced = False
        return [descriptor]

    def sync_failed(self) -> None:
        """The disk refused a sync, which must be tried again."""
        self._files[self._writing].unsynced = True

    def has_sent(self) -> bool:
        """Whether a file waits to be emptied; ask before the outbox is synced, and call `empty` after it."""
        return self._full_of_sent

    def empty(self) -> None:
        """The disk has in the outbox what one of the files holds: empty that."""
        file = self._files[1 - self._writing]
        self._full_of_sent = False
        try:
            os.ftruncate(self._descriptor(file), 0)
            file.size, file.unsynced = 0, False
        except OSError as error:
            self._failed(error)
        self._kept.drop()
        if not self._waiting:
            self.sent()

    def close(self) -> None:
        """Close the files."""
        for file in self._files:
            self._close(file)

    def take_notices(self) -> list[Notice]:
        """What to report since the last call."""
        return self._notices.take()

    def _mark(self) -> None:
        if not self._unmarked or self._outbox is None:
            return
        self._unmarked = False
        record = Record(self._next, int(self._wall() * 1000), 0, Kind.EVENTS, b"%d" % self._outbox.next_index)
        self._next += 1
        try:
            self._write(self._files[self._writing], encode(record))
        except OSError as error:
            self._failed(error)

    def _sent_until(self, records: list[Record]) -> int:
        """The index of the last mark that the outbox bears out: all before it is there, or done with."""
        whole_end = self._outbox.whole_end if self._outbox is not None else 0
        return max((one.index for one in records if _is_mark(one) and int(one.payload) <= whole_end), default=0)

    def _write(self, file: _File, data: bytes) -> None:
        descriptor = self._descriptor(file)
        done = 0
        try:
            while done < len(data):
                done += os.write(descriptor, data[done:])
        except OSError:
            # a file that can't even be cut is left alone: its torn record is skipped when it is read
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, file.size)
            self._close(file)
            raise
        file.size += len(data)
        file.unsynced = True

    def _descriptor(self, file: _File) -> int:
        if file.descriptor is None:
            new = not file.path.exists()
            self._folder.mkdir(parents=True, exist_ok=True)
            file.descriptor = os.open(file.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            if new:
                sync_folder(self._folder)
        return file.descriptor

    @staticmethod
    def _close(file: _File) -> None:
        if file.descriptor is not None:
            os.close(file.descriptor)
            file.descriptor = None

    def _failed(self, error: OSError) -> None:
        self.errors += 1
        self._retry_at = time.monotonic() + RETRY_DISK_S
        text = error.strerror or str(error)
        if not self.error:
            log.warning("write_ahead_failed", error=text)
            self._notices.add("write_ahead_failed", "error", error=text)
        self.error = text

    def _recovered(self) -> None:
        if self.error:
            self.error = ""
            self._notices.add("write_ahead_recovered", "info")
