"""A master's sessions and its scan, against a bus of meters that answer as real ones do, collisions and all."""

from dataclasses import dataclass, field

import pytest

from broker.errors import FrameError
from meters.telegram import Frame
from meters.wires.encode.mbus import MbusValue, encode_mbus
from meters.wires.iec62056_signon import Action, Done, Failed, Send
from meters.wires.mbus.master import MbusSession
from meters.wires.mbus.scan import MbusScan
from meters.wires.mbus.telegram import parse_mbus
from meters.wires.readers import parse


@dataclass
class Meter:
    """One meter on the bus: selected by its identification, or addressed; it repeats itself while FCB stands."""

    serial: str
    primary: int = 0
    parts: tuple[bytes, ...] = ()
    selected: bool = False
    bit: int = -1
    at: int = -1
    mute: int = 0
    selectable: bool = True

    def __post_init__(self) -> None:
        self.parts = self.parts or (encode_mbus(self.serial, [MbusValue("04 13", 7)], medium=7, address=self.primary),)

    def hear(self, data: bytes) -> bytes:
        """The answer to one request, empty where it gives none."""
        if data[0] == 0x68:
            if not self.selectable:
                return b""
            digits = data[10:6:-1].hex().upper()
            fits = all(a in ("F", b) for a, b in zip(digits, self.serial, strict=True))
            self.selected, self.bit, self.at = fits, -1, -1
            return b"\xe5" if fits and data[6] == 0x52 else b""
        if data[2] != self.primary and not (data[2] == 0xFD and self.selected):
            return b""
        if self.mute:
            self.mute -= 1
            return b""
        if data[1] == 0x40:
            self.bit = self.at = -1
            return b"\xe5"
        if data[1] & 0x20 != self.bit:
            self.bit, self.at = data[1] & 0x20, self.at + 1
        return self.parts[self.at % len(self.parts)]


@dataclass
class Bus:
    """Meters on two wires: answers at the same time begin an octet apart, and each zero bit wins over a one."""

    meters: list[Meter]
    echo: bool = False
    asked: list[bytes] = field(default_factory=list)

    def ask(self, data: bytes) -> bytes:
        """What the master hears."""
        self.asked.append(data)
        answers = [answer for meter in self.meters if (answer := meter.hear(data))]
        heard = bytearray(b"\xff" * max((len(answer) + n for n, answer in enumerate(answers)), default=0))
        for late, answer in enumerate(answers):
            for place, octet in enumerate(answer, late):
                heard[place] &= octet
        return (data if self.echo else b"") + bytes(heard)


def talk(session: MbusSession, bus: Bus, *, slices: int = 1000) -> Frame | FrameError:
    """A session to its end; silence is told once what was heard has been fed."""
    actions: list[Action] = session.start()
    for _ in range(100):
        (action,) = actions
        if isinstance(action, Done):
            return action.frame
        if isinstance(action, Failed):
            return action.error
        assert isinstance(action, Send)
        heard = bus.ask(action.data)
        actions = []
        for start in range(0, len(heard), slices):
            actions = session.feed(heard[start : start + slices]) or actions
        actions = actions or session.timeout()
    raise AssertionError("no end")


@pytest.mark.parametrize("echo", [False, True])
@pytest.mark.parametrize("slices", [1, 1000])
@pytest.mark.parametrize("address", ["5", "12345678", "123456FF"])
def test_a_meter_is_read_by_either_address(address: str, slices: int, *, echo: bool) -> None:
    """By its primary address after a link reset, or selected by its identification, through adapters that echo."""
    bus = Bus([Meter("12345678", 5), Meter("87654321", 6)], echo=echo)
    found = talk(MbusSession(address), bus, slices=slices)
    assert isinstance(found, Frame)
    assert parse(found).facts["serial"] == "12345678"
    assert {data[:2] for data in bus.asked} <= {b"\x10\x40", b"\x10\x7b", b"\x68\x0b"}


