"""Telnet of a serial server: what is the line's, what is answered, and what a hostile server can do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.errors import ContractError
from device.line_settings import LineSettings
from device.ports.rfc2217 import Rfc2217

SETTINGS = LineSettings(9600, 7, "E")


def begun() -> Rfc2217:
    """One that has said its first words."""
    telnet = Rfc2217()
    telnet.start(SETTINGS)
    return telnet


def answer(command: int, value: bytes) -> bytes:
    """What a server says that a setting is now."""
    return bytes((255, 250, 44, 100 + command)) + value + bytes((255, 240))


def test_settings_are_written_as_the_standard_has_them() -> None:
    """RFC 2217 3: SET-BAUDRATE in network order, 7 bits, even parity (3), one stop bit; 255 doubled."""
    said = Rfc2217().configure(LineSettings(0xFF, 7, "E"))
    assert said == b"".join(
        b"\xff\xfa\x2c" + one + b"\xff\xf0"
        for one in (b"\x01\x00\x00\x00\xff\xff", b"\x02\x07", b"\x03\x03", b"\x04\x01")
    )


def test_octets_come_back_as_they_were_sent_however_they_are_cut() -> None:
    """An escape may be cut in two by the network."""
    octets = bytes(range(256)) + b"\xff\xff\x00"
    travelling = Rfc2217.escape(octets)
    telnet, got = begun(), bytearray()
    for octet in travelling:
        got += telnet.feed(bytes((octet,)))[0]
    assert bytes(got) == octets


@pytest.mark.parametrize(
    ("offer", "reply"),
    [
        (b"\xff\xfd\x2c", b""),  # DO COM-PORT-OPTION, which we offered
        (b"\xff\xfb\x2c", b"\xff\xfd\x2c"),  # WILL COM-PORT-OPTION
        (b"\xff\xfb\x01", b"\xff\xfe\x01"),  # WILL ECHO: DONT
        (b"\xff\xfd\x18", b"\xff\xfc\x18"),  # DO TERMINAL-TYPE: WONT
        (b"\xff\xfc\x18", b""),  # a refusal needs no answer
        (b"\xff\xfd\x03", b"\xff\xfb\x03"),  # DO SUPPRESS-GO-AHEAD
    ],
)
def test_offers_are_answered_once(offer: bytes, reply: bytes) -> None:
    """What we asked for is no new offer: two that answer each other's answers never end (RFC 854)."""
    assert begun().feed(b"a" + offer + b"b") == (b"ab", reply)


def test_a_setting_that_the_server_did_not_take_is_an_error() -> None:
    """A line at another rate gives noise, and nobody would know why."""
    telnet = begun()
    telnet.feed(answer(1, (9600).to_bytes(4)) + answer(2, b"\x07"))
    with pytest.raises(ContractError, match="the server set parity 1 where 3 was asked"):
        telnet.feed(answer(3, b"\x01"))


def test_answers_to_older_questions_are_no_errors() -> None:
    """Two changes one after the other are answered one after the other."""
    telnet = begun()
    telnet.configure(LineSettings(300, 7, "E"))
    telnet.feed(answer(1, (9600).to_bytes(4)) + answer(1, (300).to_bytes(4)))
    # told without a question: somebody set it at the server
    assert telnet.feed(answer(1, (1200).to_bytes(4)) + b"x") == (b"x", b"")


@given(st.lists(st.binary(max_size=600), max_size=8))
def test_nothing_that_comes_breaks_it(pieces: list[bytes]) -> None:
    """Whatever a server sends is data, an answer or a clear error, and never grows in memory."""
    telnet = begun()
    try:
        for piece in (*pieces, b"\xff\xfa" + bytes(5000)):
            line, reply = telnet.feed(piece)
            assert len(line) <= len(piece)
            assert len(reply) <= len(piece) + 3
    except ContractError:
        pass
    assert len(telnet._option) <= 256
