"""Labels, and the selectors that choose devices by them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.selectors import MAX_TERMS, Selector, Term
from gateway.faults import Refusal
from gateway.fleet.labels import (
    FACTS,
    MAX_LABELS,
    changed,
    check_labels,
    label_faults,
    parse_selector,
)

NORTH = {"device": "pi-north", "site": "warsaw", "model": "pi4", "hardware": "Raspberry Pi 4 Model B Rev 1.4"}
names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,8}", fullmatch=True)
values = st.text(st.characters(exclude_characters=",=!*?", exclude_categories=["C", "Z"]), min_size=1, max_size=8)
labels = st.dictionaries(names, values, max_size=4)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("site=warsaw", True),
        ("site=WARSAW", True),
        ("site=war", False),
        ("site=war*", True),
        ("site!=warsaw", False),
        ("site!=gdynia", True),
        ("rack!=7", True),
        ("site", True),
        ("rack", False),
        ("!rack", True),
        ("!site", False),
        (" site = warsaw , model = pi4 ", True),
        ("site=warsaw,model=pi3", False),
        ("hardware=Raspberry Pi 4*", True),
        ("device=pi-north", True),
    ],
)
def test_all_conditions_must_hold(text: str, holds: bool) -> None:
    """Equal, not equal (also where the label is missing), there, not there; facts count as labels."""
    assert parse_selector(text).holds(NORTH) is holds


@pytest.mark.parametrize(
    ("text", "field", "reason"),
    [
        ("", "selector.0", "names no label"),
        ("site=warsaw,", "selector.1", "names no label"),
        ("site=", "selector.0", "no label's value"),
        ("site=a=b", "selector.0", "no label's value"),
        ("si te=a", "selector.0", "no label's name"),
        ("model=pi4,-x=1", "selector.1", "no label's name"),
        ("!site=a", "selector.0", "no condition"),
        ("a=" + "x" * 65, "selector.0", "no label's value"),
        ("a=*b*c*d*e*f*g*h*i*", "selector.0", "no label's value"),
        ("a=\x00", "selector.0", "no label's value"),
        (",".join(["a"] * (MAX_TERMS + 1)), "selector", "conditions"),
    ],
)
def test_a_wrong_selector_is_refused_by_its_part(text: str, field: str, reason: str) -> None:
    """The error names the condition that is wrong, what is wrong with it, and how to write it."""
    with pytest.raises(Refusal) as refused:
        parse_selector(text)
    assert refused.value.field == field
    assert reason in refused.value.reason
    assert refused.value.fix


@given(st.lists(st.tuples(names, values), min_size=1, max_size=4), labels)
def test_equality_holds_for_just_these_labels(pairs: list[tuple[str, str]], others: dict[str, str]) -> None:
    """Whatever else a device is labelled with; and `!=` says the opposite of `=`."""
    wanted = dict(pairs)
    selector = parse_selector(",".join(f"{name}={value}" for name, value in wanted.items()))
    assert selector.holds({**others, **wanted})
    for name, value in wanted.items():
        other = parse_selector(f"{name}!={value}")
        assert not other.holds(wanted)
        assert other.holds({name: f"{value}x"})
        assert other.holds({})


@given(st.lists(st.tuples(names, st.sampled_from(["=", "!=", "present", "absent"]), values), min_size=1, max_size=6))
def test_its_text_reads_as_the_same_selector(terms: list[tuple[str, str, str]]) -> None:
    """What is stored and shown is the selector itself, in an order of its own."""
    given_terms = [Term(name, sign, value if "=" in sign else "") for name, sign, value in terms]  # type: ignore[arg-type]
    text = str(Selector(tuple(given_terms)))
    parsed = parse_selector(text)
    assert set(parsed.terms) == set(given_terms)
    assert parse_selector(str(parsed)) == parsed
    assert str(parse_selector(",".join(reversed(text.split(","))))) == str(parsed)


@given(st.text(max_size=40))
def test_any_text_is_a_selector_or_an_error_with_a_field(text: str) -> None:
    """Nothing else is raised."""
    fault = ""
    try:
        parse_selector(text).holds(NORTH)
    except Refusal as error:
        fault = error.field
    assert fault in ("", "selector") or fault.startswith("selector.")


def test_labels_change_by_name() -> None:
    """None takes one away; more than a device may have are refused."""
    assert changed({"a": "1", "b": "2"}, {"b": None, "c": "3", "x": None}) == {"a": "1", "c": "3"}
    with pytest.raises(Refusal, match=f"at most {MAX_LABELS}"):
        changed({}, {f"n{number}": "1" for number in range(MAX_LABELS + 1)})


@pytest.mark.parametrize("fact", FACTS)
def test_what_the_registration_says_is_no_label(fact: str) -> None:
    """The facts' names are taken."""
    assert [error.field for error in label_faults({fact: "x", "site": "y"})] == [f"labels.{fact}"]


@pytest.mark.parametrize(("name", "value"), [("", "x"), ("a b", "x"), ("a", ""), ("a", " x"), ("a", "x*"), ("a", "\n")])
def test_labels_that_no_selector_could_name_are_refused(name: str, value: str) -> None:
    """By field, with the rule."""
    (error,) = label_faults({name: value})
    assert error.field.startswith("labels")
    assert error.fix


def test_all_that_is_wrong_with_labels_is_told_at_once() -> None:
    """Each by its name; None takes away what could not be set."""
    check_labels({"site": "warsaw", "old": None})
    with pytest.raises(Refusal) as refused:
        check_labels({"site": "warsaw", "model": "pi*", "device": "pi-1", "a b": "x"})
    assert [fault.field for fault in refused.value.faults] == ["labels.model", "labels.device", "labels.a b"]
    assert refused.value.detail == str(refused.value.faults[0])
