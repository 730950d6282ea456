"""What the ingestor makes of the broker's own topics."""

import pytest
import structlog

from broker.mosquitto.version import version_fault
from ingestor.intake.broker_facts import DROPPED, VERSION, BrokerFacts
from ingestor.metrics import Metrics


def test_a_broker_that_is_too_old_is_told_once() -> None:
    """An error with its version and the least one; a repeat, a newer one, or another product says nothing more."""
    facts = BrokerFacts(Metrics())
    with structlog.testing.capture_logs() as logged:
        for said in (b"mosquitto version 2.0.11", b"mosquitto version 2.0.11", b"mosquitto version 2.0.21", b"5.8.1"):
            assert facts.take(VERSION, said)
    (line,) = logged
    assert (line["event"], line["log_level"]) == ("broker_too_old", "error")
    assert "Mosquitto 2.0.11, 2.0.16 or later is wanted" in line["reason"]


def test_what_the_broker_dropped_is_a_metric() -> None:
    """And whatever is no topic of the broker's own is left to others."""
    metrics = Metrics()
    facts = BrokerFacts(metrics)
    assert facts.take(DROPPED, b"7")
    assert metrics.registry.get_sample_value("wattline_ingestor_broker_dropped") == 7
    assert not facts.take("wattline/v1/devices/pi-1/readings", b"{}")


@pytest.mark.parametrize(("said", "old"), [("2.0.15", True), ("1.6.12", True), ("2.0.16", False), ("2.1.0", False)])
def test_versions_count_by_their_numbers(said: str, old: bool) -> None:
    """Not by their letters: 2.0.9 is older than 2.0.16."""
    assert (version_fault(f"mosquitto version {said} starting") is not None) is old
    assert version_fault("mosquitto version 2.0.9") is not None
