"""Quarantine, frames and events within their device's quota of the day: what is over is kept by its sender."""

import base64
import json
from datetime import UTC, date, datetime
from typing import Any

import asyncpg
import pytest

from broker.contract.topics import Kind, Topics
from broker.mqtt.session import Inbound
from ingestor.batches.assembler import Assembler
from ingestor.batches.batch import Received
from ingestor.batches.limits import Limits
from ingestor.batches.meter import Meter
from ingestor.batches.names import REPEATS_US, Names
from ingestor.batches.ownership import ownership
from ingestor.batches.rows import READING_BYTES, micros
from ingestor.failures import series_taken
from ingestor.metrics import Metrics
from ingestor.settings import IngestorSettings
from store.quota_tally import Cut, Tally
from store.quotas import ROW_BYTES, Quota

NOW_US = micros(datetime(2026, 11, 23, 10, 0, 5, tzinfo=UTC))
TOPICS = Topics("test/v1")
JUNK = b"no JSON"


@pytest.fixture
def cuts() -> list[Cut]:
    """What was cut."""
    return []


@pytest.fixture
def assembler(cuts: list[Cut]) -> Assembler:
    """One with room for three small payloads, two frames of 100 bytes and two events of a device a day."""
    names = Names(Limits())
    names.devices |= {"pi-1": 1, "pi-2": 2}
    names.meters["TST:1"] = Meter(7, points={("1-0:1.8.0", "kWh"): 70}, series={"1-0:1.8.0": 70})
    limits = {Quota.QUARANTINE: 3 * (ROW_BYTES + 100), Quota.FRAMES: 2 * (ROW_BYTES + 100), Quota.EVENTS: 2}
    tally = Tally(limits, cuts.append)
    tally.turn(date(2026, 11, 23))
    settings = IngestorSettings(database_dsn="postgresql://x")  # type: ignore[arg-type]
    return Assembler(settings, TOPICS, names, Metrics(), tally)


def received(payload: bytes, kind: Kind = Kind.READINGS, device: str = "pi-1", topic: str = "") -> Received:
    """A delivery as the session hands it over."""
    inbound = Inbound(topic or TOPICS.of(kind, device), payload, False, 1, 1, None, None, None)  # type: ignore[arg-type]
    return Received(inbound, NOW_US, doubtful=False)


def numbered(seq: int, **more: Any) -> bytes:
    return json.dumps({"boot": "b3f1", "seq": seq, **more}).encode()


def readings(seq: int, *values: float) -> bytes:
    times = ("2026-11-23T10:00:00Z", "2026-11-23T10:00:01Z")
    samples = [{"at": at, "values": {"1-0:1.8.0": value}} for at, value in zip(times, values or (1.5,), strict=False)]
    return numbered(seq, meter="TST:1", spec="t@1", clock="synced", samples=samples)


def event(seq: int) -> bytes:
    return numbered(seq, at="2026-11-23T10:00:00Z", event="told", severity="info")


def frames(seq: int, **more: Any) -> bytes:
    data = base64.b64encode(bytes(100)).decode()
    frame = {"at": "2026-11-23T10:00:00Z", "data": data}
    return numbered(seq, port="/dev/x", protocol="p1", reason="no_spec", frames=[frame], **more)


def test_junk_beyond_the_quota_is_let_go_and_acknowledged(assembler: Assembler, cuts: list[Cut]) -> None:
    """No row and no memory for it, whatever its topic; another device's is kept, and so are its own readings."""
    flood = [received(JUNK) for _ in range(10)] + [received(JUNK, topic="test/v1/devices/pi-1/what") for _ in range(5)]
    honest = [received(JUNK, device="pi-2"), received(readings(1))]
    batch = assembler.rebuild([*flood, *honest])
    assert [stored.device for stored in batch.stored.values()] == ["pi-1"] * 3 + ["pi-2"]
    assert (batch.ledger_rows, batch.receipts()) == (1, [("pi-1", "b3f1", 1)])
    assert batch.deliveries == [one.delivery for one in [*flood, *honest]]
    assert len(batch.received) == 5
    assert not any(one.delivery.payload for one in flood[3:])
    assert {(cut.device, cut.quota, cut.count, cut.size) for cut in cuts} == {("pi-1", Quota.QUARANTINE, 1, len(JUNK))}


