"""What `wattline device show` says of a meter, and of the outbox."""

import pytest

from cli.devices import _outbox, _product


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


def test_what_waits_in_the_outbox_is_said_with_its_age() -> None:
    """And that nothing does, or that nobody tells."""
    told = {
        "told_at": "2026-11-29T03:30:00Z",
        "waiting": 0,
        "waiting_for_s": 0.0,
        "unconfirmed": 0,
        "unconfirmed_for_s": 0.0,
    }
    late = told | {"unconfirmed": 12, "unconfirmed_for_s": 90.2}
    both = late | {"waiting": 1, "waiting_for_s": 61.0}
    receipt = "12 messages waiting for the store's receipt, the oldest for 90 s"
    assert _outbox(told).startswith("nothing waits for longer than a minute (told 2026-11-29")
    assert _outbox(late).startswith(f"{receipt} (told ")
    assert _outbox(both).startswith(f"1 message to be sent, the oldest for 61 s; {receipt} (told ")
    assert _outbox(None) == "not told"
