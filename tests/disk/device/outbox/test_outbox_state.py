"""Where each message of the outbox stands, on disk: only the store's word removes one, and no damage forgets one."""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.contract.topics import Kind
from broker.errors import ContractError
from device.outbox.segments import Segment, SegmentLog
from device.sealed_file import unsealed
from tests.rigs.outbox import MIB, events, fill, opened, unconfirmed, waiting


def test_only_a_receipt_removes_what_the_broker_has(tmp_path: Path) -> None:
    """A PUBACK ends the waiting, a receipt the keeping; both survive a restart, with the boot and its numbers."""
    first = opened(tmp_path)
    fill(first, "aaaa", 1, 10)
    for index in range(1, 9):
        first.acknowledge(index)
    assert (first.waiting, first.unconfirmed) == (2, 8)
    first.confirm("aaaa", 2, 3)
    first.save_state()
    again = opened(tmp_path)
    assert (waiting(again), unconfirmed(again)) == ([9, 10], [1, 4, 5, 6, 7, 8])
    assert again.previous is not None
    assert (again.previous.boot, again.previous.seq) == ("aaaa", 10)
    assert again.has_receipts
    fill(again, "bbbb", 1, 3)
    # what the store has before the broker's word comes is done as well
    again.confirm("bbbb", 2, 2)
    again.acknowledge(12)
    again.confirm("aaaa", 1, 10)
    assert (waiting(again), unconfirmed(again)) == ([11, 13], [])
    again.confirm("bbbb", 1, 3)
    again.save_state()
    assert opened(tmp_path).size_bytes == 0


def test_a_receipt_is_believed_for_what_it_plainly_names_only(tmp_path: Path) -> None:
    """An unknown boot, numbers beyond the end of one: nothing is forgotten for them, least of all another boot's."""
    outbox = opened(tmp_path)
    fill(outbox, "aaaa", 1, 5)
    fill(outbox, "bbbb", 1, 5)
    assert outbox.confirm("cccc", 1, 2**53) == []
    assert outbox.confirm("aaaa", 6, 9) == []
    assert not outbox.has_receipts
    assert outbox.confirm("aaaa", 4, 2**53) == [(4, 6)]
    assert waiting(outbox) == [1, 2, 3, 6, 7, 8, 9, 10]


def test_a_message_of_unreadable_number_is_done_at_its_puback(tmp_path: Path) -> None:
    """No receipt could ever name it."""
    outbox = opened(tmp_path)
    outbox.append(Kind.EVENTS, b'{"seq":1}')
    outbox.acknowledge(1)
    assert (outbox.waiting, outbox.unconfirmed) == (0, 0)


def standing(folder: Path) -> Path:
    """An outbox of two boots with messages in each state, saved twice."""
    outbox = opened(folder)
    fill(outbox, "aaaa", 1, 6)
    fill(outbox, "bbbb", 1, 6)
    for index in (1, 2, 3, 8, 9):
        outbox.acknowledge(index)
    outbox.confirm("aaaa", 2, 2)
    outbox.save_state()
    outbox.acknowledge(12)
    outbox.save_state()
    return folder


