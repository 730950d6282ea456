"""Specs proposed from raw frames."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.errors import ContractError
from meters.decoding.engine import decode
from meters.decoding.goldens import check
from meters.drafts.draft import propose
from meters.drafts.survey import RawFrame, common_pattern, family_text, without_unit
from meters.specs.spec import Spec, load_spec
from meters.telegram import Telegram, Wire
from meters.wires.capture_text import unwrap
from meters.wires.encode.ciphered import encode_ciphered
from meters.wires.encode.dlms import (
    DlmsValue,
    coded_list,
    encode_hdlc,
    encode_push_over_mbus,
    integer,
    notification,
    octets,
    structure,
    visible,
)
from meters.wires.encode.iec62056 import encode_iec62056
from meters.wires.encode.p1 import encode_p1
from meters.wires.mbus.link import select
from meters.wires.meter_key import MeterKey
from meters.wires.readers import read_all


def named(text: str) -> Spec:
    return load_spec(text.replace("name: ''", "name: acme-one", 1), origin="test")


def p1(serial: str, kwh: str, *more: str) -> RawFrame:
    lines = [f"0-0:96.1.1({serial})", f"1-0:1.8.0({kwh}*kWh)", "1-0:1.7.0(00.482*kW)", *more]
    return RawFrame(encode_p1(f"ACM5ONE{serial}", lines), f"frame of {serial}")


def test_a_draft_is_good_once_it_is_named() -> None:
    """Without a name it is refused by that field alone; with one it reads the frames and its goldens hold."""
    text = propose([p1("4530303132333435", "001000.000"), p1("4530303132333435", "001001.000")]).text
    with pytest.raises(ContractError) as caught:
        load_spec(text, origin="test")
    assert caught.value.field == "name"
    spec = named(text)
    assert check(spec) == []
    assert len(spec.goldens) == 2
    assert {point.obis for point in spec.points} == {"1-0:1.8.0", "1-0:1.7.0"}


def test_facts_of_one_meter_are_not_the_products() -> None:
    """Serials become wildcards, so that the draft of a group fits each of its meters."""
    spec = named(propose([p1("4530303132333435", "001000.000"), p1("4530303132333999", "5")]).text)
    assert spec.match.identification == ("ACM5ONE*",)
    assert spec.match.serial is None
    assert spec.product.manufacturer == "ACM"


def test_what_is_guessed_says_so() -> None:
    """A register whose unit the wire does not name gets one with a mark, and is proved by the draft itself."""
    draft = propose(
        [RawFrame(encode_iec62056(["0.0.0(12345678)", "1.8.0(012345.678)"], identification="XYZ5MODEL"), "a readout")]
    )
    (line,) = [line for line in draft.text.splitlines() if line.strip().startswith("unit:")]
    assert "unit: kWh  # guessed" in line
    assert "these are this draft's own readings" in draft.text
    spec = named(draft.text)
    assert str(spec.goldens[0].values["1-0:1.8.0"]) == "12345.678"


def test_a_code_without_a_rule_is_a_register_only_if_it_never_fell() -> None:
    """Energy by its unit that rises is taken for a register; one that falls is not."""
    rising = propose([p1("1", "5", f"1-0:93.1.0({n}*kWh)") for n in (1, 2, 3)])
    falling = propose([p1("1", "5", f"1-0:93.1.0({n}*kWh)") for n in (3, 2, 1)])
    kinds = [
        next(str(point.kind) for point in named(one.text).points if point.obis == "1-0:93.1.0")
        for one in (rising, falling)
    ]
    assert kinds == ["register", "instantaneous"]


def test_without_a_telegram_there_is_no_draft() -> None:
    """Noise, and frames of another protocol than asked for, are refused with what to do."""
    for protocol in (None, Wire.SML):
        with pytest.raises(ContractError) as caught:
            propose([RawFrame(b"noise"), *([p1("1", "5")] if protocol else [])], protocol)
        assert caught.value.field == "frames"


def test_patterns_of_a_family() -> None:
    """What all identifications begin with, unless that is too short to tell anything."""
    assert family_text("ISk5MT174-12345678", ["12345678"]) == "ISk5MT174-*"
    assert common_pattern(["LGZ4ZMD120.1", "LGZ4ZMD120.2"]) == "LGZ4ZMD120.*"
    assert common_pattern(["ABC", "XYZ"]) == ""
    assert common_pattern(["*"]) == ""


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=60), st.text(max_size=20))
def test_whatever_stands_on_the_line_cannot_break_the_document(text: str, origin: str) -> None:
    """Quotes, stars, colons and control characters of a wire stay inside the values and comments that hold them."""
    plain = "".join(letter for letter in text if letter not in "\r\n!/\x02\x03")
    frame = encode_p1("ACM5" + plain, [f"0-0:96.13.0({plain.replace('(', '').replace(')', '')})", "1-0:1.8.0(1*kWh)"])
    try:
        draft = propose([RawFrame(frame, origin)], Wire.P1)
    except ContractError as error:
        assert error.field == "frames"  # noqa: PT017  (only this refusal is right)
        return
    assert check(named(draft.text)) == []


@pytest.mark.captures
def test_every_capture_of_a_meter_gives_a_sound_draft(captures: Path) -> None:
    """Whatever real meter speaks, the draft is a spec whose goldens hold, as soon as any reading comes out."""
    drafts = 0
    for file in sorted(captures.glob("*/*")):
        if not file.is_file() or file.suffix in (".md", ".json"):
            continue
        try:
            draft = propose([RawFrame(unwrap(file.read_bytes()), f"capture {file.name}")])
        except ContractError:
            continue
        drafts += 1
        spec = named(draft.text)
        assert check(spec) == [], file.name
        assert spec.goldens or "identification" in file.name, file.name
    assert drafts > 40


@pytest.mark.parametrize(("block", "mode"), [(False, "push"), (True, "poll")])
def test_a_readout_that_came_unasked_is_drafted_as_a_push(block: bool, mode: str) -> None:
    """Mode D has no STX (IEC 62056-21 6.4.5); a data block between STX and ETX was asked for."""
    lines = ["0.0.0(12345678)", "1.8.0(012345.678*kWh)"]
    frame = encode_iec62056(lines, identification="XYZ5MODEL", block=block, parity=True)
    assert named(propose([RawFrame(frame)]).text).link.mode == mode


UNITLESS = RawFrame(encode_iec62056(["0.0.0(12345678)", "1.8.0(012345.678)", "16.7.0(000482)"], identification="XYZ5A"))


def test_units_from_the_display_hold_in_points_and_goldens() -> None:
    """Who knows the meter says what the wire does not, and the goldens state it in canonical units."""
    draft = propose([UNITLESS], units={"1-0:16.7.0": "w"})
    assert 'unit: "W"  # as its display shows' in draft.text
    spec = named(draft.text)
    assert str(spec.goldens[0].values["1-0:16.7.0"]) == "0.482"
    assert check(spec) == []


@pytest.mark.parametrize(
    ("units", "reason"),
    [({"1-0:16.7.0": "V"}, "does not measure"), ({"1-0:99.7.0": "W"}, "no number"), ({"1-0:0.0.0": "W"}, "no number")],
)
def test_a_unit_that_cannot_be_is_refused_by_its_code(units: dict[str, str], reason: str) -> None:
    """A wrong dimension, and a code that no frame has, are named."""
    with pytest.raises(ContractError, match=reason) as caught:
        propose([UNITLESS], units=units)
    assert caught.value.field == f"units.{next(iter(units))}"


@pytest.mark.field
def test_a_register_without_a_unit_gets_the_draft_that_fits(field: Path) -> None:
    """The case of the field: its address as on the wire, the unit a guess that says so, and the display's number."""
    frame = (field / "cases" / "iec-register-without-unit.bin").read_bytes()
    assert without_unit([RawFrame(frame)]) == ("1.8.0*00",)
    draft = propose([RawFrame(frame)])
    assert draft.guessed_units == {"1.8.0*00": "kWh"}
    assert "No unit is on the wire for 1.8.0*00" in draft.text
    spec = named(draft.text)
    assert check(spec) == []
    assert str(spec.goldens[0].values["1-0:1.8.0"]) == "7900.58"


