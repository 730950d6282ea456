"""Sign-on of IEC 62056-21: modes, reaction times, repeats, echoes and failures."""

import pytest

from broker.errors import FrameError
from meters.telegram import Frame
from meters.wires.encode import encode_iec62056
from meters.wires.encode.iec62056 import with_parity
from meters.wires.iec62056 import parse_iec62056
from meters.wires.iec62056_signon import MAX_ATTEMPTS, Action, Done, Failed, Send, SetBaud, SignOn
from meters.wires.readers import AnyFramer

REQUEST = b"/?!\r\n"
BLOCK = encode_iec62056(["0.0.0(12345678)", "1.8.0(000285.4*kWh)"])


def done(actions: list[Action]) -> Done:
    """The one action, a readout."""
    (action,) = actions
    assert isinstance(action, Done)
    return action


def test_mode_c() -> None:
    """300 baud, request, identification, acknowledgement at 300, block at the proposed rate; then 300 again."""
    sign_on = SignOn()
    for _ in range(2):
        assert sign_on.start() == [SetBaud(300), Send(REQUEST)]
        actions = sign_on.feed(b"/LGZ5ZMF120\r\n")
        assert [type(action) for action in actions] == [Send, SetBaud]
        assert actions[0] == Send(b"\x06050\r\n", after_s=0.2)
        assert isinstance(actions[1], SetBaud)
        assert actions[1].baud == 9600
        # The line must change after the six characters are out and before the meter's earliest answer.
        assert 0.2 < actions[1].after_s < 0.4
        telegram = parse_iec62056(done(sign_on.feed(BLOCK)).frame)
        assert telegram.facts["identification"] == "LGZ5ZMF120"
        assert telegram.addresses == ("1-0:0.0.0", "1-0:1.8.0")


def test_a_lower_case_third_letter_is_quick() -> None:
    """It tells a reaction time of 20 ms in place of 200 ms."""
    sign_on = SignOn()
    sign_on.start()
    send, change = sign_on.feed(b"/LGz5ZMF120\r\n")
    assert isinstance(send, Send)
    assert isinstance(change, SetBaud)
    assert send.after_s == pytest.approx(0.02)
    assert 0.2 < change.after_s < 0.22


@pytest.mark.parametrize(("letter", "baud"), [("A", 600), ("E", 9600)])
def test_mode_b(letter: str, baud: int) -> None:
    """A letter is mode B: the meter changes its rate without being told."""
    sign_on = SignOn()
    sign_on.start()
    assert sign_on.feed(f"/EMH{letter}X1\r\n".encode()) == [SetBaud(baud)]
    assert done(sign_on.feed(BLOCK)).frame.data.endswith(BLOCK)


def test_mode_a() -> None:
    """Any other character is mode A: the block follows at 300 baud."""
    sign_on = SignOn()
    sign_on.start()
    assert sign_on.feed(b"/EMH X1\r\n".replace(b" ", b"Z")) == []
    assert done(sign_on.feed(BLOCK)).frame.data == b"/EMHZX1\r\n" + BLOCK


def test_the_rate_is_limited() -> None:
    """Where the meter proposes more than the head can do, the readout stays at 300 baud."""
    sign_on = SignOn(max_baud=4800)
    sign_on.start()
    send, change = sign_on.feed(b"/LGZ5ZMF120\r\n")
    assert isinstance(send, Send)
    assert isinstance(change, SetBaud)
    assert (send.data, change.baud) == (b"\x06000\r\n", 300)


def test_echoes_noise_and_slices() -> None:
    """An optical head echoes what is sent, and a change of rate makes noise: neither disturbs, byte by byte either."""
    sign_on = SignOn()
    sign_on.start()
    heard = b"\x00\x00" + REQUEST + b"/LGZ5ZMF120\r\n"
    actions = [action for byte in heard for action in sign_on.feed(bytes([byte]))]
    assert [type(action) for action in actions] == [Send, SetBaud]
    heard = b"\x06050\r\n\x00\xfe" + BLOCK
    actions = [action for byte in heard for action in sign_on.feed(bytes([byte]))]
    assert done(actions).frame.data == b"/LGZ5ZMF120\r\n" + BLOCK


