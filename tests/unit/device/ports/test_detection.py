"""How ports are tried, what the clock and the hardware say, and the simulated household."""

from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.contract.messages import Clock
from broker.errors import FrameError
from device.clock import STEP_S, DeviceClock
from device.line_settings import LineSettings
from device.ports.detection import (
    SIGN_ON,
    SNRM_LINE,
    THOROUGH,
    KnownLine,
    Listen,
    PassedWithout,
    TryDlms,
    TrySignOn,
    Window,
    after_noise,
    at_rest,
    steps,
)
from device.settings import DetectionSettings
from device.simulator.household import DAY_S, WS_PER_KWH, Household, Registers
from meters.telegram import Frame, Wire
from meters.wires.encode.p1 import encode_p1

SETTINGS = DetectionSettings()
TELEGRAM = encode_p1("ISK5\\2M550T-1012", ["1-3:0.2.8(50)", "1-0:1.8.1(000001.000*kWh)"])


def test_a_short_pass_comes_first_then_thorough_ones_with_growing_pauses() -> None:
    """115200 and 9600 8N1, a sign-on, 9600 7E1, a DLMS client; then all settings for 12 s each, for ever."""
    found = list(islice(steps(SETTINGS, None), 5 + 3 * 8))
    assert found[:4] == [
        Listen(LineSettings(115200), 2.5),
        Listen(LineSettings(9600), 2.5),
        TrySignOn(2.0),
        Listen(LineSettings(9600, 7, "E"), 2.5),
    ]
    assert found[4] == TryDlms()
    assert found[5:10] == [Listen(line, 12.0) for line in THOROUGH]
    pauses = [step.pause_s for step in found if isinstance(step, PassedWithout)]
    assert pauses == [2.0, 4.0, 8.0]


@pytest.mark.parametrize(
    ("known", "first"),
    [
        (KnownLine(LineSettings(9600), Wire.SML), Listen(LineSettings(9600), 12.0)),
        (KnownLine(SIGN_ON, Wire.IEC62056_21, poll=True), TrySignOn()),
        (KnownLine(SNRM_LINE, Wire.DLMS, poll=True), TryDlms()),
    ],
)
def test_what_worked_last_is_tried_first(known: KnownLine, first: object) -> None:
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


def test_a_window_is_fruitless_after_a_few_bursts_without_a_frame() -> None:
    """Three that have ended, for the first may be the end of a telegram; a telegram in pieces is one burst."""
    window = Window()
    for second in (1.0, 1.1, 1.2, 2.0, 3.0):
        window.feed(b"\x00\xff" * 50, second)
        assert not window.fruitless
    window.feed(b"\x00\xff", 4.0)
    assert window.fruitless


def test_a_window_of_damaged_telegrams_is_not_fruitless() -> None:
    """A whole frame whose CRC does not fit says that the settings are right, and the line is bad."""
    window = Window()
    for second in range(10):
        window.feed(TELEGRAM.replace(b"000001", b"000002"), float(second))
    assert not window.fruitless


def test_what_was_known_is_tried_between_and_listened_to_at_rest() -> None:
    """A meter that was silent speaks again as it did, most often: at rest, or amid a pass, where it is noise."""
    known = KnownLine(LineSettings(9600), Wire.SML)
    noisy = Listen(LineSettings(115200), 12.0)
    assert after_noise(SETTINGS, known, noisy, 800) == Listen(LineSettings(9600), 2.5)
    assert after_noise(SETTINGS, known, noisy, 0) is None
    assert after_noise(SETTINGS, known, Listen(LineSettings(9600), 12.0), 800) is None
    assert after_noise(SETTINGS, None, noisy, 800) is None
    assert at_rest(known, 60.0) == Listen(LineSettings(9600), 60.0, patient=True)
    assert at_rest(KnownLine(SIGN_ON, Wire.IEC62056_21, poll=True), 60.0) is None


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
