"""Whatever a server writes into Retry-After, we wait for a bounded time."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.retry_after import retry_after_s

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120.0), (" 0 ", 0.0), ("Mon, 30 Nov 2026 12:01:00 GMT", 60.0), ("Mon, 30 Nov 2026 11:00:00 GMT", 0.0),
        ("999999999", 300.0), ("9" * 400, 300.0), ("Fri, 31 Dec 9999 23:59:59 GMT", 300.0), ("soon", None), ("", None),
        (None, None), ("-5", None), ("²", None), ("nan", None), ("inf", None), ("1e9", None),
        ("Mon, 30 Nov 2026 12:01:00 +" + "9" * 30, None),
    ],
)  # fmt: skip
def test_it_is_a_number_or_a_date_within_bounds(text: str | None, seconds: float | None) -> None:
    """RFC 9110 10.2.3; nobody makes us rest for ever, and NaN is no time to sleep."""
    assert retry_after_s(text, NOW, 300.0) == seconds


@given(st.text(max_size=40))
def test_none_breaks_us(text: str) -> None:
    """Whatever a server writes there."""
    found = retry_after_s(text, NOW, 300.0)
    assert found is None or 0 <= found <= 300
