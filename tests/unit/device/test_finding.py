"""How ports are tried, what the clock and the hardware say, and the simulated household."""

from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.errors import FrameError, PermanentError
from broker.messages import Clock
from device.clock import STEP_S, DeviceClock
from device.detection import SIGN_ON, THOROUGH, Ask, Known, Listen, PassedWithout, Window, steps
from device.discovery import find_ports
from device.hardware import device_id
from device.line import LineSettings
from device.settings import DetectionSettings
from device.simulator.household import DAY_S, WS_PER_KWH, Household, Registers
from meters.encode.p1 import encode_p1
from meters.telegram import Frame, Wire

SETTINGS = DetectionSettings()
TELEGRAM = encode_p1("ISK5\\2M550T-1012", ["1-3:0.2.8(50)", "1-0:1.8.1(000001.000*kWh)"])


def test_a_short_pass_comes_first_then_thorough_ones_with_growing_pauses() -> None:
    """115200 and 9600 8N1, a sign-on, 9600 7E1; then all settings for 12 s each, for ever."""
    found = list(islice(steps(SETTINGS, None), 4 + 3 * 7))
    assert found[:4] == [
        Listen(LineSettings(115200), 2.5),
        Listen(LineSettings(9600), 2.5),
        Ask(2.0),
        Listen(LineSettings(9600, 7, "E"), 2.5),
    ]
    assert found[4:9] == [Listen(line, 12.0) for line in THOROUGH]
    pauses = [step.pause_s for step in found if isinstance(step, PassedWithout)]
    assert pauses == [2.0, 4.0, 8.0]


@pytest.mark.parametrize(
    ("known", "first"),
    [
        (Known(LineSettings(9600), Wire.SML), Listen(LineSettings(9600), 12.0)),
        (Known(SIGN_ON, Wire.IEC62056_21, poll=True), Ask()),
    ],
)
def test_what_worked_last_is_tried_first(known: Known, first: object) -> None:
    """After a restart a remembered port is read again at once, and searched anew if that yields nothing."""
    found = list(islice(steps(SETTINGS, known), 2))
    assert found == [first, Listen(LineSettings(115200), 2.5)]


def test_a_window_gives_the_first_good_frame_and_keeps_what_came_before_it() -> None:
    """A damaged telegram is no find; the good one after it is, and both are handed on in order."""
    window = Window()
    bad = TELEGRAM.replace(b"000001", b"000002")
    assert window.feed(bad, 1.0) is None
    frame = window.feed(TELEGRAM, 2.0)
    assert isinstance(frame, Frame)
    assert frame.protocol is Wire.P1
    assert [type(item) for item in window.outcomes] == [FrameError, Frame]


@given(st.lists(st.binary(min_size=1, max_size=64), max_size=20))
def test_noise_is_never_a_find(noise: list[bytes]) -> None:
    """Random bytes, as a wrong baud rate gives, identify nothing."""
    window = Window()
    assert all(window.feed(data, n) is None for n, data in enumerate(noise))


def test_a_window_waits_for_the_end_of_a_telegram_but_not_for_ever() -> None:
    """Bytes that still come prolong a window, to twice its length at most."""
    window = Window()
    assert window.remaining_s(0, 2.0, 1.5) == 0.5
    window.feed(b"/ISK5", 1.9)
    assert window.remaining_s(0, 2.0, 2.1) == pytest.approx(0.3)
    window.feed(b"x", 3.9)
    assert window.remaining_s(0, 2.0, 3.95) == pytest.approx(0.05)
    assert window.remaining_s(0, 2.0, 4.1) < 0


class Times:
    """Clocks to turn by hand."""

    def __init__(self) -> None:
        self.wall_s = 1_800_000_000.0
        self.monotonic_s = 100.0
        self.synced = False

    def clock(self) -> DeviceClock:
        """A device clock on these."""
        return DeviceClock(
            wall=lambda: self.wall_s, monotonic=lambda: self.monotonic_s, synchronised=lambda: self.synced
        )

    def pass_s(self, seconds: float) -> None:
        """Time passes."""
        self.wall_s += seconds
        self.monotonic_s += seconds


def test_a_stepped_clock_is_noticed_once_and_slewing_is_not() -> None:
    """Only the wall clock moving against the monotonic one is a step."""
    times = Times()
    clock = times.clock()
    for _ in range(100):
        times.pass_s(1)
        times.wall_s += STEP_S / 10
        assert clock.stepped_s() == 0
    times.wall_s -= 3600
    assert clock.stepped_s() == pytest.approx(-3600)
    assert clock.stepped_s() == 0


