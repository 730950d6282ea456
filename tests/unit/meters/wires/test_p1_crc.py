"""P1 telegrams that are summed by another CRC-16 than the usual one: which are taken, and which never are."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.errors import ContractError, FrameError
from meters.decoding.goldens import check
from meters.drafts.draft import propose
from meters.drafts.survey import RawFrame
from meters.explain.cli import decode_stream
from meters.specs.catalogue import catalogue
from meters.specs.spec import load_spec
from meters.telegram import Frame, Telegram, Wire
from meters.wires.encode.p1 import encode_p1
from meters.wires.p1_crc import VARIANTS, fitting, variant
from meters.wires.readers import AnyFramer, make_framer, read_all
from meters.wires.text.checks import crc16

CHECKED = b"123456789"
"""What the catalogues of CRCs compute their check values over."""


def push(number: int, crc: bool | str = "x-25", header: str = "XYZ5\\MODEL") -> bytes:
    """A telegram that differs from the one before it."""
    return encode_p1(header, ["1-3:0.2.8(50)", f"1-0:1.8.0({number:09.3f}*kWh)"], crc=crc)


def results(data: Sequence[bytes], crcs: tuple[str, ...] = ()) -> list[str]:
    """The variant of each frame ('' is the usual one), or the reason of each failure."""
    framer = AnyFramer(bare=False, crcs=crcs)
    events = [event for one in data for event in framer.feed(one)]
    return [event.crc if isinstance(event, Frame) else event.reason for event in [*events, *framer.finish()]]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-25", 0x906E), ("x-25-swapped", 0x6E90), ("mcrf4xx", 0x6F91), ("kermit", 0x2189), ("ccitt-false", 0x29B1),
        ("genibus", 0xD64E), ("xmodem", 0x31C3), ("modbus", 0x4B37), ("usb", 0xB4C8), ("maxim", 0x44C2),
        ("buypass", 0xFEE8), ("arc-swapped", 0x3DBB), ("arc", 0xBB3D),
    ],
)  # fmt: skip
def test_each_variant_is_the_one_of_its_name(name: str, value: int) -> None:
    """The published check values; and the usual one is what the reader computes."""
    assert variant(name, CHECKED) == value
    assert variant("arc", CHECKED) == crc16(CHECKED)


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_that_nobody_named_is_taken_from_the_second_telegram_on(name: str) -> None:
    """The first says what would fit; the line remembers."""
    assert results([push(n, name) for n in range(1, 5)]) == ["crc_mismatch", name, name, name]
    framer = AnyFramer(bare=False)
    (first,) = framer.feed(push(1, name))
    assert isinstance(first, FrameError)
    assert "is taken if the next one's does" in first.detail


@pytest.mark.parametrize("name", ["x-25", "x-25-swapped", "modbus"])
def test_a_variant_that_a_spec_names_is_taken_at_once(name: str) -> None:
    """Also in kept frames, one by one, and each telegram with the usual CRC as well."""
    assert results([push(1, name), push(2, True), push(3, name)], (name,)) == [name, "", name]
    (kept,) = read_all(Wire.P1, push(1, name), (name,))
    assert isinstance(kept, Telegram)
    (refused,) = read_all(Wire.P1, push(1, name))
    assert isinstance(refused, FrameError)
    (judged,) = read_all(Wire.P1, push(1, name), any_crc=True)
    assert isinstance(judged, Telegram)


def test_what_shows_a_variant_must_be_two_different_telegrams_in_a_row() -> None:
    """The same bytes twice prove nothing more, and neither does one with the usual or a wrong CRC between two."""
    wrong = push(9).replace(b"00009.000", b"00008.000")
    assert results([push(1), push(1)]) == ["crc_mismatch", "crc_mismatch"]
    assert results([push(1), push(1), push(2)]) == ["crc_mismatch", "crc_mismatch", "x-25"]
    assert results([push(1), push(2, True), push(3)]) == ["crc_mismatch", "", "crc_mismatch"]
    assert results([push(1), wrong, push(3)]) == ["crc_mismatch"] * 3
    assert results([push(1), push(2, "kermit"), push(3, "x-25")]) == ["crc_mismatch"] * 3


def test_a_capture_that_is_played_again_and_again_is_read_from_its_third_time_on() -> None:
    """A test bench has one telegram; two other ones between begin anew."""
    assert results([push(1)] * 4) == ["crc_mismatch", "crc_mismatch", "x-25", "x-25"]
    assert results([push(1), push(1), push(1, "kermit"), push(1)]) == ["crc_mismatch"] * 4


def test_a_person_is_not_shown_a_damaged_telegram_amid_good_ones() -> None:
    """Where the capture itself tells which check its meter states, one that fits another is damaged."""
    for good in (True, "kermit"):
        for place in (0, 1, 2):
            sent = [push(n, good) for n in range(1, 4)]
            sent.insert(place, push(9, "x-25"))
            lines = list(decode_stream(b"".join(sent), "auto", catalogue()))[:-1]
            assert [line["values"].get("1-0:1.8.0") for line in lines if line["error"] is None] == [1, 2, 3]
            assert lines[place]["error"].startswith("crc_mismatch")
    for protocol in ("auto", Wire.P1):
        lines = list(decode_stream(push(1, "xmodem") + push(2, "x-25"), protocol, catalogue()))[:-1]
        assert [line["error"] for line in lines] == [None, None]


def test_a_line_forgets_a_variant_when_the_usual_crc_comes() -> None:
    """Another meter stands there: what was shown counts no more, and must be shown anew."""
    assert results([push(1), push(2), push(3, True), push(4), push(5)]) == [
        "crc_mismatch",
        "x-25",
        "",
        "crc_mismatch",
        "x-25",
    ]


@given(st.lists(st.tuples(st.integers(1, 10**6), st.integers(0, 0xFFFF)), max_size=6))
def test_damaged_telegrams_with_chance_checks_are_hardly_ever_taken(sent: list[tuple[int, int]]) -> None:
    """A frame comes out only where its check is one that its line was shown."""
    framer = AnyFramer(bare=False)
    texts = []
    for number, stated in sent:
        body = push(number).rpartition(b"!")[0] + b"!"
        texts.append(body + f"{stated:04X}\r\n".encode())
    for event in [event for one in texts for event in framer.feed(one)]:
        if isinstance(event, Frame) and event.crc:
            covered, _, stated_text = event.data.rpartition(b"!")
            assert event.crc in fitting([covered + b"!"], int(stated_text, 16))
            assert len(texts) > 1


def test_the_head_of_a_torn_telegram_does_not_eat_the_next_one() -> None:
    """Also where the line is summed by a variant."""
    torn = push(1)[:40] + push(2)
    assert results([torn, push(3)], ("x-25",)) == ["truncated", "x-25", "x-25"]


def test_a_capture_that_lost_its_crs_is_read() -> None:
    """Pasted text has line feeds only."""
    pasted = push(1).replace(b"\r\n", b"\n")
    (line, _) = decode_stream(pasted, "auto", catalogue())
    assert line["values"] == {"1-0:1.8.0": 1}


@pytest.mark.parametrize("name", VARIANTS)
def test_a_person_sees_the_readings_of_one_telegram_with_a_word_on_its_check(name: str) -> None:
    """And none where the product's spec names the variant, or the check is the usual one."""
    line, _ = decode_stream(push(7, name), "auto", catalogue())
    assert (line["values"], line["error"]) == ({"1-0:1.8.0": 7}, None)
    assert f"crc: {name}}}" in line["note"]
    for crc, header in (("x-25", "HLY5/D545-METER"), ("x-25-swapped", "HLY5/D545-METER"), (True, "XYZ5\\M")):
        line, _ = decode_stream(push(7, crc, header), "auto", catalogue())
        assert (line["values"], "note" in line) == ({"1-0:1.8.0": 7}, False)
    line, _ = decode_stream(push(7).replace(b"00007.000", b"00008.000"), "auto", catalogue())
    assert line["error"].startswith("crc_mismatch")


def test_a_draft_names_the_variant_and_holds_by_its_own_goldens() -> None:
    """Frames of a meter that is summed by X-25; a damaged one among usual ones changes nothing."""
    draft = propose([RawFrame(push(n), "kept") for n in (1, 2, 3)])
    spec = load_spec(draft.text.replace("name: ''", "name: acme", 1), origin="draft")
    assert spec.decode.crc == ("x-25",)
    assert spec.goldens
    assert check(spec) == []
    assert "crc:" not in propose([RawFrame(push(1, True), "kept"), RawFrame(push(2), "kept")]).text


def test_a_spec_that_names_an_unknown_crc_is_refused() -> None:
    """With the names that there are."""
    body = "name: t\nversion: 1\nproduct: {name: x}\nsource: [t]\nmatch: {protocol: p1}\nstandard: true\n"
    with pytest.raises(ContractError, match="known are arc-swapped, x-25"):
        load_spec(body + "decode: {crc: crc-8}", origin="test")


def test_a_framer_of_a_known_protocol_asks_the_same() -> None:
    """P1's own framer as the one for all."""
    framer = make_framer(Wire.P1)
    kinds = [type(event) for n in (1, 2) for event in framer.feed(push(n))]
    assert kinds == [FrameError, Frame]
