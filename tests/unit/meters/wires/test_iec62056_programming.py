"""Programming mode of IEC 62056-21: a data set read with and without password, in blocks, with faults and refusals."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.errors import FrameError
from meters.telegram import Frame, Wire
from meters.wires.encode import encode_iec62056
from meters.wires.iec62056 import parse_iec62056, serial_register
from meters.wires.iec62056_programming import ProgrammingSession, message
from meters.wires.iec62056_signon import Action, Done, Failed, Send, SetBaud
from meters.wires.text.checks import block_check

QUESTION = "P.01(22611231000;22611231100)"
HEAD = "P.01(2261123101500)(80)(15)(2)(1-0:1.5.0)(kW)(1-0:1.8.0)(kWh)\r\n"
OFFER = message("P0", "(00000000)")


def block(text: str, end: bytes = b"\x03") -> bytes:
    """A block of an answer; EOT at its end announces another one."""
    checked = text.encode() + end
    return b"\x02" + checked + bytes([block_check(checked)])


def sent(actions: list[Action]) -> bytes:
    """All that is sent."""
    return b"".join(action.data for action in actions if isinstance(action, Send))


def last(actions: list[Action]) -> Frame | FrameError:
    """The end, for which programming mode was left by a break, at the first rate again."""
    *before, end = actions
    assert sent(actions).endswith(message("B0"))
    assert before[-1] == SetBaud(300, after_s=before[-1].after_s)
    assert isinstance(end, Done | Failed)
    return end.frame if isinstance(end, Done) else end.error


def opened(
    password: str | None = None, slices: Callable[[bytes], list[bytes]] = lambda data: [data], named_by: str = ""
) -> tuple[ProgrammingSession, Callable[[bytes], list[Action]]]:
    """A session that has signed on, and how it is fed."""
    session = ProgrammingSession("R5", QUESTION, named_by=named_by, password=password)
    session.start()

    def feed(data: bytes) -> list[Action]:
        return [action for piece in slices(data) for action in session.feed(piece)]

    assert sent(feed(b"/EMH5\\@01LZQJL0014F\r\n")) == b"\x06051\r\n"
    return session, feed


def test_a_profile_without_password() -> None:
    """P0 is answered by the question, its block is the profile of the meter that named itself."""
    _, feed = opened()
    assert sent(feed(OFFER)) == message("R5", QUESTION)
    found = last(feed(block(HEAD + "(0.1)(10.0)\r\n(0.2)(10.05)\r\n")))
    assert isinstance(found, Frame)
    telegram = parse_iec62056(found)
    assert telegram.facts["identification"] == "EMH5\\@01LZQJL0014F"
    assert [(row.after_s, row.status, [str(one.value) for one in row.records]) for row in telegram.profile] == [
        (0, "80", ["0.1", "10.0"]),
        (900, "80", ["0.2", "10.05"]),
    ]


def test_a_password_and_partial_blocks_byte_by_byte() -> None:
    """P1 before the question; each partial block is acknowledged, and all make one answer; echoes are passed over."""
    _, feed = opened("12345678", lambda data: [bytes([octet]) for octet in data])
    password = message("P1", "(12345678)")
    assert sent(feed(OFFER)) == password
    assert sent(feed(password + b"\x06")) == message("R5", QUESTION)
    assert sent(feed(message("R5", QUESTION) + block(HEAD, b"\x04"))) == b"\x06"
    assert sent(feed(b"\x06" + block("(0.1)(10.0)\r\n", b"\x04"))) == b"\x06"
    found = last(feed(block("(0.2)(10.05)\r\n")))
    assert isinstance(found, Frame)
    assert len(parse_iec62056(found).profile) == 2


@pytest.mark.parametrize("told", ["0.0.0(12345678)\r\n", "(12345678)", " 0.0.0(12345678)"])
def test_who_answers_is_asked_in_the_same_conversation(told: str) -> None:
    """Before anything is read; the answer's telegram is that of the meter that named itself, not of another one."""
    _, feed = opened("12345678", named_by="0.0.0")
    feed(OFFER)
    assert sent(feed(b"\x06")) == message("R5", "0.0.0()")
    assert sent(feed(block(told))) == message("R5", QUESTION)
    found = last(feed(block(HEAD + "(0.1)(10.0)\r\n")))
    assert isinstance(found, Frame)
    telegram = parse_iec62056(found)
    assert (telegram.facts["manufacturer"], telegram.facts["serial"]) == ("EMH", "12345678")
    assert [[str(one.value) for one in row.records] for row in telegram.profile] == [["0.1", "10.0"]]


@pytest.mark.parametrize("told", ["(ER03)", "0.0.0(ERROR)", "()", "0.0.0"])
def test_who_does_not_say_who_it_is_is_asked_for_nothing_else(told: str) -> None:
    """Its rows could be another meter's."""
    _, feed = opened(named_by="0.0.0")
    feed(OFFER)
    found = last(feed(block(told)))
    assert isinstance(found, FrameError)
    assert found.reason == "meter_refused"


