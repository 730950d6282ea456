"""Visits of the DLMS client to a simulated meter: what it reads, what it asks, and how it ends when things go wrong."""

from collections.abc import Callable, Generator
from decimal import Decimal
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.errors import FrameError
from device.simulator.dlms import SimulatedPolledDlmsMeter
from device.simulator.dlms.polled_meter import TITLE
from meters.telegram import Frame, Telegram
from meters.wires.dlms.client.hdlc_frames import HdlcFrame, encode_frame
from meters.wires.dlms.client.hdlc_link import HdlcLink
from meters.wires.dlms.client.link import Link, Opened, Replied
from meters.wires.dlms.client.optical import OpticalSignOn
from meters.wires.dlms.client.reading import KnownMeter, snapshot
from meters.wires.dlms.client.services import Attribute, Refused
from meters.wires.dlms.client.session import DlmsSession
from meters.wires.dlms.client.station import Access, Authentication, Station
from meters.wires.dlms.client.wrapper_link import WrapperLink
from meters.wires.encode.dlms import code
from meters.wires.iec62056_signon import Action, Failed, Send, SetBaud
from meters.wires.meter_key import MeterKey
from meters.wires.readers import parse
from tests.rigs.dlms_visit import CHALLENGE, Visit

KEY = MeterKey(bytes(16), bytes(range(16)))
HLS5 = Access(Authentication.HLS5, key=KEY, title=b"WTL\x00\x00\x00\x00\x01", counter=7)
LLS = Access(Authentication.LLS, password=b"12345678")
CLIENTS = {16: Access(), 1: LLS, 2: HLS5}
AT = 1_764_450_000


def meter(**options: object) -> SimulatedPolledDlmsMeter:
    """A meter without a line."""
    return SimulatedPolledDlmsMeter(
        serial="12345678",
        clients=CLIENTS,
        started_at=AT,
        wall=lambda: 0.0,
        **options,  # type: ignore[arg-type]
    )


def session(
    station: Station,
    access: Access = CLIENTS[16],
    known: KnownMeter | None = None,
    link: Link | None = None,
) -> DlmsSession:
    """A visit that reads all."""
    plan = partial(snapshot, known or KnownMeter())
    return DlmsSession(link or HdlcLink(station), access, plan, challenge=CHALLENGE)


def over(meter: SimulatedPolledDlmsMeter, **options: object) -> Visit:
    """A way to a meter over HDLC."""
    return Visit(meter.hdlc.feed, **options)  # type: ignore[arg-type]


def read(found: Frame | FrameError) -> Telegram:
    """The telegram of what came of a visit."""
    assert isinstance(found, Frame), found
    return parse(found)


def values(telegram: Telegram) -> dict[str, tuple[object, str | None]]:
    """Numbers and their units by code."""
    return {one.address: (one.value, one.unit) for one in telegram.records if isinstance(one.value, Decimal)}


