"""Of which days the load profile is compared: those of intervals that are stored, and of no others."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from broker.contract.topics import Topics
from broker.mqtt.session import Inbound
from ingestor.batches.assembler import Assembler
from ingestor.batches.batch import Batch, Received
from ingestor.batches.limits import Limits
from ingestor.batches.meter import Meter
from ingestor.batches.names import Names
from ingestor.batches.ownership import NOBODYS, Ownership
from ingestor.batches.rows import DAY_US, micros
from ingestor.metrics import Metrics
from ingestor.settings import IngestorSettings

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
TODAY = micros(NOW) // DAY_US
CODES = {"1-0:1.5.0": 71, "1-0:1.8.0": 72}
FAR = "9999-12-31T12:00:00Z"


def batch(
    *messages: list[tuple[str, str]],
    source: str = "profile",
    owned: Ownership = NOBODYS,
    metrics: Metrics | None = None,
) -> Batch:
    """What becomes of messages of one device, each of samples as (time, code)."""
    names = Names(Limits())
    names.devices["pi-1"] = 1
    known = Meter(7, points={("1-0:1.5.0", "kW"): 71, ("1-0:1.8.0", "kWh"): 72}, series=dict(CODES))
    known.take_owner(owned)
    names.meters["TST:1"] = known
    of = IngestorSettings(database_dsn="postgresql://x@y/z")
    made = Assembler(of, Topics("w"), names, metrics or Metrics())
    nobody: Any = None
    deliveries = []
    for seq, samples in enumerate(messages, 1):
        document = {
            "boot": "b3f1", "seq": seq, "meter": "TST:1", "spec": "test@1", "clock": "meter", "source": source,
            "samples": [{"at": at, "values": {code: 1.5}} for at, code in samples],
        }  # fmt: skip
        payload = json.dumps(document).encode()
        inbound = Inbound("w/devices/pi-1/readings", payload, False, 1, 0, None, None, nobody)
        deliveries.append(Received(inbound, micros(NOW), False))
    return made.rebuild(deliveries)


def at(hours: float) -> str:
    """A time so long before now."""
    return (NOW - timedelta(hours=hours)).isoformat()


def test_days_of_stored_intervals_are_noted_on_each_way_into_a_batch() -> None:
    """The first message of a spec goes the plain way, the next the fast one; midnight ends the day before."""
    noted = batch([(at(1), "1-0:1.5.0")], [(at(12), "1-0:1.5.0")], [(at(36), "1-0:1.5.0")])
    assert set(noted.profile_days) == {(7, TODAY), (7, TODAY - 1), (7, TODAY - 2)}


def test_what_is_refused_or_can_not_be_compared_notes_no_day() -> None:
    """A time of year 9999 beside a good one, registers of before, live readings."""
    assert set(batch([(at(1), "1-0:1.5.0"), (FAR, "1-0:1.5.0")]).profile_days) == {(7, TODAY)}
    assert batch([(FAR, "1-0:1.5.0")]).profile_days == {}
    assert batch([(at(1), "1-0:1.8.0")], [(at(2), "1-0:1.8.0")]).profile_days == {}
    assert batch([(at(1), "1-0:1.5.0")], [(at(2), "1-0:1.5.0")], source="live").profile_days == {}
