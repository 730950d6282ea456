"""Time integrals and cumulative values of IEC 62056-6-1, table of value group D."""

import pytest

from broker.contract.obis import Kind, Obis, lookup


@pytest.mark.parametrize(
    ("code", "unit", "kind"),
    [
        ("1-0:1.17.0", "kWh", Kind.REGISTER),
        ("1-0:42.1.0", "kW", Kind.REGISTER),
        ("1-0:1.12.0", "kW", Kind.REGISTER),
        ("1-0:1.22.1", "kW", Kind.REGISTER),
        ("1-0:3.23.0", "kvar", Kind.INTERVAL),
    ],
)
def test_less_common_processing_groups_are_known(code: str, unit: str, kind: Kind) -> None:
    """Time integral 7 is energy as 8 and 9 are; cumulative minima and maxima are power."""
    quantity = lookup(Obis.parse(code))
    assert quantity is not None
    assert (quantity.unit, quantity.kind) == (unit, kind)
