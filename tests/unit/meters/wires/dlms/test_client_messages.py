"""Octets of the DLMS client, held against published examples: addresses, frames, association requests, ciphering."""

import pytest

from broker.errors import ContractError, FrameError
from meters.wires.dlms.client.association import associated
from meters.wires.dlms.client.ciphering import Ciphering
from meters.wires.dlms.client.hdlc_frames import SNRM, HdlcFrame, encode_frame, take_frames
from meters.wires.dlms.client.services import Attribute, Refused, get, get_list
from meters.wires.dlms.client.station import Access, Authentication, Station
from meters.wires.meter_key import MeterKey

KEY = MeterKey(bytes(range(16)), bytes(range(0xD0, 0xE0)))
"""The keys of the examples of the Green Book (9.2.4)."""
CLIENT, SERVER = bytes.fromhex("4d4d4d0000000001"), bytes.fromhex("4d4d4d0000bc614e")


@pytest.mark.parametrize(
    ("written", "octets"),
    [
        ("16", "03"),
        ("16/1", "03"),
        ("16/1.17", "0223"),
        ("16/1/2", "0201"),
        ("16/1.17/4", "00020023"),
        ("1/1.4660", "00024869"),
        ("16/16383", "fefe0001"),
    ],
)
def test_server_addresses_have_one_two_or_four_octets(written: str, octets: str) -> None:
    """The shortest that holds both devices, unless a length is stated (IEC 62056-46 6.4.2.2; example 0x1234)."""
    station = Station.parse(written)
    assert station.server_address.hex() == octets
    assert Station.parse(str(station)) == station


@pytest.mark.parametrize(
    "written", ["", "0/1", "128/1", "16/16384", "16/128/2", "16/1.5/1", "16/1.17/3", "a", "16/1.2.3"]
)
def test_what_is_no_station_is_refused(written: str) -> None:
    """A slip is an error that says how it is written."""
    with pytest.raises(ContractError):
        Station.parse(written)


def test_a_frame_is_that_of_the_standard_and_is_found_in_noise() -> None:
    """SNRM from the public client to the management device; what another one is asked, and an echo, are passed over."""
    frame = encode_frame(b"\x03", b"\x21", HdlcFrame(SNRM))
    assert frame.hex() == "7ea0070321930f017e"
    answer = encode_frame(b"\x21", b"\x03", HdlcFrame(0x30, b"\xe6\xe7\x00\xc4"))
    damaged = answer[:-4] + bytes((answer[-4] ^ 1,)) + answer[-3:]
    other = encode_frame(b"\x23", b"\x03", HdlcFrame(0x30, b"\xe6\xe7\x00\xc4"))
    buffer = bytearray(b"\x00\x7e\xa7" + frame + damaged + other + answer[:-1] + answer + answer[:5])
    found = take_frames(buffer, b"\x21", (b"\x03",))
    assert [(one.control, one.information) for one in found] == [(0x30, b"\xe6\xe7\x00\xc4")] * 2
    assert buffer == answer[:5]
    assert take_frames(bytearray(b"\x7e\xa7\xff" + b"\x00" * 9000), b"\x21", (b"\x03",)) == []


def test_proofs_and_ciphered_requests_are_those_of_the_green_book() -> None:
    """GMAC of both challenges, and glo-get-request of the clock, as published."""
    assert Ciphering(KEY, CLIENT, 1).proof(b"P6wRJ21F").hex() == "10000000011a52fe7dd3e72748973c1e28"
    proof = Ciphering(KEY, SERVER, 0x01234567).proof(b"K56iVagY")
    assert proof.hex() == "1001234567fe1466afb3dbcd4f9389e2b7"
    clock = bytes.fromhex("c0010000080000010000ff0200")
    sealed = Ciphering(KEY, SERVER, 0x01234567).seal(clock)
    assert sealed.hex() == "c81e3001234567411312ff935a47566827c467bc7d825c3be4a77c3fcc056b6b"
    ours = Ciphering(KEY, CLIENT, 1)
    ours.peer = SERVER
    ours.check(proof, b"K56iVagY")
    assert ours.open(sealed) == clock
    with pytest.raises(FrameError, match="replayed"):
        ours.open(sealed)
    for bad in (proof[:-1], proof[:-1] + b"\x00", b"", proof[:1] + b"\x00\x00\x00\x01" + proof[5:]):
        with pytest.raises(FrameError):
            ours.check(bad, b"K56iVagY")