def test_a_bad_message_beyond_the_quota_gets_no_receipt(assembler: Assembler) -> None:
    """Its agent keeps it and sends it again, and the ledger does not say that it came."""
    bad = [received(numbered(seq, meter="TST:1")) for seq in range(1, 6)]
    batch = assembler.rebuild(bad)
    assembler.complete(batch)
    assert [seq for _, _, seq in batch.receipts()] == [1, 2, 3]
    assert batch.ledger_rows == 3


def test_a_batch_made_anew_charges_nothing_twice(assembler: Assembler) -> None:
    """After an outage of the database, or to find what it refuses, the same deliveries are judged again."""
    batch = assembler.rebuild([received(JUNK) for _ in range(5)])
    again = assembler.rebuild(batch.received)
    assert (len(again.stored), len(again.received)) == (3, 3)
    assert not assembler.rebuild([received(JUNK)]).stored


@pytest.mark.parametrize(("kind", "payload"), [(Kind.EVENTS, event), (Kind.FRAMES, frames)])
def test_events_and_frames_beyond_the_quota_stay_with_their_device(
    assembler: Assembler, cuts: list[Cut], kind: Kind, payload: Any
) -> None:
    """Two are taken, the others get no receipt; readings are no concern of it."""
    batch = assembler.rebuild([*(received(payload(seq), kind) for seq in range(1, 6)), received(readings(9))])
    assert [seq for _, _, seq in batch.receipts()] == [1, 2, 9]
    assert len(batch.stored) + len(batch.events) == 2
    assert len(cuts) == 3


def test_values_that_find_no_room_in_quarantine_hold_back_the_receipt_only(assembler: Assembler) -> None:
    """The message's other values are stored, and change nothing when they come again."""
    batch = assembler.rebuild([received(readings(seq, 1.5, 9e99)) for seq in range(1, 9)])
    kept = len(batch.stored)
    assert 0 < kept < 8
    assert (batch.rows, [seq for _, _, seq in batch.receipts()]) == (8, list(range(1, kept + 1)))
    alone = assembler.rebuild([received(readings(9, 9e99))])
    assert (alone.receipts(), alone.ledger_rows, len(alone.deliveries)) == ([], 0, 1)


def test_hints_count_in_the_quota_of_frames(assembler: Assembler) -> None:
    """Each row of a message has them: a thousand empty frames with long hints would be hundreds of megabytes."""
    batch = assembler.rebuild([received(frames(1, hints={"why": "x" * 300}), Kind.FRAMES)])
    assert batch.stored
    assert not assembler.rebuild([received(frames(2, hints={"why": "x" * 4000}), Kind.FRAMES)]).stored


def test_readings_of_a_device_beyond_the_limit_get_a_receipt_only_where_they_are_kept(assembler: Assembler) -> None:
    """They waited for their names as good ones, and are known to be nobody's only then."""
    batch = assembler.rebuild([received(readings(seq), device="pi-9") for seq in range(1, 9)])
    assembler.complete(batch)
    kept = len(batch.stored)
    assert 0 < kept < 8
    assert [seq for _, _, seq in batch.receipts()] == list(range(1, kept + 1))


def test_what_is_said_of_another_s_meter_counts_in_quarantine_too(cuts: list[Cut]) -> None:
    """An event of it is kept whole there: its own quota of events would let in a gigabyte."""
    names = Names(Limits())
    names.devices |= {"pi-1": 1}
    names.meters["TST:1"] = meter = Meter(7)
    meter.take_owner(ownership(2, ()))
    tally = Tally({Quota.QUARANTINE: 2 * (ROW_BYTES + 300), Quota.EVENTS: 100}, cuts.append)
    tally.turn(date(2026, 11, 23))
    settings = IngestorSettings(database_dsn="postgresql://x")  # type: ignore[arg-type]
    told = {"at": "2026-11-23T10:00:00Z", "event": "told", "severity": "info", "meter": "TST:1"}
    batch = Assembler(settings, TOPICS, names, Metrics(), tally).rebuild(
        [received(numbered(seq, **told), Kind.EVENTS) for seq in range(1, 9)]
    )
    kept = len(batch.stored)
    assert 0 < kept < 8
    assert not batch.events
    assert [seq for _, _, seq in batch.receipts()] == list(range(1, kept + 1))


