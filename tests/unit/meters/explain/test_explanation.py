"""What is said of bytes: framing, checks, the byte that is wrong, likely causes, and what became of each record."""

import json
import time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meters.explain.bit_flips import ARC, X25, flips
from meters.explain.explanation import explain_nothing
from meters.explain.lines import Decoding, Found
from meters.explain.types import Explained
from meters.specs.catalogue import catalogue
from meters.specs.spec import Spec, load_spec
from meters.wires.encode.iec62056 import encode_iec62056
from meters.wires.encode.p1 import encode_p1
from meters.wires.encode.sml import SmlValue, encode_sml
from meters.wires.sml_transport import crc_x25
from meters.wires.text.checks import crc16

P1 = encode_p1(
    "ISk5\\2MT382-1000",
    [
        "1-3:0.2.8(50)",
        "0-0:1.0.0(170102192002W)",
        "1-0:1.8.1(000004.426*kWh)",
        "1-0:32.7.0(0230.0*V)",
        "1-0:99.97.0(0)(0-0:96.7.19)",
        "0-1:96.1.0(3232323241424344313233343536373839)",
        "0-1:24.2.1(170102161005W)(00000.107*m3)",
    ],
)
VALUES = [
    SmlValue("1-0:96.50.1*1", b"HLY"),
    SmlValue("1-0:1.8.0", Decimal("2355929.0"), "Wh", -1, status=0x82),
    SmlValue("1-0:16.7.0", Decimal(376), "W"),
    SmlValue("1-0:96.5.0", Decimal(27), ""),
]
SML = encode_sml(bytes.fromhex("0a01484c5902000d6be6"), VALUES)
IEC = encode_iec62056(["1.8.0(000123.4*kWh)", "32.7(230.1*V)"], identification="LGZ4ZMD310")
START_BYTES = 8
OPEN_BYTES = 39
OWN = load_spec(
    "name: mine\nversion: 1\nproduct: {name: Mine}\nmatch: {protocol: p1, manufacturer: XYZ}\nsource: [test]\n"
    "points: [{obis: '1-0:32.7.0', unit: V, scale: 2}]\n",
    origin="test",
)


def found(data: bytes, own: Spec | None = None) -> list[Found]:
    return list(Decoding(catalogue(), own=own, bare=False, explaining="all").on_the_wire(data))


def one(data: bytes, own: Spec | None = None) -> tuple[dict[str, Any], Explained]:
    (only,) = found(data, own)
    assert only.explained is not None
    json.dumps(only.explained.document(walk=True))
    return only.line, only.explained


def as_read(explained: Explained) -> Any:
    return explained.document(walk=False)["as_read"]


def causes(explained: Explained) -> set[str]:
    return {hint.cause for hint in explained.hints}


@pytest.mark.parametrize("data", [P1, SML, IEC])
def test_a_good_telegram_is_trusted_with_all_its_checks(data: bytes) -> None:
    """Nothing missing, no fault, every check stated equals the one computed, offsets from the first byte."""
    line, explained = one(data)
    assert line["error"] is None
    assert explained.trusted
    assert (explained.offset, explained.length) == (0, len(data))
    assert explained.checks
    assert all(check.holds and check.stated == check.computed for check in explained.checks)
    assert as_read(explained) == line["values"]


@pytest.mark.parametrize("data", [P1, SML, IEC])
def test_each_record_is_found_at_its_bytes(data: bytes) -> None:
    """The walk's offsets point at the bytes of the record, also behind noise, in the order of the wire."""
    noise = b"\x00\xff\x00"
    _, explained = one(noise + data)
    assert explained.offset == len(noise)
    assert explained.reading is not None
    assert explained.reading.steps
    ends = 0
    for step in explained.reading.steps:
        octets = (noise + data)[step.offset : step.offset + step.length]
        assert (octets.hex() if data is SML else octets.decode()) == step.raw
        assert step.offset >= ends
        ends = step.offset + step.length
    assert sum(len(step.records) for step in explained.reading.steps) == len(explained.reading.telegram.records)


def test_the_walk_says_what_became_of_each_record() -> None:
    """Readings with code, value and unit, sub-meters by name, texts, and what the spec does not map."""
    _, explained = one(P1)
    assert explained.reading is not None
    became = {
        r.address: b for s in explained.reading.steps for r, b in zip(s.records, s.became, strict=True) if not r.index
    }
    assert became["1-0:1.8.1"] == "reading 1-0:1.8.1 = 4.426 kWh"
    assert became["0-1:24.2.1"] == "reading 0-1:24.2.1 = 0.107 m³ of meter 2222ABCD123456789"
    assert became["0-0:1.0.0"] == "a text, no reading"
    assert explained.reading.unmapped == ("1-0:99.97.0",)


