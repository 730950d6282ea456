"""Bounds of values: wide enough for any meter, narrow enough that nothing else is stored."""

import math

import pytest

from broker.contract.plausible_values import ALWAYS, ANYTHING, BoundsByCode, bounds_of


@pytest.mark.parametrize(
    ("code", "unit", "good", "bad"),
    [
        ("1-0:1.8.0", None, (0, 3e10, -5.0), (1.7e308, -2e11)),
        ("1-0:16.7.0", None, (-250.0, 4e6), (2e7, -1e12)),
        ("1-0:32.7.0", None, (0, 230.1, 420_000), (1e9,)),
        ("1-0:31.7.0", None, (0.25, 60_000), (-1e7,)),
        ("1-0:14.7.0", None, (0, 50.01, 400), (-1, 5000)),
        ("1-0:13.7.0", None, (-1, 0.98, 98), (2000,)),
        ("1-0:81.7.1", None, (-180, 360), (5000,)),
        ("0-0:96.7.21", None, (0, 65535, 2**32), (1e16,)),
        ("7-0:3.0.0", None, (0, 123456.789), (1e12,)),
        ("0-1:24.2.1", "GJ", (7.5,), (1e12,)),
        ("0-1:24.2.1", "furlong", (1e14,), (1e16,)),
        ("0-1:24.2.1", None, (1e14, -1e14), (-1e16,)),
        ("129-129:199.130.3", None, (1e14,), (1.7e308,)),
        ("6-0:8.0.0", "kW", (1000,), (1e9,)),
        ("no code", None, (1e14,), (math.inf,)),
    ],
)
def test_bounds(code: str, unit: str | None, good: tuple[float, ...], bad: tuple[float, ...]) -> None:
    """What a substation, a transformer or a household may show lies within; what none of them can does not."""
    low, high = bounds_of(code, unit)
    assert all(low <= value <= high for value in good)
    assert not any(low <= value <= high for value in bad)


def test_sums_of_plausible_values_stay_numbers() -> None:
    """A century of them, each second of it, is far below what a double holds; and the short cut cuts nothing off."""
    codes = [f"1-0:{c}.{d}.{e}" for c in range(1, 100) for d in range(40) for e in (0, 1, 124)]
    codes += [f"0-{b}:{c}.{d}.0" for b in (0, 1) for c in (17, 24, 96) for d in range(20)]
    for low, high in map(bounds_of, codes):
        assert ANYTHING[0] <= low <= ALWAYS[0]
        assert ALWAYS[1] <= high <= ANYTHING[1]
    assert math.isfinite(ANYTHING[1] * 100 * 366 * 86400)


def test_codes_are_remembered_up_to_a_bound() -> None:
    """A device that invents codes without end costs no memory without end."""
    known = BoundsByCode()
    for number in range(20_000):
        known[f"1-{number % 256}:{number // 256}.8.0"]
    assert len(known) <= 8192
    assert known["1-0:1.8.0"] == bounds_of("1-0:1.8.0")