@pytest.mark.parametrize(("client", "access"), [(16, Access()), (1, LLS), (2, HLS5)])
def test_a_meter_is_read_with_the_scalers_that_it_states(client: int, access: Access) -> None:
    """Name, clock and registers of its own list, in an association of each kind; nothing is asked but to be told."""
    polled = meter()
    telegram = read(over(polled).run(session(Station(client), access)))
    assert telegram.facts == {"manufacturer": "LGZ", "serial": "12345678", "asked": "yes"}
    assert telegram.time is not None
    assert telegram.time.at is not None
    assert telegram.time.at.timestamp() == AT
    found = values(telegram)
    assert found["1-0:1.8.0"] == (Decimal(polled.registers.import_wh // 10 * 10), "Wh")
    assert found["1-0:32.7.0"] == (Decimal(polled.registers.household.voltages_dv(AT - 1)[0]) / 10, "V")
    assert found["1-0:1.7.0"] == (Decimal(polled.registers.power_w), "W")
    asked = {request[0] for request in polled.requests}
    assert asked == ({0xC0, 0xC3} if client == 2 else {0xC0})


def test_scalers_are_kept_for_the_same_meter_and_asked_anew_for_another() -> None:
    """The second visit is shorter; a meter of another name in its place is asked for all."""
    polled, known = meter(), KnownMeter()
    visits = []
    for serial in ("12345678", "12345678", "87654321", "87654321"):
        if polled.serial != serial:
            polled.swap(serial)
        polled.requests.clear()
        telegram = read(over(polled).run(session(Station(), known=known)))
        assert telegram.facts["serial"] == serial
        assert values(telegram)["1-0:1.8.0"][1] == "Wh"
        visits.append(len(polled.requests))
    assert visits[1] < visits[0]
    assert visits[2:] == visits[:2]


@pytest.mark.parametrize(
    ("client", "access", "words"),
    [
        (1, Access(Authentication.LLS, password=b"wrong"), "authentication failed"),
        (1, Access(), "authentication required"),
        (5, Access(), "no reason given"),
        (
            2,
            Access(Authentication.HLS5, key=MeterKey(bytes(16), bytes(16)), title=HLS5.title, counter=7),
            "authentication failed",
        ),
    ],
)
def test_who_may_not_read_is_told_why(client: int, access: Access, words: str) -> None:
    """The meter's own reason, after a polite goodbye."""
    visit = over(meter())
    found = visit.run(session(Station(client), access))
    assert isinstance(found, FrameError)
    assert found.reason == "meter_refused"
    assert words in found.detail
    assert visit.sent[-1] == encode_frame(b"\x03", bytes((client << 1 | 1,)), HdlcFrame(0x53))


@pytest.mark.parametrize("written", ["16/1", "16/1.17", "16/1.17/4", "16/300"])
@pytest.mark.parametrize("options", [{}, {"many": False, "message_bytes": 64}])
def test_addresses_segments_and_blocks(written: str, options: dict[str, object]) -> None:
    """Every length of address, and a meter that takes one attribute at a time and answers in small blocks."""
    polled = meter(station=Station.parse(written), **options)
    polled.hdlc.information = 32
    found = values(read(over(polled).run(session(Station.parse(written)))))
    assert found["1-0:1.8.0"] == (Decimal(polled.registers.import_wh // 10 * 10), "Wh")
    assert len(found) == 8


@pytest.mark.parametrize("client", [16, 2])
def test_a_frame_lost_anywhere_is_asked_for_again(client: int) -> None:
    """Whichever frame does not arrive, in either direction, the same values come in the end."""
    access = CLIENTS[client]
    whole = over(meter())
    wanted = values(read(whole.run(session(Station(client), access))))
    for number in range(1, 2 * len(whole.sent)):
        visit = over(meter(), lost=frozenset({number}))
        assert values(read(visit.run(session(Station(client), access)))) == wanted, number
        assert visit.silences


def test_a_meter_that_says_nothing_or_nonsense_is_given_up() -> None:
    """Three requests, then an error; noise is no answer, and a meter that refuses the link is told apart."""
    silent = Visit(lambda _: [])
    found = silent.run(session(Station()))
    assert isinstance(found, FrameError)
    assert (found.reason, len(silent.sent)) == ("no_answer", 3)
    noisy = Visit(lambda _: [b"\x7e\xa7\xff" * 900, b"\x00" * 3000])
    assert isinstance(found := noisy.run(session(Station())), FrameError)
    assert found.reason == "no_answer"
    for control in (0x1F, 0x97):
        refusing = Visit(lambda _, control=control: [encode_frame(b"\x21", b"\x03", HdlcFrame(control))])  # type: ignore[misc]
        assert isinstance(found := refusing.run(session(Station())), FrameError)
        assert found.reason == "meter_refused"


def test_a_link_to_a_real_meter_speaks_as_a_published_transcript_has_it() -> None:
    """Landis+Gyr, four octets of address (pastebin 7HTFDmEv): what it takes, a request, its answer."""
    link = HdlcLink(Station.parse("32/1.8821/4"))
    link.open()
    ua = "7ea02141000288eb73b8bb8180120501f806013e070400000001080400000001480e7e"
    assert link.feed(bytes.fromhex(ua)) == [Opened()]
    assert link.most_information == 0x3E
    aarq = (
        "603980020780a1090607608574050801028a0207808b0760857405080201ac0a80083030303030303030"
        "be0f040d01000000065f04001c13200000"
    )
    assert link.ask(bytes.fromhex(aarq)).hex() == "7ea04a000288eb41103661e6e600" + aarq + "9a557e"
    aare = "6128a109060760857405080102a203020100a305a103020100be0f040d0800065f04001802200960fa00"
    assert link.feed(bytes.fromhex("7ea03941000288eb3002a0e6e700" + aare + "64c27e")) == [Replied(bytes.fromhex(aare))]
    assert link.ask(b"\x05")[8:9] == b"\x32"


def endless(first: list[HdlcFrame]) -> Visit:
    """A meter that opens the link and then says what it is told to, the last of it for ever."""
    said = [HdlcFrame(0x73), *first]
    numbers = iter(range(10**9))

    def answer(_: bytes) -> list[bytes]:
        frame = said.pop(0) if len(said) > 1 else said[0]
        number = next(numbers) - 1
        control = frame.control | ((number & 7) << 1 if frame.control & 1 == 0 else 0)
        return [encode_frame(b"\x21", b"\x03", HdlcFrame(control, frame.information, frame.more))]

    return Visit(answer)


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (HdlcFrame(0x30, b"\xe6\xe7\x00" + b"x" * 120, more=True), "too_long"),
        (HdlcFrame(0x30, b"x", more=True), "too_long"),
        (HdlcFrame(0x30, b"", more=True), "malformed"),
        (HdlcFrame(0x31), "not_ready"),
        (HdlcFrame(0x35), "not_ready"),
        (HdlcFrame(0x50, b"\xe6\xe7\x00x"), "out_of_sequence"),
        (HdlcFrame(0x30, b"no llc"), "malformed"),
    ],
)
def test_a_meter_that_comes_to_no_end_is_given_up(frame: HdlcFrame, reason: str) -> None:
    """Segments without end, nothing but "not ready", frames out of order: an error in bounded time and memory."""
    found = endless([frame]).run(session(Station()))
    assert isinstance(found, FrameError)
    assert found.reason == reason


def test_blocks_without_end_are_given_up() -> None:
    """Over TCP, too, where nothing but the client's own bounds ends a value."""
    aare = bytes.fromhex("6129a109060760857405080101a203020100a305a103020100be10040e0800065f1f0400001214ffff0007")
    number = 0

    def answer(data: bytes) -> list[bytes]:
        nonlocal number
        number = number + 1 if data[8:10] == b"\xc0\x02" else 1
        block = b"\xc4\x02\xc1\x00" + number.to_bytes(4) + b"\x00\x81\xff" + bytes(255)
        message = aare if data[8] == 0x60 else block
        return [b"\x00\x01\x00\x01\x00\x10" + len(message).to_bytes(2) + message]

    found = Visit(answer).run(session(Station(), link=WrapperLink(Station())))
    assert isinstance(found, FrameError)
    assert found.reason == "too_long"


def test_a_meter_that_says_that_it_takes_lists_and_does_not_is_asked_one_by_one() -> None:
    """Its refusal of a list is no refusal of what stands in it."""
    polled = meter()
    polled.server._many = False
    polled.server._initiated = meter().server._initiated  # type: ignore[method-assign]
    assert len(values(read(over(polled).run(session(Station()))))) == 8


@pytest.mark.parametrize("title", [b"", b"LG", b"LGZ\x00\x00\x01\x02\x03\x04"])
def test_a_system_title_of_the_wrong_length_is_the_meter_s_fault(title: bytes) -> None:
    """It can't be part of a nonce: the visit fails, and the port goes on."""
    polled = meter()

    def answer(data: bytes) -> list[bytes]:
        message = polled.server.reply(2, data[8:])
        if message[:1] == b"\x61":
            content = message[2:].replace(b"\xa4\x0a\x04\x08" + TITLE, tlv(0xA4, tlv(4, title)))
            assert content != message[2:]
            message = tlv(0x61, content)
        return [data[:2] + data[4:6] + data[2:4] + len(message).to_bytes(2) + message]

    found = Visit(answer).run(session(Station(2), HLS5, link=WrapperLink(Station(2))))
    assert isinstance(found, FrameError)
    assert (found.reason, "system title" in found.detail) == ("malformed", True)


def tlv(tag: int, content: bytes) -> bytes:
    """A tag, a short length, the content."""
    assert len(content) < 0x80
    return bytes((tag, len(content))) + content


def test_a_register_refused_for_the_moment_is_asked_for_again() -> None:
    """One that the meter says does not exist is not; what is not ready now comes at the next visit."""
    polled, known = meter(), KnownMeter()
    busy, gone = (3, code("1-0:1.7.0")), (3, code("1-0:2.7.0"))
    ready = dict(polled.server._objects)
    refusals = {busy: Refused(2), gone: Refused(4)}

    def refusing(code_: int) -> Callable[..., bytes | Refused]:
        return lambda index, *_: Refused(code_) if index == 2 else ready[busy](index, 0, None)

    polled.server._objects = {**ready, **{one: refusing(refusal.code) for one, refusal in refusals.items()}}
    first = values(read(over(polled).run(session(Station(), known=known))))
    assert {"1-0:1.7.0", "1-0:2.7.0"} & first.keys() == set()
    polled.server._objects = ready
    second = values(read(over(polled).run(session(Station(), known=known))))
    assert "1-0:1.7.0" in second
    assert "1-0:2.7.0" not in second


def test_a_meter_is_read_over_tcp_and_released() -> None:
    """The wrapper names both ends; the last that is said is the release."""
    polled = meter()
    visit = Visit(lambda data: [wrapped(polled, data)])
    assert values(read(visit.run(session(Station(), link=WrapperLink(Station())))))["1-0:1.8.0"][1] == "Wh"
    assert visit.sent[-1].hex() == "00010010000100056203800100"
    deaf = Visit(lambda _: [])
    assert isinstance(found := deaf.run(session(Station(), link=WrapperLink(Station()))), FrameError)
    assert (found.reason, len(deaf.sent)) == ("no_answer", 2)


def wrapped(polled: SimulatedPolledDlmsMeter, data: bytes) -> bytes:
    """The answer over TCP."""
    answer = polled.server.reply(int.from_bytes(data[2:4]), data[8:])
    return data[:2] + data[4:6] + data[2:4] + len(answer).to_bytes(2) + answer


@settings(max_examples=300, deadline=None)
@given(st.lists(st.binary(max_size=80), max_size=6), st.integers(0, 5), st.booleans())
def test_nothing_that_a_meter_says_breaks_a_visit(said: list[bytes], turn: int, is_ciphered: bool) -> None:
    """From some turn on a meter talks nonsense: the visit ends with a frame or an error that says what is wrong."""
    polled = meter()
    client, access = (2, HLS5) if is_ciphered else (16, Access())
    turns = iter(range(10**6))

    def answer(data: bytes) -> list[bytes]:
        good = wrapped(polled, data)
        place = next(turns) - turn
        if not 0 <= place < len(said):
            return [good]
        return [good[:6] + len(said[place]).to_bytes(2) + said[place]] if said[place] else [good[:-1]]

    found = Visit(answer).run(session(Station(client), access, link=WrapperLink(Station(client))))
    assert isinstance(found, Frame) or found.reason


def drive(signon: OpticalSignOn, heard: bytes) -> list[Action]:
    """What a sign-on does about an identification."""
    signon.start()
    return signon.feed(heard)


def test_an_optical_head_is_signed_on_to_in_mode_e() -> None:
    """The acknowledgement asks for HDLC at the rate that the meter proposes, then the line has eight bits."""
    send, change = drive(OpticalSignOn(), b"/LGZ5\\2ZMD4104407.B32\r\n")
    assert isinstance(send, Send)
    assert isinstance(change, SetBaud)
    assert (send.data, send.after_s) == (b"\x06252\r\n", 0.2)
    assert (change.baud, change.bits) == (9600, 8)
    quick, change = drive(OpticalSignOn(max_baud=4800), b"\xaf\xc9sk5\\2MT174-0001\r\n")
    assert isinstance(quick, Send)
    assert isinstance(change, SetBaud)
    assert (quick.data, quick.after_s, change.baud) == (b"\x06202\r\n", 0.02, 300)
    (failed,) = drive(OpticalSignOn(), b"/LGZ4ZMF100AC.M23\r\n")
    assert isinstance(failed, Failed)
    assert failed.error.reason == "no_mode_e"


def test_a_visit_behind_a_sign_on_begins_once_the_meter_has_changed_over() -> None:
    """SNRM comes a while after the change, for the meter may confirm it first; without a sign-on nothing is asked."""
    polled = meter()
    plan = partial(snapshot, KnownMeter())
    visited = DlmsSession(HdlcLink(Station()), Access(), plan, optical=OpticalSignOn())
    assert visited.start() == [SetBaud(300), Send(b"/?!\r\n")]
    acknowledgement, change, opening = visited.feed(b"/LGZ5\\2ZMD4104407.B32\r\n")
    assert isinstance(opening, Send)
    assert opening.after_s == OpticalSignOn.SETTLE_S
    assert isinstance(change, SetBaud)
    assert isinstance(acknowledgement, Send)
    (answer,) = polled.hdlc.feed(opening.data)
    assert visited.feed(answer)
    deaf = DlmsSession(HdlcLink(Station()), Access(), plan, optical=OpticalSignOn())
    deaf.start()
    assert [type(one) for one in deaf.timeout()] == [SetBaud, Send]
    (failed,) = deaf.timeout()
    assert isinstance(failed, Failed)
    assert failed.error.reason == "no_answer"
    assert deaf.feed(b"/LGZ5\\2ZMD4104407.B32\r\n") == []


def test_objects_of_a_spec_are_asked_for_and_no_list() -> None:
    """Who knows what he wants does not ask for the list; refused ones are left alone from then on."""
    polled = meter()
    wanted = (Attribute(3, bytes((1, 0, 1, 8, 0, 255))), Attribute(3, bytes((1, 0, 99, 9, 9, 255))))
    known = KnownMeter(wanted=wanted)
    for _ in range(2):
        assert set(values(read(over(polled).run(session(Station(), known=known))))) == {"1-0:1.8.0"}
    assert list(known.refused.values()) == ["object undefined"]
    nothing = KnownMeter(wanted=wanted[1:])
    found = over(polled).run(session(Station(), known=nothing))
    assert isinstance(found, FrameError)
    assert "gives no value: object undefined" in found.detail


def test_a_plan_that_fails_leaves_the_link_closed() -> None:
    """Whatever the plan finds wrong, the meter is told goodbye."""

    def failing(_: object) -> Generator[bytes, bytes, Frame]:
        yield bytes.fromhex("c001c1000100002a0000ff0200")
        raise FrameError("malformed", "by the plan")

    visit = over(meter())
    found = visit.run(DlmsSession(HdlcLink(Station()), Access(), failing))
    assert isinstance(found, FrameError)
    assert found.detail == "by the plan"
    assert visit.sent[-1] == encode_frame(b"\x03", b"\x21", HdlcFrame(0x53))
