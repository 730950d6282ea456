"""Registrations that nobody hears, at a broker that says so."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from broker.session import Session, SessionOptions
from broker.topics import Topics
from device.clock import DeviceClock
from device.control import Control
from device.parameters import Configuration
from tests.faults.ingesting import until
from tests.integration.scripted_broker import PUBLISH, scripted


async def test_a_registration_that_nobody_hears_is_sent_again_until_somebody_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PUBACK 0x10 is no answer: the gateway that subscribes later must learn of the device without its reconnecting."""
    monkeypatch.setattr("device.control.UNHEARD_FIRST_S", 0.1)
    monkeypatch.setattr("device.control.UNHEARD_CAP_S", 0.2)
    topic = "wattline/v1/devices/pi-1/registration"
    async with scripted() as broker, Session(broker.address, SessionOptions("pi-1")) as session:
        broker.puback = lambda packet: 0x10 if packet.topic == topic else 0
        control = Control(
            session,
            Topics(),
            "pi-1",
            "b3f1",
            DeviceClock(),
            Configuration(tmp_path / "desired.json"),
            datetime.now(UTC),
        )

        def registrations() -> int:
            return sum(packet.topic == topic for packet in broker.last.of(PUBLISH))

        await asyncio.wait_for(session.wait_connected(), 20)
        await control.greet()
        assert control.registered
        running = asyncio.create_task(control.run(session.connections))
        await until(lambda: registrations() >= 3)
        broker.puback = lambda _packet: 0
        heard = registrations()
        await until(lambda: registrations() == heard + 1)
        control.report(None, {})
        reported = len(broker.last.of(PUBLISH))
        await until(lambda: len(broker.last.of(PUBLISH)) > reported)
        await asyncio.sleep(1.5)
        assert registrations() == heard + 1
        running.cancel()
        await asyncio.wait({running})
