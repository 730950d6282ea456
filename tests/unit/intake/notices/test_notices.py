"""What becomes of events of sources that can't wait."""

from intake.bridge.metrics import BridgeMetrics
from intake.notices.notices import Notices


def test_events_beyond_what_may_wait_are_counted() -> None:
    """They are in the log alone."""
    metrics = BridgeMetrics()
    notices = Notices(metrics.events_lost)
    for number in range(1003):
        notices.tell(f"source-{number}", "source_offline")
    assert metrics.registry.get_sample_value("wattline_bridge_events_lost_total", {"reason": "full"}) == 3
