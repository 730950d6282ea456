"""What the scout makes of announcements that can't be proposed."""

import asyncio
import json
from typing import Any

import pytest
from structlog.testing import capture_logs

from broker.mqtt.session import Inbound
from intake.bridge.book import SourceBook
from intake.bridge.metrics import BridgeMetrics
from intake.bridge.scout import Scout

NOBODY: Any = None


@pytest.mark.parametrize("name", ["two\nlines", "nul\0", "half a \ud800"])
async def test_a_device_with_a_strange_name_ends_nothing(name: str) -> None:
    """Its announcement is retained: what ended the bridge once would end it for ever, and with it all sources."""
    metrics = BridgeMetrics()
    scout = Scout(SourceBook(), metrics, "homeassistant", enabled=True)
    told = {
        "name": "e", "unique_id": "u1", "state_topic": "a/b", "device_class": "energy", "unit_of_measurement": "kWh",
        "state_class": "total_increasing", "device": {"identifiers": ["d1"], "name": name},
    }  # fmt: skip
    topic = "homeassistant/sensor/u1/config"
    assert scout.hear("ours", Inbound(topic, json.dumps(told).encode(), False, 0, 0, None, None, NOBODY))
    keeping = asyncio.create_task(scout.keep(NOBODY, 0))
    async with asyncio.timeout(60):
        while not refused(metrics) and not keeping.done():
            await asyncio.sleep(0)
    assert not keeping.done()
    assert refused(metrics) == 1
    keeping.cancel()


def test_an_announcement_that_is_none_is_counted_and_told_once() -> None:
    """As a warning, and not a thousand times a second."""
    metrics = BridgeMetrics()
    scout = Scout(SourceBook(), metrics, "homeassistant", enabled=True)
    with capture_logs() as logged:
        for _ in range(3):
            assert scout.hear("ours", Inbound("homeassistant/sensor/u1/config", b"{", False, 0, 0, None, None, NOBODY))
    assert refused(metrics) == 3
    assert [(one["event"], one["log_level"]) for one in logged] == [("announcement_refused", "warning")]


async def test_a_device_that_is_announced_again_and_again_stays_small() -> None:
    """Each time with further entities, by another topic: of more than a device has none is looked at."""
    metrics = BridgeMetrics()
    scout = Scout(SourceBook(), metrics, "homeassistant", enabled=True)
    for number in range(2):
        told = {
            "device": {"identifiers": ["d1"], "name": "two\nlines"},
            "components": {
                f"{number}.{n}": {"platform": "sensor", "state_topic": "a/b", "device_class": "energy",
                                  "unit_of_measurement": "kWh", "state_class": "total_increasing"}
                for n in range(150)
            },
        }  # fmt: skip
        topic = f"homeassistant/device/d{number}/config"
        assert scout.hear("ours", Inbound(topic, json.dumps(told).encode(), False, 0, 0, None, None, NOBODY))
    with capture_logs() as logged:
        keeping = asyncio.create_task(scout.keep(NOBODY, 0))
        async with asyncio.timeout(60):
            while not refused(metrics) and not keeping.done():
                await asyncio.sleep(0)
        keeping.cancel()
    assert [one["reason"] for one in logged if one["event"] == "announcement_refused"][:1] == ["more than 200 entities"]


def refused(metrics: BridgeMetrics) -> float | None:
    """What /metrics says of it."""
    return metrics.registry.get_sample_value("wattline_bridge_proposals_refused_total")