def test_no_bit_flip_of_the_state_forgets_a_message(tmp_path: Path) -> None:
    """Each single bit of both files is seen, so that the other one counts: every unconfirmed message is still there."""
    source = standing(tmp_path / "source")
    folder = tmp_path / "damaged"
    for name in ("state-0.json", "state-1.json"):
        octets = (source / name).read_bytes()
        for bit in range(8 * len(octets)):
            damaged = bytearray(octets)
            damaged[bit // 8] ^= 1 << bit % 8
            with pytest.raises(ContractError):
                unsealed(bytes(damaged))
            if bit % 41:
                continue
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(source, folder)
            (folder / name).write_bytes(damaged)
            outbox = opened(folder)
            assert sorted(waiting(outbox) + unconfirmed(outbox)) == [1, *range(3, 13)], bit
            assert {4, 5, 6, 7, 10, 11} <= set(waiting(outbox)), bit
            assert "outbox_damaged" in events(outbox), bit
            assert outbox.next_index == 13


def test_with_both_files_gone_or_unreadable_all_is_sent_again(tmp_path: Path) -> None:
    """Whatever they hold: nothing in the segments is forgotten, and its boots are known again once it is read."""
    for damage in (None, b"", b"{}", bytes(200), b'{"crc32":"00000000"}'):
        folder = standing(tmp_path / str(damage and len(damage)))
        for name in ("state-0.json", "state-1.json"):
            (folder / name).unlink()
            if damage is not None:
                (folder / name).write_bytes(damage)
        outbox = opened(folder)
        assert waiting(outbox) == list(range(1, 13))
        assert outbox.previous is not None
        assert (outbox.previous.boot, outbox.previous.seq) == ("bbbb", 6)
        assert ("outbox_damaged" in events(outbox)) == (damage is not None)
        outbox.acknowledge(3)
        assert outbox.confirm("aaaa", 3, 3) == [(3, 4)]


def test_a_state_that_the_disk_does_not_give_is_a_damaged_one(tmp_path: Path) -> None:
    """A read error costs repeats: all messages are there, and new ones get indices that nothing else has."""
    first = opened(tmp_path)
    fill(first, "aaaa", 1, 5)
    first.save_state()
    for file in tmp_path.glob("state-*.json"):
        # what can't be read whoever asks
        file.unlink()
        file.mkdir()
    again = opened(tmp_path)
    assert waiting(again) == [1, 2, 3, 4, 5]
    fill(again, "bbbb", 1, 1)
    assert waiting(again) == [1, 2, 3, 4, 5, 6]
    assert "outbox_damaged" in events(again)


def test_the_file_of_an_agent_of_before_is_taken_up_once(tmp_path: Path) -> None:
    """What it had acknowledged is gone; the rest is sent. An older agent that ran in between is believed again."""
    source = opened(tmp_path)
    fill(source, "aaaa", 1, 9)
    for name in ("state-0.json", "state-1.json"):
        (tmp_path / name).unlink(missing_ok=True)
    (tmp_path / "acks.json").write_bytes(b"[[0, 4], [6, 7]]")
    outbox = opened(tmp_path)
    assert (waiting(outbox), unconfirmed(outbox)) == ([4, 5, 7, 8, 9], [])
    assert not (tmp_path / "acks.json").exists()
    outbox.acknowledge(4)
    outbox.save_state()
    (tmp_path / "acks.json").write_bytes(b"[[0, 9]]")
    assert waiting(opened(tmp_path)) == [9]
    assert "outbox_damaged" not in events(outbox)


def test_a_lost_tail_is_counted_and_the_next_boot_says_how_far_the_last_had_got(tmp_path: Path) -> None:
    """Truncated, zeroed, emptied or deleted: the state knows what was there; so does the ledger by `previous`."""
    source = opened(tmp_path / "source")
    fill(source, "aaaa", 1, 70)
    for index in range(1, 10):
        source.acknowledge(index)
    source.confirm("aaaa", 1, 9)
    source.save_state()
    [segment] = (tmp_path / "source").glob("*.seg")
    octets = segment.read_bytes()
    for name, damage in (
        ("cut", octets[: len(octets) // 2]),
        ("zero", bytes(len(octets))),
        ("empty", b""),
        ("no", None),
    ):
        folder = shutil.copytree(tmp_path / "source", tmp_path / name)
        if damage is None:
            (folder / segment.name).unlink()
        else:
            (folder / segment.name).write_bytes(damage)
        outbox = opened(folder)
        lost = 61 - len(waiting(outbox))
        assert lost == (35 if name == "cut" else 61)
        assert outbox.counts.damaged == lost
        assert events(outbox)["outbox_damaged"] == lost
        assert outbox.previous is not None
        assert (outbox.previous.boot, outbox.previous.seq) == ("aaaa", 70)
        assert outbox.next_index == 71
        assert events(opened(folder)) == {}, "told once"


def test_segments_that_vanish_are_told(tmp_path: Path) -> None:
    """The first, or one in the middle: what it held is counted, not forgotten in silence."""
    for lost in (0, 2):
        outbox = opened(tmp_path / str(lost), limit_bytes=MIB)
        fill(outbox, "aaaa", 1, 1000, size=300)
        outbox.save_state()
        segments = sorted((tmp_path / str(lost)).glob("*.seg"))
        first, end = int(segments[lost].name[:20]), int(segments[lost + 1].name[:20])
        segments[lost].unlink()
        again = opened(tmp_path / str(lost), limit_bytes=MIB)
        assert len(waiting(again)) == 1000 - (end - first)
        assert events(again) == {"outbox_damaged": end - first}
        assert again.waiting == len(waiting(again))


def test_when_full_what_the_broker_has_goes_first(tmp_path: Path) -> None:
    """Not a message that waits is lost while one is left that the broker has; both are counted apart."""
    outbox = opened(tmp_path, limit_bytes=MIB)
    fill(outbox, "aaaa", 1, 1, size=300)
    outbox.confirm("aaaa", 1, 1)
    seq = 2
    for n in range(5000):
        fill(outbox, "aaaa", seq, seq, size=300)
        # every third one waits, as where a broker has nobody for one kind
        if n < 2500 and n % 3:
            outbox.acknowledge(seq)
        seq += 1
        assert outbox.size_bytes <= MIB
        if outbox.counts.dropped + outbox.counts.thinned:
            break
    assert not [index for index in unconfirmed(outbox) if index < seq - 300], "older than the segment being written"
    assert outbox.counts.unconfirmed_dropped > 1000
    assert outbox.waiting == len(waiting(outbox))
    assert outbox.unconfirmed == len(unconfirmed(outbox))
    told = events(outbox)
    assert told["outbox_unconfirmed_dropped"] == outbox.counts.unconfirmed_dropped
    outbox.save_state()
    again = opened(tmp_path, limit_bytes=MIB)
    assert (waiting(again), unconfirmed(again)) == (waiting(outbox), unconfirmed(outbox))
    assert again.counts.damaged == 0


def test_what_the_broker_has_makes_nothing_full(tmp_path: Path) -> None:
    """On a platform of before receipts the outbox fills with what may go at any time: no alarm, and nothing is lost."""
    outbox = opened(tmp_path, limit_bytes=MIB)
    for seq in range(1, 6001):
        fill(outbox, "aaaa", seq, seq, size=300)
        outbox.acknowledge(seq)
    assert outbox.counts.unconfirmed_dropped > 1000
    assert outbox.unconfirmed + outbox.counts.unconfirmed_dropped == 6000
    assert (outbox.counts.dropped, outbox.counts.thinned, events(outbox)) == (0, 0, {})


def test_a_start_does_not_read_what_was_thinned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full outbox is hundreds of MiB: how many messages wait is written down, and believed of that very file only."""
    first = opened(tmp_path, limit_bytes=MIB)
    fill(first, "aaaa", 1, 2000, size=1000)
    for index in waiting(first)[:100]:
        first.acknowledge(index)
    first.confirm("aaaa", 1, waiting(first)[0] - 50)
    first.save_state()
    counts = first.waiting, first.unconfirmed
    assert first.counts.thinned > 0
    assert first.unconfirmed > 0
    reads: list[Segment] = []
    load = SegmentLog.load
    monkeypatch.setattr(SegmentLog, "load", lambda self, segment: reads.append(segment) or load(self, segment))
    again = opened(tmp_path, limit_bytes=MIB)
    assert (again.waiting, again.unconfirmed) == counts
    assert not reads
    assert (len(waiting(again)), len(unconfirmed(again))) == counts
    thinned = sorted(tmp_path.glob("*.thin.seg"))[1]
    thinned.write_bytes(thinned.read_bytes()[:-1500])
    last = opened(tmp_path, limit_bytes=MIB)
    assert (last.waiting, last.unconfirmed) == (len(waiting(last)), len(unconfirmed(last)))
    assert sum((last.waiting, last.unconfirmed)) < sum(counts)


def test_receipts_after_a_thinning_end_what_is_left(tmp_path: Path) -> None:
    """A thinned outbox that drains and is confirmed in pieces is empty in the end, its state small in between."""
    outbox = opened(tmp_path, limit_bytes=MIB)
    fill(outbox, "aaaa", 1, 5000, size=300)
    assert outbox.counts.thinned
    assert not outbox.counts.dropped
    kept = waiting(outbox)
    for index in kept[: len(kept) // 2]:
        outbox.acknowledge(index)
    outbox.save_state()
    assert max(file.stat().st_size for file in tmp_path.glob("state-*")) < 20_000
    again = opened(tmp_path, limit_bytes=MIB)
    assert (waiting(again), unconfirmed(again)) == (kept[len(kept) // 2 :], kept[: len(kept) // 2])
    for index in kept[len(kept) // 2 :]:
        again.acknowledge(index)
    for first in range(1, 5001, 37):
        again.confirm("aaaa", first, first + 36)
        assert again.unconfirmed == sum(index >= first + 37 for index in kept)
    again.save_state()
    assert opened(tmp_path).size_bytes == 0


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("fill"), st.integers(1, 40), st.just(0)),
        st.tuples(st.just("take"), st.integers(0, 10**6), st.integers(1, 60)),
        st.tuples(st.just("confirm"), st.integers(1, 600), st.integers(0, 200)),
        st.tuples(st.sampled_from(["save", "restart", "kill"]), st.just(0), st.just(0)),
    ),
    min_size=5,
    max_size=60,
)


@settings(max_examples=30, deadline=None)
@given(STEPS)
def test_over_any_life_each_message_is_there_confirmed_or_counted(steps: list[tuple[str, int, int]]) -> None:
    """Appended, taken, confirmed, dropped, thinned, saved, stopped, killed: the counts always add up."""
    with TemporaryDirectory() as name:
        live_through(steps, Path(name))


def live_through(steps: list[tuple[str, int, int]], folder: Path) -> None:
    limit = 128 * 1024
    outbox = opened(folder, limit_bytes=limit)
    seq, confirmed, lost = 0, set[int](), 0
    for what, one, two in steps:
        if what == "fill":
            fill(outbox, "aaaa", seq + 1, seq + one, size=700)
            seq += one
        elif what == "take":
            for index in waiting(outbox)[one % 50 :][:two]:
                outbox.acknowledge(index)
        elif what == "confirm":
            before = set(waiting(outbox) + unconfirmed(outbox))
            outbox.confirm("aaaa", one, one + two)
            confirmed |= before & set(range(one, one + two + 1))
        elif what == "save":
            outbox.save_state()
        else:
            if what == "restart":
                outbox.save_state()
            lost += outbox.counts.dropped + outbox.counts.thinned + outbox.counts.unconfirmed_dropped
            lost += outbox.counts.damaged
            outbox = opened(folder, limit_bytes=limit)
            # what was confirmed or taken after the last save comes again, and changes nothing at the store
            confirmed -= set(waiting(outbox) + unconfirmed(outbox))
        left = waiting(outbox) + unconfirmed(outbox)
        assert len(left) == len(set(left)) == outbox.waiting + outbox.unconfirmed
        counts = outbox.counts
        gone = lost + counts.dropped + counts.thinned + counts.unconfirmed_dropped + counts.damaged
        assert len(left) + len(confirmed) + gone == seq
        assert not confirmed & set(left)
        assert outbox.next_index == seq + 1
