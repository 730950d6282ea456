"""What an engineer does to a running agent: parameters, specs, raw frames, commands; on a real broker."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from broker.messages import Desired, FrameReason, MeterConfig, Parameters, Source
from broker.session import Publication, Session, SessionOptions
from broker.topics import Kind
from device.simulator import SimulatedP1Meter, SimulatedSmlMeter
from tests.integration.agent_rig import Desk, agent, settings, until
from tests.servers import Broker

P1 = "ISK:E0044007133156018"
SML = "ISK:1ISK0067362659"


async def test_parameters_are_obeyed_at_once_and_reported(broker: Broker, tmp_path: Path) -> None:
    """Interval, filter and raw frames change without a restart; the report names version and effective values."""
    await broker.add_device("pi-1")
    async with (
        Desk(broker, "pi-1") as desk,
        SimulatedP1Meter(serial="E0044007133156018") as meter,
        agent(settings(desk, tmp_path, meter.port)),
    ):
        await until(lambda: desk.samples(P1))
        changed = Parameters(
            reading_interval_s=3,
            publish_interval_s=0.2,
            obis_include=("1-0:*",),
            obis_exclude=("*.7.0",),
            raw_frames=True,
        )
        version = await desk.publish_desired(changed)
        await until(lambda: (report := desk.reported()) and report.version == version)
        report = desk.reported()
        assert report is not None
        assert (report.state, report.effective, report.specs[P1]) == ("applied", changed, "iskra-2m550@1")
        wanted = {"1-0:1.8.1", "1-0:1.8.2", "1-0:2.8.1", "1-0:2.8.2"}
        obeyed = report.at
        # what was gathered before the change may still be on its way
        await until(lambda: sum(s.at > obeyed for _, s in desk.samples(P1)) >= 3)
        samples = [sample for _, sample in desk.samples(P1) if sample.at > obeyed]
        assert all(set(sample.values) == wanted for sample in samples)
        slots = [int(s.at.timestamp()) // 3 for s in samples]
        assert len(set(slots)) == len(slots), "two samples in one interval"
        raw = await until(lambda: [f for f in desk.frames if f.reason is FrameReason.REQUESTED])
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
        Desk(broker, "pi-1") as desk,
        SimulatedP1Meter(serial="E0044007133156018") as meter,
        agent(settings(desk, tmp_path, meter.port)),
    ):
        await until(lambda: desk.samples(P1))
        await desk.publish_raw(payload)
        await until(lambda: (report := desk.reported()) and report.state == "refused")
        report = desk.reported()
        assert report is not None
        assert [reason.field for reason in report.reasons] == [field]
        assert report.effective == desk.parameters
        assert desk.events("config_refused")
        count = len(desk.samples(P1))
        await until(lambda: len(desk.samples(P1)) > count)


async def test_frames_wait_for_their_spec_and_become_readings_at_their_true_times(
    broker: Broker, tmp_path: Path
) -> None:
    """While the config service is silent nothing is lost: the held telegrams are decoded when the spec comes."""
    await broker.add_device("pi-1")
    async with (
        Desk(broker, "pi-1", answers=False) as desk,
        SimulatedP1Meter(serial="E0044007133156018") as meter,
        agent(settings(desk, tmp_path, meter.port)),
    ):
        await until(lambda: meter.telegrams_sent >= 4 and len(desk.of(Kind.REGISTRATION)) >= 2)
        assert not desk.readings
        assert not desk.frames
        desk.assigned = {P1: MeterConfig(spec="iskra-2m550@1")}
        await desk.publish_desired()
        await asyncio.sleep(1)
        assert not desk.readings
        await desk.publish_spec("iskra-2m550@1")
        await until(lambda: len(desk.samples(P1)) >= 6)
        times = sorted({sample.at.timestamp() for _, sample in desk.samples(P1)})
        assert times == [times[0] + n for n in range(len(times))], "a second is missing"
        assert await until(lambda: desk.events("held_frames_released"))
        assert not list((tmp_path / "held").glob("*.held"))


async def test_held_frames_survive_a_restart_and_are_backfill(broker: Broker, tmp_path: Path) -> None:
    """Frames that wait for a spec outlive the agent; decoded later, their readings are marked backfill."""
    await broker.add_device("pi-1")
    async with Desk(broker, "pi-1", answers=False) as desk, SimulatedP1Meter(serial="E0044007133156018") as meter:
        options = settings(desk, tmp_path, meter.port, backfill_after_s=1)
        async with agent(options):
            await until(lambda: meter.telegrams_sent >= 3)
        desk.answers = True
        async with agent(options):
            await until(lambda: [r for r in desk.readings if r.source is Source.BACKFILL])
            await until(lambda: [r for r in desk.readings if r.source is Source.LIVE])


async def test_a_meter_without_a_spec_is_published_raw(broker: Broker, tmp_path: Path) -> None:
    """Where the config service knows no spec, one frame for each reading interval travels raw, with its hints."""
    await broker.add_device("pi-1")
    async with (
        Desk(broker, "pi-1", known_specs=False) as desk,
        SimulatedSmlMeter(serial="0067362659", interval_s=1) as meter,
        agent(settings(desk, tmp_path, meter.port)),
    ):
        await until(lambda: sum(len(f.frames) for f in desk.frames) >= 3)
        found = desk.frames[0]
        assert (found.reason, found.meter, found.protocol) == (FrameReason.NO_SPEC, SML, "sml")
        assert found.frames[0].data.startswith(b"\x1b\x1b\x1b\x1b\x01\x01\x01\x01")
        assert not desk.readings


async def test_a_wrong_spec_gives_raw_frames_and_never_a_reading(broker: Broker, tmp_path: Path) -> None:
    """What the assigned spec can't decode is published with its reason; the right spec makes readings again."""
    await broker.add_device("pi-1")
    async with (
        Desk(broker, "pi-1", answers=False) as desk,
        SimulatedP1Meter(serial="E0044007133156018") as meter,
        agent(settings(desk, tmp_path, meter.port)),
    ):
        await desk.publish_spec("lgz-e350@1")
        desk.assigned = {P1: MeterConfig(spec="lgz-e350@1")}
        await desk.publish_desired()
        await until(lambda: [f for f in desk.frames if f.reason is FrameReason.UNDECODABLE])
        assert await until(lambda: desk.events("decode_failing"))
        assert not desk.readings
        await desk.publish_spec("iskra-2m550@1")
        desk.assigned = {P1: MeterConfig(spec="iskra-2m550@1")}
        await desk.publish_desired()
        await until(lambda: desk.samples(P1))
        assert await until(lambda: desk.events("decode_recovered"))


