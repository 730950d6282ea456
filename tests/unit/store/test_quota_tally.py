"""Quotas of a day, counted in memory: what is over is cut and told, a new day begins anew, others' use counts."""

from datetime import date
from typing import Any

from store.quota_tally import Cut, Row, Tally
from store.quotas import MIB, Noted, Quota, QuotaLimits

DAY, NEXT = date(2026, 11, 29), date(2026, 11, 30)


def tally(**more: Any) -> Tally:
    """With ten events and two meters a day, on one day."""
    made = Tally({Quota.EVENTS: 10, Quota.METERS: 2}, **more)
    made.turn(DAY)
    return made


def take(of: Tally, count: int, device: str = "pi-1") -> int:
    """How many of so many events are taken."""
    return sum(of.take(device, Quota.EVENTS, 1, 100) for _ in range(count))


def noted(row: Row, used: int) -> Noted:
    return Noted(row.day, row.device, row.quota, used)


def test_what_is_over_is_cut_and_nobody_else_is() -> None:
    """The limit is a device's own; what was cut is counted with its bytes, and the first of a day is told as such."""
    cuts: list[Cut] = []
    of = tally(on_cut=cuts.append)
    assert (take(of, 25), take(of, 5, "pi-2")) == (10, 5)
    assert list(of.rows()) == [
        Row(DAY, "pi-1", Quota.EVENTS, 10, 15, 1500, 10),
        Row(DAY, "pi-2", Quota.EVENTS, 5, 0, 0, 10),
    ]
    assert [cut.first for cut in cuts] == [True] + 14 * [False]
    assert cuts[0] == Cut("pi-1", Quota.EVENTS, 1, 100, 10, True)


def test_what_others_counted_is_known_once_the_database_was_told() -> None:
    """Two ingestors share a device's quota, and a restart does not renew it."""
    of = tally()
    take(of, 2)
    (row,) = of.rows()
    take(of, 1)
    of.told(row, noted(row, 8))
    assert [one.used for one in of.rows()] == [1]
    assert of.room("pi-1", Quota.EVENTS) == 1
    assert take(of, 5) == 1


def test_a_new_day_begins_anew_and_the_old_one_is_still_told() -> None:
    """What was used at its end is not lost, and not counted against the new one."""
    of = tally()
    take(of, 20)
    of.turn(NEXT)
    assert take(of, 3) == 3
    rows = list(of.rows())
    assert [(row.day, row.used, row.cut) for row in rows] == [(DAY, 10, 10), (NEXT, 3, 0)]
    for row in rows:
        of.told(row, noted(row, row.used))
    assert (list(of.rows()), of.room("pi-1", Quota.EVENTS)) == ([], 7)


def test_what_has_no_limit_is_neither_cut_nor_counted() -> None:
    """So a retry of quarantine, and tests, have no quotas."""
    of = Tally()
    assert all(of.take("pi-1", Quota.QUARANTINE, MIB, MIB) for _ in range(10))
    assert (of.room("pi-1", Quota.METERS), list(of.rows())) == (None, [])


def test_memory_is_bounded() -> None:
    """Those that the database was told of go first, and are known again once they use something."""
    of = tally(most=50)
    for number in range(500):
        take(of, 1, f"pi-{number}")
        for row in list(of.rows()):
            of.told(row, noted(row, 1))
    take(of, 30, "flood")
    assert len(list(of.rows())) == 1
    assert of.room("flood", Quota.EVENTS) == 0


def test_limits_are_of_days_and_in_bytes() -> None:
    """As they are set in MiB."""
    days = QuotaLimits(quarantine_mib_per_day=2, events_per_day=7).days()
    assert (days[Quota.QUARANTINE], days[Quota.EVENTS]) == (2 * MIB, 7)
    assert Quota.MESSAGES not in days


def test_what_is_counted_before_the_day_is_known_is_of_that_day() -> None:
    """A gateway counts before it has asked for the time; nothing is told of a day that never was."""
    of = Tally({Quota.EVENTS: 10})
    assert take(of, 3) == 3
    assert list(of.rows()) == []
    of.turn(DAY)
    assert [(row.day, row.used) for row in of.rows()] == [(DAY, 3)]
    assert take(of, 30) == 7
