"""The outbox on a real disk: order, acknowledgement, restarts, damage, its bound, and a disk that refuses."""

import contextlib
import os
import resource
import signal
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from broker.contract.topics import Kind
from device.clock import DeviceClock
from device.outbox import outbox as outbox_module
from device.outbox.lanes import Lane, Lanes
from device.outbox.outbox import Outbox
from device.outbox.outgoing import Outgoing
from device.outbox.segments import Segment, SegmentLog, sync

MIB = 1024 * 1024


def opened(folder: Path, *, limit_bytes: int = 16 * MIB) -> Outbox:
    """An outbox that has started."""
    outbox = Outbox(folder, limit_bytes=limit_bytes)
    outbox.open()
    return outbox


def fill(outbox: Outbox, count: int, *, size: int = 40, meter: str = "LGZ:1") -> list[bytes]:
    """Append readings; their payloads."""
    payloads = [f"{n:08d}".encode().ljust(size, b".") for n in range(count)]
    for payload in payloads:
        outbox.append(Kind.READINGS, payload, meter)
    return payloads


def everything(outbox: Outbox) -> list[bytes]:
    """All payloads that wait, read in pieces as the publisher does."""
    found: list[bytes] = []
    after = 0
    while records := outbox.read_after(after, 7):
        found += [record.payload for record in records]
        after = records[-1].index
    return found


def test_messages_survive_a_restart_in_their_order(tmp_path: Path) -> None:
    """What was appended and not acknowledged is there after a restart, in order, and new indices follow."""
    first = opened(tmp_path)
    payloads = fill(first, 100)
    for record in first.read_after(0, 30):
        first.acknowledge(record.index)
    first.save_state()
    again = opened(tmp_path)
    assert everything(again) == payloads[30:]
    assert again.waiting == 70
    assert again.append(Kind.EVENTS, b"new").index == 101


def test_live_messages_may_be_acknowledged_before_the_backlog(tmp_path: Path) -> None:
    """Acknowledged in any order: what is left is exactly the rest, also after a restart."""
    first = opened(tmp_path)
    payloads = fill(first, 50)
    for index in [*range(40, 51), 3, 5]:
        first.acknowledge(index)
    first.save_state()
    kept = [payload for n, payload in enumerate(payloads, 1) if n < 40 and n not in (3, 5)]
    assert everything(first) == everything(opened(tmp_path)) == kept


