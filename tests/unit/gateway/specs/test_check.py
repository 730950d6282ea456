"""What keeps a document from being published as a spec."""

from gateway.specs.check import examine, judge
from gateway.specs.text import as_yaml, yaml_text
from meters.specs.catalogue import catalogue
from meters.specs.spec import Spec, load_spec, spec_document

DOCUMENT = """
name: acme-one
version: 1
product: {manufacturer: ACM, name: One}
match: {protocol: p1, identification: 'ACM5*'}
source: [a test]
standard: true
goldens:
  - name: import
    source: composed
    frame:
      text: |
        /ACM5ONE

        1-0:1.8.0(001234.567*kWh)
        1-0:1.7.0(00.482*kW)
        !
    values: {'1-0:1.8.0': '1234.567', '1-0:1.7.0': '0.482'}
"""


def spec(text: str = DOCUMENT) -> Spec:
    return load_spec(text, origin="test")


def test_a_sound_spec_is_publishable() -> None:
    """Fields, goldens and rivals all agree."""
    verdict = examine(DOCUMENT, catalogue())
    assert verdict.faults() == ()
    assert verdict.publishable
    assert verdict.checked == 1


def test_every_wrong_field_is_named() -> None:
    """One round shows all that is wrong, each with its path and what is wanted."""
    text = DOCUMENT.replace("version: 1", "version: 0").replace("ACM,", "acme,") + "colour: red\n"
    verdict = examine(text, ())
    assert verdict.spec is None
    assert {fault.field for fault in verdict.faults()} == {"version", "product.manufacturer", "colour"}
    assert all(fault.reason and fault.fix for fault in verdict.faults())


def test_text_that_is_no_document_names_the_line() -> None:
    """YAML that breaks off is told with its line."""
    (fault,) = examine("name: [\n", ()).faults()
    assert fault.field == "body"
    assert "line" in fault.reason


def test_a_golden_that_differs_shows_code_expected_and_got() -> None:
    """The field is the path of the statement that does not hold."""
    verdict = examine(DOCUMENT.replace("'0.482'", "'0.5'"), ())
    (fault,) = verdict.goldens
    assert (fault.field, fault.golden, fault.code) == ("goldens.0.values.1-0:1.7.0", "import", "1-0:1.7.0")
    assert (fault.expected, fault.got) == ("0.5", "0.482")
    assert not verdict.publishable


def test_without_a_golden_nothing_is_proved() -> None:
    """No golden at all, or only captures that are not at hand, is refused."""
    text = DOCUMENT[: DOCUMENT.index("goldens:")]
    assert [fault.field for fault in examine(text, ()).faults()] == ["goldens"]
    capture = text + "goldens: [{name: c, source: s, frame: {capture: p1/x.txt}, values: {'1-0:1.8.0': 1}}]\n"
    verdict = examine(capture, ())
    assert [fault.field for fault in verdict.faults()] == ["goldens.0.frame.capture"]
    assert verdict.unchecked == ("c",)


def test_a_tie_names_the_other_spec() -> None:
    """The same score for the same telegram is refused in both directions; a bonus or another name's own version not."""
    rival = spec(DOCUMENT.replace("acme-one", "acme-other"))
    assert [tie.spec for tie in judge(spec(), [rival]).ties] == ["acme-other@1"]
    assert "acme-other@1" in judge(spec(), [rival]).faults()[0].reason
    assert judge(spec(DOCUMENT.replace("'ACM5*'", "'ACM5ONE'")), [rival]).ties == ()
    assert judge(spec(DOCUMENT.replace("version: 1", "version: 2")), [spec()]).ties == ()
    elsewhere = DOCUMENT.replace("/ACM5ONE", "/ACM5TWO")
    wide = spec(elsewhere.replace("'ACM5*'", "['ACM5TWO', 'ACM5*']"))
    narrow = spec(DOCUMENT.replace("acme-one", "acme-other").replace("'ACM5*'", "'ACM5*'"))
    (tie,) = judge(wide, [narrow]).ties
    assert tie.golden == "acme-other@1: import"


def test_the_catalogue_has_no_ties_and_goes_through_yaml() -> None:
    """Every shipped spec could be published over the API beside the others, from the YAML that the API gives out."""
    for one in catalogue():
        verdict = judge(one, catalogue())
        assert verdict.goldens == (), one.ref
        assert verdict.ties == (), one.ref
        text = yaml_text(spec_document(one))
        if len(text.encode()) <= 65536:
            assert load_spec(text, origin=one.ref).digest == one.digest


def test_the_authors_yaml_is_kept() -> None:
    """Comments are knowledge; only JSON is turned into YAML, in which NO stays Norway."""
    source = "# a comment\n" + DOCUMENT
    assert as_yaml(source, {}) == source
    assert as_yaml('{"name": "NO"}', {"name": "NO"}) == "name: 'NO'\n"
