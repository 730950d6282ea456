"""Whose a meter is at which time, and what that makes of what a device sends."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.contract.topics import Topics
from broker.mqtt.session import Inbound
from ingestor.batches.assembler import Assembler
from ingestor.batches.batch import Batch, Received
from ingestor.batches.limits import Limits
from ingestor.batches.meter import Meter
from ingestor.batches.names import Names
from ingestor.batches.ownership import Ownership, ownership
from ingestor.batches.rows import micros
from ingestor.metrics import Metrics
from ingestor.settings import IngestorSettings

NOON = micros(datetime(2026, 11, 23, 12, tzinfo=UTC))


@given(
    st.lists(st.tuples(st.integers(1, 4), st.integers(0, 100), st.integers(0, 9)), max_size=6), st.integers(-200, 200)
)
def test_each_moment_is_one_devices(drawn: list[tuple[int, int, int]], at_us: int) -> None:
    """Whatever moves a meter made: each time is one device's, the first one's before all, and the next one's early."""
    drawn.sort(key=lambda move: move[1])
    moves = [
        (device, until_us, max(until_us - early_us, drawn[n - 1][1] if n else -1000))
        for n, (device, until_us, early_us) in enumerate(drawn)
    ]
    owned = ownership(5, moves)
    owners = {device for device in range(1, 7) if owned.is_of(device, at_us)}
    order = [*(device for device, _, _ in moves), 5]
    number = sum(at_us >= until_us for _, until_us, _ in moves)
    early = {order[n + 1] for n, (_, until_us, next_us) in enumerate(moves) if next_us <= at_us < until_us}
    assert owners == {order[number]} | early


def test_a_meter_of_nobodys_is_anybodys() -> None:
    """As of before devices were known; and who never had it has no past with it."""
    assert Ownership(None).is_of(7, NOON)
    assert ownership(2, [(1, NOON, NOON)]).was_of(1)
    assert not ownership(2, [(1, NOON, NOON)]).was_of(2)


def payload(*times: str, meter: str = "TST:1", code: str = "1-0:1.8.0") -> bytes:
    samples = [{"at": at, "values": {code: 1.0}} for at in times]
    document: dict[str, Any] = {"boot": "b3f1", "seq": 1, "meter": meter, "spec": "test@1", "clock": "synced"}
    return json.dumps(document | {"samples": samples}).encode()


def judged(device: str, *payloads: bytes) -> Batch:
    """What becomes of messages about a meter that was d1's until noon and is d2's since; d3 never had it."""
    names = Names(Limits())
    names.devices.update({"d1": 1, "d2": 2, "d3": 3})
    known = Meter(7, points={("1-0:1.8.0", "kWh"): 70}, series={"1-0:1.8.0": 70})
    known.take_owner(ownership(2, [(1, NOON, NOON)]))
    names.meters["TST:1"] = known
    settings = IngestorSettings(database_dsn="postgresql://x@y/z")
    assembler = Assembler(settings, Topics("w"), names, Metrics())
    nobody: Any = None
    received = [
        Received(
            Inbound(f"w/devices/{device}/readings", one, False, 1, 0, None, None, nobody), NOON + 3_600_000_000, False
        )
        for one in payloads
    ]
    return assembler.rebuild(received)


@pytest.mark.parametrize(
    ("device", "stored", "refused"), [("d1", 1, 1), ("d2", 1, 1), ("d3", 0, 2)], ids=["old", "new", "stranger"]
)
def test_each_sample_is_judged_by_its_time(device: str, stored: int, refused: int) -> None:
    """On the fast way, which a message takes whose like was accepted before, and on the careful one alike."""
    before, after = "2026-11-23T11:59:59Z", "2026-11-23T12:00:00Z"
    mixed, own = payload(before, after), payload(before if device == "d1" else after)
    for messages in ((mixed,), (own, mixed)):
        batch = judged(device, *messages)
        rows = list(batch.stored.values())
        assert {(row.reason, row.device, row.meter_id) for row in rows} == {("foreign_meter", device, 7)}
        assert [row.data.count(b'"at"') for row in rows][-1] == refused
        assert batch.rows == stored * len(messages)
        assert batch.foreign == {{"d1": 1, "d2": 2, "d3": 3}[device]: {"TST:1"}}
        assert len(batch.confirmed) == len(messages)


def test_the_fast_way_ends_where_a_tenure_begins() -> None:
    """An own message goes fast, a moment before it was its own not; the receipt is given all the same."""
    own, next_one = payload("2026-11-23T12:00:00Z"), payload("2026-11-23T12:00:01Z")
    batch = judged("d2", own, next_one, payload("2026-11-23T11:59:59.999999Z"))
    assert (batch.sampled_rows, batch.rows, len(batch.stored)) == (1, 2, 1)


def test_what_was_nobodys_is_whose_it_became_and_the_past_stays_whose_it_was() -> None:
    """Somebody who takes a device off a meter by hand gives nobody its history."""
    taken_off = ownership(None, [(1, 100, 100)])
    assert (taken_off.is_of(1, 50), taken_off.is_of(2, 50)) == (True, False)
    assert (taken_off.is_of(2, 100), taken_off.is_of(1, 100)) == (True, True)
    given = ownership(2, [(1, 100, 100), (None, 200, 200)])
    assert (given.is_of(2, 150), given.is_of(1, 150), given.is_of(2, 50), given.is_of(3, 250)) == (
        True, False, False, False,
    )  # fmt: skip
    assert ownership(2, [(None, 200, 200)]).is_of(2, 50)
