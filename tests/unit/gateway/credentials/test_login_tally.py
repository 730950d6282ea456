"""Logins at the broker by name and minute: bounded, whatever comes."""

from datetime import UTC, datetime, timedelta

from broker.mosquitto.login_log import Attempt, Result
from gateway.credentials.login_tally import NAMES, OTHERS, LoginTally

AT = datetime(2026, 11, 29, 13, 9, tzinfo=UTC)
HOUR = AT.replace(minute=0)


def test_one_that_hammers_is_one_line_and_names_that_are_made_up_are_one_more() -> None:
    """A thousand attempts of one name count once, a thousand names as the first twenty and the rest."""
    tally = LoginTally()
    for number in range(1000):
        tally.note(Attempt(Result.REFUSED, "pi-1"), AT)
        tally.note(Attempt(Result.REFUSED, f"made-up-{number}"), AT)
    found = {one.name: one for one in tally.take(AT)}
    assert len(found) == NAMES + 1
    assert found["pi-1"].times == 1000
    assert found[OTHERS].times == 1000 - (NAMES - 1)
    assert all(one.refused and one.at == AT for one in found.values())
    assert tally.take(AT) == []


def test_people_are_told_by_the_hour_and_all_else_is_a_number() -> None:
    """Devices and services that come and go stand in no audit."""
    tally = LoginTally()
    for name in ("pi-1", "pi-2", "gateway", "ingestor", "wattline-anna", "wattline-anna", "engineer"):
        tally.note(Attempt(Result.LET_IN, name, "10.0.0.7"), AT)
    tally.note(Attempt(Result.BROKEN), AT)
    found = [(one.name, one.times, one.at) for one in tally.take(AT)]
    assert found == [("", 7, AT), ("wattline-anna", 1, HOUR), ("engineer", 1, HOUR)]
    tally.note(Attempt(Result.LET_IN, "wattline-anna"), AT + timedelta(hours=1))
    next_hour = AT + timedelta(hours=1)
    assert [one.name for one in tally.take(next_hour)] == ["", "wattline-anna", "engineer", "wattline-anna"]
    assert [(one.name, one.at) for one in tally.take(next_hour)] == [("wattline-anna", HOUR + timedelta(hours=1))]


def test_whoever_comes_as_an_hour_ends_is_told_all_the_same() -> None:
    """Somebody who comes in the next one, before it was written, takes nobody away."""
    tally = LoginTally()
    last = HOUR - timedelta(seconds=1)
    tally.note(Attempt(Result.LET_IN, "wattline-anna"), last)
    tally.note(Attempt(Result.LET_IN, "wattline-bob"), HOUR)
    tally.note(Attempt(Result.LET_IN, "wattline-anna"), HOUR)
    people = [(one.name, one.at) for one in tally.take(last.replace(second=0)) if one.name]
    assert people == [
        ("wattline-anna", HOUR - timedelta(hours=1)), ("wattline-bob", HOUR), ("wattline-anna", HOUR),
    ]  # fmt: skip


def test_who_was_let_in_without_a_name_that_is_known_is_a_line_of_an_hour() -> None:
    """Once, with the address of the first."""
    tally = LoginTally()
    for _ in range(3):
        tally.note(Attempt(Result.LET_IN, "", "10.0.0.7"), AT)
    assert [(one.name, one.times, one.address) for one in tally.take(AT)] == [("", 3, ""), (OTHERS, 1, "10.0.0.7")]