def test_parity_bits() -> None:
    """All of a session through an adapter that leaves the parity bits in."""
    sign_on = SignOn()
    sign_on.start()
    assert len(sign_on.feed(with_parity(b"/LGZ5ZMF120\r\n"))) == 2
    telegram = parse_iec62056(done(sign_on.feed(with_parity(BLOCK))).frame)
    assert telegram.facts["identification"] == "LGZ5ZMF120"
    assert len(telegram.records) == 2


def test_a_readout_without_stx() -> None:
    """Some meters answer in lines up to the end mark."""
    sign_on = SignOn()
    sign_on.start()
    sign_on.feed(b"/HAG5eHZ010C\r\n")
    frame = done(sign_on.feed(b"\r\n1-0:1.8.0*255(000001.2963)\r\n!\r\n")).frame
    assert parse_iec62056(frame).addresses == ("1-0:1.8.0",)


def test_an_address() -> None:
    """A device address goes into the request; what is none is refused."""
    assert SignOn("00123").start()[1] == Send(b"/?00123!\r\n")
    for bad in ("1!\r\n", "x" * 33, "ä"):
        with pytest.raises(FrameError) as caught:
            SignOn(bad)
        assert caught.value.reason == "bad_address"


def test_no_answer() -> None:
    """The request is repeated, three times in all; bytes that are no identification do not count as an answer."""
    sign_on = SignOn()
    sign_on.start()
    assert sign_on.deadline_s > 1.5
    for _ in range(MAX_ATTEMPTS - 1):
        assert sign_on.feed(b"\xff\x00/??") == []
        assert sign_on.timeout() == [SetBaud(300), Send(REQUEST)]
    (failed,) = sign_on.timeout()
    assert isinstance(failed, Failed)
    assert failed.error.reason == "no_answer"
    assert sign_on.timeout() == []
    assert sign_on.feed(BLOCK) == []
    assert sign_on.start() == [SetBaud(300), Send(REQUEST)]


def test_a_wrong_check_character_is_repeated() -> None:
    """A block with a wrong check character is asked for again by NAK, a bounded number of times."""
    sign_on = SignOn()
    wrong = BLOCK[:-1] + bytes([BLOCK[-1] ^ 1])
    sign_on.start()
    sign_on.feed(b"/LGZ0ZMF120\r\n")
    assert sign_on.feed(wrong) == [Send(b"\x15")]
    assert done(sign_on.feed(BLOCK)).frame.data.endswith(BLOCK)
    sign_on.start()
    sign_on.feed(b"/LGZ0ZMF120\r\n")
    answers = [sign_on.feed(wrong) for _ in range(MAX_ATTEMPTS)]
    assert answers[:-1] == [[Send(b"\x15")]] * (MAX_ATTEMPTS - 1)
    assert isinstance(answers[-1][0], Failed)
    assert answers[-1][0].error.reason == "bcc_mismatch"


def test_silence_in_mid_block() -> None:
    """A block that stops is a failure; one that has its end mark and no ETX is the readout."""
    sign_on = SignOn()
    for data, kind in ((BLOCK[:-12], Failed), (BLOCK[:-2], Done), (b"", Failed)):
        sign_on.start()
        sign_on.feed(b"/LGZ0ZMF120\r\n")
        assert sign_on.feed(data) == []
        assert [type(action) for action in sign_on.timeout()] == [kind]


def test_a_change_over_that_fails_falls_back_to_300_baud() -> None:
    """Silence at the proposed rate begins the session anew, now with acknowledgement 000; the rate is told."""
    sign_on = SignOn()
    sign_on.start()
    sign_on.feed(b"/LGZ4\\2ZMD120APt.G03\r\n")
    assert sign_on.baud == 4800
    assert sign_on.feed(b"\x55\x2a\x15") == []
    assert sign_on.timeout() == [SetBaud(300), Send(REQUEST)]
    send, change = sign_on.feed(b"/LGZ4\\2ZMD120APt.G03\r\n")
    assert isinstance(send, Send)
    assert isinstance(change, SetBaud)
    assert (send.data, change.baud) == (b"\x06000\r\n", 300)
    assert done(sign_on.feed(BLOCK)).frame.data.endswith(BLOCK)
    assert (sign_on.unfollowed, sign_on.baud, sign_on.identification) == (4800, 300, "LGZ4\\2ZMD120APt.G03")
    sign_on.start()
    assert sign_on.unfollowed == 0


