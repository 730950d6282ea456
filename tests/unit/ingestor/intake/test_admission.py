"""Shares of devices at the ingestor's door: by topic, while the broker has more for us than we take."""

import time
from datetime import date

import pytest

from broker.contract.topics import Kind, Topics
from ingestor.intake import admission as module
from ingestor.intake.admission import PATIENCE_S, Admission
from ingestor.metrics import Metrics
from store.quota_tally import Tally
from store.quotas import Quota, QuotaLimits

TOPICS = Topics("test/v1")
FLOOD, HONEST = (TOPICS.of(Kind.READINGS, device) for device in ("flood", "pi-1"))
LIMITS = QuotaLimits(messages_per_s=8, kib_per_s=1, burst_s=5)


class Door:
    """An admission with a clock of its own."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.now_s = 1000.0
        patch.setattr(module.time, "monotonic", lambda: self.now_s)
        assert time.monotonic() == self.now_s
        self.metrics = Metrics()
        self.tally = Tally({}, self.metrics.cut)
        self.tally.turn(date(2026, 11, 29))
        self.admission = Admission(LIMITS, TOPICS, self.tally, self.metrics)

    def passed(self, topic: str, count: int, *, empty: bool, size: int = 10) -> int:
        """How many of so many messages pass at this moment."""
        self.admission.look(empty=empty)
        return sum(self.admission.admits(topic, size) for _ in range(count))


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> Door:
    """One that has nothing waiting."""
    return Door(monkeypatch)


def test_a_flood_is_cut_once_others_wait(door: Door) -> None:
    """Not before; and whoever sends at another's side is none of it, whatever the flood's topics are."""
    assert door.passed(HONEST, 1, empty=True) == 1
    assert door.passed(FLOOD, 1000, empty=True) == 1000
    door.now_s += PATIENCE_S + 1
    assert door.passed(FLOOD, 1000, empty=False) == 24
    assert door.passed("test/v1/devices/flood/nonsense", 1000, empty=False) == 0
    assert door.passed(HONEST, 40, empty=False) == 40
    rows = {(row.device, row.quota): (row.cut, row.cut_bytes) for row in door.tally.rows()}
    assert rows == {("flood", Quota.MESSAGES): (1976, 19_760)}


def test_what_the_broker_kept_while_nobody_stored_passes(door: Door) -> None:
    """After a restart the first that comes is what an outage left, in one rush."""
    door.admission.was_away(3600.0)
    assert door.passed(FLOOD, 1, empty=False) + door.passed(HONEST, 5 * 3600, empty=False) == 5 * 3600 + 1
    assert door.passed(FLOOD, 10**5, empty=False) == 8 * (3600 + LIMITS.burst_s) - 1


def test_whoever_is_alone_is_not_cut(door: Door) -> None:
    """An only device's backlog goes in as fast as the store takes it, however long that is."""
    for _ in range(20):
        door.now_s += PATIENCE_S + 1
        assert door.passed(HONEST, 1000, empty=False) == 1000
    assert not list(door.tally.rows())


def test_metrics_name_the_quota_and_no_device(door: Door) -> None:
    """Messages and bytes by quota, the devices that went over one, and for how long others have waited."""
    door.passed(HONEST, 1, empty=True)
    door.passed(FLOOD, 1, empty=True, size=0)
    door.now_s += PATIENCE_S + 1
    door.passed(FLOOD, 10, empty=False, size=2048)
    value = door.metrics.registry.get_sample_value
    labels = {"quota": "bytes"}
    assert value("wattline_ingestor_quota_cut_total", labels) == 6
    assert value("wattline_ingestor_quota_cut_bytes_total", labels) == 6 * 2048
    assert value("wattline_ingestor_quota_exceeded_total", labels) == 1
    assert value("wattline_ingestor_behind_seconds") == PATIENCE_S + 1


def test_a_status_has_a_share_of_its_own(door: Door) -> None:
    """A device that has used up all else is told to be gone; a flood of its statuses is cut, too."""
    status = TOPICS.of(Kind.STATUS, "flood")
    door.passed(HONEST, 1, empty=True)
    door.passed(FLOOD, 1, empty=True)
    door.now_s += PATIENCE_S + 1
    assert door.passed(FLOOD, 1000, empty=False) < 1000
    # and a second's worth for each that the ingestor is behind
    most = LIMITS.control_per_min + PATIENCE_S + 1
    assert door.passed(status, 1000, empty=False) == most
    cut = {row.quota: row.cut for row in door.tally.rows()}
    assert cut[Quota.CONTROL] == 1000 - most
