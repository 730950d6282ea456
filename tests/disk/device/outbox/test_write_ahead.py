"""The write-ahead on a real disk: what is gathered survives a cut, damage, a full file, and a disk that refuses."""

import contextlib
import resource
import signal
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from broker.contract.messages import Clock, FrameReason, Sample
from broker.contract.topics import Kind
from device.outbox import write_ahead as write_ahead_module
from device.outbox.bundles import Bundles
from device.outbox.gathered import FramesOf, Gathered, GatheredFrame, GatheredSample
from device.outbox.outbox import Outbox
from device.outbox.segments import sync
from device.outbox.write_ahead import NAMES, WriteAhead
from tests.rigs.write_ahead import GAS, NOON, left, opened, sample

RAW = FramesOf(FrameReason.NO_SPEC, "/dev/ttyUSB0", "p1", "", Clock.UNSYNCED)


def frame(n: int, size: int = 100) -> GatheredFrame:
    """A raw frame."""
    return GatheredFrame(RAW, NOON + timedelta(seconds=n), bytes([n % 256]) * size)


def synced(ahead: WriteAhead) -> int:
    """What the agent does each second, with an outbox that takes all; the number of syncs."""
    sent, descriptors = ahead.has_sent(), ahead.take_unsynced()
    sync(descriptors)
    if sent:
        ahead.empty()
    return len(descriptors)


def test_what_is_gathered_is_there_after_a_cut(tmp_path: Path) -> None:
    """Samples with their units, and frames of any size, in their order."""
    ahead = opened(tmp_path)
    gathered: list[Gathered] = [sample(1), frame(2), sample(3, GAS), frame(4, 150_000), frame(5, 0)]
    assert all(ahead.keep(one) for one in gathered)
    assert left(tmp_path) == gathered


def test_what_is_sent_goes_once_the_disk_has_the_outbox_and_not_before(tmp_path: Path) -> None:
    """A cut in between repeats what was sent; what was gathered since is there in any case."""
    ahead = opened(tmp_path)
    ahead.keep(sample(1))
    ahead.sent()
    ahead.keep(sample(2))
    assert left(tmp_path) == [sample(1), sample(2)]
    synced(ahead)
    assert left(tmp_path) == [sample(2)]
    ahead.sent()
    synced(ahead)
    assert left(tmp_path) == []


def test_a_kill_right_after_the_sending_repeats_nothing(tmp_path: Path) -> None:
    """What lies in the outbox is not sent again under new numbers: not a frame, which the store would keep twice."""
    _, ahead, bundles = run(tmp_path)
    for n in range(6):
        bundles.add_frame(RAW, NOON, bytes([n]), now_s=0.0)
        if n % 2:
            bundles.flush(0.0, 0.0)
    bundles.add_frame(RAW, NOON, b"gathered", now_s=0.0)
    again, ahead, _ = run(tmp_path)
    assert again.waiting == 3
    assert [one.data for one in ahead.take_left() if isinstance(one, GatheredFrame)] == [b"gathered"]
    # the outbox has lost its end: what the write-ahead still holds of it is sent again
    [segment] = (tmp_path / "outbox").glob("*.seg")
    segment.write_bytes(segment.read_bytes()[:-10])
    _, ahead, bundles = run(tmp_path)
    left = ahead.take_left()
    assert [one.data for one in left if isinstance(one, GatheredFrame)] == [b"\4", b"\5", b"gathered"]
    bundles.take_up(left, 0.0)
    _, ahead, _ = run(tmp_path)
    assert ahead.take_left() == []


def run(folder: Path) -> tuple[Outbox, WriteAhead, Bundles]:
    """The agent's way in, from bundles to outbox, as it starts."""
    outbox = Outbox(folder / "outbox", limit_bytes=2**20)
    outbox.open()
    ahead = WriteAhead(folder / "ahead", outbox)
    ahead.open()

    def send_frames(of: FramesOf, frames: list[tuple[datetime, bytes, str]]) -> None:
        outbox.append(Kind.FRAMES, b"".join(data for _, data, _ in frames))

    return outbox, ahead, Bundles(lambda *_: None, send_frames, ahead)


