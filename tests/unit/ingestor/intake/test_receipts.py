"""Receipts: gathered, merged and parted into messages, without a broker."""

from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.contract.messages import Receipts as Message
from broker.contract.topics import Topics
from broker.mqtt.session import Session, SessionOptions
from broker.runtime.settings import BrokerAddress
from ingestor.batches.rows import micros
from ingestor.intake.receipts import MOST_BOOTS, MOST_RANGES, Gatherer, Receipt, Receipts
from ingestor.metrics import Metrics
from ingestor.writing.receipt_clock import Clock

DEVICES = st.sampled_from(["pi-1", "pi-2"])
BOOTS = st.sampled_from(["b3f1", "77aa01", "0000"])


def named(receipts: list[Receipt]) -> list[tuple[str, str, int]]:
    """Every (device, boot, seq) that receipts speak of, as a device reads them."""
    return [
        (receipt.device, boot, seq)
        for receipt in receipts
        for boot, ranges in Message.parse(receipt.payload).boots.items()
        for first, last in (one.root for one in ranges)
        for seq in range(first, last + 1)
    ]


@given(st.lists(st.tuples(DEVICES, BOOTS, st.integers(1, 40)), max_size=200))
def test_receipts_name_what_was_stored_and_nothing_else(stored: list[tuple[str, str, int]]) -> None:
    """In whatever order and how often messages come: each is named once, in rising ranges with gaps between them."""
    gatherer = Gatherer()
    assert gatherer.add(stored) == 0
    receipts = list(gatherer.take())
    assert sorted(named(receipts)) == sorted(set(stored))
    assert sum(receipt.covered for receipt in receipts) == len(set(stored))
    for receipt in receipts:
        for ranges in Message.parse(receipt.payload).boots.values():
            assert all(before.root[1] + 1 < after.root[0] for before, after in pairwise(ranges))
    assert list(gatherer.take()) == []


@given(st.lists(st.tuples(DEVICES, BOOTS, st.integers(1, 40)), max_size=200), st.integers(1, 10))
def test_a_full_gatherer_takes_no_more_and_says_so(stored: list[tuple[str, str, int]], most: int) -> None:
    """What there is no room for gets no receipt, and no other message gets one in its place."""
    gatherer = Gatherer(most)
    refused = gatherer.add(stored)
    receipts = list(gatherer.take())
    assert set(named(receipts)) <= set(stored)
    assert refused or set(named(receipts)) == set(stored)
    assert sum(len(ranges) for one in receipts for ranges in Message.parse(one.payload).boots.values()) <= most


def test_more_ranges_or_boots_than_a_message_may_hold_come_in_several() -> None:
    """Every message keeps the contract's bounds, and together they name all."""
    gaps = [("pi-1", "b3f1", seq) for seq in range(1, 2 * (3 * MOST_RANGES + 7), 2)]
    boots = [("pi-1", f"{number:04x}", 5) for number in range(3 * MOST_BOOTS + 1)]
    gatherer = Gatherer()
    assert gatherer.add(gaps + boots) == 0
    receipts = list(gatherer.take())
    assert sorted(named(receipts)) == sorted(gaps + boots)
    for receipt in receipts:
        parsed = Message.parse(receipt.payload)
        assert sum(map(len, parsed.boots.values())) <= MOST_RANGES
        assert len(parsed.boots) <= MOST_BOOTS


async def test_receipts_for_a_broker_that_is_away_are_dropped_and_counted() -> None:
    """Nothing waits in memory for it: a repeat gets its receipt again."""
    metrics = Metrics()
    session = Session(BrokerAddress(), SessionOptions("ingestor"))
    receipts = Receipts(session, Topics(), 1.0, Clock(), metrics)
    receipts.committed([("pi-1", "b3f1", 1), ("pi-1", "b3f1", 2), ("pi-2", "b3f1", 1)])
    await receipts.publish()
    found = {
        sample.name + sample.labels.get("reason", ""): sample.value
        for metric in metrics.registry.collect()
        for sample in metric.samples
    }
    assert found["wattline_ingestor_receipts_dropped_totalbroker"] == 3
    assert found["wattline_ingestor_receipts_total"] == 0


class DatabaseTime(Clock):
    """A clock of 2026-11-29T12:00:00Z, whatever the host says, once the database has told it."""

    def now_us(self) -> int:
        """It stands still."""
        return micros(datetime(2026, 11, 29, 12, tzinfo=UTC))


@pytest.mark.parametrize(("known", "at"), [(True, datetime(2026, 11, 29, 12, tzinfo=UTC)), (False, None)])
async def test_receipts_say_the_time_of_the_database(
    monkeypatch: pytest.MonkeyPatch, at: datetime | None, *, known: bool
) -> None:
    """Devices set their time by it: a host of a wrong clock must not tell its own, and rather none than a guess."""
    said: list[bytes] = []
    session, clock = Session(BrokerAddress(), SessionOptions("ingestor")), DatabaseTime()
    monkeypatch.setattr(session, "post", lambda _, payload: said.append(payload) or True)
    if known:
        clock.known.set()
    receipts = Receipts(session, Topics(), 1.0, clock, Metrics())
    receipts.committed([("pi-1", "b3f1", 1)])
    await receipts.publish()
    assert [Message.parse(payload).at for payload in said] == [at]