def test_a_number_whose_code_leaves_its_unit_open_is_told_and_not_guessed() -> None:
    """16500 at 0-0:17.0.0 may be W, VA or A: the draft leaves it out with a word on it, until somebody says."""
    frames = [p1("4530303132333435", "001000.000", "0-0:17.0.0(16500)", "0-0:96.14.0(0001)")]
    assert without_unit(frames) == ("0-0:17.0.0",)
    draft = propose(frames)
    assert draft.guessed_units == {}
    assert "    # unit: W  # no unit on the wire, and the code leaves it open" in draft.text
    assert "0-0:17.0.0" not in named(draft.text).goldens[0].values
    said = named(propose(frames, units={"0-0:17.0.0": "W"}).text)
    (telegram,) = read_all(Wire.P1, frames[0].data)
    assert isinstance(telegram, Telegram)
    assert str(decode(said, telegram).samples[0].values["0-0:17.0.0"]) == "16.500"


def test_billing_periods_beside_the_running_register_are_not_taken_for_it() -> None:
    """`*00` is the value of now only where no line without a billing period has it."""
    lines = ["1.8.0(3*kWh)", "1.8.0*00(2)", "1.8.0*01(1)"]
    points = named(propose([RawFrame(encode_iec62056(lines, identification="XYZ5A"))]).text).points
    assert [(point.obis, point.source) for point in points] == [("1-0:1.8.0", None)]


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ((), '["300 7E1"]  # guessed'),
        (("nonsense",), '["300 7E1"]  # guessed'),
        (("9600 8N1", "9600 8N1"), '["9600 8N1"]  # as its device found it'),
        (("9600 8N1", "2400 8E1", "2400 8E1"), '["2400 8E1", "9600 8N1"]  # as its device found it'),
    ],
)
def test_the_line_settings_that_were_detected_are_proposed(lines: tuple[str, ...], told: str) -> None:
    """Where devices told them; a draft of a meter read at 8N1 does not propose 7E1."""
    frame = encode_iec62056(["1.8.0(012345.678*kWh)"], identification="XYZ5MODEL")
    assert f"serial: {told}" in propose([RawFrame(frame, "a", line) for line in lines or ("",)]).text


