"""Meter stamps into instants: the spec's zone decides what S and W and naive wall-clock times mean."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from meters.decoding.meter_time import WallClock, instant, telegram_time, wall_clock
from meters.specs.sections import TimeRule
from meters.specs.stamps import parse_stamp
from meters.telegram import MeterTime, Record, Telegram, Wire


def stamp(text: str, *, dst: bool | None = None) -> MeterTime:
    return MeterTime(datetime.fromisoformat(text), dst)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "text", "dst", "expected"),
    [
        ("Europe/Amsterdam", "2025-10-26T02:00:00", True, "2025-10-26T00:00:00"),
        ("Europe/Amsterdam", "2025-10-26T02:00:00", False, "2025-10-26T01:00:00"),
        ("Europe/Dublin", "2025-07-01T12:00:00", True, "2025-07-01T11:00:00"),
        ("Europe/Dublin", "2025-01-01T12:00:00", False, "2025-01-01T12:00:00"),
        ("Europe/Dublin", "2023-02-02T13:27:47", True, "2023-02-02T12:27:47"),
        ("Australia/Sydney", "2025-01-01T12:00:00", True, "2025-01-01T01:00:00"),
        ("Europe/Amsterdam", "2016-11-07T19:00:00", None, "2016-11-07T18:00:00"),
        ("Europe/Amsterdam", "2025-10-26T02:30:00", None, "2025-10-26T00:30:00"),
        ("Europe/Vilnius", "2023-08-08T11:38:11", True, "2023-08-08T08:38:11"),
        ("Europe/Vilnius", "2024-01-08T11:38:11", False, "2024-01-08T09:38:11"),
        ("Europe/Vilnius", "2025-10-26T03:30:00", True, "2025-10-26T00:30:00"),
        ("Europe/Vilnius", "2025-10-26T03:30:00", False, "2025-10-26T01:30:00"),
        ("Europe/Vilnius", "2025-03-30T02:59:59", False, "2025-03-30T00:59:59"),
        ("Europe/Vilnius", "2025-03-30T04:00:00", True, "2025-03-30T01:00:00"),
        ("Europe/Helsinki", "2025-07-01T12:00:00", False, "2025-07-01T10:00:00"),
        ("Europe/Tallinn", "2025-07-01T12:00:00", None, "2025-07-01T09:00:00"),
        ("Europe/Riga", "2025-03-30T04:00:00", None, "2025-03-30T01:00:00"),
    ],
)
def test_season_flags_and_naive_times_follow_the_zone(zone: str, text: str, dst: bool | None, expected: str) -> None:
    """S and W are the zone's own offsets, also in the hour that occurs twice; a naive one there is its first pass."""
    assert instant(stamp(text, dst=dst), WallClock(zone)) == utc(expected)


def test_a_stamp_with_its_own_offset_needs_no_zone() -> None:
    """UTC seconds of a meter are what they are; a naive stamp without zone is no instant."""
    at = utc("2025-07-01T12:00:00")
    assert instant(MeterTime(at.replace(tzinfo=None), None, at), WallClock()) == at
    assert instant(stamp("2025-07-01T12:00:00"), WallClock()) is None


@pytest.mark.parametrize(
    "text", ["1970-01-01T01:00:00", "2000-01-01T00:10:00", "2070-01-01T01:00:00", "0001-01-01T00:00"]
)
def test_clocks_that_were_never_set_give_no_time(text: str) -> None:
    """1970 (also as 2070 of two digits) and the first day of 2000 are what unset clocks show."""
    assert instant(stamp(text, dst=False), WallClock("Europe/Berlin")) is None


@pytest.mark.parametrize(
    ("layout", "text", "expected"),
    [
        ("YYMMDDhhmmss", "221113202405", MeterTime(datetime(2022, 11, 13, 20, 24, 5))),  # noqa: DTZ001
        ("YYYY-MM-DD&hh:mm:ss", "2017-01-18&01:36:47", MeterTime(datetime(2017, 1, 18, 1, 36, 47))),  # noqa: DTZ001
        ("sYYMMDDhhmm", "12208231615", MeterTime(datetime(2022, 8, 23, 16, 15), True)),  # noqa: DTZ001
        ("YYMMDDhhmmssS", "231102121548W", MeterTime(datetime(2023, 11, 2, 12, 15, 48), False)),  # noqa: DTZ001
        ("YYMMDDhhmm", "2213400000", None),
        ("YYMMDDhhmm", "221113 2024", None),
        ("hh.mm DD.MM.YY", "20.24 13.11.22", MeterTime(datetime(2022, 11, 13, 20, 24))),  # noqa: DTZ001
    ],
)
def test_layouts_read_what_meters_write(layout: str, text: str, expected: MeterTime | None) -> None:
    """The stamp language of docs/SPECS.md; a text that is no such time gives none."""
    assert parse_stamp(text, layout) == expected


def test_date_and_time_of_two_records_are_one_stamp() -> None:
    """Leading zeros that a number lost are put back."""
    rule = TimeRule(source=("0.9.2", "0.9.1"), format="YYMMDD|hhmmss", zone="Europe/Berlin")
    records = (Record("0.9.1", Decimal(2405)), Record("0.9.2", "221113"))
    assert telegram_time(rule, Telegram(Wire.IEC62056_21, records), WallClock(rule.zone)) == utc("2022-11-12T23:24:05")
    assert telegram_time(rule, Telegram(Wire.IEC62056_21, records[:1]), WallClock(rule.zone)) is None


@pytest.mark.parametrize(
    ("received", "expected"),
    [
        ("2025-10-26T00:30:08", "2025-10-26T00:30:00"),
        ("2025-10-26T01:30:08", "2025-10-26T01:30:00"),
        ("2025-10-26T01:29:55", "2025-10-26T01:30:00"),
        ("2025-10-27T12:00:00", "2025-10-26T01:30:00"),
    ],
)
def test_a_naive_stamp_in_the_hour_that_occurs_twice_is_the_pass_nearer_to_its_receipt(
    received: str, expected: str
) -> None:
    """Else the second pass would be an hour off, and its zone suspected, each autumn."""
    naive = stamp("2025-10-26T02:30:00")
    assert instant(naive, WallClock("Europe/Brussels", utc(received))) == utc(expected)
    assert instant(naive, WallClock("Europe/Brussels")) == utc("2025-10-26T00:30:00")
    flagged = stamp("2025-10-26T02:30:00", dst=True)
    assert instant(flagged, WallClock("Europe/Brussels", utc(received))) == utc("2025-10-26T00:30:00")


@pytest.mark.parametrize(
    ("wire", "own", "site", "zone"),
    [
        (Wire.P1, "Europe/Amsterdam", "Europe/Vilnius", "Europe/Vilnius"),
        (Wire.P1, "Europe/Amsterdam", "", "Europe/Amsterdam"),
        (Wire.P1, None, "Europe/Vilnius", "Europe/Vilnius"),
        (Wire.IEC62056_21, "Europe/Berlin", "Europe/Riga", "Europe/Riga"),
        (Wire.IEC62056_21, "UTC", "Europe/Riga", "UTC"),
        (Wire.SML, None, "Europe/Riga", None),
    ],
)
def test_the_site_says_the_zone_before_the_spec(wire: Wire, own: str | None, site: str, zone: str | None) -> None:
    """Except where a product keeps UTC wherever it hangs, and where the protocol states offsets itself."""
    assert wall_clock(TimeRule(zone=own), Telegram(wire, ()), site, None) == WallClock(zone)