@pytest.mark.parametrize(
    ("lines", "register"),
    [
        (["F.F(0)", "0.0.0(12345678)", "1.8.0(1*kWh)"], "0.0.0"),
        (["0.0.0(12345678)", "C.1.0(99)", "1.8.0(1*kWh)"], "C.1.0"),
        (["1-0:0.0.0*255(12345678)", "1-0:1.8.0*255(1*kWh)"], "1-0:0.0.0*255"),
        (["0.0.0(00000000)", "C.1.0()", "1.8.0(1*kWh)"], ""),
    ],
)
def test_the_register_that_names_a_meter_is_known_from_its_readout(lines: list[str], register: str) -> None:
    """By its own writing, the one that its key is made of."""
    frame = encode_iec62056(lines, identification="EMH5\\@01LZQJL0014F")
    assert serial_register(Frame(Wire.IEC62056_21, frame)) == register
    assert bool(parse_iec62056(Frame(Wire.IEC62056_21, frame)).facts.get("serial")) == bool(register)


def test_damage_is_asked_for_again_and_given_up_at_last() -> None:
    """A wrong block check is answered by NAK, whose echo is none of the meter's; the third one ends it."""
    _, feed = opened()
    feed(OFFER)
    good = block(HEAD + "(0.1)(10.0)\r\n")
    bad = good.replace(b"(0.1)", b"(0.3)")
    assert sent(feed(bad)) == b"\x15"
    assert isinstance(last(feed(b"\x15" + good)), Frame)
    _, feed = opened()
    feed(OFFER)
    assert [sent(feed(bad)), sent(feed(bad))] == [b"\x15", b"\x15"]
    found = last(feed(bad))
    assert isinstance(found, FrameError)
    assert found.reason == "bcc_mismatch"


@pytest.mark.parametrize(
    ("heard", "reason"),
    [
        ((OFFER, block("(ER07)")), "meter_refused"),
        ((OFFER, message("B0")), "meter_refused"),
        ((OFFER, block(HEAD, b"\x04"), message("B0")), "broken_off"),
        ((encode_iec62056(["1.8.0(1*kWh)"]),), "meter_refused"),
    ],
)
def test_a_meter_that_says_no(heard: tuple[bytes, ...], reason: str) -> None:
    """An error message, a break, a readout in place of programming mode: each ends the conversation by its reason."""
    _, feed = opened()
    actions: list[Action] = []
    for one in heard:
        actions = feed(one)
    found = last(actions)
    assert isinstance(found, FrameError)
    assert found.reason == reason


def test_no_data_in_the_range_is_an_answer_without_rows() -> None:
    """P.01(ERROR), as VDEW 2.1 has it, and an empty answer are no failure."""
    for text in ("P.01(ERROR)\r\n", "P.01()\r\n", "()"):
        _, feed = opened()
        feed(OFFER)
        found = last(feed(block(text)))
        assert isinstance(found, Frame)
        assert parse_iec62056(found).profile == ()


def test_silence() -> None:
    """The question is repeated, a torn block asked for again; nothing at all is no answer, an old meter has no mode."""
    session, feed = opened()
    feed(OFFER)
    assert sent(session.timeout()) == message("R5", QUESTION)
    assert not feed(block(HEAD)[:20])
    assert sent(session.timeout()) == b"\x15"
    found = last(session.timeout())
    assert isinstance(found, FrameError)
    assert found.reason == "no_answer"
    old = ProgrammingSession("R5", QUESTION)
    old.start()
    assert isinstance(old.feed(b"/EMHA5X1\r\n")[-1], Failed)


def test_an_answer_without_end_is_given_up() -> None:
    """What never ends is no answer, and takes no memory."""
    _, feed = opened()
    feed(OFFER)
    ends = [last(actions) for _ in range(70) if (actions := feed(b"\x02" + b"(1)" * 4096))]
    assert isinstance(ends[0], FrameError)
    assert ends[0].reason == "too_long"


PIECES = st.lists(
    st.one_of(
        st.binary(max_size=40),
        st.sampled_from(
            [OFFER, b"/EMH5X1\r\n", block(HEAD), block("(1)", b"\x04"), message("B0"), b"\x06", b"\x15", b""]
        ),
    ),
    max_size=40,
)


@given(PIECES)
def test_whatever_is_heard_comes_to_an_end(pieces: list[bytes]) -> None:
    """No octets raise anything, and silence ends every conversation within a few tries."""
    session = ProgrammingSession("R5", QUESTION, password="1")
    session.start()
    for piece in pieces:
        session.feed(piece) if piece else session.timeout()
    for _ in range(20):
        if any(isinstance(action, Done | Failed) for action in session.timeout()):
            break
    assert session.timeout() == []


def test_silence_amid_an_answer_ends_it() -> None:
    """What was lost may be our acknowledgement: the block that comes again would count twice, with later stamps."""
    session, feed = opened()
    feed(OFFER)
    assert sent(feed(block(HEAD + "(0.1)(10.0)\r\n", b"\x04"))) == b"\x06"
    found = last(session.timeout())
    assert isinstance(found, FrameError)
    assert found.reason == "truncated"


def test_blocks_of_nothing_are_not_acknowledged_for_ever() -> None:
    """A meter that has nothing to say has no more to say either."""
    _, feed = opened()
    feed(OFFER)
    found = last(feed(block("", b"\x04")))
    assert isinstance(found, FrameError)
    assert found.reason == "malformed"