def test_the_walk_of_sml_shows_scaler_and_status() -> None:
    """As they stand on the wire, before the spec."""
    _, explained = one(SML)
    assert explained.reading is not None
    record = explained.reading.steps[1].records[0]
    assert (record.address, record.scaler, record.status, record.unit) == ("1-0:1.8.0", -1, 0x82, "Wh")
    assert explained.reading.unmapped == ("1-0:96.5.0",)


def test_specs_come_with_score_and_reasons_and_the_best_first() -> None:
    """At most five, generic ones last."""
    _, explained = one(P1)
    candidates = explained.document(walk=False)["candidates"]
    assert [candidate["spec"] for candidate in candidates] == ["iskra-mt382@1", "generic-p1@1"]
    assert candidates[0]["score"] > candidates[1]["score"]
    assert "protocol p1: 10" in candidates[0]["reasons"]


@pytest.mark.parametrize(
    ("data", "values"),
    [
        (P1[1:], {"1-0:1.8.1": 4.426}),
        (P1[P1.index(b"1-3:") :], {"1-0:1.8.1": 4.426}),
        (P1[P1.index(b"1-3:") : P1.index(b"!")], {"1-0:1.8.1": 4.426}),
        (SML[START_BYTES:], {"1-0:1.8.0": 2355.929}),
        (SML[START_BYTES:-8], {"1-0:1.8.0": 2355.929}),
        (IEC[IEC.index(b"\x02") + 1 :], {"1-0:1.8.0": 123.4}),
        (IEC[IEC.index(b"\x02") + 1 : -2], {"1-0:1.8.0": 123.4}),
        (b"1.8.0(000123.4*kWh)", {"1-0:1.8.0": 123.4}),
    ],
)
def test_without_framing_it_is_explained_and_never_a_reading(data: bytes, values: dict[str, float]) -> None:
    """The values stand under `explain` alone; the line has an error that names what is missing."""
    line, explained = one(data)
    assert line["error"].startswith("unframed: ")
    assert all(what in line["error"] for what in explained.missing)
    assert (line["values"], line["meters"], line["spec"], line["at"]) == ({}, {}, None, None)
    assert explained.missing
    assert not explained.trusted
    assert values.items() <= as_read(explained).items()


def test_a_bare_getlist_message_is_read_with_its_own_crc() -> None:
    """The message of the list alone, between no others."""
    start = SML.index(bytes.fromhex("72630701")) - len(bytes.fromhex("760500000002620062 00".replace(" ", "")))
    end = SML.index(bytes.fromhex("72630201")) - len(bytes.fromhex("760500000003620062 00".replace(" ", "")))
    line, explained = one(SML[start:end])
    assert line["protocol"] == "sml"
    assert [(check.name, check.holds) for check in explained.checks] == [("CRC of message 1 (GetList)", True)]
    assert as_read(explained) == {"1-0:1.8.0": 2355.929, "1-0:16.7.0": 0.376}
    assert explained.reading is not None
    assert explained.reading.telegram.facts["manufacturer"] == "HLY"


def test_a_missing_crc_is_computed() -> None:
    """DSMR 4 and later must have one: what it would be is said."""
    mark = P1.index(b"!")
    line, explained = one(P1[: mark + 1] + b"\r\n")
    assert "crc_missing" in line["error"]
    assert [(check.stated, check.computed) for check in explained.checks] == [(None, P1[mark + 1 : mark + 5].decode())]


def covered(data: bytes) -> range:
    """Places whose single flip leaves the framing as it is: values of the telegram."""
    marks = {P1: (b"000004.426", 10), SML: (b"HLY", 3), IEC: (b"000123.4", 8)}
    text, length = marks[data]
    return range(data.index(text), data.index(text) + length)


