"""What `wattline device show` says of a meter."""

import pytest

from gateway.device_cli import _product


@pytest.mark.parametrize(
    ("manufacturer", "product", "identification", "told"),
    [
        ("LGZ", "E350", "LGZ5E350", "LGZ E350"),
        ("KFM", None, "KFM5KAIFA-METER", "KFM5KAIFA-METER"),
        ("KFM", None, "5KAIFA-METER", "KFM 5KAIFA-METER"),
        ("EMH", None, None, "EMH"),
        (None, None, None, ""),
    ],
)
def test_a_meter_without_a_product_is_what_it_calls_itself(
    manufacturer: str | None, product: str | None, identification: str | None, told: str
) -> None:
    """SML names the manufacturer alone; others an identification; nothing is said twice."""
    facts = {"identification": identification} if identification else {}
    meter = {"meter": "X:1", "manufacturer": manufacturer, "product": product}
    assert _product(meter, {"X:1": {"key": "X:1", "facts": facts}}) == told
