"""The quick way of readings into a batch comes to the verdict of the careful one, whatever is done to a payload."""

import json
from datetime import UTC, datetime
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from broker.contract.topics import Kind, Topics
from broker.mqtt.session import Inbound
from ingestor.batches.assembler import Assembler
from ingestor.batches.batch import Batch, Received
from ingestor.batches.limits import Limits
from ingestor.batches.meter import Meter
from ingestor.batches.names import Names
from ingestor.batches.rows import READING_BYTES, ledger_row, micros, plain_ledger_row
from ingestor.metrics import Metrics
from ingestor.settings import IngestorSettings

NOW_US = micros(datetime(2026, 11, 23, 10, 0, 5, tzinfo=UTC))
TOPICS = Topics("test/v1")
CODES = {"1-0:1.8.0": 70, "1-0:16.7.0": 71, "1-0:32.7.0": 72}
GOOD: dict[str, Any] = {
    "boot": "b3f1",
    "seq": 7,
    "meter": "TST:1",
    "spec": "t@1",
    "clock": "synced",
    "source": "live",
    "samples": [
        {"at": "2026-11-23T10:00:00Z", "values": {"1-0:1.8.0": 12345.678, "1-0:16.7.0": -0.25}},
        {"at": "2026-11-23T10:00:01.250000Z", "values": {"1-0:1.8.0": 12345.679, "1-0:32.7.0": 231}},
    ],
}


def assembler(*, quick: bool) -> Assembler:
    """One that knows a device, a meter of three series, and the spec, which a message before it told."""
    names = Names(Limits())
    names.devices["pi-1"] = 1
    names.meters["TST:1"] = Meter(
        7, points={(code, "kWh"): number for code, number in CODES.items()}, series=dict(CODES)
    )
    of = IngestorSettings(database_dsn="postgresql://x")  # type: ignore[arg-type]
    made = Assembler(of, TOPICS, names, Metrics())
    made.add(Batch(), received(json.dumps(GOOD | {"samples": GOOD["samples"][:1]}).encode()))
    names.meters["TST:1"].newest_us = 0
    if not quick:
        made._fast_path.enter = lambda *_: False  # type: ignore[method-assign]
    return made


def received(payload: bytes) -> Received:
    """A delivery as the session hands it over."""
    inbound = Inbound(TOPICS.of(Kind.READINGS, "pi-1"), payload, False, 1, 1, None, None, None)  # type: ignore[arg-type]
    return Received(inbound, NOW_US, doubtful=True)


def outcome(batch: Batch) -> dict[str, Any]:
    """All that a batch would store and tell, and what it would look up."""
    rows = batch.readings
    return {
        "rows": sorted(rows[start : start + READING_BYTES] for start in range(0, len(rows), READING_BYTES)),
        "repeats": bytes(batch.repeats),
        "count": (batch.rows, batch.ledger_rows, batch.payload_bytes, batch.kinds),
        "ledger": bytes(batch.ledger),
        "newest_us": batch.newest_us,
        "seen": batch.seen,
        "confirmed": sorted(set(batch.confirmed)),
        "stored": [(one.reason, one.detail, one.data) for one in batch.stored.values()],
        "salvaged": [(one.boot, one.seq) for one in batch.salvaged],
        "waiting": [one.message for one in batch.waiting],
    }


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**25), 10**25),
    st.sampled_from(
        [0, 1, 2**53, 2**53 + 1, 2**31 - 1, 2**31, 1e308, 1.0, -0.0, 1e15, 1e11, "live", "backfill", "synced"]
    ),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(
        ["b3f1", "B3F1", "b3f", "a" * 33, "TST:1", "TST:2", "t@1", "t@0", "u@1", "1-0:1.8.0", "1-0:1.8.0*255"]
    ),
    st.sampled_from(
        [
            *("2026-11-23T10:00:00Z", "2026-11-23T10:00:00+00:00", "2026-11-23 10:00:00Z", "2026-11-23T10:00:00.1Z"),
            *("2026-11-23T10:00:60Z", "2026-02-30T10:00:00Z", "2026-11-23T24:00:00Z", "2026-11-23T10:00:00", "1764"),
            *("2026-11-23T10:00:00.123456Z", "2026-11-23T10:00:00.1234567Z", "2026-11-23T10:00:00.12345\u0666Z"),
            *("1999-01-01T00:00:00Z", "2027-11-23T10:00:00Z", "0001-01-01T00:00:00Z", "\u0662026-11-23T10:00:00Z"),
        ]
    ),
)
NAMES = st.sampled_from([*GOOD, "at", "values", "resent", "units", "more", *CODES, "1-0:2.8.0"])


