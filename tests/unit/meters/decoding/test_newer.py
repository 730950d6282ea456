"""Specs of a newer Wattline: read without what is unknown here, unless a reading would be another."""

from typing import Any

import pytest

from broker.errors import ContractError
from meters.decoding.newer import spec_from_newer
from meters.specs.catalogue import catalogue
from meters.specs.spec import spec_document, spec_from


def document(name: str = "emh-lzqj") -> dict[str, Any]:
    """A shipped spec's document."""
    return spec_document(next(spec for spec in catalogue() if spec.name == name))


def test_a_spec_of_today_is_taken_whole() -> None:
    """Nothing is left out of what is known."""
    assert spec_from_newer(document(), origin="test") == (spec_from(document(), origin="test"), ())


@pytest.mark.parametrize(
    ("changes", "left_out"),
    [
        ({"alarms": {"method": "p.97"}}, ("alarms",)),
        ({"history": {"method": "p.03"}}, ("history",)),
        ({"event_log": {"method": "p.98", "language": "de"}}, ("event_log",)),
        ({"history": {"later": 1}, "alarms": 1}, ("history", "alarms")),
    ],
)
def test_sections_to_come_cost_no_reading(changes: dict[str, Any], left_out: tuple[str, ...]) -> None:
    """Readings are made by the rest, which the spec's own goldens prove."""
    spec, unknown = spec_from_newer(document() | changes, origin="test")
    assert unknown == left_out
    bare = {name: part for name, part in document().items() if name not in changes}
    assert spec == spec_from(bare, origin="test")


def test_what_would_change_a_reading_is_refused() -> None:
    """A field of decoding that is unknown here, where the golden expects what it does."""
    newer = document()
    golden = newer["goldens"][0]
    golden["values"] = golden["values"] | {"1-0:1.8.0": "24691.356"}
    newer["decode"] = newer.get("decode", {}) | {"transformer_ratio": 2}
    with pytest.raises(ContractError, match=r"changes readings.*12345\.678") as refused:
        spec_from_newer(newer, origin="test")
    assert (refused.value.field, refused.value.fix) == ("decode.transformer_ratio", "update the agent")


def test_without_a_golden_nobody_knows() -> None:
    """Left out of decoding, and no golden that tells: refused. A section beside readings needs none."""
    newer = document() | {"goldens": []}
    with pytest.raises(ContractError, match="no golden tells"):
        spec_from_newer(newer | {"alarms": 1}, origin="test")
    assert spec_from_newer(newer | {"event_log": {"method": "p.97"}}, origin="test")[1] == ("event_log",)


def test_goldens_with_fields_to_come_are_not_judged() -> None:
    """What they expect can't be told here; the others are."""
    newer = document()
    newer["goldens"].insert(0, newer["goldens"][0] | {"name": "new", "alarms": [], "values": {"1-0:1.8.0": "1"}})
    assert spec_from_newer(newer, origin="test")[1] == ("goldens.0.alarms",)


def test_what_is_wrong_beside_is_refused_as_ever() -> None:
    """An unknown field excuses no other fault, whose field is named."""
    with pytest.raises(ContractError) as refused:
        spec_from_newer(document() | {"alarms": 1, "digits": "many"}, origin="test")
    assert refused.value.field in {"digits", "alarms"}
