"""When a meter that another device registers too becomes that one's."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gateway.fleet.claims import Claim, SilenceLimits, contested, granted, silent_since, with_behind

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
LIMITS = SilenceLimits(silence_s=1800, disputed_s=86400)


def ago(**of: float) -> datetime:
    return NOW - timedelta(**of)


CLAIM = Claim(
    meter_id=1, key="ZZZ:1", parent=None, device_id=2, device="new", owner_id=1, owner="old", since=ago(hours=1),
    claimed_at=ago(minutes=59), disputed_at=None, refused_at=None, shown=True, removed_at=None, read_at=ago(hours=2),
    heard_at=ago(hours=2), cadence_s=10.0, now=NOW,
)  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, "silent"),
        ({"heard_at": ago(minutes=29)}, None),
        ({"heard_at": ago(minutes=30)}, "silent"),
        ({"cadence_s": 3600.0}, None),
        ({"cadence_s": 3600.0, "heard_at": ago(hours=3)}, "silent"),
        ({"heard_at": None, "claimed_at": ago(minutes=5)}, None),
        ({"heard_at": None}, "silent"),
        ({"removed_at": ago(minutes=1), "heard_at": NOW}, "given_up"),
        ({"disputed_at": ago(hours=5), "heard_at": ago(hours=4)}, None),
        ({"disputed_at": ago(days=2), "heard_at": ago(days=1)}, "silent"),
        ({"claimed_at": ago(hours=9), "read_at": ago(hours=8)}, None),
        ({"claimed_at": ago(hours=2, minutes=10)}, "silent"),
        ({"refused_at": ago(days=1), "removed_at": NOW}, None),
        ({"shown": False, "removed_at": NOW}, None),
        ({"now": ago(hours=1, minutes=40)}, None),
    ],
)
def test_a_claim_waits_for_silence(changes: dict[str, object], why: str | None) -> None:
    """By the meter's own cadence; longer where its owner has read it since, for ever where a person said no."""
    assert replace(CLAIM, **changes).why(LIMITS) == why  # type: ignore[arg-type]


def test_a_claim_never_begins_in_what_the_owner_told() -> None:
    """The device's word counts, but not before the newest reading of the owner's, nor after we knew of it."""
    assert replace(CLAIM, since=ago(days=30)).at == ago(hours=2) + timedelta(microseconds=1)
    assert replace(CLAIM, since=NOW + timedelta(days=1)).at == CLAIM.claimed_at
    assert replace(CLAIM, read_at=None).at == CLAIM.since


def test_what_stands_behind_a_meter_goes_with_it() -> None:
    """A gas meter that is read once an hour does not wait three hours more; one behind another's meter does."""
    gas = replace(CLAIM, meter_id=2, key="MBUS:1", parent="ZZZ:1", cadence_s=3600.0)
    assert granted([gas, CLAIM], LIMITS) == [(CLAIM, "silent"), (gas, "silent")]
    assert granted([gas], LIMITS) == []
    assert granted([replace(gas, owner_id=9), CLAIM], LIMITS) == [(CLAIM, "silent")]
    assert granted([replace(gas, refused_at=NOW), CLAIM], LIMITS) == [(CLAIM, "silent")]


def test_silence_is_asked_of_each_meter_by_its_own_length() -> None:
    """One meter's long silence asks nothing of another; what goes with a meter is as silent as that one."""
    gas = replace(CLAIM, meter_id=2, key="MBUS:1", parent="ZZZ:1", cadence_s=3600.0)
    slow = replace(CLAIM, meter_id=3, key="ZZZ:2", cadence_s=7200.0)
    given = replace(CLAIM, meter_id=4, key="ZZZ:3", removed_at=NOW)
    held = [(CLAIM, "silent"), (gas, "silent"), (slow, "silent"), (given, "given_up")]
    half_an_hour = {"ZZZ:1": ago(minutes=30), "MBUS:1": ago(minutes=30)}
    assert silent_since(held, LIMITS) == half_an_hour | {"ZZZ:2": ago(hours=6)}  # type: ignore[arg-type]


def test_a_meter_is_contested_where_it_is_anothers() -> None:
    """One that nobody has, its own, and one that was given up are not."""
    assert contested({"a": None, "b": 2, "c": 1, "d": 1}, {"d"}, 2) == {"c"}


def test_what_stands_behind_a_meter_waits_with_it_however_far() -> None:
    """Through others behind it, and where parents go in a circle."""
    parents = {"gas": "main", "valve": "gas", "own": None, "a": "b", "b": "a"}
    assert with_behind({"main"}, parents) == {"main", "gas", "valve"}
    assert with_behind({"a"}, parents) == {"a", "b"}
    assert with_behind((), parents) == set()