def test_a_reply_in_several_telegrams_is_asked_for_part_by_part() -> None:
    """The frame count bit turns with each part; a lost answer is asked for again with the same bit."""
    parts = tuple(encode_mbus("12345678", [MbusValue("04 16", n)], medium=7, access=n, more=n < 3) for n in (1, 2, 3))
    bus = Bus([Meter("12345678", 5, parts)])
    session = MbusSession("5")
    real, lost = bus.ask, iter([False, False, True, False, False])
    bus.ask = lambda data: b"" if (answer := real(data)) and next(lost, False) else answer  # type: ignore[method-assign]
    found = talk(session, bus)
    assert isinstance(found, Frame)
    assert [one.value for one in parse_mbus(found).records] == [1, 2, 3]
    assert [data[1] for data in bus.asked] == [0x40, 0x7B, 0x5B, 0x5B, 0x7B]


def test_a_meter_that_does_not_heed_the_bit_ends_the_reply() -> None:
    """The same telegram again is no part: what there is, is taken."""
    part = encode_mbus("12345678", [MbusValue("04 13", 7)], medium=7, more=True)
    found = talk(MbusSession("5"), Bus([Meter("12345678", 5, (part,))]))
    assert isinstance(found, Frame)
    assert found.data == part


@pytest.mark.parametrize(("mute", "read"), [(2, True), (3, False)])
def test_silence_is_asked_three_times(mute: int, *, read: bool) -> None:
    """A meter that misses two requests is read; one that misses three is not there."""
    found = talk(MbusSession("5"), Bus([Meter("12345678", 5, mute=mute)]))
    assert isinstance(found, Frame) is read
    if isinstance(found, FrameError):
        assert found.reason == "no_answer"


def test_a_damaged_answer_is_no_reading() -> None:
    """Three answers whose sum is wrong: an error with the bytes."""
    damaged = bytearray(encode_mbus("12345678", [MbusValue("04 13", 7)], medium=7))
    damaged[-3] ^= 1
    found = talk(MbusSession("5"), Bus([Meter("12345678", 5, (bytes(damaged),))]))
    assert isinstance(found, FrameError)
    assert (found.reason, found.data) == ("checksum_mismatch", bytes(damaged))


@pytest.mark.parametrize("address", ["251", "-1", "", "1234567", "1234567G", "x"])
def test_what_is_no_address(address: str) -> None:
    """Broadcasts and what is neither form are refused before anything is sent."""
    with pytest.raises(FrameError, match="bad_address"):
        MbusSession(address)


def search(scan: MbusScan, bus: Bus) -> None:
    """A scan to its end."""
    actions = scan.start()
    while not scan.over:
        (action,) = actions
        scan.feed(bus.ask(action.data))
        actions = scan.timeout()


SERIALS = ["12345678", "12345679", "12999999", "87654321", "00000001", "00000010"]


@pytest.mark.parametrize("count", range(len(SERIALS) + 1))
def test_all_meters_are_found_though_their_answers_collide(count: int) -> None:
    """All have the factory's address 0: they are parted by the digits of their identification, with few requests."""
    bus = Bus([Meter(serial) for serial in SERIALS[:count]])
    scan = MbusScan()
    search(scan, bus)
    assert sorted(scan.found) == sorted(SERIALS[:count])
    assert not scan.collided
    assert not scan.bounded
    assert scan.requests <= 1 + 90 * count
    assert all(data[:2] in (b"\x68\x0b", b"\x10\x7b") for data in bus.asked)


def test_two_meters_of_one_identification_are_told() -> None:
    """Nobody can part them: the identification is named, and the others are found."""
    bus = Bus([Meter("12345678", 1, (b"\x68" * 9,)), Meter("12345678", 2, (b"\x10" * 9,)), Meter("87654321", 3)])
    scan = MbusScan()
    search(scan, bus)
    assert (scan.found, scan.collided) == (["87654321"], ["12345678"])


def test_meters_without_selection_are_found_by_primary_address() -> None:
    """Where nobody answers a selection, addresses are tried one by one, within the range that was given."""
    bus = Bus([Meter("12345678", 7), Meter("87654321", 9)])
    for meter in bus.meters:
        meter.selectable = False
    scan = MbusScan(primary=range(1, 12))
    search(scan, bus)
    assert scan.found == ["7", "9"]


def test_a_line_of_noise_ends_the_scan() -> None:
    """An answer to everything that nobody can read: the search is given up at its bound, and says so."""
    scan = MbusScan()
    actions = scan.start()
    while not scan.over:
        assert len(actions) == 1
        scan.feed(b"\xe5\x00\xff")
        actions = scan.timeout()
    assert scan.bounded
    assert not scan.found
