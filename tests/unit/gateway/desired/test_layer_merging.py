"""JSON Merge Patch, versions that differ, and parameters that are left out: properties."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.contract.address import known_authority_or_none
from broker.contract.messages import Desired, MeterConfig, Parameters
from gateway.desired.layers import Layer, compose, differences, faults_of_whole, merge_patch
from gateway.enrolment.authority import make_root
from gateway.enrolment.ca_folder import pem
from gateway.validation import KNOWN

LEAVES = (
    st.none() | st.booleans() | st.integers() | st.sampled_from(["", "a", "null"]) | st.lists(st.integers(), max_size=3)
)
JSON = st.recursive(LEAVES, lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3), max_leaves=12)
OBJECTS = st.dictionaries(st.sampled_from("abc"), JSON, max_size=3)


def pruned(value: Any) -> Any:
    """A document without nulls in objects, as documents that are kept have none."""
    return {name: pruned(one) for name, one in value.items() if one is not None} if isinstance(value, dict) else value


def test_the_cases_of_rfc_7396() -> None:
    """Appendix A, those of another kind each."""
    for target, patch, wanted in (
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "foo"}, None, None),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ):
        assert merge_patch(target, patch) == wanted


@given(OBJECTS.map(pruned), OBJECTS)
def test_a_patch_applied_twice_is_applied_once(target: Any, patch: Any) -> None:
    """Repeating a change changes nothing, and what a patch does not name stays."""
    once = merge_patch(target, patch)
    assert merge_patch(once, patch) == once
    assert all(once[name] == target[name] for name in target.keys() - patch.keys())


@given(OBJECTS.map(pruned))
def test_a_patch_onto_nothing_is_the_document(document: Any) -> None:
    """Layers without nulls come out as they went in."""
    assert merge_patch({}, document) == document


VALUES = st.fixed_dictionaries(
    {},
    optional={
        "reading_interval_s": st.floats(0.2, 86400),
        "raw_frames": st.booleans(),
        "outbox_limit_mib": st.integers(1, 65536),
        "log_level": st.sampled_from(["debug", "info"]),
    },
)
LAYERS = st.lists(VALUES.map(lambda values: Layer(parameters=values)), min_size=1, max_size=5)


@given(LAYERS)
def test_layers_merge_in_any_grouping(layers: list[Layer]) -> None:
    """Fleet and groups merged first, and the device upon that, is the same as all at once; the top one wins."""
    below = Layer(parameters=compose(layers[:-1]).model_dump(mode="json")) if len(layers) > 1 else Layer()
    assert compose([below, layers[-1]]) == compose(layers)
    assert compose([*layers, layers[-1]]) == compose(layers)


@given(LAYERS, st.sets(st.sampled_from(KNOWN)))
def test_what_is_left_out_is_neither_carried_nor_hashed(layers: list[Layer], absent: set[str]) -> None:
    """A message without what the software does not know fits its hash, also for software that has not those fields."""
    parameters = compose(layers, absent)
    desired = Desired(version=3, parameters=parameters, not_supported=tuple(sorted(absent)) or None).sealed()
    again = Desired.parse(desired.payload())
    assert again == desired
    carried = set(again.model_dump(mode="json")["parameters"])
    assert carried == set(KNOWN) - absent


@given(VALUES, VALUES)
def test_differences_are_what_changed_and_the_hash_tells_of_any(before: dict[str, Any], after: dict[str, Any]) -> None:
    """Each field that differs once, with both values; equal layers have equal hashes, others have not."""
    pins = {"LGZ:1": MeterConfig(spec="a@1")}
    old, new = Layer(parameters=before), Layer(parameters=after, meters=pins)
    found = {one.field: (one.before, one.after) for one in differences(old, new)}
    assert found.pop("meters.LGZ:1.spec") == (None, "a@1")
    assert found == {name: (before.get(name), after.get(name)) for name in KNOWN if before.get(name) != after.get(name)}
    assert (old.digest() == Layer(parameters=after).digest()) == (before == after)


def test_the_whole_is_judged_where_it_changed() -> None:
    """What a stored document has wrong does not stand in the way of another change."""
    stored = Layer(parameters={"reading_interval_s": 0.0})
    assert faults_of_whole([stored, Layer(parameters={"raw_frames": True})], {"raw_frames"}) == []
    (problem,) = faults_of_whole([stored], {"reading_interval_s"})
    assert problem.field == "reading_interval_s"
    assert compose([stored]).reading_interval_s == Parameters().reading_interval_s


@pytest.mark.parametrize(("begins_in_days", "said"), [(30, "begins at"), (-20000, "ended at"), (0.5, ""), (-400, "")])
def test_an_authority_of_another_time_is_refused_where_it_is_set(begins_in_days: float, said: str) -> None:
    """One that is younger than now would have devices doubt their clocks; clocks may differ by a day."""
    root = make_root("Told", datetime.now(UTC) + timedelta(days=begins_in_days))
    value = known_authority_or_none(pem(root.certificate).decode())
    layer = Layer(parameters={"broker_authority": value})
    faults = faults_of_whole([layer], {"broker_authority"})
    assert [(one.field, said in one.reason) for one in faults] == ([("broker_authority", True)] if said else [])
    assert faults_of_whole([layer], {"raw_frames"}) == [], "what stood there before stands in no way"