@st.composite
def documents(draw: st.DrawFn) -> bytes:
    """The good message with some of its parts replaced, added, doubled or taken away."""
    document = json.loads(json.dumps(GOOD))
    for _ in range(draw(st.integers(0, 3))):
        samples = document.get("samples")
        places = [document, *(one for one in (samples if isinstance(samples, list) else ()) if isinstance(one, dict))]
        places += [one["values"] for one in places[1:] if isinstance(one.get("values"), dict)]
        place = draw(st.sampled_from(places))
        action = draw(st.sampled_from(["set", "set", "set", "drop", "nest", "double"]))
        name = draw(st.one_of(NAMES, st.sampled_from(sorted(place) or ["x"])))
        if action == "set":
            place[name] = draw(SCALARS)
        elif action == "drop":
            place.pop(name, None)
        elif action == "nest":
            place[name] = draw(st.sampled_from([[], {}, [1], {"x": 1}, [[]]]))
        elif isinstance(document.get("samples"), list):
            document["samples"] = document["samples"] * 2
    return json.dumps(document, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Some message with bytes replaced, cut out or put in."""
    payload = bytearray(draw(documents()))
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(payload)))
        payload[start : start + draw(st.integers(0, 3))] = draw(
            st.one_of(
                st.binary(max_size=3), st.sampled_from([b'"', b"\\", b"{", b"}", b",", b"1", b".", b"e5", b"\\u0000"])
            )
        )
    return bytes(payload)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(damaged(), min_size=1, max_size=3))
@example([json.dumps(GOOD).encode()])
@example([json.dumps(GOOD).encode()] * 2)
@example([json.dumps(GOOD | {"resent": 3}).encode()])
@example([json.dumps(GOOD).replace('"seq": 7', '"seq": 7.0').encode()])
@example([json.dumps(GOOD).replace('"seq": 7', '"seq": 1e999').encode()])
@example([json.dumps(GOOD).replace("231", "1e999").encode()])
@example([json.dumps(GOOD).replace("231", "NaN").encode()])
@example([json.dumps(GOOD).replace("231", "123456789012345678901234567890").encode()])
@example([json.dumps(GOOD).replace('"seq": 7', '"seq": 7, "seq": 8').encode()])
@example([json.dumps(GOOD).replace('"seq": 7', '"seq": "x", "seq": 8').encode()])
@example([json.dumps(GOOD).encode() + b" x"])
@example([b"\xef\xbb\xbf" + json.dumps(GOOD).encode()])
@example([json.dumps(GOOD | {"more": "\ud800"}, ensure_ascii=False).encode("utf-8", "surrogatepass")])
@example([json.dumps(GOOD).encode() + b" " * 300_000])
def test_both_ways_come_to_the_same(payloads: list[bytes]) -> None:
    """The same rows, ledger, receipts and quarantine, and the same names to look up."""
    quick, careful = assembler(quick=True), assembler(quick=False)
    deliveries = [received(payload) for payload in payloads]
    assert outcome(quick.rebuild(deliveries)) == outcome(careful.rebuild(deliveries))


def test_good_messages_go_the_quick_way() -> None:
    """What the property holds of is not all refused by the quick way."""
    batch = assembler(quick=True).rebuild([received(json.dumps(GOOD).encode())])
    assert (batch.sampled_rows, len(batch.fresh), batch.ledger_rows) == (4, 0, 1)


@given(
    st.integers(1, 2**53), st.text("0123456789abcdef", min_size=4, max_size=32), st.sampled_from([None, 1, 2**31 - 1])
)
def test_both_rows_of_the_ledger_are_the_same(seq: int, boot: str, resent: int | None) -> None:
    """The quick row differs in nothing."""
    fields = (NOW_US, NOW_US - 5, seq, 3, 4, 10, 1, boot, "spec-a@3", resent)
    assert plain_ledger_row(*fields) == ledger_row(*fields)