def test_how_long_the_oldest_has_waited_is_known_without_reading_while_messages_come_and_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked for each second, and a segment is a MiB; after a restart one is read, once."""
    reads: list[Segment] = []
    load = SegmentLog.load
    monkeypatch.setattr(SegmentLog, "load", lambda self, segment: reads.append(segment) or load(self, segment))
    now_s = 1000.0
    first = Outbox(tmp_path, limit_bytes=16 * MIB, wall=lambda: now_s)
    first.open()
    assert first.oldest_age_s() == 0
    for n in range(1, 101):
        fill(first, 1)
        now_s += 1
        assert first.oldest_age_s() == min(n, 2)
        if n > 1:
            first.acknowledge(n - 1)
    assert not reads
    again = Outbox(tmp_path, limit_bytes=16 * MIB, wall=lambda: now_s)
    again.open()
    for _ in range(20):
        fill(again, 1)
        now_s += 1
        assert again.oldest_age_s() == now_s - 1000.0
    assert len(reads) == 1
    again.acknowledge(1)
    assert again.oldest_age_s() == now_s - 1001.0


def test_a_segment_that_was_read_leaves_the_memory_when_nobody_asks_for_it(tmp_path: Path) -> None:
    """A backlog that is gone costs no memory."""
    outbox = opened(tmp_path)
    fill(outbox, 2000, size=400)
    tracemalloc.start()
    try:
        assert len(outbox.read_after(0, 10)) == 10
        assert tracemalloc.get_traced_memory()[0] > MIB // 2
        for _ in range(2):
            outbox.save_state()
        assert tracemalloc.get_traced_memory()[0] < MIB // 8
    finally:
        tracemalloc.stop()


def test_acks_that_were_not_written_down_cost_repeats_and_no_loss(tmp_path: Path) -> None:
    """Without the acks file, or with a broken one, everything is sent again."""
    first = opened(tmp_path)
    payloads = fill(first, 20)
    for index in range(1, 11):
        first.acknowledge(index)
    assert everything(opened(tmp_path)) == payloads
    (tmp_path / "acks.json").write_bytes(b"[[1,")
    broken = opened(tmp_path)
    assert everything(broken) == payloads
    assert [notice.event for notice in broken.take_notices()] == ["outbox_damaged"]


def test_segments_that_are_done_leave_the_disk(tmp_path: Path) -> None:
    """After all is acknowledged, and at the next start, no octet is left; indices go on from where they were."""
    first = opened(tmp_path, limit_bytes=MIB)
    fill(first, 3000, size=100)
    assert len(list(tmp_path.glob("*.seg"))) > 4
    for index in range(1, 3001):
        first.acknowledge(index)
    first.save_state()
    assert len(list(tmp_path.glob("*.seg"))) == 1
    again = opened(tmp_path)
    assert again.size_bytes == 0
    assert again.append(Kind.EVENTS, b"x").index == 3001


def test_a_torn_tail_is_cut_at_every_byte_of_the_last_record(tmp_path: Path) -> None:
    """Whatever of the last record a power cut left, the outbox starts, counts it, and keeps all before it."""
    source = opened(tmp_path / "source")
    payloads = fill(source, 5)
    [segment] = (tmp_path / "source").glob("*.seg")
    octets = segment.read_bytes()
    size = len(octets) // 5
    for cut in range(1, size):
        folder = tmp_path / str(cut)
        folder.mkdir()
        (folder / segment.name).write_bytes(octets[: 4 * size + cut])
        outbox = opened(folder)
        assert everything(outbox) == payloads[:4]
        assert outbox.damaged_bytes == cut
        assert outbox.append(Kind.EVENTS, b"next").index == 5
        assert everything(opened(folder)) == [*payloads[:4], b"next"]


def test_damage_in_the_middle_costs_one_message_and_is_kept_aside(tmp_path: Path) -> None:
    """A flipped bit is told and counted; its octets are kept, and the rest is sent."""
    payloads = fill(opened(tmp_path), 10)
    [segment] = tmp_path.glob("*.seg")
    octets = bytearray(segment.read_bytes())
    octets[len(octets) // 10 * 4 + 40] ^= 1
    segment.write_bytes(octets)
    outbox = opened(tmp_path)
    assert everything(outbox) == payloads[:4] + payloads[5:]
    assert outbox.counts.damaged == 1
    assert outbox.waiting == 9
    assert sum(path.stat().st_size for path in (tmp_path / "damaged").iterdir()) == len(octets) // 10


def test_rubbish_in_the_folder_does_not_stop_it(tmp_path: Path) -> None:
    """Files that are no segments are moved aside; an empty or all-garbage segment is done with."""
    (tmp_path / "rubbish.seg").write_bytes(b"?")
    (tmp_path / f"{7:020d}.seg").write_bytes(os.urandom(5000))
    (tmp_path / f"{9:020d}.seg").write_bytes(b"")
    outbox = opened(tmp_path)
    assert everything(outbox) == []
    assert outbox.append(Kind.EVENTS, b"x").index == 9
    assert (tmp_path / "damaged" / "rubbish.seg").exists()


def test_when_full_it_is_thinned_before_anything_is_dropped_and_all_is_counted(tmp_path: Path) -> None:
    """Every message is either there or counted; events outlive readings; the bound holds; operators are told."""
    outbox = opened(tmp_path, limit_bytes=MIB)
    for n in range(4000):
        outbox.append(Kind.READINGS, b"r" * 300, f"LGZ:{n % 2}")
        if n % 100 == 0:
            outbox.append(Kind.EVENTS, b"e" * 20)
        assert outbox.size_bytes <= MIB
    assert outbox.counts.thinned > 0
    thinned_only = outbox.counts.dropped == 0
    assert thinned_only
    kinds = [record.kind for record in outbox.read_after(0, 10_000)]
    assert kinds.count(Kind.EVENTS) == 40
    fill(outbox, 6000, size=300)
    assert outbox.counts.dropped > 0
    assert outbox.waiting == len(everything(outbox))
    assert outbox.waiting + outbox.counts.thinned + outbox.counts.dropped == outbox.counts.appended
    events = [notice.event for notice in outbox.take_notices()]
    assert {"outbox_near_full", "outbox_thinned", "outbox_dropped"} <= set(events)
    again = opened(tmp_path, limit_bytes=MIB)
    assert again.waiting == outbox.waiting


def test_messages_on_their_way_are_not_thinned(tmp_path: Path) -> None:
    """What is in flight stays whole with its segment while the others are thinned, until it is on its way no more."""
    lanes = Lanes()
    outbox = Outbox(tmp_path, limit_bytes=MIB, lanes=lanes)
    outbox.open()
    fill(outbox, 50, size=300)
    lanes.in_flight.update({record.index: Lane.BACKLOG for record in outbox.read_after(0, 50)})
    fill(outbox, 4000, size=300)
    assert outbox.counts.thinned > 0
    assert [record.index for record in outbox.read_after(0, 50)] == list(lanes.in_flight)
    lanes.in_flight.clear()
    fill(outbox, 1000, size=300)
    assert outbox.read_after(0, 50)[-1].index > 50


def test_a_lower_limit_is_obeyed_at_once(tmp_path: Path) -> None:
    """Changing outbox_limit_mib makes room without waiting for the next message."""
    outbox = opened(tmp_path, limit_bytes=4 * MIB)
    fill(outbox, 8000, size=300)
    assert outbox.size_bytes > 2 * MIB
    outbox.set_limit(MIB)
    assert outbox.size_bytes <= MIB


@contextlib.contextmanager
def small_files() -> Iterator[int]:
    """No file may grow beyond this many octets: writes fail, as on a full disk.

    No fixture: pytest itself writes between a fixture and its test, maybe to a log file that is larger.
    """
    limit = 6000
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield limit
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_disk_that_refuses_is_waited_for_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Writes that fail half-way leave no torn record; messages wait in memory in order and are written later."""
    monkeypatch.setattr(outbox_module, "RETRY_DISK_S", 0.0)
    with small_files():
        outbox = opened(tmp_path)
        payloads = fill(outbox, 60, size=1000)
        assert outbox.counts.disk_errors > 0
        assert everything(outbox) == payloads
        sync(outbox.take_unsynced())
        assert "outbox_disk_error" in [notice.event for notice in outbox.take_notices()]
    outbox.take_unsynced()
    assert outbox.disk_error == ""
    assert everything(opened(tmp_path)) == payloads


