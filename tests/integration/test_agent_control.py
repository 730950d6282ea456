"""What an engineer does to a running agent: parameters, specs, raw frames, commands; on a real broker."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from broker.contract.messages import Desired, FrameReason, MeterConfig, Parameters, Source
from broker.contract.topics import Kind
from broker.mqtt.session import Publication, Session, SessionOptions
from device.simulator import SimulatedP1Meter, SimulatedSmlMeter
from tests.rigs.agent import PlatformSide, agent, settings
from tests.rigs.recording_meters import RecordingMeter
from tests.rigs.servers import Broker
from tests.rigs.waiting import until

P1 = "ISK:E0044007133156018"
SML = "ISK:1ISK0067362659"


async def test_parameters_are_obeyed_at_once_and_reported(broker: Broker, tmp_path: Path) -> None:
    """Interval, filter and raw frames change without a restart; the report names version and effective values."""
    await broker.add_device("pi-1")
    async with (
        PlatformSide(broker, "pi-1") as platform,
        SimulatedP1Meter(serial="E0044007133156018") as meter,
        agent(settings(platform, tmp_path, meter.port)),
    ):
        await until(lambda: platform.samples(P1))
        changed = Parameters(
            reading_interval_s=3,
            publish_interval_s=0.2,
            obis_include=("1-0:*",),
            obis_exclude=("*.7.0",),
            raw_frames=True,
        )
        version = await platform.publish_desired(changed)
        await until(lambda: (report := platform.reported()) and report.version == version)
        report = platform.reported()
        assert report is not None
        assert (report.state, report.effective, report.specs[P1]) == ("applied", changed, "iskra-2m550@1")
        wanted = {"1-0:1.8.1", "1-0:1.8.2", "1-0:2.8.1", "1-0:2.8.2"}
        obeyed = report.at
        # what was gathered before the change may still be on its way
        await until(lambda: sum(s.at > obeyed for _, s in platform.samples(P1)) >= 3)
        samples = [sample for _, sample in platform.samples(P1) if sample.at > obeyed]
        assert all(set(sample.values) == wanted for sample in samples)
        slots = [int(s.at.timestamp()) // 3 for s in samples]
        assert len(set(slots)) == len(slots), "two samples in one interval"
        raw = await until(lambda: [f for f in platform.frames if f.reason is FrameReason.REQUESTED])
        assert raw[0].frames[0].data.startswith(b"/ISK5")
        assert (raw[0].meter, raw[0].protocol) == (P1, "p1")


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        (b'{"version": 50, "parameters": {"reading_interval_s": 0}}', "parameters.reading_interval_s"),
        (b"no json", "payload"),
        (Desired(version=1, parameters=Parameters(reading_interval_s=5)).sealed().payload(), "version"),
        (b'{"version": 50, "at": "0001-01-01T00:00:00+14:00"}', "at"),
    ],
)
async def test_a_bad_configuration_is_refused_by_name_and_readings_go_on(
    broker: Broker, tmp_path: Path, payload: bytes, field: str
) -> None:
    """The report says refused, why, and what holds; the meter is read as before."""
    await broker.add_device("pi-1")
    async with (
        PlatformSide(broker, "pi-1") as platform,
        SimulatedP1Meter(serial="E0044007133156018") as meter,
        agent(settings(platform, tmp_path, meter.port)),
    ):
        await until(lambda: platform.samples(P1))
        await platform.publish_raw(payload)
        await until(lambda: (report := platform.reported()) and report.state == "refused")
        report = platform.reported()
        assert report is not None
        assert [reason.field for reason in report.reasons] == [field]
        assert report.effective == platform.parameters
        assert platform.events("config_refused")
        count = len(platform.samples(P1))
        await until(lambda: len(platform.samples(P1)) > count)


async def test_frames_wait_for_their_spec_and_become_readings_at_their_true_times(
    broker: Broker, tmp_path: Path
) -> None:
    """While the config service is silent nothing is lost: the held telegrams are decoded when the spec comes."""
    await broker.add_device("pi-1")
    async with (
        PlatformSide(broker, "pi-1", answers=False) as platform,
        RecordingMeter(serial="E0044007133156018") as meter,
        agent(settings(platform, tmp_path, meter.port)),
    ):
        # in the first one, or in a second: whichever comes first, the broker or the meter
        await until(lambda: any(one["meters"] for one in platform.of(Kind.REGISTRATION)))
        await until(lambda: meter.telegrams_sent >= 4)
        assert not platform.readings
        assert not platform.frames
        platform.assigned = {P1: MeterConfig(spec="iskra-2m550@1")}
        await platform.publish_desired()
        sent = meter.telegrams_sent
        await until(lambda: meter.telegrams_sent > sent, "a telegram that waits for the spec")
        assert not platform.readings
        await platform.publish_spec("iskra-2m550@1")
        await until(lambda: len(platform.samples(P1)) >= 6)
        times = sorted({round(sample.at.timestamp()) for _, sample in platform.samples(P1)})
        assert times == meter.seconds(times[0], times[-1]), "a second is missing"
        assert await until(lambda: platform.events("held_frames_released"))
        assert not list((tmp_path / "held").glob("*.held"))


async def test_held_frames_survive_a_restart_and_are_backfill(broker: Broker, tmp_path: Path) -> None:
    """Frames that wait for a spec outlive the agent; decoded later, their readings are marked backfill."""
    await broker.add_device("pi-1")
    async with (
        PlatformSide(broker, "pi-1", answers=False) as platform,
        SimulatedP1Meter(serial="E0044007133156018") as meter,
    ):
        options = settings(platform, tmp_path, meter.port, backfill_after_s=1)
        async with agent(options):
            await until(lambda: meter.telegrams_sent >= 3)
        platform.answers = True
        async with agent(options):
            await until(lambda: [r for r in platform.readings if r.source is Source.BACKFILL])
            await until(lambda: [r for r in platform.readings if r.source is Source.LIVE])


async def test_a_meter_without_a_spec_is_published_raw(broker: Broker, tmp_path: Path) -> None:
    """Where the config service knows no spec, one frame for each reading interval travels raw, with its hints."""
    await broker.add_device("pi-1")
    async with (
        PlatformSide(broker, "pi-1", known_specs=False) as platform,
        SimulatedSmlMeter(serial="0067362659", interval_s=1) as meter,
        agent(settings(platform, tmp_path, meter.port)),
    ):
        await until(lambda: sum(len(f.frames) for f in platform.frames) >= 3)
        found = platform.frames[0]
        assert (found.reason, found.meter, found.protocol) == (FrameReason.NO_SPEC, SML, "sml")
        assert found.frames[0].data.startswith(b"\x1b\x1b\x1b\x1b\x01\x01\x01\x01")
        assert not platform.readings


async def test_a_wrong_spec_gives_raw_frames_and_never_a_reading(broker: Broker, tmp_path: Path) -> None:
    """What the assigned spec can't decode is published with its reason; the right spec makes readings again."""
    await broker.add_device("pi-1")
    async with (
        PlatformSide(broker, "pi-1", answers=False) as platform,
        SimulatedP1Meter(serial="E0044007133156018") as meter,
        agent(settings(platform, tmp_path, meter.port)),
    ):
        await platform.publish_spec("lgz-e350@1")
        platform.assigned = {P1: MeterConfig(spec="lgz-e350@1")}
        await platform.publish_desired()
        await until(lambda: [f for f in platform.frames if f.reason is FrameReason.UNDECODABLE])
        assert await until(lambda: platform.events("decode_failing"))
        assert not platform.readings
        await platform.publish_spec("iskra-2m550@1")
        platform.assigned = {P1: MeterConfig(spec="iskra-2m550@1")}
        await platform.publish_desired()
        await until(lambda: platform.samples(P1))
        assert await until(lambda: platform.events("decode_recovered"))