def test_what_has_no_room_and_comes_again_is_entered_once(assembler: Assembler) -> None:
    """Its good values are staged, its number is no repeat, and all of it is kept once there is room."""
    for seq in range(1, 9):
        assembler.rebuild([received(readings(seq, 1.5, 9e99))])
    again = assembler.rebuild([received(readings(8, 1.5, 9e99).replace(b'"seq"', b'"resent": 1, "seq"'))])
    assert (again.receipts(), again.ledger_rows, again.seen) == ([], 0, {1: NOW_US})
    assert (again.rows, len(again.repeats)) == (1, READING_BYTES)


@pytest.mark.parametrize("quick", [True, False])
def test_what_may_be_a_repeat_is_staged_apart_from_all_else(quick: bool) -> None:
    """A message that says that it comes again, and all of a device whose readings were in already, for a while."""
    names = Names(Limits())
    names.devices |= {"pi-1": 1, "pi-2": 2}
    for device_id, series in ((1, 70), (2, 71)):
        names.meters[f"TST:{device_id}"] = meter = Meter(
            device_id, points={("1-0:1.8.0", "kWh"): series}, series={"1-0:1.8.0": series}
        )
        meter.take_owner(ownership(device_id, ()))
    settings = IngestorSettings(database_dsn="postgresql://x")  # type: ignore[arg-type]
    assembler = Assembler(settings, TOPICS, names, Metrics())
    if quick:
        # its spec is known from here on
        assembler.rebuild([received(readings(1))])

    def staged(payload: bytes, device: str = "pi-1", later_us: int = 0) -> tuple[int, int]:
        one = received(payload, device=device)
        one.received_us += later_us
        batch = assembler.rebuild([one])
        return len(batch.repeats) // READING_BYTES, batch.rows

    other = readings(1).replace(b"TST:1", b"TST:2")
    assert staged(readings(2, 1.5, 2.5).replace(b'"seq"', b'"resent": 1, "seq"')) == (2, 2)
    names.meters["TST:1"].newest_us = 0
    assert staged(readings(2, 1.5, 2.5)) == (0, 2)
    names.note_repeat(70, NOW_US)
    names.meters["TST:1"].newest_us = 0
    assert staged(readings(3, 1.5, 2.5)) == (2, 2)
    assert staged(other, "pi-2") == (0, 1)
    names.meters["TST:1"].newest_us = 0
    assert staged(readings(4, 1.5, 2.5), later_us=REPEATS_US) == (0, 2)


def test_an_error_names_the_series_that_was_in_already() -> None:
    """As PostgreSQL writes it, of a chunk and of the table; of other errors nothing."""
    error = asyncpg.UniqueViolationError("duplicate key value violates unique constraint")
    error.detail = 'Key (series_id, "time")=(70, 2026-11-23 10:00:00+00) already exists.'  # type: ignore[attr-defined]
    assert series_taken(error) == 70
    assert series_taken(asyncpg.UniqueViolationError("of another table")) is None
    assert series_taken(ValueError("x")) is None


def test_whoever_may_speak_of_a_meter_may_have_repeated_it() -> None:
    """Whose it was sends what it read then: else it could have others' batches staged for ever."""
    names = Names(Limits())
    names.meters["TST:1"] = meter = Meter(7, points={("1-0:1.8.0", "kWh"): 70})
    meter.take_owner(ownership(2, [(1, 100, 100)]))
    names.note_repeat(70, NOW_US)
    assert [names.repeats(device_id, NOW_US) for device_id in (1, 2, 3)] == [True, True, False]
    names.note_repeat(71, NOW_US)
    names.clear()
    assert not names.repeats(1, NOW_US)
