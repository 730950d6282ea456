"""Numbers of things and times as people read them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from broker.wording import counted
from gateway.wording import when


@pytest.mark.parametrize(("number", "said"), [(0, "0 devices"), (1, "1 device"), (2, "2 devices")])
def test_one_device_is_no_devices(number: int, said: str) -> None:
    """The noun follows the number."""
    assert counted(number, "device") == said


@pytest.mark.parametrize(
    "at",
    [
        "2026-11-24T14:03:22.987654Z",
        "2026-11-24T15:03:22+01:00",
        datetime(2026, 11, 24, 14, 3, 22, tzinfo=UTC),
        datetime(2026, 11, 24, 9, 3, 22, tzinfo=timezone(timedelta(hours=-5))),
    ],
)
def test_times_are_utc_and_say_so(at: str | datetime) -> None:
    """Whatever offset a time came with; none is nothing."""
    assert when(at) == "2026-11-24 14:03:22Z"
    assert when(at, seconds=False) == "2026-11-24 14:03Z"
    assert when(None) == ""