def test_what_is_sent_faster_than_it_is_synced_goes_too_and_needs_no_sync(tmp_path: Path) -> None:
    """A short publish interval: several bundles go between two syncs, and both files come empty."""
    ahead = opened(tmp_path)
    for n in range(5):
        ahead.keep(sample(n))
        ahead.sent()
    assert synced(ahead) == 0
    assert synced(ahead) == 0
    assert left(tmp_path) == []
    assert ahead.size_bytes == 0


def test_each_second_costs_one_sync_at_most(tmp_path: Path) -> None:
    """And none where nothing was gathered."""
    ahead = opened(tmp_path)
    assert synced(ahead) == 0
    ahead.keep(sample(1))
    ahead.keep(frame(2))
    assert [synced(ahead), synced(ahead)] == [1, 0]


@pytest.mark.parametrize("place", range(0, 700, 23))
def test_a_flipped_bit_costs_one_record_and_a_torn_end_the_last(tmp_path: Path, place: int) -> None:
    """The others are found, the damage is counted and told, and the file is used on."""
    ahead = opened(tmp_path)
    gathered = [sample(n) for n in range(3)]
    for one in gathered:
        ahead.keep(one)
    file = tmp_path / NAMES[0]
    octets = bytearray(file.read_bytes())
    octets[place] ^= 1 << place % 8
    file.write_bytes(octets[:-1])
    again = opened(tmp_path)
    found = again.take_left()
    assert found == [one for one in gathered[:2] if one in found]
    assert len(found) >= 1
    [told] = again.take_notices()
    assert (told.event, told.detail["found"]) == ("write_ahead_damaged", len(found))
    assert again.damaged_bytes > 0
    again.keep(sample(9))
    assert left(tmp_path) == [*found, sample(9)]
    again.sent()
    for _ in range(3):
        synced(again)
    assert again.size_bytes == 0


def test_a_full_file_makes_its_owner_send_and_stays_in_its_bound(tmp_path: Path) -> None:
    """Memory and disk are bounded whatever the publish interval: bundles go early."""
    sent: list[Sample] = []
    ahead = opened(tmp_path, limit_bytes=4000)
    bundles = Bundles(lambda _of, samples, _units: sent.extend(samples), lambda *_: None, ahead)
    for n in range(100):
        one = sample(n)
        bundles.add_sample(one.of, one.sample, one.units, now_s=0)
        synced(ahead)
        assert ahead.size_bytes <= 8000
        waiting = [item.sample for item in left(tmp_path) if isinstance(item, GatheredSample)]
        # a sample is in the outbox or on the disk, at each moment
        assert {s.at for s in (*sent, *waiting)} == {NOON + timedelta(seconds=m) for m in range(n + 1)}
    bundles.flush(0, 0)
    assert [s.at for s in sent] == [NOON + timedelta(seconds=n) for n in range(100)]


@contextlib.contextmanager
def no_room(size: int) -> Iterator[None]:
    """No file may grow beyond so many octets, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_disk_that_refuses_is_told_once_and_costs_nothing_that_lies_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gathering goes on in memory; no half record is left; once the disk takes it, it is written ahead again."""
    monkeypatch.setattr(write_ahead_module, "RETRY_DISK_S", 0.0)
    ahead = opened(tmp_path)
    assert ahead.keep(sample(1))
    with no_room((tmp_path / NAMES[0]).stat().st_size + 50):
        assert ahead.keep(sample(2))
        assert ahead.keep(sample(3))
    assert ahead.error
    assert ahead.errors == 2
    assert ahead.keep(sample(4))
    assert [notice.event for notice in ahead.take_notices()] == ["write_ahead_failed", "write_ahead_recovered"]
    assert left(tmp_path) == [sample(1), sample(4)]


def test_a_folder_that_can_not_be_made_is_no_reason_not_to_start(tmp_path: Path) -> None:
    """A file stands in its place: told, and gathering goes on."""
    (tmp_path / "ahead").write_bytes(b"")
    ahead = opened(tmp_path / "ahead")
    assert ahead.take_left() == []
    assert ahead.keep(sample(1))
    assert ahead.error
    ahead.sent()
    assert synced(ahead) == 0
