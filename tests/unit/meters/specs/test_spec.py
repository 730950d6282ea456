"""Specs as remote input: what is read, what is refused, and that each refusal names the field and the fix."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from broker.errors import ContractError
from meters.specs.spec import digest, load_spec, spec_document, spec_from

ROOT = Path(__file__).resolve().parents[4]
MINIMAL = """
name: acme-one
version: 3
product: {manufacturer: ACM, name: One}
match: {protocol: sml, manufacturer: ACM}
source: [capture of a test]
standard: true
"""


def with_line(line: str) -> str:
    return f"{MINIMAL}{line}\n"


def test_a_spec_is_known_by_name_and_version() -> None:
    """`ref` is what readings name."""
    assert load_spec(MINIMAL, origin="test").ref == "acme-one@3"


def test_the_example_of_the_documentation_is_a_valid_spec() -> None:
    """docs/SPECS.md shows one complete example; it loads, and no field is unknown to it."""
    text = (ROOT / "docs" / "SPECS.md").read_text(encoding="utf-8")
    example = text.split("```yaml\n", 1)[1].split("```", 1)[0]
    spec = load_spec(example, origin="docs/SPECS.md")
    assert spec.points
    assert spec.quirks
    assert spec.goldens


def test_json_and_yaml_of_one_spec_are_equal() -> None:
    """A spec goes out as JSON and comes back the same, with the same digest."""
    spec = load_spec(with_line("points: [{obis: 1-0:1.8.0, scale: 0.1}]"), origin="test")
    back = load_spec(json.dumps(spec_document(spec)), origin="test")
    assert back == spec
    assert digest(back) == digest(spec)
    assert spec_from(spec_document(spec), origin="test") == spec


def test_numbers_keep_their_digits() -> None:
    """0.1 in a document is exactly 0.1, quoted or plain, in YAML and in JSON."""
    line = "points: [{obis: 1-0:1.8.0, scale: %s}]"
    for written in ("0.1", "'0.1'"):
        assert load_spec(with_line(line % written), origin="test").points[0].scale == Decimal("0.1")
    document = spec_document(load_spec(with_line(line % "0.1"), origin="test"))
    text = json.dumps(document).replace('"0.1"', "0.1")
    assert load_spec(text, origin="test").points[0].scale == Decimal("0.1")


def test_plain_yaml_words_stay_text() -> None:
    """`NO` and `1:30` are texts as they stand, as a country and a name need it."""
    spec = load_spec(MINIMAL.replace("name: One}", "name: 1:30, countries: [NO]}"), origin="test")
    assert spec.product.countries == ("NO",)
    assert spec.product.name == "1:30"


def test_codes_are_kept_in_one_spelling() -> None:
    """`1-0:1.8.0*255` and `1-0:1.8.0` are one code, so a digest does not hang on the spelling."""
    one = load_spec(with_line("points: [{obis: 1-0:1.8.0*255}]"), origin="test")
    other = load_spec(with_line("points: [{obis: 1-0:1.8.0}]"), origin="test")
    assert one.points[0].obis == "1-0:1.8.0"
    assert digest(one) == digest(other)


def test_digits_of_a_point_count_more_than_those_of_the_spec() -> None:
    """A register rolls over where its own point says, else where the spec says for all."""
    spec = load_spec(with_line("digits: 6\npoints: [{obis: 1-0:1.8.0, digits: 8}]"), origin="test")
    assert (spec.digits_of("1-0:1.8.0"), spec.digits_of("1-0:2.8.0")) == (8, 6)


@pytest.mark.parametrize(
    ("line", "field", "words"),
    [
        ("colour: red", "colour", "no such field"),
        ("version: 0", "", "stands twice"),
        ("points: [{obis: 1-0:1.8}]", "points.0.obis", "1-0:1.8.0"),
        ("points: [{obis: 1-0:1.8.0, scael: 1}]", "points.0.scael", "no such field"),
        ("points: [{obis: 1-0:1.8.0, digits: 99}]", "points.0.digits", "15"),
        ("points: [{obis: 1-0:1.8.0, scale: ten}]", "points.0.scale", "no decimal number"),
        ("points: [{obis: 1-0:1.8.0, scale: nan}]", "points.0.scale", "finite"),
        ("points: [{obis: 1-0:1.8.0, scale: 1e30}]", "points.0.scale", ""),
        ("points: [{obis: 1-0:1.8.0}, {obis: 1-0:1.8.0*255}]", "spec", "stands twice"),
        ("time: {zone: Mars/Olympus}", "time.zone", "IANA"),
        ("time: {zone: ../../etc/passwd}", "time.zone", "IANA"),
        ("time: {source: '0.9.2'}", "time", "format"),
        ("time: {source: '0.9.2', format: YYMMDD}", "time", "hh"),
        ("time: {source: ['0.9.2', '0.9.1'], format: YYMMDDhhmm}", "time", "one part for each source"),
        ("time: {source: device, format: YYMMDDhhmm}", "time", "takes no format"),
        ("link: {serial: ['9600 9N1']}", "link.serial.0", ""),
        ("link: {wake_up: 0z}", "link.wake_up", ""),
        ("decode: {key_ref: 'a secret with spaces'}", "decode.key_ref", ""),
        ("quirks: [{why: x, address: a, do: scale}]", "quirks.0", "wants a field by"),
        ("quirks: [{why: x, address: a, do: negate, by: 2}]", "quirks.0", "takes no field by"),
        ("goldens: [{name: x, source: y, frame: {}}]", "goldens.0.frame", "exactly one"),
        ("goldens: [{name: x, source: y, frame: {capture: ../secret}}]", "goldens.0.frame.capture", ""),
        ("goldens: [{name: x, source: y, frame: {hex: zz}}]", "goldens.0.frame.hex", ""),
        ("exclude: ['*1*2*3*4*5*6*7*8*9*']", "exclude.0", "8 stars"),
        ("exclude: [" + ", ".join(["a"] * 65) + "]", "exclude", "shorten"),
    ],
)
def test_a_wrong_field_is_named_with_its_fix(line: str, field: str, words: str) -> None:
    """Each refusal says which field and what is wanted instead."""
    with pytest.raises(ContractError) as caught:
        load_spec(with_line(line), origin="upload")
    assert field in caught.value.field
    assert words in str(caught.value)
    assert "upload" in str(caught.value)
    assert caught.value.fix


@pytest.mark.parametrize("field", ["name", "version", "product", "match", "source"])
def test_a_missing_section_is_named(field: str) -> None:
    """Nothing of what every spec needs is made up."""
    text = "\n".join(line for line in MINIMAL.splitlines() if not line.startswith(f"{field}:"))
    with pytest.raises(ContractError) as caught:
        load_spec(text, origin="upload")
    assert caught.value.field == field


def test_a_spec_without_readings_is_refused() -> None:
    """Neither points nor standard: true would decode nothing, for ever."""
    with pytest.raises(ContractError, match="gives no readings"):
        load_spec(MINIMAL.replace("standard: true", ""), origin="upload")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name: &a x\nversion: 1", "anchor or alias"),
        ("name: x\nb: *a", "anchor or alias"),
        ("name: !!python/object/apply:os.system [ls]", "tag"),
        ("name: !!binary aGk=", "tag"),
        ("name: x\nname: y", "stands twice"),
        ("x: {1: a, '1': b}", "stands twice"),
        ("? [a, b]\n: c", "no text"),
        ("x: " + "[" * 40 + "]" * 40, "nested deeper"),
        ('{"x": ' + "[" * 40 + "]" * 40 + "}", "nested deeper"),
        ('{"x": ' + "[" * 30000 + "]" * 30000 + "}", ""),
        ("x: " + "[" * 30000 + "]" * 30000, "nested deeper"),
        ('{"name": "a", "name": "b"}', "stands twice"),
        ('{"name": NaN}', "no number"),
        ("[1, 2]", "no mapping"),
        ("", "no mapping"),
        ("name: [unclosed", "line"),
        ("a: b\n---\nc: d", ""),
        ("\x00", ""),
        ("x: [" + "1, " * 21000 + "1]", "more than 20000 values"),
        ("x: " + "y" * 70000, "at most 65536 bytes"),
    ],
)
def test_a_document_beyond_the_bounds_is_refused(text: str, words: str) -> None:
    """Aliases, tags, repeated keys, depth and size cannot be used against the reader."""
    with pytest.raises(ContractError) as caught:
        load_spec(text, origin="upload")
    assert words in str(caught.value)
    assert "upload" in caught.value.field


def test_bytes_that_are_no_utf8_are_refused() -> None:
    """A spec saved in another encoding says so."""
    with pytest.raises(ContractError, match="UTF-8"):
        load_spec(b"name: \xff", origin="upload")


def test_binary_floats_are_refused() -> None:
    """A mapping from elsewhere may not bring numbers that lost digits."""
    document = spec_document(load_spec(with_line("points: [{obis: 1-0:1.8.0, scale: 1}]"), origin="test"))
    document["points"][0]["scale"] = 0.1
    with pytest.raises(ContractError, match="loses digits"):
        spec_from(document, origin="test")
