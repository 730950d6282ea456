"""Meters whose telegram changes in mid-stream: what the device notices, keeps, and no longer decodes."""

from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from broker.contract.messages import FrameReason, MeterConfig
from broker.contract.topics import Kind
from device.simulator import Fault, SimulatedP1Meter, SimulatedSmlMeter
from meters.wires.encode.p1 import encode_p1
from meters.wires.encode.sml import SmlValue, encode_sml
from tests.rigs.agent import PlatformSide, agent, settings
from tests.rigs.servers import Broker
from tests.rigs.waiting import until

SERIAL = "E0044007133156018"
P1 = f"ISK:{SERIAL}"
SML = "ISK:1ISK0067362659"


class ChangingP1(SimulatedP1Meter):
    """A P1 meter whose header, lines and check can be changed while it speaks."""

    def __init__(self, **options: Any) -> None:
        super().__init__(serial=SERIAL, **options)
        self.more: list[str] = []
        self.without = ""
        self.crc: dict[str, bool] = {}

    def _encode(self) -> bytes:
        lines = super()._encode().decode("latin-1").split("\r\n")[2:-2]
        kept = [line for line in lines if not self.without or not line.startswith(self.without)]
        return encode_p1(self.header, [*kept, *self.more], **self.crc)


class ChangingSml(SimulatedSmlMeter):
    """An SML meter whose scaler of the import register can be changed while it speaks."""

    scaler = -1

    def _encode(self) -> bytes:
        self._transaction += 3
        wh = Decimal(self.registers.import_ws // 3600)
        values = [
            SmlValue("129-129:199.130.3", b"ISK"),
            SmlValue("1-0:1.8.0", wh, "Wh", scaler=self.scaler, width=-8, status=0x0182),
            SmlValue("1-0:16.7.0", Decimal(self.registers.power_w), "W", scaler=0, width=-4),
        ]
        return encode_sml(self.server_id, values, transaction=self._transaction & 0xFFFFFF)


def registered(platform: PlatformSide) -> list[dict[str, Any]]:
    """The meter at the port as each registration showed it."""
    return [document["meters"][0] for document in platform.of(Kind.REGISTRATION) if document["meters"]]


def specs_of(platform: PlatformSide, meter: str) -> list[str]:
    return [reading.spec for reading in platform.readings if reading.meter == meter]


async def more_samples(platform: PlatformSide, meter: SimulatedP1Meter) -> None:
    sent, count = meter.telegrams_sent, len(platform.samples(P1))
    await until(lambda: meter.telegrams_sent > sent + 8 and len(platform.samples(P1)) > count + 1)


async def test_a_meter_that_calls_itself_otherwise_is_never_read_by_its_old_spec(
    broker: Broker, tmp_path: Path
) -> None:
    """Registered at once; its telegrams wait until the platform has answered, then the new spec reads them."""
    await broker.add_device("pi-1")
    async with (
        PlatformSide(broker, "pi-1") as platform,
        ChangingP1() as meter,
        agent(settings(platform, tmp_path, meter.port)),
    ):
        await until(lambda: len(specs_of(platform, P1)) > 1)
        platform.answers = False
        meter.header = "ISK5\\UNHEARD-OF"
        registrations = await until(
            lambda: [meter for meter in registered(platform) if meter["facts"]["identification"] == "ISK5\\UNHEARD-OF"]
        )
        assert registrations[0]["key"] == P1
        changed_at = datetime.now(UTC)
        [doubted] = await until(lambda: platform.events("spec_doubted"))
        assert doubted.detail["spec"] == "iskra-2m550@1"
        sent = meter.telegrams_sent
        await until(lambda: meter.telegrams_sent > sent + 3)
        assert not [s for r in platform.readings if r.meter == P1 for s in r.samples if s.at > changed_at]
        platform.answers = True
        platform.assigned[P1] = MeterConfig(spec="generic-p1@1")
        await platform.publish_spec("generic-p1@1")
        await platform.publish_desired()
        await until(lambda: "generic-p1@1" in specs_of(platform, P1))
        after = [r.spec for r in platform.readings if r.meter == P1 and r.samples[-1].at > changed_at]
        assert set(after) == {"generic-p1@1"}

        def widest_s() -> float:
            times = sorted(s.at for r in platform.readings if r.meter == P1 for s in r.samples)
            return max((b - a).total_seconds() for a, b in pairwise(times))

        await until(lambda: widest_s() < 2.5, what="what was held has come too")


async def test_a_spec_that_is_taken_away_leaves_raw_frames(broker: Broker, tmp_path: Path) -> None:
    """Where nothing fits the changed meter, its frames are published raw, and nothing is decoded."""
    await broker.add_device("pi-1")
    async with (
        PlatformSide(broker, "pi-1") as platform,
        ChangingP1() as meter,
        agent(settings(platform, tmp_path, meter.port)),
    ):
        await until(lambda: specs_of(platform, P1))
        platform.known_specs = False
        meter.header = "ISK5\\UNHEARD-OF"
        frames = await until(lambda: [f for f in platform.frames if f.reason is FrameReason.NO_SPEC and f.meter == P1])
        assert b"UNHEARD-OF" in frames[0].frames[0].data
        count = len(specs_of(platform, P1))
        sent = meter.telegrams_sent
        await until(lambda: meter.telegrams_sent > sent + 3)
        assert len(specs_of(platform, P1)) == count


async def test_what_cannot_be_decoded_goes_out_at_once_whatever_the_line_is_like(
    broker: Broker, tmp_path: Path
) -> None:
    """Each new way to fail is published at its first frames, and told once; noise has a share of its own."""
    await broker.add_device("pi-1")

    def errors(platform: PlatformSide, reason: FrameReason) -> list[str | None]:
        return [frame.error for message in platform.frames if message.reason is reason for frame in message.frames]

    async with (
        PlatformSide(broker, "pi-1") as platform,
        ChangingP1(interval_s=0.2) as meter,
        agent(settings(platform, tmp_path, meter.port, bad_frames_per_minute=3)),
    ):
        await until(lambda: specs_of(platform, P1))
        meter.inject(Fault.WRONG_CRC, 4)
        await until(lambda: errors(platform, FrameReason.BAD_FRAME) == ["crc_mismatch"] * 3 and not meter._faults)
        assert not platform.events("frames_failing")
        # a check that is no longer there, of a version that must have one
        meter.crc = {"crc": False}
        await until(lambda: errors(platform, FrameReason.BAD_FRAME)[3:] == ["crc_missing"] * 3)
        [failing] = await until(lambda: platform.events("frames_failing"))
        assert (failing.meter, failing.detail["reason"]) == (P1, "crc_missing")
        # the same in a telegram that need not have one: it is the spec that asks for it
        meter.without = "1-3:0.2.8"
        await until(lambda: errors(platform, FrameReason.UNDECODABLE) == ["checksum_missing"] * 3)
        [failing] = platform.events("decode_failing")
        assert failing.detail["reason"] == "checksum_missing"
        assert platform.events("frames_recovered")
        meter.crc = {}
        await until(lambda: platform.events("decode_recovered"))
    assert len(platform.events("frames_failing")) == 1


async def test_a_register_more_becomes_a_reading_and_the_change_is_told_once(broker: Broker, tmp_path: Path) -> None:
    """What the standard knows is read from its first telegram on; what came and went is told when it has lasted."""
    await broker.add_device("pi-1")
    async with (
        PlatformSide(broker, "pi-1") as platform,
        ChangingP1(interval_s=0.2) as meter,
        agent(settings(platform, tmp_path, meter.port)),
    ):
        await until(lambda: meter.telegrams_sent > 25 and specs_of(platform, P1))
        meter.more = ["1-0:3.8.0(000123.456*kvarh)"]
        meter.without = "1-0:72.7.0"
        await until(lambda: any("1-0:3.8.0" in sample.values for _, sample in platform.samples(P1)))
        [changed] = await until(lambda: platform.events("telegram_changed"))
        assert (changed.detail["came"], changed.detail["went"]) == (["1-0:3.8.0"], ["1-0:72.7.0"])
        meters = await until(
            lambda: [meter for meter in registered(platform) if "telegram_changed_at" in meter["facts"]]
        )
        assert "1-0:3.8.0" in meters[0]["addresses"]
        assert "1-0:72.7.0" not in meters[0]["addresses"]
        sent = meter.telegrams_sent
        await until(lambda: meter.telegrams_sent > sent + 15)
        assert len(platform.events("telegram_changed")) == 1
    assert set(specs_of(platform, P1)) == {"iskra-2m550@1"}


async def test_other_spellings_of_the_check_are_read_on(broker: Broker, tmp_path: Path) -> None:
    """A CRC without leading zeros, in small letters, none at all, and one again: no telegram is lost or refused."""
    await broker.add_device("pi-1")
    async with (
        PlatformSide(broker, "pi-1") as platform,
        ChangingP1(interval_s=0.2, header="ISk5\\2MT382-1000") as meter,
    ):
        meter.crc = {"crc": False}
        meter.without = "1-3:0.2.8"
        async with agent(settings(platform, tmp_path, meter.port)):
            await until(lambda: platform.samples(P1))
            for crc in ({"unpadded": True}, {"lower": True}, {"crc": False}, {}):
                meter.crc = crc
                await more_samples(platform, meter)
        assert not platform.frames
        assert not platform.events("decode_failing")


async def test_another_scaler_changes_no_reading(broker: Broker, tmp_path: Path) -> None:
    """The wire's own scaler counts: readings go on without a jump, and the change is told."""
    await broker.add_device("pi-1")
    async with (
        PlatformSide(broker, "pi-1") as platform,
        ChangingSml(serial="0067362659", interval_s=0.2) as meter,
        agent(settings(platform, tmp_path, meter.port)),
    ):
        await until(lambda: meter.telegrams_sent > 25 and platform.samples(SML))
        meter.scaler = 0
        [changed] = await until(lambda: platform.events("telegram_changed"))
        assert changed.detail["changed"] == ["1-0:1.8.0: Wh e-1 to Wh"]
        count = len(platform.samples(SML))
        await until(lambda: len(platform.samples(SML)) > count + 1)
    values = [sample.values["1-0:1.8.0"] for _, sample in platform.samples(SML)]
    assert values == sorted(values)
    assert values[-1] - values[0] < 0.5
    assert set(specs_of(platform, SML)) == {"iskra-mt175@1"}


async def test_a_registration_that_nobody_answers_is_sent_again(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A platform that was not there to hear the first one hears the next; once it has answered there are no more."""
    monkeypatch.setattr("device.upkeep.REPEAT_S", 1.0)
    await broker.add_device("pi-1")
    async with (
        PlatformSide(broker, "pi-1", answers=False) as platform,
        SimulatedP1Meter(serial=SERIAL) as meter,
        agent(settings(platform, tmp_path, meter.port)),
    ):
        await until(lambda: len(registered(platform)) > 1)
        platform.answers = True
        await until(lambda: platform.samples(P1))