async def test_a_reboot_without_config_service_decodes_at_once(broker: Broker, tmp_path: Path) -> None:
    """Ports, parameters and specs are remembered: the second boot reads by itself and registers before its readings."""
    await broker.add_device("pi-1")
    async with Desk(broker, "pi-1") as desk, SimulatedSmlMeter(serial="0067362659", interval_s=1) as meter:
        options = settings(desk, tmp_path, meter.port)
        async with agent(options):
            await until(lambda: desk.samples(SML))
        desk.answers = False
        await desk.publish_raw(b"")
        await asyncio.sleep(0.2)
        desk.log.clear()
        async with agent(options):
            await until(lambda: desk.samples(SML))
        kinds = [kind for kind, _ in desk.log]
        assert kinds.index(Kind.REGISTRATION) < kinds.index(Kind.READINGS)
        registered = next(d for k, d in desk.log if k is Kind.REGISTRATION and d["meters"])
        assert desk.log.index((Kind.REGISTRATION, registered)) < kinds.index(Kind.READINGS)


async def test_status_tells_online_and_offline(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Retained: online after the start, offline after a stop on purpose, of the same boot.

    A variable that its software does not know is in the log and does not keep it from starting.
    """
    await broker.add_device("pi-1")
    monkeypatch.setenv("WATTLINE_DEVICE_PORT", "/dev/ttyS0")
    async with Desk(broker, "pi-1") as desk:
        async with agent(settings(desk, tmp_path, "/dev/nothing-here")):
            await until(lambda: desk.of(Kind.STATUS))
            assert desk.of(Kind.STATUS)[-1]["online"] is True
            told = capfd.readouterr().err
            assert "WATTLINE_DEVICE_PORT is not a setting; did you mean WATTLINE_DEVICE_PORTS?" in told
        await until(lambda: desk.of(Kind.STATUS)[-1]["online"] is False)
        assert len({document["boot"] for document in desk.of(Kind.STATUS)}) == 1


@pytest.mark.parametrize(
    ("command", "payload", "ok"), [("ping", b"{}", True), ("ping", b"[", False), ("fly", b"{}", False)]
)
async def test_commands_are_answered(broker: Broker, tmp_path: Path, command: str, payload: bytes, ok: bool) -> None:
    """`ping` is answered with success, everything else with an error; the correlation data comes back."""
    await broker.add_device("pi-1")
    async with Desk(broker, "pi-1") as desk, agent(settings(desk, tmp_path, "/dev/nothing-here")):
        await until(lambda: desk.of(Kind.STATUS) and desk.of(Kind.REPORTED))
        replies = broker.topics.of(Kind.REPLIES, "pi-1")
        options = SessionOptions(client_id="asker", subscriptions=((replies, 1),))
        async with Session(desk.address("gateway"), options) as session:
            await session.wait_connected()
            await session.publish(
                Publication(broker.topics.command("pi-1", command), payload, response_topic=replies, correlation=b"c-1")
            )
            async with asyncio.timeout(60):
                [inbound] = await session.receive()
        reply: dict[str, Any] = json.loads(inbound.payload)
        assert (reply["command"], reply["ok"], inbound.correlation) == (command, ok, b"c-1")
        assert ok or reply["error"]