@settings(deadline=None)
@given(st.data())
def test_a_flipped_bit_is_named(data: st.DataObject) -> None:
    """Of a P1 telegram and an SML file: byte and check, with the caret below the byte."""
    good = data.draw(st.sampled_from([P1, SML]))
    place = data.draw(st.sampled_from(covered(good)))
    bad = bytearray(good)
    # A digit's lowest bits leave a digit or a sign that is no mark of the framing.
    bad[place] ^= 1
    line, explained = one(bytes(bad))
    assert "crc_mismatch" in line["error"]
    assert line["values"] == {}
    assert explained.fault is not None
    assert explained.fault.offset == place
    assert place in {hint.offset for hint in explained.hints if hint.cause == "bit_flip"}
    shown = explained.fault.around
    under = shown.line[shown.caret : shown.caret + (2 if good is SML else 1)]
    assert under == (f"{bad[place]:02x}" if good is SML else chr(bad[place]))


def test_a_wrong_check_is_stated_against_the_computed_one() -> None:
    """Both, the place where it is stated, and for SML each message's own beside the file's."""
    bad = SML.replace(b"\x04HLY", b"\x04HLX")
    _, explained = one(bad)
    failed = [check.name for check in explained.checks if not check.holds]
    assert failed == ["CRC of the file", "CRC of message 2 (GetList)"]
    first = explained.checks[0]
    assert (first.stated, first.computed) == (SML[-2:].hex(), f"{crc_x25(bad[:-2]):04x}")
    assert first.offset == len(SML) - 2
    _, explained = one(IEC.replace(b"123.4", b"123.6"))
    check = explained.checks[0]
    assert (check.holds, check.stated, check.computed) == (False, f"{IEC[-1]:02x}", f"{IEC[-1] ^ 2:02x}")
    assert causes(explained) == {"bit_flip"}


def test_lost_crs_are_told() -> None:
    """The check holds with them put back, so the telegram is good, and one knows why the bytes do not fit."""
    line, explained = one(P1.replace(b"\r\n", b"\n"))
    assert line["error"] is None
    assert "cr_stripped" in causes(explained)
    assert explained.checks[0].how == "with the lost CRs put back"


def test_parity_bits_are_told() -> None:
    """7E1 read as 8N1: read all the same, and a byte whose parity is odd is named."""
    data = encode_iec62056(["1.8.0(000123.4*kWh)"] * 3, identification="LGZ4ZMD310", parity=True)
    line, explained = one(data)
    assert line["error"] is None
    assert "parity_bits" in causes(explained)
    bad = data[:40] + bytes([data[40] ^ 4]) + data[41:]
    line, explained = one(bad)
    assert line["error"].startswith("parity")
    assert explained.fault is not None
    assert explained.fault.offset == 40


@pytest.mark.parametrize("data", [P1, SML])
@pytest.mark.parametrize("share", [0.5, 0.8, 0.95])
def test_a_torn_tail_is_placed(data: bytes, share: float) -> None:
    """Where the bytes end, where the last whole record ended, and what it had said by then."""
    cut = int(len(data) * share)
    line, explained = one(data[:cut])
    assert "truncated" in line["error"]
    assert "tail_lost" in causes(explained)
    assert explained.fault is not None
    assert explained.fault.offset == cut
    assert explained.missing


def test_a_broken_length_is_placed() -> None:
    """A type-length field that reaches beyond its list: the first byte that makes no sense."""
    place = SML.index(b"\x77\x07\x01\x00\x10\x07\x00")
    bad = bytearray(SML)
    bad[place + 1] = 0x3F
    _, explained = one(bytes(bad))
    broken = [hint.offset for hint in explained.hints if hint.cause == "broken_field"]
    assert len(broken) == 1
    assert broken[0] is not None
    assert START_BYTES + OPEN_BYTES <= broken[0] <= len(SML)


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (SML.decode("latin-1").encode("utf-8"), "utf8_reencoded"),
        (SML.decode("utf-8", "replace").encode("utf-8"), "utf8_replaced"),
        (bytes(byte ^ 0xFF for byte in SML), "inverted"),
        (encode_sml(b"\x0a\x01HLY\x02\x00\x0a\x0a\x0a", VALUES).replace(b"\n", b"\r\n"), "lf_to_crlf"),
        (bytes(500), "idle_line"),
        (bytes((place * 151 + 7) % 256 for place in range(500)), "wrong_baud"),
        (bytes(range(1, 32)) * 3 + bytes(range(32, 127)), "wrong_baud"),
        (b"abc", "too_short"),
    ],
)
def test_likely_causes_are_named(data: bytes, cause: str) -> None:
    """What was done to the bytes, or what the line was read with."""
    hints = {hint.cause for each in found(data) if each.explained for hint in each.explained.hints}
    hints |= {hint.cause for hint in explain_nothing(data).hints}
    assert cause in hints


