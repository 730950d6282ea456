"""What span of a meter's memory may be asked for."""

import pytest

from broker.contract.commands import ReadProfile
from broker.errors import ContractError


def test_nobody_asks_for_the_time_of_before_meters() -> None:
    """Years near the first overflow in zones west of Greenwich, and slices of a century keep all others waiting."""
    with pytest.raises(ContractError, match="from is before 2000"):
        ReadProfile.parse(b'{"from": "0001-01-02T00:00:00Z", "to": "2026-11-29T00:00:00Z"}')
    assert ReadProfile.parse(b'{"from": "2000-01-01T00:00:00Z", "to": "2026-11-29T00:00:00Z"}').since.year == 2000
