"""Peaks of past months in P1 telegrams: at their own quarter-hours, in the series of the present month's peak."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from meters.decoding.engine import decode
from meters.specs.catalogue import catalogue
from meters.telegram import Frame, Wire
from meters.wires.p1 import parse_p1
from meters.wires.text.checks import crc16

NOW = datetime(2023, 11, 2, 11, 15, 50, tzinfo=UTC)
FLUVIUS = next(spec for spec in catalogue() if spec.name == "fluvius-digital-meter")


def rows(months: str) -> list[tuple[datetime | None, dict[str, Decimal]]]:
    """What history comes of a telegram with this line."""
    lines = ("/FLU5\\253769484_A", "", "0-0:96.1.4(50217)", "0-0:1.0.0(231102121548W)", "1-0:1.8.1(000301.548*kWh)")
    text = "\r\n".join((*lines, "1-0:1.6.0(231102114500W)(03.064*kW)", months, "!")).encode()
    telegram = parse_p1(Frame(Wire.P1, text + f"{crc16(text):04X}\r\n".encode()))
    found = decode(FLUVIUS, telegram, near=NOW)
    assert Decimal("301.548") in [value for sample in found.samples for value in sample.values.values()]
    return [(sample.at, sample.values) for sample in found.samples if sample.profile]


def test_each_month_s_peak_stands_at_its_own_time() -> None:
    """Over a change of summer time; a month without a peak has none."""
    assert rows(
        "0-0:98.1.0(3)(1-0:1.6.0)(1-0:1.6.0)(230801000000S)(632525252525W)(00.000*kW)"
        "(230901000000S)(230831181500S)(01.862*kW)(231101000000W)(231016130000S)(04.927*kW)"
    ) == [
        (datetime(2023, 8, 31, 16, 15, tzinfo=UTC), {"1-0:1.6.0": Decimal("1.862")}),
        (datetime(2023, 10, 16, 11, tzinfo=UTC), {"1-0:1.6.0": Decimal("4.927")}),
    ]


@pytest.mark.parametrize(
    "months",
    [
        "0-0:98.1.0(0)(1-0:1.6.0)(1-0:1.6.0)",
        "0-0:98.1.0()",
        "0-0:98.1.0(230701000000S)(000040.777*kWh)(000008.950*kWh)(000031.827*kWh)",
        "0-0:98.1.0(2)(1-0:1.6.0)(1-0:2.6.0)(230901000000S)(230831181500S)(01.862*kW)",
        "0-0:98.1.0(1)(1-0:1.6.0)(1-0:1.6.0)(230901000000S)(231131181500S)(01.862*kW)",
        "0-0:98.1.0(1)(1-0:1.6.0)(1-0:1.6.0)(230901000000S)(241031181500S)(01.862*kW)",
        "0-0:98.1.0(99)(1-0:1.6.0)(1-0:1.6.0)(230901000000S)(230831181500S)",
    ],
)
def test_another_layout_and_times_that_are_none_give_nothing(months: str) -> None:
    """None, Hungary's registers without codes, two codes, no such day, one to come, a torn one."""
    assert rows(months) == []