def test_frame_counters_rise_and_end() -> None:
    """No counter is used twice with a key: after the last one nothing is ciphered any more."""
    ciphering = Ciphering(KEY, CLIENT, 0xFFFFFFFF)
    assert ciphering.seal(b"\xc0")[3:7] == b"\xff\xff\xff\xff"
    with pytest.raises(FrameError, match="counter_spent"):
        ciphering.seal(b"\xc0")


def test_association_requests_are_those_of_the_green_book() -> None:
    """AARQ without a secret and with a password, but for the abilities that this client asks for."""
    asked = "be10040e01000000065f1f0400001214ffff"
    assert next(associated(Access(), b"")).hex() == "601da109060760857405080101" + asked
    lls = next(associated(Access(Authentication.LLS, b"12345678"), b""))
    secret = "8a0207808b0760857405080201ac0a80083132333435363738"
    assert lls.hex() == "6036a109060760857405080101" + secret + asked


def test_secrets_are_wanted_and_never_shown() -> None:
    """Neither a password nor a key stands in a representation or an error."""
    access = Access(Authentication.LLS, b"geheim99")
    assert "geheim99" not in repr(access)
    with pytest.raises(ContractError, match="password"):
        Access(Authentication.LLS)
    with pytest.raises(ContractError, match="authentication key"):
        Access(Authentication.HLS5, key=MeterKey(bytes(16)), title=CLIENT)
    with pytest.raises(ContractError, match="title"):
        Access(Authentication.HLS5, key=KEY, title=b"short")


@pytest.mark.parametrize(
    ("answer", "reason", "words"),
    [
        ("c401c10103", "", "read-write denied"),
        ("c401c101fb", "", "reason 251"),
        ("d80102", "meter_refused", "service not allowed, service not supported"),
        ("d8010600000005", "meter_refused", "frame counter error"),
        ("0e010601", "meter_refused", "confirmedServiceError"),
        ("c401c1", "malformed", "ends after its head"),
        ("c401c102", "malformed", "neither a value nor a refusal"),
        ("c401c1000600", "malformed", "torn number"),
        ("", "malformed", "tag 0x00"),
        ("c502c100", "malformed", "tag 0xc5"),
        ("c402c100000000020001aa", "block_lost", "part 1"),
        ("c402c10000000001010f", "meter_refused", "long get aborted"),
        ("c402c1000000000100", "malformed", "no block"),
        ("c402c100000000010000", "malformed", "torn or empty"),
    ],
)
def test_refusals_and_nonsense_are_told_in_words(answer: str, reason: str, words: str) -> None:
    """Data access results come back beside values; all else ends the visit with a fault that says what it is."""
    asking = get(Attribute(3, bytes((1, 0, 1, 8, 0, 255))))
    assert next(asking).hex() == "c001c100030100010800ff0200"
    with pytest.raises((StopIteration, FrameError)) as ended:
        asking.send(bytes.fromhex(answer))
    if isinstance(ended.value, FrameError):
        assert ended.value.reason == reason
        assert words in ended.value.detail
    else:
        assert not reason
        (got,) = ended.value.value
        assert isinstance(got, Refused)
        assert str(got) == words


def test_blocks_are_put_together_and_a_list_has_its_count() -> None:
    """A value over three blocks, and a list with a refusal in it; another count than was asked for is nonsense."""
    name = Attribute(1, bytes(6))
    asking = get(name)
    next(asking)
    assert asking.send(bytes.fromhex("c402c10000000001000209 04".replace(" ", ""))).hex() == "c002c100000001"
    assert asking.send(bytes.fromhex("c402c1000000000200016a")).hex() == "c002c100000002"
    with pytest.raises(StopIteration) as stop:
        asking.send(bytes.fromhex("c402c10100000003 0003 6b6c6d".replace(" ", "")))
    assert stop.value.value == [b"\x09\x04jklm"]
    listing = get_list([name, name])
    next(listing)
    with pytest.raises(StopIteration) as listed:
        listing.send(bytes.fromhex("c403c102001105 0104".replace(" ", "")))
    assert listed.value.value == [b"\x11\x05", Refused(4)]
    listing = get_list([name, name])
    next(listing)
    with pytest.raises(FrameError, match="1 values came for 2"):
        listing.send(bytes.fromhex("c403c101001105"))
