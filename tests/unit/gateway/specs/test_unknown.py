"""Which unknown meters are one product."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.fleet.meters import ADDRESSES
from gateway.specs.unknown import UnknownMeter, grouped

AT = datetime(2026, 11, 23, 10, tzinfo=UTC)


def meter(number: int, **changes: Any) -> UnknownMeter:
    values: dict[str, Any] = {
        "meter_id": number, "meter": f"ZZZ:{number}", "device": "d1", "protocol": "p1", "manufacturer": "ZZZ",
        "product": None, "serial": str(number), "facts": {}, "spec": None, "installed_at": AT, "frames": 1,
        "first_frame_at": None, "last_frame_at": None,
    }  # fmt: skip
    return UnknownMeter(**{**values, **changes})


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        ({"product": "A"}, {"product": "A"}, True),
        ({"product": "A"}, {"product": "B"}, False),
        ({"product": "A"}, {"product": "A", "manufacturer": "YYY"}, False),
        ({"product": "A"}, {"product": "A", "protocol": "sml"}, False),
        # the product's name counts before what the wire says of the single meter
        ({"product": "A", "facts": {"identification": "X"}}, {"product": "A", "facts": {"identification": "Y"}}, True),
        ({"facts": {"identification": "ZZZ5MODEL-1"}}, {"facts": {"identification": "ZZZ5MODEL-1"}}, True),
        ({"facts": {"identification": "ZZZ5MODEL"}}, {"facts": {"identification": "ZZZ5OTHER"}}, False),
        # tariffs and billing periods come and go with the contract
        ({"facts": {ADDRESSES: ["1-0:1.8.1"]}}, {"facts": {ADDRESSES: ["1-0:1.8.2*03", "1-0:1.8.0"]}}, True),
        ({"facts": {ADDRESSES: ["1-0:1.8.0"]}}, {"facts": {ADDRESSES: ["1-0:2.8.0"]}}, False),
        ({"facts": {}}, {"facts": {ADDRESSES: []}}, True),
    ],
)
def test_meters_of_one_product_are_one_group(one: dict[str, Any], other: dict[str, Any], together: bool) -> None:
    """By protocol, manufacturer and product, or what else names it."""
    assert (len(grouped([meter(1, **one), meter(2, **other)])) == 1) is together


def test_a_group_adds_up_its_meters_and_the_largest_comes_first() -> None:
    """Meters, devices, generic specs, frames, since when, and the last frame; the name does not depend on the order."""
    many = [
        meter(1, product="A", device=None, frames=2, first_frame_at=AT - timedelta(days=1), last_frame_at=AT),
        meter(2, product="A", spec="generic-p1@1", installed_at=None, last_frame_at=AT + timedelta(hours=1)),
    ]
    few = meter(3, product="B", frames=100)
    first, second = grouped([few, *many])
    assert (first.family, first.meters, first.ids, first.devices) == ("A", ["ZZZ:1", "ZZZ:2"], [1, 2], {"d1"})
    assert (first.frames, first.specs) == (3, {"generic-p1@1"})
    assert (first.since, first.last_frame_at) == (AT - timedelta(days=1), AT + timedelta(hours=1))
    assert (second.family, second.frames, second.since) == ("B", 100, AT)
    assert [one.group for one in grouped([*reversed(many), few])] == [first.group, second.group]
