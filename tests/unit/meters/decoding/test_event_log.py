"""Event logs by their spec: instants, codes, status bits, meanings."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from broker.errors import ContractError
from meters.decoding.event_log import log_entries
from meters.decoding.profile import log_request
from meters.specs.event_log import EventLog
from meters.specs.spec import load_spec
from meters.telegram import MeterTime, ProfileRow, Record

BERLIN = "Europe/Berlin"
AT = datetime(2026, 7, 1, 12, 0)  # noqa: DTZ001 - a meter's wall clock


def row(status: str = "", *records: Record, dst: bool | None = None) -> ProfileRow:
    """An entry at noon."""
    return ProfileRow(MeterTime(AT, dst), records, status)


def test_bits_of_a_status_word_are_named_the_highest_first() -> None:
    """One that has no name is told by its number; what is grave is a warning."""
    one, two, three = log_entries([row("8020"), row("00010001"), row("0")], EventLog(), BERLIN)
    assert (one.code, one.meaning, one.grave) == ("8020", "before_clock_set, clock_set", False)
    assert (two.meaning, two.grave) == ("bit_16, fatal_error", True)
    assert (three.code, three.meaning) == ("0", "")
    assert one.at == datetime(2026, 7, 1, 10, tzinfo=UTC)


def test_a_code_column_goes_before_the_status_word() -> None:
    """By its usual names or by the one in the spec; the other columns are kept as text."""
    idis = EventLog(table="idis", codes={200: "relay_opened"})
    code, more = Record("0-0:96.11.0", Decimal(40)), Record("1-0:32.7.0", Decimal("231.5"), "V")
    found = log_entries([row("80", code, more), row("", Record("0-0:C.11.0", "200"))], idis, BERLIN)
    assert [(one.code, one.meaning, one.grave) for one in found] == [
        ("40", "terminal_cover_removed", True),
        ("200", "relay_opened", False),
    ]
    assert found[0].values == {"1-0:32.7.0": "231.5 V"}
    (plain,) = log_entries([row("", code)], EventLog(), BERLIN)
    assert (plain.code, plain.meaning) == ("40", "")
    (other,) = log_entries([row("80", code, Record("0-0:96.1.1", "7"))], EventLog(code_from="0-0:96.1.1"), BERLIN)
    assert (other.code, other.values) == ("7", {"0-0:96.11.0": "40"})
    (text,) = log_entries([row("80", Record("0-0:C.11.0", "x"))], EventLog(), BERLIN)
    assert text.meaning == "power_failure"


def test_what_a_clock_that_was_never_set_stamps_is_no_entry() -> None:
    """Nor is what no zone says the instant of."""
    never = ProfileRow(MeterTime(datetime(2000, 1, 1)), (), "80")  # noqa: DTZ001
    assert [one.at for one in log_entries([never, row("80")], EventLog(), BERLIN)] == [
        datetime(2026, 7, 1, 10, tzinfo=UTC)
    ]
    assert log_entries([row("80")], EventLog(), None) == ()
    (winter,) = log_entries([row("80", dst=False)], EventLog(zone="Etc/GMT-1"), BERLIN)
    assert (winter.at, winter.stamp) == (datetime(2026, 7, 1, 11, tzinfo=UTC), "2026-07-01 12:00:00 winter")


def test_a_log_is_asked_for_with_its_range() -> None:
    """As a load profile is."""
    since, until = datetime(2026, 7, 1, 10, tzinfo=UTC), datetime(2026, 11, 23, 10, 15, tzinfo=UTC)
    assert log_request(EventLog(), since, until, BERLIN) == "P.98(22607011000;22611231015)"
    assert log_request(EventLog(method="p.99", stamps_in="local"), since, until, BERLIN) == (
        "P.99(12607011200;02611231115)"
    )


@pytest.mark.parametrize(
    ("section", "field"),
    [("{method: profile_generic}", "spec"), ("{stamp: hhmm}", "event_log"), ("{command: W5}", "event_log.command")],
)
def test_a_wrong_section_is_refused(section: str, field: str) -> None:
    """The field is named."""
    text = (
        "name: logs\nversion: 1\nproduct: {name: meter}\nmatch: {protocol: iec62056-21}\nsource: [test]\n"
        f"standard: true\nevent_log: {section}\n"
    )
    with pytest.raises(ContractError) as refusal:
        load_spec(text, origin="test")
    assert refusal.value.field.startswith(field)