def test_blocks_that_all_fail_at_the_proposed_rate_fall_back_too() -> None:
    """A head that garbles the fast rate is read slowly."""
    sign_on = SignOn()
    sign_on.start()
    sign_on.feed(b"/LGZ5ZMF120\r\n")
    wrong = BLOCK[:-1] + bytes([BLOCK[-1] ^ 1])
    answers = [sign_on.feed(wrong) for _ in range(MAX_ATTEMPTS)]
    assert answers[-1] == [SetBaud(300), Send(REQUEST)]
    assert sign_on.unfollowed == 9600


@pytest.mark.parametrize("letter", ["5", "E"])
def test_the_fall_back_is_tried_once(letter: str) -> None:
    """A meter that can't be read at 300 baud either is a failure; modes B and C alike."""
    sign_on = SignOn()
    sign_on.start()
    ident = f"/EMH{letter}X1\r\n".encode()
    sign_on.feed(ident)
    assert sign_on.timeout() == [SetBaud(300), Send(REQUEST)]
    assert sign_on.feed(ident)[-1].baud == 300  # type: ignore[union-attr]
    (failed,) = sign_on.timeout()
    assert isinstance(failed, Failed)


def test_a_meter_that_is_known_to_be_slow_is_asked_at_300_at_once() -> None:
    """By its identification: another meter at the same port is given its chance."""
    sign_on = SignOn(slow={"LGZ5ZMF120"})
    for ident, baud in ((b"/LGZ5ZMF120\r\n", 300), (b"/LGZ5ZMF110\r\n", 9600)):
        sign_on.start()
        sign_on.feed(ident)
        assert sign_on.baud == baud


def test_a_block_that_has_begun_may_pause() -> None:
    """Ten seconds are waited inside a block, five before it."""
    sign_on = SignOn()
    sign_on.start()
    sign_on.feed(b"/LGZ5ZMF120\r\n")
    assert sign_on.deadline_s == 5
    sign_on.feed(BLOCK[:20])
    assert sign_on.deadline_s == 10
    assert done(sign_on.feed(BLOCK[20:])).frame.data.endswith(BLOCK)


@pytest.mark.parametrize(
    "identification",
    [
        b"/SAT63511D/0073\r\n",
        b"/SAT6/3511D\r\n",
        b"/SAT6351/12/D\r\n",
        b"/ISK5!3511D\r\n",
        b"/ELS5\x01AS2018-5B-2P7\r\n",
        b"/ELS5\x00AS2018\r\n",
    ],
)
@pytest.mark.parametrize("noise", [b"", b"\x00\x7f\x11x/", b"/abx", b"/ab", b"\xff/?!\r\n", b"/LGZ5", b"\x02/\x03"])
def test_odd_bytes_in_an_identification(identification: bytes, noise: bytes) -> None:
    """`/`, `!` and control characters, which the standard forbids there, and noise before it: the meter is read."""
    sign_on = SignOn()
    sign_on.start()
    assert sign_on.feed(noise + identification)
    frame = done(sign_on.feed(BLOCK)).frame
    assert frame.data == identification + BLOCK
    telegram = parse_iec62056(frame)
    assert telegram.facts["manufacturer"] == identification[1:4].decode()
    assert telegram.facts["identification"].isprintable()


@pytest.mark.parametrize("identification", [b"/SAT63511D/0073\r\n", b"/ELS5\x01AS2018-5B-2P7\r\n", b"/ISK5!3511D\r\n"])
def test_the_same_bytes_in_what_a_meter_pushes(identification: bytes) -> None:
    """Readouts of mode D and blocks, through the reader of a line of unknown protocol."""
    for data in (identification + BLOCK, identification + b"\r\n0.0.0(12345678)\r\n1.8.0(000285.4*kWh)\r\n!\r\n"):
        framer = AnyFramer(bare=False)
        found = [*framer.feed(b"\x00/ab" + data), *framer.finish()]
        assert [item.data for item in found if isinstance(item, Frame)] == [data]


def test_garbage_for_ever_is_bounded() -> None:
    """A line that never stops talking fills no memory."""
    sign_on = SignOn()
    sign_on.start()
    for _ in range(200):
        assert sign_on.feed(b"\x55" * 1000) == []
    assert len(sign_on._heard) <= 1024
