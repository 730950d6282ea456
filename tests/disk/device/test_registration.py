"""Registrations that nobody hears, at a broker that says so."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from broker.contract.topics import Topics
from broker.mqtt.session import Session, SessionOptions
from device.announcements import Control
from device.clock import DeviceClock
from device.config.configuration import Configuration
from device.metrics import DeviceMetrics
from device.outbox.outbox import Outbox
from device.outbox.resending import Resending
from device.outbox.status import OutboxStatus
from tests.rigs.scripted_broker import PUBLISH, scripted
from tests.rigs.waiting import stays, until


async def test_a_registration_that_nobody_hears_is_sent_again_until_somebody_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PUBACK 0x10 is no answer: the gateway that subscribes later must learn of the device without its reconnecting."""
    monkeypatch.setattr("device.announcements.UNRECEIVED_FIRST_S", 0.1)
    monkeypatch.setattr("device.announcements.UNRECEIVED_CAP_S", 0.2)
    topic = "wattline/v1/devices/pi-1/registration"
    async with scripted() as broker, Session(broker.address, SessionOptions("pi-1")) as session:
        broker.puback = lambda packet: 0x10 if packet.topic == topic else 0
        outbox, clock = Outbox(tmp_path / "outbox", limit_bytes=1024 * 1024), DeviceClock()
        outbox.open()
        control = Control(
            session,
            Topics(),
            "pi-1",
            "b3f1",
            clock,
            Configuration(tmp_path / "desired.json"),
            datetime.now(UTC),
            OutboxStatus(outbox, Resending(outbox, DeviceMetrics()), clock),
            lambda: None,
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
        await stays(lambda: registrations() == heard + 1, 1.5, "what was heard is not sent again")
        running.cancel()
        await asyncio.wait({running})