def test_memory_is_bounded_while_the_disk_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond its memory the oldest messages are dropped, counted and told."""
    monkeypatch.setattr(outbox_module, "MEMORY_LIMIT_BYTES", 10_000)
    (tmp_path / "outbox").write_text("a file where the folder should be")
    outbox = opened(tmp_path / "outbox")
    payloads = fill(outbox, 25, size=1000)
    assert everything(outbox) == payloads[-10:]
    assert outbox.counts.dropped == 15
    assert "outbox_dropped" in [notice.event for notice in outbox.take_notices()]


def test_the_first_message_of_a_new_run_is_no_part_of_a_segment_that_is_thinned_for_it(tmp_path: Path) -> None:
    """A full outbox that starts again thins its last segment for the next message, and still counts what waits."""
    first = opened(tmp_path, limit_bytes=MIB)
    while not first.counts.dropped:
        fill(first, 50, size=300)
    again = opened(tmp_path, limit_bytes=MIB)
    for _ in range(200):
        fill(again, 1, size=60_000)
        assert again.waiting == len(everything(again))
    assert again.counts.damaged == 0


def test_an_acknowledgement_from_memory_ends_no_segment_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the disk refuses, live messages acknowledged out of memory leave what waits on disk waiting."""
    monkeypatch.setattr(outbox_module, "RETRY_DISK_S", 3600.0)
    with small_files():
        outbox = opened(tmp_path)
        payloads = fill(outbox, 12, size=1000)
        assert outbox.counts.disk_errors == 1
        on_disk = max(record.index for record in opened(tmp_path).read_after(0, 100))
        assert on_disk < 12
        outbox.set_limit(4500)
        assert outbox.counts.thinned
        kept = [payload for payload in everything(outbox) if payload in payloads[:on_disk]]
        for index in range(on_disk + 1, 13):
            outbox.acknowledge(index)
        assert everything(outbox) == kept
        assert outbox.waiting == len(kept)


@contextlib.contextmanager
def no_more_handles() -> Iterator[None]:
    """Lets no further file be opened meanwhile."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_sync_for_which_there_is_no_handle_is_made_good_later(tmp_path: Path) -> None:
    """An agent that has run out of handles: nothing counts as synced that was not."""
    outbox = opened(tmp_path)
    fill(outbox, 3)
    outbox._on_disk.log.rotate()
    fill(outbox, 3)
    with pytest.raises(OSError, match="Too many open files"), no_more_handles():
        outbox.take_unsynced()
    descriptors = outbox.take_unsynced()
    assert len(descriptors) == 2
    sync(descriptors)


async def test_an_event_that_can_not_be_sent_is_told(tmp_path: Path) -> None:
    """It costs that event and no number."""
    outgoing = Outgoing(opened(tmp_path), DeviceClock(), "aaaa", lambda _record: None)
    with structlog.testing.capture_logs() as lines:
        outgoing.event("port_lost", meter="a key with spaces")
        outgoing.event("port_lost", meter="LGZ:1")
    assert [line["told"] for line in lines if line["event"] == "event_not_sent"] == ["port_lost"]
    assert outgoing.seq == 1


def test_a_sync_that_failed_once_is_not_told_for_ever(tmp_path: Path) -> None:
    """After the disk refused a sync, the error ends as soon as the disk is seen to work again, and that is told."""
    outbox = opened(tmp_path)
    fill(outbox, 3)
    outbox.sync_failed(OSError(5, "Input/output error"))
    assert outbox.disk_error
    fill(outbox, 3)
    sync(outbox.take_unsynced())
    outbox.save_state()
    assert outbox.disk_error == ""
    assert [notice.event for notice in outbox.take_notices()] == ["outbox_disk_error", "outbox_disk_recovered"]