def test_a_clock_is_unsynced_until_the_kernel_says_otherwise() -> None:
    """The kernel is asked again after a while, and at once after a step."""
    times = Times()
    clock = times.clock()
    assert clock.trust() is Clock.UNSYNCED
    times.synced = True
    assert clock.trust() is Clock.UNSYNCED
    times.wall_s += 100
    clock.stepped_s()
    assert clock.trust() is Clock.SYNCED


def test_the_device_id_is_bound_to_the_hardware(tmp_path: Path) -> None:
    """A Pi's serial number names it; elsewhere a hash of the machine id, which itself stays inside; else it refuses."""
    serial, machine = tmp_path / "serial-number", tmp_path / "machine-id"
    with pytest.raises(PermanentError, match="WATTLINE_DEVICE_DEVICE_ID"):
        device_id(serial, machine)
    machine.write_text("0123456789abcdef\n")
    assert device_id(serial, machine).startswith("machine-")
    assert "0123456789abcdef" not in device_id(serial, machine)
    serial.write_bytes(b"00000000a3f1c2d4\0")
    assert device_id(serial, machine) == "pi-a3f1c2d4"


def test_a_port_with_a_lasting_name_goes_by_it(tmp_path: Path) -> None:
    """An adapter's by-id link stands for its ttyUSB; ports without a link go by their own name."""
    (tmp_path / "serial" / "by-id").mkdir(parents=True)
    for name in ("ttyUSB0", "ttyUSB1", "ttyS0", "ttyAMA0"):
        (tmp_path / name).touch()
    link = tmp_path / "serial" / "by-id" / "usb-FTDI_1"
    link.symlink_to("../../ttyUSB1")
    assert find_ports(tmp_path) == [str(link), str(tmp_path / "ttyUSB0"), str(tmp_path / "ttyAMA0")]


@given(st.integers(0, 1000), st.integers(1_700_000_000, 1_900_000_000), st.integers(1, 400))
def test_registers_are_the_sum_of_the_power(seed: int, start: int, seconds: int) -> None:
    """The difference of two readings is exactly the power of the seconds between, import and export apart."""
    household = Household(seed, pv_peak_w=4000)
    registers = Registers(household, start)
    imported, exported = registers.import_ws, registers.export_ws
    registers.advance(start + seconds)
    powers = [household.power_w(s) for s in range(start, start + seconds)]
    assert registers.import_ws - imported == sum(p for p in powers if p > 0)
    assert registers.export_ws - exported == -sum(p for p in powers if p < 0)
    assert registers.power_w == powers[-1]


def test_a_household_uses_what_households_use() -> None:
    """2 to 20 kWh a day, more in the evening than at night, less with photovoltaics; the same for the same seed."""
    start = 1_790_000_000 // DAY_S * DAY_S
    for seed in range(4):
        household = Household(seed)
        day = [household.power_w(s) for s in range(start, start + DAY_S, 10)]
        assert 2 < sum(day) * 10 / WS_PER_KWH < 20
        night = [household.power_w(s) for s in range(start + 2 * 3600, start + 3 * 3600, 10)]
        evening = [household.power_w(s) for s in range(start + 18 * 3600, start + 19 * 3600, 10)]
        assert sum(evening) > 2 * sum(night)
        assert day == [Household(seed).power_w(s) for s in range(start, start + DAY_S, 10)]
        noon = start + 11 * 3600
        assert Household(seed, pv_peak_w=5000).power_w(noon) < household.power_w(noon) - 2000


def test_a_window_waits_for_the_telegram_that_must_show_another_crc_too() -> None:
    """A meter that pushes every 10 s is not given up in a short window after its first telegram; but only once."""
    window = Window()
    pushes = [encode_p1("XYZ5\\M", [f"1-0:1.8.0({n}*kWh)"], crc="x-25") for n in (1, 2)]
    assert window.feed(pushes[0], 2.0) is None
    assert window.remaining_s(0, 2.5, 2.6) == pytest.approx(14.4)
    frame = window.feed(pushes[1], 12.0)
    assert isinstance(frame, Frame)
    assert frame.crc == "x-25"
    noise = Window()
    for second in range(0, 40, 4):
        noise.feed(encode_p1("XYZ5\\M", ["1-0:1.8.0(1*kWh)"], crc="x-25"), float(second))
    assert noise.remaining_s(0, 2.5, 40.0) < 0
