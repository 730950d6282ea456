"""What models refuse, in words for people."""

import re
from typing import Annotated, Any

import pytest
from pydantic import Field, TypeAdapter, ValidationError
from pydantic_core import PydanticKnownError
from pydantic_core._pydantic_core import list_all_errors

from broker.contract.messages import BootId, MeterKey, Name, ObisCode, SpecRef
from broker.patterns import SOURCE_NAME, whole
from broker.plain_errors import plain_reason

SourceName = Annotated[str, Field(pattern=whole(SOURCE_NAME))]
INTERNALS = re.compile(
    r"Input should|valid dictionary|tuple|Field required|Extra inputs|valid integer|valid boolean|valid array|frozenset"
)
PYTHON_ONLY = ("named_tuple_type", "is_instance_of", "is_subclass_of", "callable_type", "complex_type", "fraction_type",
               "missing_sentinel_error", "ellipsis_error", "dataclass_exact_type", "arguments_type")  # fmt: skip
"""Errors of models that nothing of ours has."""


@pytest.mark.parametrize("known", list_all_errors(), ids=lambda one: one["type"])
def test_no_reason_speaks_of_pydantic_s_types(known: Any) -> None:
    """Each kind of error that a JSON document can meet has words of its own."""
    if known["type"] in PYTHON_ONLY:
        return
    context = known["example_context"]
    entry = {
        "type": known["type"],
        "ctx": context or {},
        "msg": PydanticKnownError(known["type"], context).message(),
    }
    assert not INTERNALS.search(plain_reason(entry))


@pytest.mark.parametrize("kind", [Name, BootId, MeterKey, SpecRef, ObisCode, SourceName])
def test_the_forms_of_names_and_codes_are_in_words(kind: Any) -> None:
    """No regular expression is shown for what has a name of its own."""
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(kind).validate_python("no such thing, ever")
    (entry,) = refused.value.errors()
    assert plain_reason(entry).startswith("must be ")
    assert "^" not in plain_reason(entry)


def test_reasons_follow_the_field_s_name() -> None:
    """They say what is wanted, with its bounds as an engineer writes them."""
    for kind, context, told in (
        ("dict_type", {}, 'must be a JSON object, such as {"name": "value"}'),
        ("tuple_type", {}, 'must be a list, such as ["this", "that"]'),
        ("less_than_equal", {"le": 86400.0}, "must be 86400 or less"),
        ("greater_than_equal", {"ge": 0.2}, "must be 0.2 or more"),
        ("string_too_short", {"min_length": 1}, "must not be empty"),
        ("too_long", {"max_length": 256, "actual_length": 300}, "must have at most 256, and has 300"),
        ("int_parsing", {}, "must be a whole number"),
        ("missing", {}, "is missing"),
    ):
        assert plain_reason({"type": kind, "ctx": context, "msg": "Input should be other words"}) == told