def test_frames_of_another_protocol_are_named() -> None:
    """A draft of what an M-Bus master sends says what it is, not that it is torn."""
    with pytest.raises(ContractError, match="M-Bus"):
        propose([RawFrame(select("12345678"))])


def test_a_push_of_dlms_without_units_is_drafted_in_plain_units() -> None:
    """DLMS counts in W and Wh; values without a code are listed by their places, for whoever knows the list."""
    rows = [DlmsValue("1-0:1.8.0", integer(21956)), DlmsValue("1-0:1.7.0", integer(482))]
    draft = propose([RawFrame(encode_hdlc(notification(coded_list(rows, visible("Kamstrup_V0001")))))])
    assert draft.guessed_units == {"1-0:1.8.0": "Wh", "1-0:1.7.0": "W"}
    spec = named(draft.text)
    assert (spec.match.protocol, spec.match.manufacturer) == (Wire.DLMS, ("KAM",))
    places = propose(
        [RawFrame(encode_hdlc(notification(structure(octets(b"ISK1030783812345"), integer(7), integer(9)))))]
    )
    assert "#3/3: number, 9" in places.text


def test_frames_that_need_a_key_say_so() -> None:
    """No draft can be made of them, and the system title names the meter."""
    message = encode_ciphered(notification(structure(integer(7))), b"KFM12345", 1, MeterKey(bytes(16)))
    with pytest.raises(ContractError, match="the meter's key"):
        propose([RawFrame(encode_push_over_mbus(message))])