def test_a_good_telegram_beside_a_bad_one_is_not_blamed_on_the_transfer() -> None:
    """What reads as it stands was not re-encoded."""
    hints = {
        hint.cause
        for each in found(P1 + P1.replace(b"4.426", b"4.427"))
        if each.explained
        for hint in each.explained.hints
    }
    assert hints == {"bit_flip"}


def test_a_spec_of_ones_own_decodes_whatever_fits() -> None:
    """It is used although its match does not fit, which the explanation shows by leaving it out of the candidates."""
    line, explained = one(P1, OWN)
    assert (line["spec"], line["values"], line["error"]) == ("mine@1", {"1-0:32.7.0": 460}, None)
    candidates = [candidate["spec"] for candidate in explained.document(walk=False)["candidates"]]
    assert candidates[0] == "iskra-mt382@1"
    assert "mine@1" not in candidates
    assert explained.reading is not None
    assert "1-0:1.8.1" in explained.reading.unmapped


def test_a_spec_that_gives_no_readings_says_why() -> None:
    """The refusal is the engine's own."""
    line, explained = one(IEC, OWN)
    assert line["error"].startswith("undecodable: mine@1 is for p1")
    assert explained.reading is not None
    assert explained.reading.refusal.startswith("undecodable: mine@1 is for p1")


@given(st.binary(min_size=1, max_size=200), st.data())
def test_a_flip_is_found_by_its_difference(data: bytes, draw: st.DataObject) -> None:
    """For both polynomials, whatever the bytes: the flip that was done is among those found."""
    place = draw.draw(st.integers(0, len(data) - 1))
    bit = draw.draw(st.integers(0, 7))
    bad = data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :]
    difference = crc_x25(data) ^ crc_x25(bad)
    for polynomial, change in (
        (ARC, crc16(data) ^ crc16(bad)),
        (X25, (difference & 0xFF) << 8 | difference >> 8),
    ):
        assert (place, 1 << bit) in [(flip.place, flip.mask) for flip in flips(polynomial, change, len(data))]


def pieces() -> st.SearchStrategy[bytes]:
    """Bytes, and good telegrams cut, doubled, and with bytes changed."""
    whole = st.sampled_from([P1, SML, IEC, P1.replace(b"\r\n", b"\n"), encode_iec62056(["1.8.0(1)"], parity=True)])

    def damaged(draw: tuple[bytes, int, int, int, int]) -> bytes:
        data, start, end, place, octet = draw
        cut = bytearray(data[start % len(data) :][: end or None])
        if cut:
            cut[place % len(cut)] = octet
        return bytes(cut)

    numbers = st.integers(0, 400)
    cut = st.tuples(whole, numbers, numbers, numbers, st.integers(0, 255)).map(damaged)
    return st.lists(st.one_of(st.binary(max_size=60), cut, whole), max_size=4).map(b"".join)


@settings(deadline=None, max_examples=300)
@given(pieces(), st.booleans())
def test_no_bytes_break_the_explanation(data: bytes, mine: bool) -> None:
    """Always JSON, places within the input, and no value in a line with an error."""
    seen = found(data, OWN if mine else None)
    for each in seen:
        assert each.explained is not None
        document = each.explained.document(walk=True)
        json.dumps([each.line, document])
        assert 0 <= each.explained.offset <= each.explained.offset + each.explained.length <= len(data)
        if each.explained.fault is not None:
            assert 0 <= each.explained.fault.offset <= len(data)
        if each.line["error"] is not None:
            assert (each.line["values"], each.line["meters"]) == ({}, {})
        if not each.explained.trusted:
            assert each.line["error"] is not None
    if not seen:
        json.dumps(explain_nothing(data).document(walk=False))


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "unit",
    [
        b"\x77\x07",
        b"\x76\x05",
        b"\x77",
        b"\x1b",
        b"(",
        b"1.8.0(1)",
        b"1.8.0(1",
        b"/ABC5\r\n",
        b"a",
        b"\x02",
        b"\x77\x07abcdef\x71\x71",
    ],
)
def test_no_bytes_keep_it_busy(unit: bytes) -> None:
    """32 KiB of whatever repeats are dealt with in time."""
    data = unit * (32768 // len(unit))
    start = time.process_time()
    decoding = Decoding(catalogue(), bare=False, explaining="all", explain_at_most=20)
    assert len(list(decoding.on_the_wire(data))) < len(data)
    explain_nothing(data)
    assert time.process_time() - start < 20
