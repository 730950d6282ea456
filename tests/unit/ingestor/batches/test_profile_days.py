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
from ingestor.batches.ownership import NOBODYS, Ownership, OwnershipPeriod
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
    names.keep_us = 100 * DAY_US
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


def test_all_days_of_a_memory_are_noted_midnight_for_both() -> None:
    """Registers, too, by which no profile is compared, on each way; what is refused or live is not."""
    noted = batch([(at(1), "1-0:1.8.0"), (FAR, "1-0:1.8.0")], [(at(12), "1-0:1.8.0")], [(at(37), "1-0:1.8.0")])
    assert noted.remembered_days == {(7, TODAY), (7, TODAY - 1), (7, TODAY - 2)}
    assert batch([(at(37), "1-0:1.8.0")]).remembered_days == {(7, TODAY - 2)}
    assert batch([(at(1), "1-0:1.8.0")], [(at(2), "1-0:1.8.0")], source="live").remembered_days == set()


def test_what_is_refused_or_can_not_be_compared_notes_no_day() -> None:
    """A time of year 9999 beside a good one, registers of before, live readings."""
    assert set(batch([(at(1), "1-0:1.5.0"), (FAR, "1-0:1.5.0")]).profile_days) == {(7, TODAY)}
    assert batch([(FAR, "1-0:1.5.0")]).profile_days == {}
    assert batch([(at(1), "1-0:1.8.0")], [(at(2), "1-0:1.8.0")]).profile_days == {}
    assert batch([(at(1), "1-0:1.5.0")], [(at(2), "1-0:1.5.0")], source="live").profile_days == {}


def test_what_a_meter_remembers_of_before_its_device_had_it_or_of_long_ago_is_left_out() -> None:
    """Counted, and neither kept for anybody to look into nor an event: it comes with each start."""
    moved_us = micros(NOW - timedelta(hours=5))
    owned = Ownership(1, moved_us, (OwnershipPeriod(2, moved_us - DAY_US, moved_us),))
    metrics = Metrics()
    made = batch(
        [(at(1), "1-0:1.5.0"), (at(6), "1-0:1.5.0"), (at(24 * 101), "1-0:1.5.0")],
        [(at(6), "1-0:1.5.0")],
        owned=owned,
        metrics=metrics,
    )
    assert (made.rows, len(made.stored), made.foreign) == (1, 0, {})
    assert metrics.registry.get_sample_value("wattline_ingestor_samples_bygone_total") == 3
    assert len(made.confirmed) == 2


def test_of_other_devices_and_times_that_can_not_be_it_is_refused_as_ever() -> None:
    """A stranger's profile, live readings of before, and years before any."""
    moved_us = micros(NOW - timedelta(hours=5))
    assert batch([(at(6), "1-0:1.5.0")], owned=Ownership(2, moved_us)).foreign == {1: {"TST:1"}}
    assert batch([(at(6), "1-0:1.5.0")], owned=Ownership(1, moved_us), source="live").foreign == {1: {"TST:1"}}
    for wrong in (FAR, "1985-01-01T00:00:00Z"):
        (row,) = batch([(wrong, "1-0:1.5.0")]).stored.values()
        assert row.reason == "implausible_time"
