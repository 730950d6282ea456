"""Layers of parameters: what is read, what is refused and why, and how layers become a whole."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from broker.contract.messages import Parameters
from gateway.desired.layers import Layer, ParameterLayer, ParameterPatch, compose, read_changes
from gateway.validation import KNOWN, faults_of

VALUES = st.fixed_dictionaries(
    {},
    optional={
        "reading_interval_s": st.floats(0.2, 86400),
        "raw_frames": st.booleans(),
        "outbox_limit_mib": st.integers(1, 65536),
        "log_level": st.sampled_from(["debug", "info", "warning", "error"]),
        "obis_exclude": st.lists(st.sampled_from(["1-0:1.8.*", "*"]), max_size=3),
    },
)


@given(VALUES, VALUES)
def test_the_upper_layer_wins_and_the_rest_shows_through(lower: dict[str, Any], upper: dict[str, Any]) -> None:
    """For each parameter: the upper layer's value, else the lower's, else the default."""
    whole = compose([Layer(parameters=lower), Layer(parameters=upper)]).model_dump(mode="json")
    defaults = Parameters().model_dump(mode="json")
    for name in KNOWN:
        assert whole[name] == upper.get(name, lower.get(name, defaults[name]))


@given(VALUES, VALUES)
def test_what_is_patched_in_and_given_back_leaves_the_layer_as_it_was(
    before: dict[str, Any], patch: dict[str, Any]
) -> None:
    """Null undoes: setting parameters that the layer had not and giving them back changes nothing."""
    layer = Layer(parameters=before)
    fresh = {name: value for name, value in patch.items() if name not in before}
    assert layer.patched(fresh).patched(dict.fromkeys(fresh)) == layer


def test_documents_of_other_versions_do_not_stop_the_fleet() -> None:
    """Unknown and meanwhile forbidden parameters of a stored document are passed over, the others hold."""
    stored = Layer(parameters={"gone": 1, "reading_interval_s": 0.0, "raw_frames": True})
    whole = compose([stored])
    assert whole.raw_frames is True
    assert whole.reading_interval_s == Parameters().reading_interval_s


def test_a_patch_distinguishes_null_from_left_out() -> None:
    """Only what is written counts; null is kept as the wish to give back."""
    changes = read_changes(ParameterPatch, b'{"raw_frames": null, "reading_interval_s": 5}')
    assert changes == {"raw_frames": None, "reading_interval_s": 5.0}
    assert read_changes(ParameterPatch, b"{}") == {}


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        (b'{"reading_intervall_s": 1}', "reading_intervall_s", "known are: reading_interval_s"),
        (b'{"reading_interval_s": 0.1}', "reading_interval_s", "from 0.2 to 86400"),
        (b'{"reading_interval_s": "5"}', "reading_interval_s", "a number"),
        (b'{"outbox_limit_mib": 1.5}', "outbox_limit_mib", "whole number"),
        (b'{"raw_frames": 1}', "raw_frames", "true or false"),
        (b'{"time_zone": "Vilnius"}', "time_zone", "Europe/Vilnius"),
        (b'{"time_zone": "Mars/Olympus"}', "time_zone", "no IANA zone"),
        (b'{"time_zone": "../etc/passwd"}', "time_zone", "an IANA name"),
        (b'{"time_zone": 2}', "time_zone", "IANA name"),
        (b'{"log_level": "loud"}', "log_level", "one of debug, info"),
        (b'{"obis_include": []}', "obis_include", "patterns"),
        (b'{"obis_exclude": ["power"]}', "obis_exclude.0", "digits"),
        (b"3", "body", "object"),
        (b"{", "body", "JSON"),
        (b"\xff", "body", "JSON"),
    ],
)
def test_what_is_wrong_is_named_with_what_is_wanted(body: bytes, field: str, words: str) -> None:
    """Each refusal names its field and says what would be right."""
    for model in (ParameterPatch, ParameterLayer):
        with pytest.raises(ValidationError) as refused:
            read_changes(model, body)
        first = faults_of(refused.value)[0]
        assert first.field == field
        assert words in first.reason + first.fix


def test_a_whole_layer_takes_no_null() -> None:
    """PUT says what the layer is: giving back is leaving out."""
    with pytest.raises(ValidationError):
        read_changes(ParameterLayer, b'{"raw_frames": null}')


def test_a_whole_number_may_be_written_with_a_point() -> None:
    """JSON has one kind of number: 5.0 is 5, and 5.5 is none."""
    read = read_changes(ParameterLayer, b'{"outbox_limit_mib": 64.0}')["outbox_limit_mib"]
    assert (read, type(read)) == (64, int)
    with pytest.raises(ValidationError):
        read_changes(ParameterLayer, b'{"outbox_limit_mib": 64.5}')
