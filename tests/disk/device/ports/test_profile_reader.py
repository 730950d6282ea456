"""A simulated meter's load profile read over its pty in programming mode."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr, ValidationError

from broker.errors import ContractError, FrameError
from device.ports.detection import SIGN_ON
from device.ports.line import Line
from device.ports.profile_reader import profile_reader
from device.settings import DeviceSettings
from device.simulator import Fault, SimulatedIecMeter
from meters.decoding.engine import decode
from meters.specs.spec import Spec, load_spec
from meters.telegram import ProfileRow, Telegram, Wire

NOW = datetime(2026, 11, 23, 12, 7, tzinfo=UTC)
EMH = r"EMH5\@01LZQJL0014F"


def spec(**history: str) -> Spec:
    """A spec of a meter that remembers, with these fields of its section."""
    lines = "".join(f"  {name}: '{value}'\n" for name, value in history.items())
    text = (
        "name: remembers\nversion: 1\nproduct: {name: meter}\nmatch: {protocol: iec62056-21}\nsource: [test]\n"
        "time: {zone: Europe/Berlin}\nstandard: true\nhistory:\n  capture_period_s: 900\n" + lines
    )
    return load_spec(text, origin="test")


def meter(**options: object) -> SimulatedIecMeter:
    """A meter that began at NOW."""
    began = options.pop("began", NOW)
    assert isinstance(began, datetime)
    return SimulatedIecMeter(serial="12345678", identification=EMH, started_at=began.timestamp(), **options)  # type: ignore[arg-type]


async def read(
    one: SimulatedIecMeter, of: Spec, since: datetime, until: datetime, *, given: str | None = None, **passwords: str
) -> tuple[ProfileRow, ...] | FrameError:
    """One range over the meter's line."""
    known = {name: SecretStr(text) for name, text in passwords.items()}
    reader = profile_reader(of, address="", zone="", slow=(), passwords=known, given=given)
    if isinstance(reader, FrameError):
        return reader
    line = await Line.open(one.port, SIGN_ON)
    try:
        found = await reader.read(line, since, until)
        return found if isinstance(found, FrameError) else found.profile
    finally:
        await line.close()


def ends(of: Spec, rows: tuple[ProfileRow, ...] | FrameError) -> list[datetime | None]:
    """When the intervals ended, as the spec's decoding has it."""
    assert isinstance(rows, tuple), rows
    return [sample.at for sample in decode(of, Telegram(Wire.IEC62056_21, (), {}, None, rows)).samples]


async def test_a_range_in_one_block_and_in_partial_blocks_after_a_password() -> None:
    """Both give the same rows at the meter's own ends; a wrong block check in between is healed.

    A password that the platform gave counts before the setting's.
    """
    one, two = spec(stamps_in="utc"), spec(command="R6", password_ref="door")
    since, until = NOW - timedelta(hours=2), NOW
    async with meter() as open_, meter(password="00000001") as locked:
        open_.inject(Fault.WRONG_CRC)
        rows = await read(open_, one, since, until)
        wanted = [datetime(2026, 11, 23, 10, 15, tzinfo=UTC) + timedelta(minutes=15) * step for step in range(8)]
        assert ends(one, rows) == wanted
        assert await read(locked, two, since, until, door="00000001") == rows
        assert await read(locked, two, since, until, given="00000001", door="00000002") == rows
        refusal = await read(locked, two, since, until, door="00000002")
    assert isinstance(refusal, FrameError)
    assert refusal.reason == "meter_refused"
    unsendable = await read(locked, two, since, until, given="1)(2")
    assert isinstance(unsendable, FrameError)
    assert "1)(2" not in unsendable.detail
    unknown = await read(locked, two, since, until)
    assert isinstance(unknown, FrameError)
    assert "WATTLINE_DEVICE_PASSWORDS" in unknown.detail


def test_only_what_can_be_sent_is_taken() -> None:
    """A request is R5 or R6 of plain characters, a password plain ones without brackets: spec and setting say so."""
    for field, value in (("command", "W5"), ("stamp", "YYMMDDhhmm€"), ("stamp", "YYMMDDhhmm)("), ("stamp", "hhmm")):
        with pytest.raises(ContractError) as refusal:
            spec(**{field: value})
        assert refusal.value.field.startswith("history")
    for password in ("", "ä", "1)(2", "x" * 33, "a\x03"):
        with pytest.raises(ValidationError, match="printable ASCII"):
            DeviceSettings(broker={"host": "localhost"}, passwords={"door": password})  # type: ignore[arg-type]


@pytest.mark.parametrize("stamps_in", ["utc", "local"])
async def test_the_end_of_summer_time_and_a_power_failure(stamps_in: str) -> None:
    """The hour that occurs twice has eight quarters; without power there are none, and the status says so."""
    of = spec(stamps_in=stamps_in)
    night = datetime(2026, 10, 25, 0, 0, tzinfo=UTC)
    off = (night + timedelta(hours=2), night + timedelta(hours=3))
    failures = ((int(off[0].timestamp()), int(off[1].timestamp())),)
    async with meter(began=night + timedelta(hours=5), failures=failures) as one:
        rows = await read(one, of, night, night + timedelta(hours=4))
        quarters = [night + timedelta(minutes=15) * step for step in range(17)]
        assert ends(of, rows) == [at for at in quarters if not off[0] < at <= off[1]]
        assert isinstance(rows, tuple)
        samples = decode(of, Telegram(Wire.IEC62056_21, (), {}, None, rows)).samples
        status = {sample.at: int(sample.values["1-0:96.10.1"]) for sample in samples if "1-0:96.10.1" in sample.values}
        assert {at: word for at, word in status.items() if word} == {off[0]: 0x80, off[1] + timedelta(minutes=15): 0x40}


async def test_a_conversation_without_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each answer comes in time, and another one after it: others wait for the line, and less may be asked for."""
    monkeypatch.setattr("device.ports.conversation.WHOLE_S", 2.0)
    monkeypatch.setattr("device.ports.profile_reader.LONGEST_ANSWER_S", 1.0)
    async with meter() as one:
        async with asyncio.timeout(60):
            found = await read(one, spec(command="R6"), NOW - timedelta(days=2), NOW)
    assert isinstance(found, FrameError)
    assert found.reason == "too_long"
    assert "a conversation of more than" in found.detail


async def test_registers_of_the_memory_are_those_of_the_readout() -> None:
    """What it remembers of the register lies below what it shows, by what was drawn since."""
    of = spec()
    async with meter() as one:
        rows = await read(one, of, NOW - timedelta(minutes=40), NOW)
        samples = decode(of, Telegram(Wire.IEC62056_21, (), {}, None, rows if isinstance(rows, tuple) else ())).samples
        counts = [float(sample.values["1-0:1.8.0"]) for sample in samples]
        shown = one.registers.import_wh / 1000
    assert counts == sorted(counts)
    assert 0 < shown - counts[-1] < 2
    assert counts[1] - counts[0] == pytest.approx(float(samples[1].values["1-0:1.5.0"]) / 4, abs=0.0011)
