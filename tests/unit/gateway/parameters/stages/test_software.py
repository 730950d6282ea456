"""How a device takes a staged change of its software, by what its updater says: a table, and what must always hold."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.contract.software import SoftwareState
from gateway.desired.layers import Layer
from gateway.parameters.stages.judging import judged, observed
from gateway.parameters.stages.plan import Member, Observation, SoftwareSeen, Stage

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
STAGE = Stage(
    1, "fleet", 0, Layer(), ("software_release",), ("10%", "100%"), 0, 60, 600, 0, "running", None, "eva", None, NOW
)
GIVEN = Member(1, "d1", 0, None, reads=False, state="pending", software=5)
QUIET = Observation(True, 0, None, None, False, (), None, None, 20.0)


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def seen(state: SoftwareState, since_s: float = 0, version: int = 5, **more: Any) -> SoftwareSeen:
    return SoftwareSeen(**{"version": version, "state": state, "since": at(since_s), "probation_s": 300, **more})


def took(software: SoftwareSeen, after_s: float, observation: dict[str, Any], **member: Any) -> Member:
    found = replace(QUIET, software=software, **observation)
    return observed(STAGE, replace(GIVEN, **member), found, at(after_s))


OFFLINE = {"online": False}
WHY = ("release: no reading came",)


@pytest.mark.parametrize(
    ("software", "after_s", "observation", "member", "state", "why"),
    [
        (SoftwareSeen(), 599, {}, {}, "pending", ""),
        (SoftwareSeen(), 600, {}, {}, "unreachable", "no updater of it has ever reported"),
        (SoftwareSeen(), 600, OFFLINE, {}, "unreachable", "offline"),
        (seen("confirmed", version=4), 599, {}, {}, "pending", ""),
        (seen("confirmed", version=4), 600, {}, {}, "failed", "its updater has not taken it in 600 s"),
        (seen("confirmed", version=4), 600, OFFLINE, {}, "unreachable", "offline"),
        (seen("fetching"), 599, {}, {}, "pending", ""),
        (seen("fetching"), 600, {}, {}, "unreachable", "fetching: no reason given"),
        (seen("waiting", reasons=("source: away",)), 600, {}, {}, "unreachable", "waiting: source: away"),
        (seen("waiting"), 300, {}, {"state": "unreachable", "why": "offline"}, "pending", ""),
        (seen("trial", 700), 1599, {}, {}, "applied", ""),
        (seen("trial", 700), 1600, OFFLINE, {}, "failed", "no end of its trial in 900 s"),
        (seen("refused", reasons=WHY), 1, {}, {}, "failed", "refused: release: no reading came"),
        (seen("rolled_back", reasons=WHY), 1, {}, {"state": "applied"}, "failed", "rolled_back: release: no reading"),
        (seen("confirmed", 100), 159, {}, {}, "applied", ""),
        (seen("confirmed", 100), 160, {}, {}, "healthy", ""),
        # with readings before it must give some after it, too
        (seen("confirmed", 100), 161, {}, {"reads": True}, "failed", "no reading for 60 s"),
        (seen("confirmed", 100), 160, {"reading_at": at(120)}, {"reads": True}, "healthy", ""),
        (seen("rolled_back", version=6), 1, {}, {"state": "healthy"}, "healthy", ""),
        (seen("rolled_back", version=6), 1, {}, {}, "unreachable", "it was given other software meanwhile"),
        # what its configuration does is another matter, unless the change is of that too
        (seen("confirmed", 100), 160, {"trouble": "config_reverted"}, {}, "healthy", ""),
        (seen("confirmed", 100), 160, {"trouble": "config_reverted"}, {"version": 3}, "failed", "event config_rever"),
        (seen("confirmed", 100), 160, {"reported_version": 2}, {"version": 3}, "pending", ""),
        (seen("rolled_back"), 160, {"reported_version": 2}, {"version": 3}, "failed", "rolled_back: no reason given"),
        (seen("trial", 100), 160, {"reported_version": 3, "reported_state": "applied"}, {"version": 3}, "applied", ""),
    ],
)
def test_how_a_device_takes_software(
    software: SoftwareSeen, after_s: float, observation: dict[str, Any], member: dict[str, Any], state: str, why: str
) -> None:
    """Each thing that an updater can say, or not, at the moment where it begins to count."""
    found = took(software, after_s, observation, **member)
    assert found.state == state
    assert (found.why or "").startswith(why)


@given(
    state=st.sampled_from((None, *get_args(SoftwareState))),
    version=st.integers(0, 7),
    after_s=st.floats(0, 10_000),
    online=st.booleans(),
    since_s=st.floats(0, 10_000),
)
def test_nothing_but_a_confirmation_counts_as_good_and_nothing_holds_a_step_for_ever(
    state: SoftwareState | None, version: int, after_s: float, online: bool, since_s: float
) -> None:
    """Healthy is only who confirmed this version; after timeout, probation and timeout again nobody is waited for."""
    known = SoftwareSeen(version if state else 0, state, at(min(since_s, after_s)), probation_s=300)
    found = took(known, after_s, {"online": online})
    if found.state == "healthy":
        assert (known.version, state) == (5, "confirmed")
    latest = took(known, after_s + 600 + 300 + 600, {"online": online})
    assert latest.state not in ("pending", "applied")
    assert judged(STAGE, [latest], at(after_s + 1500)).act != "wait"
