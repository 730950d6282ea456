"""What to send again out of a real outbox, without a connection."""

import asyncio
from pathlib import Path

import pytest

from broker.contract.messages import MAX_PAYLOAD_BYTES, EventMessage, Receipts
from broker.contract.topics import Kind
from broker.errors import ContractError
from device.metrics import DeviceMetrics
from device.outbox import resend_schedule, resending
from device.outbox.outbox import Outbox
from device.outbox.record import Record
from device.outbox.resending import Resending, with_tries
from tests.rigs.waiting import until


def nothing(_index: int) -> bool:
    """Nothing is under way."""
    return False


class Rig:
    """An outbox of one boot, each message of which the broker has."""

    def __init__(self, folder: Path, *, limit_bytes: int = 16 * 1024 * 1024) -> None:
        self.outbox = Outbox(folder, limit_bytes=limit_bytes)
        self.outbox.open()
        self.metrics = DeviceMetrics()
        self.resending = Resending(self.outbox, self.metrics)

    def send(self, count: int, *, size: int = 0) -> None:
        """Append messages, hand them over, and have them acknowledged."""
        for _ in range(count):
            payload = b'{"boot":"aaaa","seq":%d,"x":1%s}' % (self.outbox.next_index, b" " * size)
            record = self.outbox.append(Kind.EVENTS, payload)
            self.resending.sent(record.index, again=False)
            self.outbox.acknowledge(record.index)

    def receipt(self, first: int, last: int) -> None:
        """One of the store's."""
        self.resending.take(Receipts.parse(b'{"boots":{"aaaa":[[%d,%d]]}}' % (first, last)))

    async def grown_old(self) -> None:
        """Wait until what was sent was so well before what is sent next that a receipt of that is evidence."""
        old_s = resend_schedule.SLACK_S * resend_schedule.JITTER + resend_schedule.TOGETHER_S
        sent_s = max(run.sent_s for run in self.resending._unconfirmed.runs)
        await until(lambda: asyncio.get_running_loop().time() - sent_s > old_s, "it is old")

    def again(self) -> list[int]:
        """All that is due now, sent."""
        found: list[Record] = []
        while (record := self.resending.next(nothing)) is not None:
            self.resending.sent(record.index, again=True)
            found.append(record)
        return [record.index for record in found]


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resend_schedule, "SLACK_S", 0.1)
    monkeypatch.setattr(resend_schedule, "RIPE_S", 0.0)
    monkeypatch.setattr(resend_schedule, "TOGETHER_S", 0.01)
    monkeypatch.setattr(resending, "CHECK_S", 0.01)


@pytest.mark.usefixtures("_quick")
async def test_what_is_due_and_under_way_is_neither_sent_again_nor_waited_for(tmp_path: Path) -> None:
    """A broker that is slow to acknowledge a repeat while all else flows does not hold the agent up."""
    rig = Rig(tmp_path)
    rig.send(5)
    await rig.grown_old()
    rig.send(1)
    rig.receipt(6, 6)
    assert rig.resending.next(lambda index: index in (1, 2, 3, 4, 5)) is None
    assert await until(rig.again, "it looks again") == [1, 2, 3, 4, 5]
    assert rig.again() == []


@pytest.mark.usefixtures("_quick")
async def test_what_is_confirmed_before_its_turn_is_not_sent(tmp_path: Path) -> None:
    """A receipt that comes in the middle of the repeats counts at once; all are found, in their order."""
    rig = Rig(tmp_path)
    rig.send(200)
    await rig.grown_old()
    rig.send(1)
    rig.receipt(201, 201)
    first = rig.resending.next(nothing)
    assert first is not None
    assert first.index == 1
    rig.receipt(1, 100)
    assert rig.again() == list(range(101, 201))


@pytest.mark.usefixtures("_quick")
async def test_what_a_full_outbox_dropped_does_not_keep_the_rest_from_being_sent_again(tmp_path: Path) -> None:
    """After days without an ingestor: nothing can be sent again of what is gone, and it is not the oldest for ever."""
    rig = Rig(tmp_path, limit_bytes=1024 * 1024)
    rig.send(1)
    rig.receipt(1, 1)
    rig.send(1000, size=2000)
    dropped = rig.outbox.counts.unconfirmed_dropped
    assert dropped > resend_schedule.AGAIN_MOST
    await rig.grown_old()
    rig.send(1)
    rig.receipt(1002, 1002)
    assert rig.again() == list(range(2 + dropped, 2 + dropped + resend_schedule.AGAIN_MOST))


@pytest.mark.usefixtures("_quick")
async def test_the_oldest_without_a_receipt_is_one_that_is_still_there(tmp_path: Path) -> None:
    """What the broker refused for good is no message any more that a receipt could name."""
    rig = Rig(tmp_path)
    rig.send(1)
    await rig.grown_old()
    rig.outbox.finish(1)
    second_s = asyncio.get_running_loop().time()
    rig.send(1)
    rig.resending.upkeep()
    assert rig.resending.oldest_s() <= asyncio.get_running_loop().time() - second_s


@pytest.mark.usefixtures("_quick")
async def test_a_receipt_that_makes_no_sense_changes_nothing(tmp_path: Path) -> None:
    """Refused as a whole, by the contract."""
    rig = Rig(tmp_path)
    rig.send(3)
    for payload in (b"", b"{}", b'{"boots":{"aaaa":[[3,1]]}}', b'{"boots":{"aaaa":[[1,1],[2,0]]}}'):
        with pytest.raises(ContractError):
            rig.resending.take(Receipts.parse(payload))
    assert (rig.outbox.unconfirmed, rig.outbox.has_receipts) == (3, False)


async def test_what_no_receipt_ever_named_is_given_up_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a platform of before receipts; where one was ever heard it is kept as long as there is room."""
    for heard in (False, True):
        monkeypatch.setattr(resending, "KEPT_S", 3600.0)
        rig = Rig(tmp_path / str(heard))
        rig.send(10)
        if heard:
            rig.receipt(1, 1)
        rig.resending.upkeep()
        assert rig.outbox.unconfirmed == 10 - heard
        monkeypatch.setattr(resending, "KEPT_S", 0.0)
        rig.resending.upkeep()
        assert (rig.outbox.unconfirmed, rig.outbox.counts.unconfirmed_dropped) == ((9, 0) if heard else (0, 10))


def test_a_repeat_is_the_same_message_with_its_number() -> None:
    """Where there is no room for the number it is left out: too large a message would be refused."""
    event = EventMessage.parse(b'{"boot":"aaaa","seq":3,"at":"2026-11-23T10:00:00Z","event":"x","detail":{"a":1}}')
    assert EventMessage.parse(with_tries(event.payload(), 7)) == event.model_copy(update={"resent": 7})
    full = b'{"a":"' + bytes(MAX_PAYLOAD_BYTES - 10) + b'"}'
    assert with_tries(full, 1) == full