async def test_a_reboot_without_config_service_decodes_at_once(broker: Broker, tmp_path: Path) -> None:
    """Ports, parameters and specs are remembered: the second boot reads by itself and registers before its readings."""
    await broker.add_device("pi-1")
    async with PlatformSide(broker, "pi-1") as platform, SimulatedSmlMeter(serial="0067362659", interval_s=1) as meter:
        options = settings(platform, tmp_path, meter.port)
        async with agent(options):
            await until(lambda: platform.samples(SML))
        platform.answers = False
        await platform.publish_raw(b"")
        await until(lambda: not platform.of(Kind.STATUS)[-1]["online"], "the last word of the first run")
        platform.log.clear()
        async with agent(options):
            await until(lambda: platform.samples(SML))
        kinds = [kind for kind, _ in platform.log]
        assert kinds.index(Kind.REGISTRATION) < kinds.index(Kind.READINGS)
        registered = next(d for k, d in platform.log if k is Kind.REGISTRATION and d["meters"])
        assert platform.log.index((Kind.REGISTRATION, registered)) < kinds.index(Kind.READINGS)


async def test_status_tells_online_and_offline(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Retained: online after the start, offline after a stop on purpose, of the same boot.

    A variable that its software does not know is in the log and does not keep it from starting.
    """
    await broker.add_device("pi-1")
    monkeypatch.setenv("WATTLINE_DEVICE_PORT", "/dev/ttyS0")
    async with PlatformSide(broker, "pi-1") as platform:
        async with agent(settings(platform, tmp_path, "/dev/nothing-here")):
            await until(lambda: platform.of(Kind.STATUS))
            assert platform.of(Kind.STATUS)[-1]["online"] is True
            told = capfd.readouterr().err
            assert "WATTLINE_DEVICE_PORT is not a setting; did you mean WATTLINE_DEVICE_PORTS?" in told
        await until(lambda: platform.of(Kind.STATUS)[-1]["online"] is False)
        assert len({document["boot"] for document in platform.of(Kind.STATUS)}) == 1


async def test_status_tells_what_waits_for_a_receipt_until_the_store_has_it(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a reconnect: once when it has waited too long, and once when nothing does any more."""
    await broker.add_device("pi-1")
    monkeypatch.setattr("device.outbox.status.LATE_S", 2.0)
    monkeypatch.setattr("device.outbox.status.CHECK_S", 0.1)
    async with PlatformSide(broker, "pi-1") as platform, agent(settings(platform, tmp_path, "/dev/nothing-here")):

        def told(*, late: bool) -> list[int]:
            states = [document["outbox"] for document in platform.of(Kind.STATUS)]
            return [state["unconfirmed"] for state in states if (state["unconfirmed_for_s"] >= 2.0) is late]

        await until(lambda: told(late=True))
        sent = {one["seq"]: one for kind, one in platform.log if kind is Kind.EVENTS}
        assert told(late=True) == [len(sent)]
        before = len(platform.of(Kind.STATUS))
        for message in sent.values():
            await platform.give_receipt(message)
        await until(lambda: len(platform.of(Kind.STATUS)) > before)
        assert told(late=False)[-1] == 0
        assert {document["online"] for document in platform.of(Kind.STATUS)} == {True}


@pytest.mark.parametrize(
    ("command", "payload", "ok"), [("ping", b"{}", True), ("ping", b"[", False), ("fly", b"{}", False)]
)
async def test_commands_are_answered(broker: Broker, tmp_path: Path, command: str, payload: bytes, ok: bool) -> None:
    """`ping` is answered with success, everything else with an error; the correlation data comes back."""
    await broker.add_device("pi-1")
    async with PlatformSide(broker, "pi-1") as platform, agent(settings(platform, tmp_path, "/dev/nothing-here")):
        await until(lambda: platform.of(Kind.STATUS) and platform.of(Kind.REPORTED))
        replies = broker.topics.of(Kind.REPLIES, "pi-1")
        options = SessionOptions(client_id="asker", subscriptions=((replies, 1),))
        async with Session(platform.address("gateway"), options) as session:
            await session.wait_connected()
            await session.publish(
                Publication(broker.topics.command("pi-1", command), payload, response_topic=replies, correlation=b"c-1")
            )
            async with asyncio.timeout(60):
                [inbound] = await session.receive()
        reply: dict[str, Any] = json.loads(inbound.payload)
        assert (reply["command"], reply["ok"], inbound.correlation) == (command, ok, b"c-1")
        assert ok or reply["error"]
