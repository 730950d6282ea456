"""The outbox's record format, its sets of indices, and whose numbers they carry."""

import json
from itertools import pairwise
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from broker.contract.topics import Kind
from device.outbox.boots import Boots
from device.outbox.index_set import IndexSet
from device.outbox.record import MAGIC, Damage, Record, encode, scan

RECORDS = st.builds(
    Record,
    index=st.integers(1, 2**53),
    appended_ms=st.integers(0, 2**45),
    stream=st.integers(0, 2**32 - 1),
    kind=st.sampled_from([Kind.READINGS, Kind.FRAMES, Kind.EVENTS]),
    # payloads full of magics and zeros are what a scanner could stumble over
    payload=st.lists(st.sampled_from([MAGIC, b"\0", b"{}", b"W", b"\xff"]) | st.binary(max_size=20), max_size=12).map(
        b"".join
    ),
)


def whole(data: bytes) -> list[Record]:
    """The records of some octets."""
    return [item for item in scan(data) if isinstance(item, Record)]


@given(st.lists(RECORDS, max_size=8))
def test_records_come_back_as_they_were_written(records: list[Record]) -> None:
    """Whatever payloads hold, also the magic itself, a scan gives the same records and no damage."""
    assert list(scan(b"".join(map(encode, records)))) == records


def test_a_record_cut_at_any_byte_is_a_torn_tail_and_the_one_before_is_whole() -> None:
    """A power cut in mid-write costs the record being written, at every possible place, and no other."""
    first = Record(7, 1000, 3, Kind.READINGS, b'{"a":1}')
    last = Record(8, 1001, 3, Kind.EVENTS, b"x" * 50)
    head, tail = encode(first), encode(last)
    for cut in range(1, len(tail)):
        assert list(scan(head + tail[:cut])) == [first, Damage(len(head), cut, torn=True)]


@settings(max_examples=200)
@given(st.lists(RECORDS, min_size=1, max_size=8), st.data())
def test_a_kill_at_any_byte_keeps_all_whole_records(records: list[Record], data: st.DataObject) -> None:
    """Octets up to a random place give exactly the records that ended before it."""
    octets = b"".join(map(encode, records))
    cut = data.draw(st.integers(0, len(octets)))
    ends, end = [], 0
    for record in records:
        end += len(encode(record))
        ends.append(end)
    assert whole(octets[:cut]) == [record for record, end in zip(records, ends, strict=True) if end <= cut]


@settings(max_examples=200)
@given(st.lists(RECORDS, min_size=3, max_size=6), st.data())
def test_a_damaged_byte_costs_one_record(records: list[Record], data: st.DataObject) -> None:
    """A flipped byte loses the record that it is in; the ones around it are found again, and the damage is named."""
    octets = bytearray(b"".join(map(encode, records)))
    place = data.draw(st.integers(0, len(octets) - 1))
    octets[place] ^= data.draw(st.integers(1, 255))
    items = list(scan(bytes(octets)))
    found = [item for item in items if isinstance(item, Record)]
    damaged = [item for item in items if isinstance(item, Damage)]
    at = 0
    for number, record in enumerate(records):
        at += len(encode(record))
        if place < at:
            assert found == records[:number] + records[number + 1 :]
            break
    assert len(damaged) == 1
    assert damaged[0].offset <= place < damaged[0].offset + damaged[0].length


@given(st.binary(max_size=300))
def test_any_octets_are_scanned_to_their_end(octets: bytes) -> None:
    """Random octets never crash a scan and never give a record."""
    assert sum(item.length for item in scan(octets) if isinstance(item, Damage)) == len(octets)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 60), st.integers(0, 12)), max_size=20))
def test_indices_are_the_set_that_they_stand_for(spans: list[tuple[bool, int, int]]) -> None:
    """Adding and removing spans in any order gives the same answers as a plain set, also after a trip through JSON."""
    indices, model = IndexSet(), set[int]()
    for adds, first, length in spans:
        span = set(range(first, first + length))
        if adds:
            assert indices.add(first, first + length) == len(span - model)
            model |= span
        else:
            assert indices.remove(first, first + length) == len(span & model)
            model -= span
    for each in (indices, IndexSet.of(json.loads(json.dumps(list(indices))))):
        assert [n in each for n in range(80)] == [n in model for n in range(80)]
        assert all(each.missing(a, 80) == len(set(range(a, 80)) - model) for a in range(80))
        assert all(each.count(a, 40) == len(set(range(a, 40)) & model) for a in range(80))
        assert all(each.next_missing(n) == min(set(range(n, 100)) - model) for n in range(80))
        assert each.end == max(model, default=-1) + 1
        assert [end < following for (_, end), (following, _) in pairwise(each)] == [True] * (len(list(each)) - 1)


@given(st.lists(st.tuples(st.sampled_from(["aaaa", "bbbb"]), st.integers(1, 9)), max_size=30), st.randoms())
def test_a_boots_numbers_are_found_at_their_indices_in_whatever_order_they_are_learnt(
    boots: list[tuple[str, int]], random: Random
) -> None:
    """Any sequence of boots and numbers: each number is found exactly where a message carries it."""
    carried = dict(enumerate(boots, 5))
    known = Boots()
    learnt = list(carried.items())
    random.shuffle(learnt)
    for index, (boot, seq) in learnt:
        known.note(index, b'{"boot":"%s","seq":%d,"x":1}' % (boot.encode(), seq))
    for one in (known, Boots.of(json.loads(json.dumps(known.rows())))):
        for boot in ("aaaa", "bbbb", "cccc"):
            found = {index for first, end in one.indices(boot, 2, 6) for index in range(first, end)}
            assert found == {index for index, (name, seq) in carried.items() if name == boot and 2 <= seq <= 6}
    last = known.last()
    assert (None if last is None else (last.boot, last.seq)) == (boots[-1] if boots else None)
