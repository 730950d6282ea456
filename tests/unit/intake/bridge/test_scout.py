"""What the scout makes of announcements that can't be proposed."""

import asyncio
import json
from typing import Any

import pytest

from broker.mqtt.session import Inbound
from intake.bridge.book import SourceBook
from intake.bridge.scout import Scout

NOBODY: Any = None


@pytest.mark.parametrize("name", ["two\nlines", "nul\0", "half a \ud800"])
async def test_a_device_with_a_strange_name_ends_nothing(name: str) -> None:
    """Its announcement is retained: what ended the bridge once would end it for ever, and with it all sources."""
    scout = Scout(SourceBook(), "homeassistant", enabled=True)
    told = {
        "name": "e", "unique_id": "u1", "state_topic": "a/b", "device_class": "energy", "unit_of_measurement": "kWh",
        "state_class": "total_increasing", "device": {"identifiers": ["d1"], "name": name},
    }  # fmt: skip
    topic = "homeassistant/sensor/u1/config"
    assert scout.hear("ours", Inbound(topic, json.dumps(told).encode(), False, 0, 0, None, None, NOBODY))
    keeping = asyncio.create_task(scout.keep(NOBODY, 0))
    async with asyncio.timeout(60):
        while not scout.refused and not keeping.done():
            await asyncio.sleep(0)
    assert not keeping.done()
    assert scout.refused == 1
    keeping.cancel()
