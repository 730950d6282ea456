"""Frame counters over restarts: what was recorded counts never again, what is new does, and the disk is spared."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from broker.contract.keys import DeviceKeys, KnownKeys
from broker.contract.topics import Kind
from broker.errors import FrameError
from device.readings.counter_memory import SAVE_EVERY_S, CounterMemory
from device.readings.intake import Intake
from device.sealed_file import write_twice
from meters.telegram import Frame, MeterTime, Security, Telegram, Wire
from meters.wires.encode.ciphered import encode_ciphered
from meters.wires.encode.dlms import DlmsValue, clock, described_list, encode_hdlc, integer, notification
from meters.wires.meter_key import MeterKey
from tests.rigs.meter_port import PORT, Rig

METER, TITLE = "KFM:1020000123", b"KFM\x10\x20\x00\x01\x23"
KEY = MeterKey(bytes(range(16)), bytes(range(16, 32)))
NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)


def push(counter: int, at: datetime = NOON) -> Frame:
    """A ciphered telegram with this frame counter."""
    values = described_list([DlmsValue(f"1-0:{n}.8.0", integer(n * 1111), "Wh") for n in range(1, 5)])
    message = notification(values, clock(at.replace(tzinfo=None), 0))
    return Frame(Wire.DLMS, encode_hdlc(encode_ciphered(message, TITLE, counter, KEY)))


def started(folder: Path) -> tuple[Rig, Intake]:
    """An agent's start, as far as one port is concerned; the run before was cut off, or closed its counters."""
    rig = Rig(folder)
    rig.context.keys.load()
    return rig, Intake(PORT, rig.context)


def given(folder: Path, version: int = 1) -> None:
    """The key of the meter as an earlier run kept it."""
    known = KnownKeys(encryption=KEY.encryption.hex(), authentication=KEY.authentication.hex())
    write_twice(folder / "meter-keys.json", DeviceKeys(device="pi-1", version=version, meters={METER: known}).payload())


async def test_a_recorded_telegram_counts_never_again(tmp_path: Path) -> None:
    """After a power cut and after a stop, however often; the next one of the meter counts at once after a stop."""
    given(tmp_path)
    _, intake = started(tmp_path)
    for counter in (5, 6, 7):
        assert intake.take(push(counter), NOON)
    for _ in range(2):
        _, cut_off = started(tmp_path)
        for counter in (5, 6, 7):
            assert not cut_off.take(push(counter), NOON)
    rig, intake = started(tmp_path)
    assert intake.take(push(1000), NOON)
    rig.context.keys.counters.close()
    rig, intake = started(tmp_path)
    assert not intake.take(push(1000), NOON)
    assert intake.take(push(1001), NOON)
    reasons = [payload for payload in rig.payloads(Kind.FRAMES) if b"replayed" in payload]
    assert reasons


async def test_what_may_have_come_before_a_cut_counts_by_its_own_time(tmp_path: Path) -> None:
    """Below the bound that the disk had, a telegram is new where it says that it was made minutes later."""
    given(tmp_path)
    rig, intake = started(tmp_path)
    assert intake.take(push(10), NOON)
    now_s = time.monotonic()
    rig.context.keys.counters.of(PORT).check(telegram(40, NOON))
    rig.context.keys.counters.counted(PORT, "KFM1020000123", now_s + SAVE_EVERY_S)
    rig, cut_off = started(tmp_path)
    assert not cut_off.take(push(41, NOON + timedelta(seconds=30)), NOON)
    assert cut_off.take(push(42, NOON + timedelta(minutes=5)), NOON)
    assert cut_off.take(push(43, NOON + timedelta(minutes=5)), NOON)
    assert not cut_off.take(push(41, NOON + timedelta(minutes=9)), NOON)


async def test_other_keys_begin_other_counts(tmp_path: Path) -> None:
    """A meter that counts anew is read once its key is given again; so it is where that came while nobody ran."""
    given(tmp_path)
    _, intake = started(tmp_path)
    assert intake.take(push(1000), NOON)
    _, intake = started(tmp_path)
    assert not intake.take(push(3), NOON)
    given(tmp_path, version=2)
    rig, intake = started(tmp_path)
    assert intake.take(push(3), NOON)
    # in a run that goes on
    await rig.context.keys.take(b"")
    assert METER not in rig.context.keys.counters.of(PORT).all


def telegram(counter: int, at: datetime = NOON, title: str = "KFM1020000123") -> Telegram:
    """What was deciphered."""
    time_ = MeterTime(at.replace(tzinfo=None), None, at)
    return Telegram(Wire.DLMS, (), {}, time_, security=Security(title, "KFM", counter, verified=True))


def test_the_disk_is_written_once_a_minute_and_not_with_each_telegram(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of several meters, too; and before a telegram counts the disk has a bound that is not below it."""
    writes = 0

    def counting(path: Path, document: bytes) -> None:
        nonlocal writes
        writes += 1
        write_twice(path, document)

    monkeypatch.setattr("device.readings.counter_memory.write_twice", counting)
    memory = CounterMemory(tmp_path / "frame-counters.json")
    memory.load(1)
    paces = {"AAA": 1, "BBB": 5, "CCC": 17}
    minutes = 30
    for second in range(0, minutes * 60, 5):
        for title, pace in paces.items():
            memory.of(PORT).check(telegram(second * pace // 5 + 1, title=title))
            memory.counted(PORT, title, float(second))
            if second % 250 == 0:
                again = CounterMemory(tmp_path / "frame-counters.json")
                again.load(1)
                with pytest.raises(FrameError, match="replayed"):
                    again.of(PORT).check(telegram(second * pace // 5 + 1, title=title))
    assert writes <= minutes + 15


def test_damage_is_told_and_a_full_disk_costs_no_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both copies damaged: each meter counts as new. A disk that refuses: counted in memory."""
    file = tmp_path / "frame-counters.json"
    memory = CounterMemory(file)
    memory.of(PORT).check(telegram(7))
    memory.counted(PORT, "KFM1020000123", 0.0)
    for name in (file.name, f"{file.name}.copy"):
        (tmp_path / name).write_bytes(b'{"crc32":"00000000","version":0}')
    lost = CounterMemory(file)
    lost.load(0)
    assert lost.damage
    lost.of(PORT).check(telegram(7))

    def refusing(path: Path, document: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("device.readings.counter_memory.write_twice", refusing)
    lost.counted(PORT, "KFM1020000123", 0.0)
    with pytest.raises(FrameError, match="replayed"):
        lost.of(PORT).check(telegram(7))
